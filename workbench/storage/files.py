"""Market data files as they come from elsewhere: CSV and Parquet into a frame, or a clear sentence why not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.domain.errors import InputError

if TYPE_CHECKING:
    import polars as pl

PARQUET = {".parquet", ".pq"}
CSV = {".csv", ".txt", ".tsv"}
SEPARATORS = ",;\t|"
_MAGIC = b"PAR1"


def read_file(path: Path) -> pl.DataFrame:
    """Return the rows of a CSV (also ``.gz``) or Parquet file, columns as they are named there.

    Raises
    ------
    InputError
        When the file is missing, empty, cut off, of another kind, or has no header.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path} is {'a folder' if path.is_dir() else 'not there'}; give the path of a CSV or Parquet file"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or export it again")
    kinds = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    kind = kinds[-1] if kinds else ""
    if kind not in PARQUET | CSV:
        raise InputError(
            f"{path}: the ending {kind or 'is missing and'} says neither CSV nor Parquet; export it as .csv or .parquet"
        )
    frame = _parquet(path) if kind in PARQUET else _csv(path)
    if frame.is_empty():
        raise InputError(f"{path} has a header and no rows; nothing to import")
    return frame


def fingerprint(path: Path) -> str:
    """Return a hash of the file's bytes, 32 hex digits: what makes importing a file of prints twice harmless."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _parquet(path: Path) -> pl.DataFrame:
    import polars as pl

    with path.open("rb") as file:
        head = file.read(4)
        file.seek(-min(4, path.stat().st_size), 2)
        tail = file.read(4)
    if head != _MAGIC:
        raise InputError(f"{path} is not a Parquet file although it is called one; check where it comes from")
    if tail != _MAGIC:
        raise InputError(f"{path} is cut off: its end is missing, as after a broken copy or a full disk; copy it again")
    try:
        return pl.read_parquet(path, glob=False, hive_partitioning=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} cannot be read as Parquet ({_first_line(error)}); copy or export it again") from error


def _csv(path: Path) -> pl.DataFrame:
    import polars as pl

    header = _first_row(path)
    separator = max(SEPARATORS, key=header.count)
    names = [name.strip().strip('"') for name in header.split(separator)]
    if all(_is_number(name) for name in names[1:]) and len(names) > 1:
        raise InputError(f"{path} has no header line (its first line is {header[:60]!r}); put the column names on top")
    try:
        frame = pl.read_csv(
            path, separator=separator, infer_schema_length=10_000, null_values=["", "NULL", "null", "N/A"]
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} cannot be read as CSV: {_first_line(error)}") from error
    return frame.rename({name: name.strip() for name in frame.columns})


def _first_row(path: Path) -> str:
    import gzip

    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig") as file
        ):
            return file.readline().strip()
    except (UnicodeDecodeError, OSError, EOFError) as error:
        raise InputError(f"{path} is not readable text ({error}); save it as UTF-8 CSV") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
