"""A known hole in a pinned package fails the check; a register that cannot be reached is told, and does not."""

from __future__ import annotations

from tests.audit import judged

HOLE = {"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}


def test_a_known_hole_fails_and_names_where_it_is_fixed() -> None:
    found = {
        "dependencies": [{"name": "a", "version": "1.0", "vulns": [HOLE]}, {"name": "b", "version": "2", "vulns": []}]
    }
    assert judged(found) == (
        1, ["a 1.0: PYSEC-2026-1, fixed in 1.1", "2 of 2 pinned packages were looked up, 1 known holes"]
    )  # fmt: skip


def test_no_hole_passes() -> None:
    assert judged({"dependencies": [{"name": "b", "version": "2", "vulns": []}]})[0] == 0


def test_what_could_not_be_looked_up_is_counted_and_told() -> None:
    code, lines = judged({"dependencies": [{"name": "a", "skip_reason": "not found"}]})
    assert code == 0
    assert lines[-1] == "the register of known holes could not be reached: nothing was audited"
