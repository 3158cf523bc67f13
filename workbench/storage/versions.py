"""What was recorded about strategy versions: lineage, states, promotions and results, in the database.

The stored copies are files (`storage.registry`) and need no database; versions stored without one are taken up here by
the next write, and until then are shown as drafts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import UnknownName, WorkbenchError
from workbench.domain.lifecycle import Moved, Seat, Standing, State, Step, fold
from workbench.rules.strategy import Strategy
from workbench.storage.attempts import Attempt, attempt_of, insert_attempt, moves_of, no_mark, standing_of, write
from workbench.storage.database import Database
from workbench.storage.home import Home
from workbench.storage.plain import plain, run_key
from workbench.storage.registry import Registered, Registry

if TYPE_CHECKING:
    from sqlalchemy import Connection

Json = dict[str, Any]
Steps = Callable[[Standing], Sequence[Moved]]


class Overtaken(WorkbenchError):
    """Somebody else changed the state of the version or the session in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One version and where it stands. `at` is UTC ns; `sessions` are those in which it is live."""

    version: str
    name: str
    state: State
    sessions: tuple[str, ...]
    parent: str | None
    kind: str
    semantics: int
    at: int
    person: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """What one run of a version came to. `kind` is backtest, out_of_sample, walk_forward or detectors."""

    version: str
    kind: str
    at: int
    data_version: str
    program: str
    costs: Json
    stats: Json
    provenance: Json


class Versions:
    """The recorded versions of one home."""

    def __init__(self, home: Home, database: Database | None = None) -> None:
        self.registry = Registry(home)
        self.database = database or Database(home)

    # --- versions ---

    def register(self, strategy: Strategy, *, at: int, person: str, parent: str | None = None) -> Recorded:
        """Store a copy of a strategy and record it; the same content again changes nothing.

        Parameters
        ----------
        strategy : Strategy
            Declarative or Python.
        at : int
            UTC ns.
        person : str
            Who does it.
        parent : str, optional
            Version it was made from; by default the newest one of that name.
        """
        entry = self.registry.register(strategy, at=at)
        with self.database.writing() as connection:
            self._take_up(connection, person={entry.version: person}, parents={entry.version: parent})
        return self.get(entry.version)

    def recorded(self, name: str | None = None) -> list[Recorded]:
        """Return the versions (of one name), the one registered first first."""
        rows, standing = self._rows()
        made = [_recorded(row, standing) for row in rows]
        held = {r.version for r in made}
        made += [_recorded(_row(e), standing) for e in self.registry.list() if e.version not in held]
        chosen = [r for r in made if name is None or r.name == name]
        if name is not None and not chosen:
            raise UnknownName("strategy", name, {r.name for r in made}, where="no version of it is stored")
        return sorted(chosen, key=lambda r: r.at)  # stable: what came at one instant stays in the order of recording

    def get(self, written: str) -> Recorded:
        """Return the version that `written` means: digits, a name (its newest), or name@digits."""
        version = self.registry.find(written).version
        return next(r for r in self.recorded() if r.version == version)

    def lineage(self, version: str) -> list[Recorded]:
        """Return a version's ancestors, the oldest first, and the version itself last."""
        by_version = {r.version: r for r in self.recorded()}
        line: list[Recorded] = []
        at: str | None = version
        while at is not None and at in by_version and by_version[at] not in line:
            line.append(by_version[at])
            at = by_version[at].parent
        return line[::-1]

    # --- states ---

    def standing(self) -> Standing:
        """Return where every version and session stands."""
        return self._rows()[1]

    def carry_out(
        self,
        attempt: Attempt,
        steps: Steps,
        *,
        seen: tuple[State, Seat] | None = None,
        mark: Callable[[str], None] = no_mark,
    ) -> Standing:
        """Record an accepted attempt and its steps in one transaction, and return where everything stands then.

        Parameters
        ----------
        attempt : Attempt
            What is recorded with it.
        steps : callable
            From the standing inside the transaction to the steps to make.
        seen : (State, Seat), optional
            The version's state and the session's seat as they were when the decision was made.
        mark : callable
            Is told the points K14.1 … K14.4 as they are passed.

        Raises
        ------
        Overtaken
            They are no longer what was seen.
        IllegalStep
            The table of states has no such step. Nothing is recorded then.
        """
        from sqlalchemy.exc import IntegrityError

        mark("K14.1")
        try:
            with self.database.writing() as connection:
                self._take_up(connection)
                before = standing_of(connection)
                now = (before.state(attempt.version), before.seat(attempt.session))
                if seen is not None and now != seen:
                    raise Overtaken(_difference(attempt, seen, now))
                moves = tuple(steps(before))
                after = fold([*moves_of(connection), *moves])
                write(connection, attempt, moves, mark)
                mark("K14.3")
        except IntegrityError as error:
            raise Overtaken(
                f"the database refused a second live version of session {attempt.session} ({error.orig}); look at "
                "workbench strategy list and try again"
            ) from error
        mark("K14.4")
        return after

    def refuse(self, attempt: Attempt) -> None:
        """Record an attempt that was refused."""
        with self.database.writing() as connection:
            self._take_up(connection)
            insert_attempt(connection, attempt)

    def attempts(self, version: str | None = None) -> list[Attempt]:
        """Return promotions and rollbacks, refused ones too, the oldest first."""
        if not self.database.exists:
            return []
        from workbench.storage.tables import attempts

        query = attempts.select().order_by(attempts.c.id)
        if version is not None:
            query = query.where(attempts.c.version == version)
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [attempt_of(row) for row in rows]

    def judged(self, version: str, wanted: State, session: str) -> Attempt | None:
        """Return the newest accepted attempt to bring `version` to a state in a session ("" for none of them)."""
        wished = (True, wanted.value, session)
        fitting = [a for a in self.attempts(version) if (a.accepted, a.wanted, a.session) == wished]
        return fitting[-1] if fitting else None

    def since(self, version: str, step: Step) -> int | None:
        """Return when `version` last made `step` (UTC ns), None if it never did."""
        if not self.database.exists:
            return None
        from sqlalchemy import func, select

        from workbench.storage.tables import attempts, changes

        query = select(func.max(attempts.c.at)).join(changes, changes.c.attempt == attempts.c.id)
        with self.database.reading() as connection:
            return connection.execute(query.where(changes.c.version == version, changes.c.step == step.value)).scalar()

    # --- results ---

    def attach(self, version: str, kind: str, stats: Json, provenance: Json, *, at: int) -> None:
        """Record what a run of a stored version came to; the same run again changes nothing."""
        from workbench.storage.tables import results

        known = plain(provenance)
        row = {
            "key": run_key(version, kind, known),
            "version": version,
            "kind": kind,
            "at": at,
            "data_version": str(known.get("data", {}).get("version", "")),
            "program": str(known.get("program", "")),
            "costs": known.get("costs", {}),
            "stats": plain(stats),
            "provenance": known,
        }
        with self.database.writing() as connection:
            self._take_up(connection)
            if connection.execute(results.select().where(results.c.key == row["key"])).first() is None:
                connection.execute(results.insert().values(**row))

    def results(self, version: str, kind: str | None = None) -> list[StoredResult]:
        """Return what was attached to a version, the oldest first."""
        if not self.database.exists:
            return []
        from workbench.storage.tables import results

        query = results.select().where(results.c.version == version).order_by(results.c.id)
        if kind is not None:
            query = query.where(results.c.kind == kind)
        with self.database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [StoredResult(**{name: row[name] for name in StoredResult.__slots__}) for row in rows]

    # --- inside ---

    def _rows(self) -> tuple[list[Json], Standing]:
        if not self.database.exists:
            return [], Standing()
        from workbench.storage.tables import versions

        with self.database.reading() as connection:
            rows = connection.execute(versions.select().order_by(versions.c.id)).mappings().all()
            return [dict(row) for row in rows], standing_of(connection)

    def _take_up(
        self,
        connection: Connection,
        person: dict[str, str] | None = None,
        parents: dict[str, str | None] | None = None,
    ) -> None:
        # Versions that were stored as files only (by a session's start, or an earlier program) get their record.
        from workbench.storage.tables import versions

        rows = connection.execute(versions.select().order_by(versions.c.id)).mappings().all()
        newest = {row["name"]: row["version"] for row in rows}
        held = {row["version"] for row in rows}
        for entry in self.registry.list():
            if entry.version in held:
                continue
            parent = (parents or {}).get(entry.version) or newest.get(entry.name)
            source, normal = self.registry.content(entry)
            row = {**_row(entry), "parent": parent, "source": source, "normal": normal}
            row["person"] = (person or {}).get(entry.version, "")
            connection.execute(versions.insert().values(**row))
            newest[entry.name] = entry.version


def _row(entry: Registered) -> Json:
    names = ("version", "name", "kind", "semantics", "at", "origin")
    return {"parent": None, "person": "", **{name: getattr(entry, name) for name in names}}


def _recorded(row: Json, standing: Standing) -> Recorded:
    names = ("version", "name", "parent", "kind", "semantics", "at", "person", "origin")
    version = row["version"]
    return Recorded(
        state=standing.state(version), sessions=standing.sessions(version), **{name: row[name] for name in names}
    )


def _difference(attempt: Attempt, seen: tuple[State, Seat], now: tuple[State, Seat]) -> str:
    told = [f"{attempt.version} was {seen[0]} and is {now[0]}"] if seen[0] != now[0] else []
    if seen[1].version != now[1].version:
        told.append(
            f"in session {attempt.session} {seen[1].version or 'nothing'} was live and {now[1].version or 'nothing'} is"
        )
    return (
        f"another promotion was first: {' and '.join(told) or 'the session was changed and changed back'}; "
        "look at workbench strategy list and decide anew"
    )
