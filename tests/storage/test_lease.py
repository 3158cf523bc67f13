"""The lease: whoever took the account last has it, and whoever lost it sees that before the next send."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.domain.errors import LockHeld, StorageError
from workbench.storage import lock as lock_module
from workbench.storage.lease import Lease
from workbench.storage.lock import next_epoch

pytestmark = pytest.mark.statement(14)
HOLD = """
import sys, time
from pathlib import Path
from workbench.storage.lease import Lease
print(Lease(Path(sys.argv[1])).epoch, flush=True); time.sleep(60)
"""


def test_the_holder_has_it_until_another_takes_it(tmp_path: Path) -> None:
    first = Lease(tmp_path)
    assert first.epoch == 1 and first.lost() == ""
    second = Lease(tmp_path)
    assert second.epoch == 2 and second.lost() == ""
    assert "taken by epoch 2" in first.lost()


def test_a_file_written_again_with_the_same_words_is_still_ours(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    lease.path.write_bytes(lease.path.read_bytes())
    assert lease.lost() == ""


@pytest.mark.parametrize("harm", ["removed", "emptied", "from a backup"])
def test_a_lease_that_is_not_what_we_wrote_is_lost(tmp_path: Path, harm: str) -> None:
    Lease(tmp_path)
    backup = (tmp_path / "lease.json").read_bytes()
    lease = Lease(tmp_path)
    if harm == "removed":
        lease.path.unlink()
    else:
        lease.path.write_bytes(b"" if harm == "emptied" else backup)
    assert lease.lost()


def test_without_the_lock_file_the_lease_still_keeps_a_second_process_out(tmp_path: Path) -> None:
    folder = tmp_path / "1001"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "1\n"
        with pytest.raises(LockHeld, match=rf"1001 is leased to process {process.pid} \(epoch 1\)"):
            Lease(folder)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert Lease(folder).epoch == 2, "a dead process keeps nobody out"


def test_what_was_given_back_is_free_at_once_and_the_epoch_still_rises(tmp_path: Path) -> None:
    first = Lease(tmp_path)
    first.give_back()
    assert json.loads(first.path.read_bytes()) == {"epoch": 1}
    assert Lease(tmp_path).epoch == 2
    first.give_back()
    assert json.loads(first.path.read_bytes())["epoch"] == 2, "who has lost it gives nothing back"


@pytest.mark.statement(12)
def test_a_full_disk_is_told_and_the_runner_comes_up_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Lease(tmp_path)

    def full(path: Path, data: bytes, **_: int) -> None:
        raise StorageError("No space left on device")

    monkeypatch.setattr(lock_module, "write_durably", full)
    lease = Lease(tmp_path)
    assert "No space left" in lease.broken and lease.epoch == 2 and lease.lost() == ""


def test_looking_costs_next_to_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = Lease(tmp_path)
    opened = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: (opened.append(self), real(self))[1])
    assert [lease.lost() for _ in range(100)] == [""] * 100 and not opened, "one stat each, no reading"


def test_a_lost_folder_is_a_lost_lease(tmp_path: Path) -> None:
    folder = tmp_path / "7"
    lease = Lease(folder)
    assert next_epoch(folder) == 2 and lease.lost()
    os.rename(folder, tmp_path / "away")
    assert "is gone" in lease.lost()
    shutil.rmtree(tmp_path / "away")
