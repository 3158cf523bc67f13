"""Promotions in the database: the attempt, its steps and the one live version of a session, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import StorageError
from workbench.domain.lifecycle import Moved, Standing, Step, fold, stands_up
from workbench.storage.database import DatabaseDamaged
from workbench.storage.plain import plain

if TYPE_CHECKING:
    from sqlalchemy import Connection

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One promotion or rollback, carried out or refused; `verdicts` say what the gates found in `parameters`."""

    at: int
    version: str
    wanted: str
    session: str
    person: str
    reason: str
    accepted: bool
    program: str
    parameters: Json = field(default_factory=dict)
    verdicts: tuple[Json, ...] = ()


def no_mark(_point: str) -> None:
    """Do nothing; the crash tests put a death here."""


def moves_of(connection: Connection) -> list[Moved]:
    """Return every step that was ever recorded, in their order."""
    from workbench.storage.tables import changes

    rows = connection.execute(changes.select().order_by(changes.c.id)).mappings()
    return [Moved(row["version"], Step(row["step"]), row["session"]) for row in rows]


def standing_of(connection: Connection) -> Standing:
    """Return where everything stands; raise DatabaseDamaged if the two tables that say so disagree."""
    from workbench.storage.tables import live

    standing = fold(moves_of(connection))
    told = {row.session: row.version for row in connection.execute(live.select())}
    folded = {name: seat.version for name, seat in standing.seats.items() if seat.version is not None}
    if told != folded:
        wrong = sorted(name for name in {*told, *folded} if told.get(name) != folded.get(name))
        raise DatabaseDamaged(
            f"the table of live versions and the record of promotions disagree about {', '.join(wrong)}; somebody has "
            "changed the database by hand: bring it back from a backup"
        )
    return standing


def write(connection: Connection, attempt: Attempt, moves: Sequence[Moved], mark: Callable[[str], None]) -> None:
    """Record an accepted attempt with its steps, and move the live versions as they do."""
    from workbench.storage.tables import changes, live

    number = insert_attempt(connection, attempt)
    for moved in moves:
        row = {"attempt": number, "version": moved.version, "step": moved.step.value, "session": moved.session}
        connection.execute(changes.insert().values(**row))
        if moved.session and stands_up(moved.step):
            connection.execute(live.delete().where(live.c.session == moved.session, live.c.version == moved.version))
            mark("K14.2")  # nobody is live here: this must never be seen from outside
        elif moved.session:
            connection.execute(live.insert().values(session=moved.session, version=moved.version, attempt=number))


def attempt_of(row: Any) -> Attempt:
    """Return the attempt in a row."""
    fields: Json = {name: row[name] for name in Attempt.__slots__}
    return Attempt(**{**fields, "verdicts": tuple(row["verdicts"])})


def insert_attempt(connection: Connection, attempt: Attempt) -> int:
    """Record an attempt and return its number."""
    from workbench.storage.tables import attempts

    row = {name: getattr(attempt, name) for name in Attempt.__slots__}
    row |= {"verdicts": plain(attempt.verdicts), "parameters": plain(attempt.parameters)}
    key = connection.execute(attempts.insert().values(**row)).inserted_primary_key
    if key is None:
        raise StorageError("the database gave the attempt no number")
    return int(key[0])
