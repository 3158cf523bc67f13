"""Files that cannot be read end in one sentence: what, where, what to do."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from tests.storage.market_frames import bars
from workbench.domain.errors import InputError
from workbench.storage.files import fingerprint, read_file


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "bars.parquet"
    bars(500).write_parquet(path)
    return path


def test_parquet_and_csv_come_back_with_their_columns(parquet: Path, tmp_path: Path):
    assert read_file(parquet).equals(bars(500))
    csv = tmp_path / "bars.csv"
    bars(5).write_csv(csv)
    assert read_file(csv).columns == bars(5).columns


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_usual_separator_is_understood(tmp_path: Path, separator: str):
    path = tmp_path / "bars.txt"
    path.write_text("ts;open;volume\n2025-03-17;1.5;2\n".replace(";", separator))
    assert read_file(path).row(0) == ("2025-03-17", 1.5, 2)


def test_packed_csv_with_a_byte_order_mark_is_read(tmp_path: Path):
    path = tmp_path / "bars.csv.gz"
    path.write_bytes(gzip.compress("\ufeffts,open\n1,2\n".encode()))
    assert read_file(path).columns == ["ts", "open"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_off_parquet_says_so(parquet: Path, share: float):
    parquet.write_bytes(parquet.read_bytes()[: int(parquet.stat().st_size * share)])
    with pytest.raises(InputError, match=r"bars.parquet is cut off: its end is missing.*copy it again"):
        read_file(parquet)


def test_a_damaged_parquet_says_so(parquet: Path):
    data = bytearray(parquet.read_bytes())
    data[-8:-4] = (2**31 - 1).to_bytes(4, "little")
    parquet.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_file(parquet)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.parquet", b"", "is empty"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"ts,open\n", "a header and no rows"),
        ("a.csv", b"20250317 0930,1.5,2,1,1.5,100\n20250317 0931,1.5,2,1,1.5,100\n", "no header line"),
        ("a.csv", b"\xff\xfe\x00\x01", "not readable text"),
        ("a.csv", b"a,b\n1,2,3,4\n", "cannot be read as CSV"),
        ("a.parquet", b"ts,open\n1,2\n", "not a Parquet file although it is called one"),
        ("a.xlsx", b"x", "neither CSV nor Parquet; export it as"),
        ("noending", b"x", "neither CSV nor Parquet"),
    ],
)
def test_what_is_no_market_data_is_named(tmp_path: Path, name: str, content: bytes, text: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=text) as error:
        read_file(path)
    assert name in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path):
    with pytest.raises(InputError, match="is not there"):
        read_file(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_file(tmp_path)


def test_a_fingerprint_is_of_the_bytes(parquet: Path, tmp_path: Path):
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(parquet.read_bytes())
    assert fingerprint(copy) == fingerprint(parquet)
    pl.DataFrame({"a": [1]}).write_parquet(copy)
    assert fingerprint(copy) != fingerprint(parquet)
