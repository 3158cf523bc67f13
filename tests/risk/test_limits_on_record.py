"""Limits are part of what was decided: whatever they are, the journal gives them back."""

from __future__ import annotations

from pathlib import Path

import msgspec

from workbench.domain.events import RunnerStarted
from workbench.risk.limits import Limits
from workbench.storage.journal import Journal, read_journal


def test_the_limits_of_a_start_come_back_from_the_journal_with_what_is_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.wbj")
    limits = Limits(products=("MES", "MNQ"))
    shown = {k: list(v) if isinstance(v, tuple) else v for k, v in msgspec.to_builtins(limits).items()}
    journal.append(RunnerStarted(at=1, epoch=1, uid="u", limits=shown), [])
    journal.close()
    (record,) = read_journal(tmp_path / "journal.wbj")
    assert isinstance(record.event, RunnerStarted)
    assert msgspec.convert(record.event.limits, Limits) == limits
