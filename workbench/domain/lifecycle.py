"""The life of a strategy version: draft → tested → paper → live → retired, as one table and one fold.

A session name is a seat that at most one live version holds. Who sat there before is remembered, so that a rollback
knows where to go. Nothing here asks whether a step is deserved; the gates do (`services.promotion`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from workbench.domain.errors import WorkbenchError


class State(StrEnum):
    """Where a version stands; every version begins as a draft."""

    DRAFT = "draft"
    TESTED = "tested"
    PAPER = "paper"
    LIVE = "live"
    RETIRED = "retired"


class Step(StrEnum):
    """What happened to a version."""

    PASSED_TESTS = "passed tests"
    WENT_TO_PAPER = "went to paper"
    WENT_LIVE = "went live"
    RESTORED = "restored"  # live again by a rollback
    REPLACED = "replaced"  # another version took its session
    ROLLED_BACK = "rolled back"  # it lost its session by a rollback
    TAKEN_OFF = "taken off"  # its session has no live version any more
    RETIRED = "retired"


TRANSITIONS: dict[State, dict[Step, State]] = {
    State.DRAFT: {Step.PASSED_TESTS: State.TESTED, Step.RETIRED: State.RETIRED},
    State.TESTED: {Step.WENT_TO_PAPER: State.PAPER, Step.RETIRED: State.RETIRED},
    State.PAPER: {Step.WENT_LIVE: State.LIVE, Step.RESTORED: State.LIVE, Step.RETIRED: State.RETIRED},
    State.LIVE: {
        Step.WENT_LIVE: State.LIVE,  # in another session as well
        Step.RESTORED: State.LIVE,
        Step.REPLACED: State.PAPER,  # LIVE while it holds another session
        Step.ROLLED_BACK: State.PAPER,
        Step.TAKEN_OFF: State.PAPER,
    },
    State.RETIRED: {},
}

CLIMB: dict[State, tuple[State, Step]] = {  # the next state upwards, and the step to it
    State.DRAFT: (State.TESTED, Step.PASSED_TESTS),
    State.TESTED: (State.PAPER, Step.WENT_TO_PAPER),
    State.PAPER: (State.LIVE, Step.WENT_LIVE),
}
_SITS_DOWN = (Step.WENT_LIVE, Step.RESTORED)
_STANDS_UP = (Step.REPLACED, Step.ROLLED_BACK, Step.TAKEN_OFF)


class IllegalStep(WorkbenchError):
    """A version was asked to move where the table has no cell, or to sit where another one sits."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One step of one version; `session` for the steps to and from live, "" for the others."""

    version: str
    step: Step
    session: str = ""


@dataclass(frozen=True, slots=True)
class Seat:
    """One session name: the version that is live in it, and those that were before, the newest last."""

    version: str | None = None
    before: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where all versions stand."""

    states: dict[str, State] = field(default_factory=dict)
    seats: dict[str, Seat] = field(default_factory=dict)

    def state(self, version: str) -> State:
        return self.states.get(version, State.DRAFT)

    def seat(self, session: str) -> Seat:
        return self.seats.get(session, Seat())

    def live(self, session: str) -> str | None:
        """Version that is live in `session`, None when there is none."""
        return self.seat(session).version

    def sessions(self, version: str) -> tuple[str, ...]:
        """Names of the sessions in which `version` is live, sorted."""
        return tuple(sorted(name for name, seat in self.seats.items() if seat.version == version))


def apply(standing: Standing, moved: Moved) -> Standing:
    """Return `standing` after one step; raise IllegalStep if the table has no such cell or the seat does not allow it.

    >>> standing = Standing()
    >>> for step in (Step.PASSED_TESTS, Step.WENT_TO_PAPER):
    ...     standing = apply(standing, Moved("a1", step))
    >>> standing = apply(standing, Moved("a1", Step.WENT_LIVE, "mes-open"))
    >>> standing.state("a1").value, standing.live("mes-open")
    ('live', 'a1')
    >>> apply(standing, Moved("b2", Step.WENT_LIVE, "mes-open"))
    Traceback (most recent call last):
    ...
    workbench.domain.lifecycle.IllegalStep: b2 is draft: it cannot be “went live” from there
    """
    version, step, session = moved.version, moved.step, moved.session
    before = standing.state(version)
    after = TRANSITIONS[before].get(step)
    if after is None:
        raise IllegalStep(f"{version} is {before}: it cannot be “{step}” from there")
    seats = dict(standing.seats)
    if step in (*_SITS_DOWN, *_STANDS_UP):
        seats[session] = _seated(standing.seat(session), moved)
    elif session:
        raise IllegalStep(f"“{step}” belongs to no session, {session!r} was given")
    if step is Step.RETIRED:
        seats = {name: replace(seat, before=_without(seat.before, version)) for name, seat in seats.items()}
    if step in _STANDS_UP and any(seat.version == version for seat in seats.values()):
        after = State.LIVE
    return Standing({**standing.states, version: after}, seats)


def fold(moves: Iterable[Moved]) -> Standing:
    """Return where everything stands after `moves`, in their order."""
    standing = Standing()
    for moved in moves:
        standing = apply(standing, moved)
    return standing


def stands_up(step: Step) -> bool:
    """Return True for a step by which a version leaves the seat of a session.

    >>> stands_up(Step.REPLACED), stands_up(Step.WENT_LIVE)
    (True, False)
    """
    return step in _STANDS_UP


def promotion(standing: Standing, version: str, session: str) -> list[Moved]:
    """Return the steps that make `version` the live one of `session`: who sits there gives way first."""
    sitting = standing.live(session)
    gives_way = [] if sitting is None else [Moved(sitting, Step.REPLACED, session)]
    return [*gives_way, Moved(version, Step.WENT_LIVE, session)]


def rollback(standing: Standing, session: str) -> list[Moved]:
    """Return the steps that give `session` back to the version that was live in it before; [] when there is none."""
    seat = standing.seat(session)
    if not seat.before:
        return []
    gives_way = [] if seat.version is None else [Moved(seat.version, Step.ROLLED_BACK, session)]
    return [*gives_way, Moved(seat.before[-1], Step.RESTORED, session)]


def _seated(seat: Seat, moved: Moved) -> Seat:
    version, step, session = moved.version, moved.step, moved.session
    if not session:
        raise IllegalStep(f"“{step}” needs the name of a session")
    if step in _STANDS_UP:
        if seat.version != version:
            raise IllegalStep(f"{version} is not live in {session}, {seat.version or 'nothing'} is")
        return Seat(None, seat.before if step is Step.ROLLED_BACK else (*_without(seat.before, version), version))
    if seat.version is not None:
        raise IllegalStep(f"{seat.version} is live in {session}; it must give way before {version} can be")
    return Seat(version, _without(seat.before, version))


def _without(versions: tuple[str, ...], version: str) -> tuple[str, ...]:
    return tuple(v for v in versions if v != version)
