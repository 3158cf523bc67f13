"""The stop latch: set first, survives, is believed when damaged, and is cleared by a person alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.domain.errors import InputError, StorageError
from workbench.storage.home import Home
from workbench.storage.latch import clear_latch, drop_stop_file, read_latch, set_latch


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_nothing_is_latched_at_first(place: Home) -> None:
    assert read_latch(place) is None and read_latch(place, 7) is None


def test_a_latch_holds_for_its_account_alone_and_outlives_the_process_that_set_it(place: Home) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from workbench.storage.home import Home; "
        "from workbench.storage.latch import set_latch; "
        "set_latch(Home(Path(sys.argv[1])), reason='too fast', by='ann', at=5, account=7); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(place.path)], check=False)
    latch = read_latch(place, 7)
    assert latch is not None and (latch.reason, latch.by, latch.at, latch.account) == ("too fast", "ann", 5, 7)
    assert read_latch(place, 8) is None and read_latch(place) is None


def test_a_latch_on_everything_stops_every_account(place: Home) -> None:
    set_latch(place, reason="all", by="ann", at=1)
    assert all(read_latch(place, account) is not None for account in (None, 7, 8))


def test_the_first_reason_counts(place: Home) -> None:
    set_latch(place, reason="first", by="ann", at=1, account=7)
    assert set_latch(place, reason="second", by="bob", at=2, account=7).reason == "first"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b'{"at": null}', b'{"at": "x", "reason": 5}'])
def test_a_latch_that_cannot_be_read_is_a_latch(place: Home, damage: bytes) -> None:
    set_latch(place, reason="r", by="ann", at=1, account=7)
    (place.account(7) / "stop.json").write_bytes(damage)
    assert read_latch(place, 7) is not None
    clear_latch(place, reason="looked", person="ann", account=7, at=2)
    assert read_latch(place, 7) is None


def test_a_dropped_stop_file_stops_everything_whatever_it_holds(place: Home) -> None:
    drop_stop_file(place, "")
    latch = read_latch(place, 7)
    assert latch is not None and latch.by == "stop file"
    place.stop_file.unlink()
    place.stop_file.symlink_to("/nowhere")
    assert read_latch(place, 7) is not None
    place.stop_file.unlink()
    place.stop_file.write_bytes(b"\xff\xfe runaway")
    assert "runaway" in (read_latch(place) or latch).reason


@pytest.mark.parametrize(("reason", "person"), [("", "ann"), ("  ", "ann"), ("checked", ""), ("checked", " ")])
def test_clearing_needs_a_reason_and_a_person(place: Home, reason: str, person: str) -> None:
    set_latch(place, reason="r", by="x", at=1)
    with pytest.raises(InputError, match="reason"):
        clear_latch(place, reason=reason, person=person, at=2)
    assert read_latch(place) is not None


def test_clearing_is_recorded_before_it_happens_and_the_record_grows(place: Home) -> None:
    for number in (1, 2):
        set_latch(place, reason=f"stop {number}", by="x", at=number)
        clear_latch(place, reason="all flat", person="ann", at=10 + number)
    lines = [json.loads(line) for line in (place.path / "stops.log").read_text().splitlines()]
    assert [(line["latched_for"], line["by"], line["reason"]) for line in lines] == [
        ("stop 1", "ann", "all flat"),
        ("stop 2", "ann", "all flat"),
    ]
    assert read_latch(place) is None


def test_when_the_record_cannot_be_written_the_latch_stays(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    set_latch(place, reason="r", by="x", at=1)

    def full(*args: object, **kw: object) -> None:
        raise StorageError("cannot write: No space left on device")

    monkeypatch.setattr("workbench.storage.latch.write_durably", full)
    with pytest.raises(StorageError):
        clear_latch(place, reason="all flat", person="ann", at=2)
    assert read_latch(place) is not None


def test_there_is_nothing_to_clear_when_nothing_is_latched(place: Home) -> None:
    with pytest.raises(InputError, match="nothing is stopped"):
        clear_latch(place, reason="all flat", person="ann", at=2)


def test_clearing_one_account_leaves_the_others_and_the_stop_of_all(place: Home) -> None:
    for account in (7, 8):
        set_latch(place, reason="r", by="x", at=1, account=account)
    clear_latch(place, reason="7 is fine", person="ann", account=7, at=2)
    assert read_latch(place, 7) is None
    assert read_latch(place, 8) is not None
    set_latch(place, reason="all", by="x", at=3)
    with pytest.raises(InputError, match="without --account"):
        clear_latch(place, reason="7 is fine", person="ann", account=7, at=4)
    assert read_latch(place, 7) is not None


def test_clearing_everything_releases_the_accounts_own_latches_and_the_stop_file_too(place: Home) -> None:
    set_latch(place, reason="one", by="x", at=1, account=7)
    set_latch(place, reason="all", by="x", at=2)
    drop_stop_file(place, "dropped")
    clear_latch(place, reason="all flat", person="ann", at=3)
    assert read_latch(place, 7) is None
    assert read_latch(place) is None
