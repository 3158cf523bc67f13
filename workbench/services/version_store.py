"""Stored versions as the API shows them: lineage, attempts, evidence, differences, seats. Reads files: use a thread."""

from __future__ import annotations

from typing import Any

from workbench.domain.errors import InputError
from workbench.domain.lifecycle import State
from workbench.rules.difference import Difference, differences
from workbench.services.gates import Gates, load_gates
from workbench.services.promotion import rollback
from workbench.storage.attempts import Attempt
from workbench.storage.home import Home
from workbench.storage.plain import plain
from workbench.storage.versions import Recorded, StoredResult, Versions

Json = dict[str, Any]
MOST_ATTEMPTS = 50
WAYS = {
    State.DRAFT: ("tested", "paper", "retired"),
    State.TESTED: ("paper", "retired"),
    State.PAPER: ("live", "retired"),
    State.LIVE: ("live", "paper"),
    State.RETIRED: (),
}
STATS = ("trades", "net_usd", "costs_usd", "max_drawdown_usd", "sharpe_daily", "win_rate", "profit_factor")


class VersionStore:
    """The versions of one home.

    Parameters
    ----------
    home : Home
        Whose.
    """

    def __init__(self, home: Home) -> None:
        self._home, self._versions = home, Versions(home)

    def rows(self, name: str | None = None) -> list[Json]:
        """Return the versions (of one name), the newest first."""
        held = self._versions.recorded()
        return [_row(r) for r in reversed(held) if name in (None, r.name)]

    def one(self, written: str) -> Json:
        """Return one version: its lineage, where it may go, what was tried, and the evidence that is attached."""
        found = self._versions.get(written)
        attempts = [_attempt(a) for a in reversed(self._versions.attempts(found.version))][:MOST_ATTEMPTS]
        newest: dict[str, StoredResult] = {r.kind: r for r in self._versions.results(found.version)}
        return {
            **_row(found),
            "lineage": [_row(r) for r in self._versions.lineage(found.version)],
            "ways": list(WAYS[found.state]),
            "attempts": attempts,
            "evidence": [_result(r) for r in newest.values()],
            "gates": gate_rows(load_gates(self._home)),
        }

    def difference(self, old: str, new: str) -> Json:
        """Return what `new` does differently from `old`, by meaning."""
        before, after = self._versions.get(old), self._versions.get(new)
        get = self._versions.registry.get
        found = differences(get(before.version), get(after.version))
        return {"old": _row(before), "new": _row(after), "changes": [_change(d) for d in found]}

    def seats(self) -> list[Json]:
        """Return the sessions in which a version is or was live, with the versions before, the newest last."""
        seats = self._versions.standing().seats
        return [
            {"session": name, "version": seat.version, "before": list(seat.before)}
            for name, seat in sorted(seats.items())
        ]

    def rollback(self, session: str, *, to: str | None, reason: str, person: str) -> Json:
        """Make the version live again that was live in a session before."""
        if session not in self._versions.standing().seats:
            raise InputError(f"no version was ever live in session {session}")
        return dict(plain(rollback(session, to=to, reason=reason, person=person, home=self._home).facts()))


def gate_rows(gates: Gates) -> list[Json]:
    """Return each gate with what it asks for, in the order of the states.

    Sections are written as the verdicts name them: ``headroom.programme``.
    """
    rows = []
    for into, asked in gates.model_dump(exclude_none=True).items():
        for gate, wanted in asked.items():
            parts = wanted.items() if isinstance(wanted, dict) else [("", wanted)]
            rows += [
                {"into": into, "gate": f"{gate}.{part}".rstrip("."), "wanted": str(value)} for part, value in parts
            ]
    return rows


def _row(recorded: Recorded) -> Json:
    return {
        "version": recorded.version,
        "name": recorded.name,
        "state": recorded.state.value,
        "live_in": list(recorded.sessions),
        "parent": recorded.parent,
        "kind": recorded.kind,
        "at": recorded.at,
        "person": recorded.person,
    }


def _attempt(attempt: Attempt) -> Json:
    names = ("at", "wanted", "session", "person", "reason", "accepted", "program")
    told = {name: getattr(attempt, name) for name in names}
    return {**told, "parameters": plain(attempt.parameters), "verdicts": [plain(v) for v in attempt.verdicts]}


def _result(result: StoredResult) -> Json:
    stats = {name: plain(result.stats[name]) for name in STATS if name in result.stats}
    return {"kind": result.kind, "at": result.at, "data_version": result.data_version, "stats": stats}


def _change(one: Difference) -> Json:
    kind = "added" if one.before == "none" else "removed" if one.after == "none" else "changed"
    return {"what": one.what, "kind": kind, "before": one.before, "after": one.after}
