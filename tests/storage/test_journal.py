"""The decision journal: what was written comes back, what is torn is put aside, what is damaged blocks."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.domain import commands as c
from workbench.domain import events as e
from workbench.domain.errors import JournalDamaged, StorageError
from workbench.storage.journal import MAGIC, Journal, Record, read_journal
from workbench.storage.records import read_from

st.register_type_strategy(int, st.integers(-(2**63), 2**63 - 1))
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=4))
plain = st.one_of(st.integers(-9, 9), st.text(max_size=8))


def every_field(kind: type) -> st.SearchStrategy[e.Event]:
    """Events of one kind, each field as it is declared: a default that its factory makes is no value."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: held(hints[name]) for name in kind.__struct_fields__})  # type: ignore[attr-defined]


def held(hint: object) -> st.SearchStrategy[object]:
    is_open = get_origin(hint) is dict and get_args(hint)[1] not in (int, str)
    return st.dictionaries(st.text(max_size=8), plain, max_size=3) if is_open else st.from_type(hint)  # type: ignore[arg-type]


events = st.one_of(*(every_field(kind) for kind in get_args(e.AnyEvent)))
commands = st.one_of(*(st.from_type(kind) for kind in get_args(c.AnyCommand)))


def timer(at: int) -> e.TimerFired:
    return e.TimerFired(at=at)


def both(journal: Journal, event: e.AnyEvent, decided: list[c.AnyCommand] | None = None) -> None:
    journal.append(event, decided or [])
    journal.sync()


def written(path: Path, count: int = 3) -> list[Record]:
    journal = Journal(path)
    for at in range(count):
        journal.append(timer(at), [c.Alert(account=1, contract="", level="info", text=f"n{at}")])
    journal.sync()
    journal.close()
    return read_journal(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(event=events, decided=st.lists(commands, max_size=3))
def test_every_event_and_command_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory, event: e.AnyEvent, decided: list[c.AnyCommand]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path)
    journal.append(event, decided)
    journal.sync()
    journal.close()
    assert read_journal(path) == [Record(event, decided)]


def test_opening_again_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "j"
    before = written(path)
    journal = Journal(path)
    assert journal.records == before and journal.quarantined is None
    journal.append(timer(9), [])
    journal.sync()
    journal.close()
    assert [r.event.at for r in read_journal(path)] == [0, 1, 2, 9]


@pytest.mark.statement(11)
def test_a_tail_torn_at_any_byte_is_put_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = written(path)
    data = path.read_bytes()
    ends = [len(MAGIC)]
    for record in range(3):
        length = int.from_bytes(data[ends[-1] : ends[-1] + 4], "little")
        ends.append(ends[-1] + 8 + length)
        assert record < 3
    for cut in range(1, len(data)):
        path.write_bytes(data[:cut])
        journal = Journal(path)
        good = sum(end <= cut for end in ends[1:])
        assert journal.records == whole[:good], cut
        on_an_edge = cut in ends
        assert (journal.quarantined is None) is on_an_edge, cut
        if journal.quarantined is not None:
            start = max((end for end in ends if end <= cut), default=0)
            assert journal.quarantined.read_bytes() == data[start:cut]
            journal.quarantined.unlink()
        journal.append(timer(77), [])
        journal.sync()
        journal.close()
        assert [r.event.at for r in read_journal(path)] == [*range(good), 77], cut


@pytest.mark.statement(11)
def test_a_zeroed_tail_is_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = written(path)
    with path.open("ab") as file:
        file.write(bytes(4096))
    assert Journal(path).records == whole


@pytest.mark.statement(11)
def test_any_flipped_bit_before_the_last_record_blocks_and_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path)
    data = path.read_bytes()
    last = len(data) - 8 - int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "little")
    for at in range(last):
        broken = bytearray(data)
        broken[at] ^= 0x10
        path.write_bytes(broken)
        with pytest.raises(JournalDamaged, match="entries stay blocked"):
            Journal(path)
        assert path.read_bytes() == bytes(broken)


@pytest.mark.statement(11)
def test_a_flipped_bit_in_the_last_record_is_a_torn_tail(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = written(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    journal = Journal(path)
    assert journal.records == whole[:2] and journal.quarantined is not None


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"something else entirely")
    with pytest.raises(JournalDamaged, match="first line"):
        Journal(tmp_path / "j")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot open"):
        Journal(tmp_path / "file" / "j")


def test_what_was_appended_survives_a_kill_without_a_sync(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from workbench.domain.events import TimerFired; "
        "from workbench.storage.journal import Journal; journal = Journal(Path(sys.argv[1])); "
        "[journal.append(TimerFired(at=n), []) for n in range(5)]; os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], check=False)
    assert [r.event.at for r in read_journal(tmp_path / "j")] == [0, 1, 2, 3, 4]


@pytest.mark.statement(12)
@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_after_a_disk_error_nothing_more_is_taken_and_what_was_there_is_whole(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j"
    written(path)
    journal = Journal(path)
    real = os.write

    def full(handle: int, *data: bytes) -> int:
        if data:
            real(handle, bytes(data[0])[:5])  # the disk takes a little and then no more
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageError, match="No space left"):
            both(journal, timer(3))
    for again in (lambda: journal.append(timer(4), []), journal.sync):  # the disk is free again, the gap would stay
        with pytest.raises(StorageError):
            again()
    journal.close()
    kept = [r.event.at for r in read_journal(path)]
    assert kept == ([0, 1, 2] if call == "write" else [0, 1, 2, 3])


@pytest.mark.statement(12)
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a tiny disk needs root")
def test_a_really_full_disk_breaks_the_journal_and_keeps_what_was_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=False, capture_output=True
    ).returncode:
        pytest.skip("this machine does not allow mounting a tmpfs")
    try:
        journal = Journal(disk / "j")
        kept = 0
        with contextlib.suppress(StorageError):
            while True:
                both(journal, timer(kept), [c.Alert(account=1, contract="", level="info", text="x" * 500)])
                kept += 1
        assert "No space left" in journal.broken
        journal.close()
        assert 50 < kept < 200
        assert [r.event.at for r in read_journal(disk / "j")] == list(range(kept))
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.statement(12)
def test_a_file_that_may_not_grow_breaks_the_journal_and_keeps_what_was_there(tmp_path: Path) -> None:
    # RLIMIT_FSIZE is a full disk that needs no rights: the kernel writes a part of the record and refuses the rest
    code = (
        "import resource, signal, sys; from pathlib import Path; from workbench.domain.errors import StorageError; "
        "from workbench.domain.events import TimerFired; from workbench.storage.journal import Journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "journal, kept = Journal(Path(sys.argv[1])), 0\n"
        "try:\n"
        "    while True:\n"
        "        journal.append(TimerFired(at=kept), []); journal.sync(); kept += 1\n"
        "except StorageError as error:\n"
        "    print(kept, error)\n"
        "journal.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "j")], capture_output=True, text=True, check=True)
    kept = int(done.stdout.split()[0])
    assert "File too large" in done.stdout and kept > 10
    assert [r.event.at for r in read_journal(tmp_path / "j")] == list(range(kept))


@pytest.mark.statement(11)
def test_a_damaged_journal_can_be_opened_for_what_stands_before_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = written(path, 5)
    data = bytearray(path.read_bytes())
    at = data.index(b"n2")
    data[at] ^= 1
    path.write_bytes(data)
    journal = Journal.or_blocked(path)
    assert journal.records == whole[:2] and "record 2" in journal.damaged and journal.broken
    for take in (lambda: journal.append(timer(9), []), journal.sync):
        with pytest.raises(StorageError, match="entries stay blocked"):
            take()
    journal.close()
    assert path.read_bytes() == bytes(data), "a person may still look at it"


def test_a_journal_that_grows_is_read_on_from_where_the_last_look_ended(tmp_path: Path) -> None:
    path = tmp_path / "j"
    whole = written(path)
    data = path.read_bytes()
    seen, at = [], 0
    for cut in range(len(MAGIC), len(data) + 1):
        path.write_bytes(data[:cut])
        new, at = read_from(path, at)
        seen += new
    assert seen == whole and at == len(data)
    assert read_from(path, at) == ([], at)
