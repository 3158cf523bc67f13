"""The audit log: every line whole, in order, without secrets; a damaged line hides no other."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from workbench.domain.errors import StorageError
from workbench.services import audit as module
from workbench.services import logs
from workbench.services.audit import Audit
from workbench.storage.home import Home


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    return Audit(Home(tmp_path))


def note(audit: Audit, number: int) -> None:
    audit.note(who="ann", what=f"act {number}", source="cli", details={"number": number})


def test_the_newest_line_comes_first_and_no_more_than_asked(audit: Audit) -> None:
    assert audit.read(5) == []
    for number in range(4):
        note(audit, number)
    assert [line["what"] for line in audit.read(3)] == ["act 3", "act 2", "act 1"]
    first = audit.read(10)[-1]
    assert (first["who"], first["source"], first["details"]) == ("ann", "cli", {"number": 0})
    assert first["at"] > 1_700_000_000_000_000_000


def test_a_line_that_a_crash_cut_off_hides_no_other(audit: Audit) -> None:
    note(audit, 1)
    with audit.path.open("ab") as file:
        file.write(b'{"at": 12, "who": "b')
    note(audit, 2)
    assert [line["what"] for line in audit.read(10)] == ["act 2", "damaged line", "act 1"]


def test_a_long_log_is_read_from_its_end(audit: Audit) -> None:
    lines = [json.dumps({"what": f"line {n}", "pad": "x" * 90}) for n in range(3_000)]
    audit.path.write_text("\n".join(lines) + "\n")
    assert [line["what"] for line in audit.read(1_500)] == [f"line {n}" for n in range(2_999, 1_499, -1)]


def test_secrets_are_blotted_out_by_name_and_by_value(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_SECRETS", {"known-secret"})
    details = {"Authorization": "Bearer abc", "body": {"new_token": "xyz"}, "reason": "I typed known-secret here"}
    audit.note(who="ann", what="try", source="127.0.0.1", details=details)
    text = audit.path.read_text()
    assert not any(secret in text for secret in ("abc", "xyz", "known-secret"))
    assert oct(audit.path.stat().st_mode & 0o777) == "0o600"


def test_a_huge_value_is_cut(audit: Audit) -> None:
    audit.note(who="ann", what="try", source="cli", details={"reason": "x" * 100_000, "list": list(range(1_000))})
    audit.note(who="ann", what="try", source="cli", details={"body": {f"key {n}": n for n in range(5_000)}})
    assert audit.path.stat().st_size < 6_000


def test_a_full_part_is_put_aside_and_kept(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROTATE_BYTES", 300)
    for number in range(12):
        note(audit, number)
    parts = sorted(audit.path.parent.glob("audit*.jsonl"))
    assert len(parts) >= 3
    assert sum(len(part.read_text().splitlines()) for part in parts) == 12


def test_a_disk_that_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        note(Audit(Home(tmp_path / "file")), 1)


def _many(folder: str) -> None:
    for number in range(50):
        note(Audit(Home(Path(folder))), number)


def test_processes_that_write_at_once_cut_no_line(audit: Audit) -> None:
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_many, args=(str(audit.path.parent),)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert len([line for line in audit.read(1_000) if line["what"].startswith("act ")]) == 150
