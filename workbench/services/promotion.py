"""Promotion of one exact version: refused with reasons, or recorded with its evidence; rollback; who is live where.

Running sessions are not touched: a session goes on with the version it was started with.
"""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.domain.lifecycle import CLIMB, Moved, Seat, Standing, State, Step
from workbench.domain.lifecycle import promotion as seating
from workbench.domain.lifecycle import rollback as unseating
from workbench.services.clock import wall_ns
from workbench.services.crash import crash_point
from workbench.services.evidence import Backtest, Detect, Gatherer
from workbench.services.gates import Asked, Gates, load_gates
from workbench.services.promoted import NotPromoted, Promotion
from workbench.services.strategies import resolve_strategy
from workbench.services.verdicts import Verdict, judge
from workbench.services.version import program_version
from workbench.storage.attempts import Attempt
from workbench.storage.home import Home
from workbench.storage.home import home as home_at
from workbench.storage.versions import Overtaken, Versions

if TYPE_CHECKING:
    import pandas as pd

    from workbench.rules.strategy import Strategy

Place = str | Path | Home | None


def promote(
    version: str | Strategy,
    *,
    to: str,
    backtest: Backtest,
    session: str | None = None,
    reason: str = "",
    person: str | None = None,
    home: Place = None,
    gates: str | Path | None = None,
    detect: Detect | None = None,
) -> Promotion:
    """Move one version to another state.

    Parameters
    ----------
    version : str or Strategy
        Digits of a stored version, name@digits, or a strategy, file or shipped name: that is stored first. A
        strategy is judged with its own parameter values, and may then go live with no others.
    to : str
        tested, paper or live, through the gates (a draft that goes to paper passes both); paper for a live version
        takes it off; retired is for good.
    backtest : callable
        How runs are made: `workbench.backtest`.
    session : str, optional
        Name of the seat that a live version takes; by default the strategy's name.
    reason : str
        Why; needed for live.
    person : str, optional
        Who; by default the user of this machine.
    home : str, Path or Home, optional
        As elsewhere.
    gates : str or Path, optional
        Another gates file than the home's or the shipped one.
    detect : callable, optional
        The detectors; by default `backtest.detectors`.

    Raises
    ------
    NotPromoted
        With every reason. The attempt is recorded.
    InputError
        An unknown version or state; nothing is recorded.
    StorageError
        The database cannot be used; nothing has changed.
    """
    place = home if isinstance(home, Home) else home_at(home)
    rules = load_gates(place, gates)
    desk = _desk(place, version, to, session, reason.strip(), person)
    problem, moves = desk.route()
    if problem:
        raise desk.refused([desk.verdict(problem)])
    return desk.carry_out(moves, desk.judged(moves, rules, desk.gatherer(backtest, detect)))


def trial(
    version: str | Strategy,
    *,
    to: str,
    backtest: Backtest,
    session: str | None = None,
    home: Place = None,
    gates: str | Path | None = None,
    detect: Detect | None = None,
) -> list[Verdict]:
    """Return what the gates would say to a promotion now; no state changes, only the evidence is kept.

    The parameters are those of `promote`.
    """
    place = home if isinstance(home, Home) else home_at(home)
    rules = load_gates(place, gates)
    desk = _desk(place, version, to, session, "a trial", None)
    problem, moves = desk.route()
    return [desk.verdict(problem)] if problem else desk.judged(moves, rules, desk.gatherer(backtest, detect))


def _desk(place: Home, version: str | Strategy, to: str, session: str | None, reason: str, person: str | None) -> _Desk:
    wanted, versions = _state(to), Versions(place)
    strategy = stored(version, versions)
    standing = versions.standing()
    seat = session or (_only_seat(standing, strategy) if wanted in (State.LIVE, State.PAPER) else "")
    was = standing.state(strategy.version)
    if not (wanted is State.LIVE or (wanted is State.PAPER and was is State.LIVE)):
        seat = ""
    who = person or getpass.getuser()
    return _Desk(versions, strategy, wanted, was, seat, reason, who, standing.seat(seat))


def rollback(
    session: str, *, to: str | None = None, reason: str = "", person: str | None = None, home: Place = None
) -> Promotion:
    """Make the version live again that was live in `session` before the present one.

    No gate is asked: it has passed them, and going back must be quick. With `to` (a whole version) it goes back to that
    one or not at all: who looked at the list of yesterday does not bring back another.

    Raises
    ------
    UnknownName, InputError
        No such session, nothing was live there before, another version than `to` would come back, or its stored copy
        cannot run.
    NotPromoted
        Somebody else changed the session meanwhile.
    """
    place = home if isinstance(home, Home) else home_at(home)
    versions = Versions(place)
    standing = versions.standing()
    if session not in standing.seats:
        raise UnknownName("session", session, standing.seats, where="no version was ever live in it")
    seat, person = standing.seat(session), person or getpass.getuser()
    if not seat.before:
        raise InputError(f"session {session} has no earlier live version to go back to; {seat.version} stays live")
    before = seat.before[-1]
    if to not in (None, before):
        raise InputError(f"nothing was rolled back: {before} would come back now, the wish was about {to}; look again")
    judged = versions.judged(before, State.LIVE, session)
    try:
        strategy = versions.registry.get(before).with_parameters(**(judged.parameters if judged else {}))
    except (StorageError, InputError) as error:
        raise InputError(f"session {session} cannot go back to {before}: {error}") from error
    was = standing.state(before)
    desk = _Desk(versions, strategy, State.LIVE, was, session, reason.strip() or "rollback", person, seat)
    return desk.carry_out(lambda now: unseating(now, session), [])


def versions_frame(name: str | None = None, *, home: Place = None) -> pd.DataFrame:
    """Return the stored versions (of one name), the newest last: state, sessions in which they are live, lineage."""
    import pandas as pd

    place = home if isinstance(home, Home) else home_at(home)
    rows = [
        {
            "name": r.name,
            "version": r.version,
            "state": r.state.value,
            "live_in": ", ".join(r.sessions),
            "parent": r.parent or "",
            "stored_at": pd.Timestamp(r.at, unit="ns", tz="UTC"),
            "by": r.person,
            "kind": r.kind,
        }
        for r in Versions(place).recorded(name)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS).set_index("version")


_COLUMNS = "name version state live_in parent stored_at by kind".split()


def stored(written: str | Strategy, versions: Versions) -> Strategy:
    """Return the stored copy that `written` means; a strategy or a file is stored first."""
    given = resolve_strategy(written, versions.registry) if isinstance(written, str) else written
    entry = versions.registry.register(given, at=wall_ns())
    return versions.registry.get(entry.version).with_parameters(**given.values)


class _Desk:
    # One attempt: what is wanted of whom by whom, as it stood when it began.
    def __init__(
        self,
        versions: Versions,
        strategy: Strategy,
        wanted: State,
        was: State,
        session: str,
        reason: str,
        person: str,
        seat: Seat,
    ) -> None:
        self.versions, self.strategy, self.wanted, self.was = versions, strategy, wanted, was
        self.session, self.reason, self.person, self.seat = session, reason, person, seat
        self.at = wall_ns()

    def gatherer(self, backtest: Backtest, detect: Detect | None) -> Gatherer:
        return Gatherer(versions=self.versions, backtest=backtest, detect=detect or _detect, now=self.at)

    def route(self) -> tuple[str, list[tuple[State, Step]]]:
        """Return why it cannot be done at all ("" if it can), and the states and steps on the way."""
        version, was, wanted = self.strategy.version, self.was, self.wanted
        if was is State.RETIRED:
            return f"{version} is retired, which is for good; register a changed version", []
        if wanted is State.RETIRED:
            return ("", [(wanted, Step.RETIRED)]) if was is not State.LIVE else (self._still_live(), [])
        own = self.strategy.normal().get("indicators") if wanted in (State.PAPER, State.LIVE) else None
        if own and not (wanted is State.PAPER and was is State.LIVE):
            names = ", ".join(own)
            return f"it reads {names}, known to this process alone: no session could run it; write it in Python", []
        if wanted is State.LIVE:
            return self._route_to_live()
        if wanted is State.PAPER and was is State.LIVE:
            if self.seat.version != version:
                return f"{version} is not live in session {self.session or '(none named)'}; name one: session=…", []
            return "", [(wanted, Step.TAKEN_OFF)]
        way: list[tuple[State, Step]] = []
        at: State = was
        while at is not wanted and at in CLIMB and CLIMB[at][0] is not State.LIVE:
            way.append(CLIMB[at])
            at = CLIMB[at][0]
        return ("", way) if at is wanted and way else (f"{version} is {was}; it does not go to {wanted}", [])

    def _route_to_live(self) -> tuple[str, list[tuple[State, Step]]]:
        version = self.strategy.version
        if self.was not in (State.PAPER, State.LIVE):
            return f"{version} is {self.was}; live asks for paper first: promote it to paper and let it trade there", []
        if self.seat.version == version:
            return f"{version} is live in session {self.session} already", []
        if not self.reason:
            return "say why it goes live: reason=…", []
        tried = self.versions.judged(version, State.PAPER, session="")
        if tried is not None and tried.parameters != dict(self.strategy.values):
            told = f"with {_words(tried.parameters)}, not with {_words(self.strategy.values)}"
            return f"it was in paper {told}; write other values as defaults, which is a version of its own", []
        return "", [(State.LIVE, Step.WENT_LIVE)]

    def _still_live(self) -> str:
        return f"{self.strategy.version} is live; promote another version, roll back, or take it off to paper first"

    def judged(self, way: Sequence[tuple[State, Step]], gates: Gates, gatherer: Gatherer) -> list[Verdict]:
        """Return the verdicts of all gates on the way; going down asks for none."""
        up = (Step.PASSED_TESTS, Step.WENT_TO_PAPER, Step.WENT_LIVE)
        asked: list[tuple[State, Asked]] = [(state, getattr(gates, state.value)) for state, step in way if step in up]
        if not asked:
            return []
        evidence = gatherer.gather(self.strategy, [gate for _, gate in asked])
        return [verdict for state, gate in asked for verdict in judge(gate, evidence, into=state.value)]

    def carry_out(self, way: Any, verdicts: list[Verdict]) -> Promotion:
        """Record it and change the states in one transaction; raise NotPromoted if anybody objects."""
        if not all(v.passed for v in verdicts):
            raise self.refused(verdicts)
        version, session = self.strategy.version, self.session

        def steps(now: Standing) -> Sequence[Moved]:
            if callable(way):
                return list(way(now))
            made: list[Moved] = []
            for _, step in way:
                made += seating(now, version, session) if step is Step.WENT_LIVE else [Moved(version, step, session)]
            return made

        attempt = self._attempt(accepted=True, verdicts=verdicts)
        try:
            after = self.versions.carry_out(attempt, steps, seen=(self.was, self.seat), mark=crash_point)
        except Overtaken as error:
            raise self.refused([*verdicts, self.verdict(str(error))]) from error
        replaced = self.seat.version if session and self.seat.version != version else None
        return self._promotion(True, after.state(version), verdicts, replaced)

    def refused(self, verdicts: list[Verdict]) -> NotPromoted:
        """Record the refusal and return it as an error to raise."""
        self.versions.refuse(self._attempt(accepted=False, verdicts=verdicts))
        return NotPromoted(self._promotion(False, self.was, verdicts, None))

    def verdict(self, text: str) -> Verdict:
        return Verdict(into=self.wanted.value, gate="state", passed=False, value=self.was.value, bound=None, text=text)

    def _attempt(self, *, accepted: bool, verdicts: list[Verdict]) -> Attempt:
        return Attempt(
            at=self.at,
            version=self.strategy.version,
            wanted=self.wanted.value,
            session=self.session,
            person=self.person,
            reason=self.reason,
            accepted=accepted,
            program=program_version(),
            parameters=dict(self.strategy.values),
            verdicts=tuple({name: getattr(v, name) for name in Verdict.__slots__} for v in verdicts),
        )

    def _promotion(self, passed: bool, now: State, verdicts: list[Verdict], replaced: str | None) -> Promotion:
        return Promotion(
            name=self.strategy.name,
            version=self.strategy.version,
            wanted=self.wanted,
            was=self.was,
            now=now,
            session=self.session,
            person=self.person,
            reason=self.reason,
            at=self.at,
            passed=passed,
            replaced=replaced,
            parameters=dict(self.strategy.values),
            verdicts=tuple(verdicts),
        )


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "no parameters"


def _state(written: str) -> State:
    try:
        state = State(str(written).lower())
    except ValueError:
        raise UnknownName("state", str(written), [s.value for s in State if s is not State.DRAFT]) from None
    if state is State.DRAFT:
        raise InputError("every version begins as a draft; it goes to tested, paper, live or retired")
    return state


def _only_seat(standing: Standing, strategy: Strategy) -> str:
    # Taking off: the session it is live in, when there is one. Going live: the seat of the strategy's name.
    sessions = standing.sessions(strategy.version)
    return sessions[0] if len(sessions) == 1 else strategy.name


def _detect(strategy: Strategy, bars: pd.DataFrame) -> list[str]:
    from workbench.backtest.detectors import detect

    found = detect(strategy, bars, contract=bars.attrs.get("contract"))
    untried = [] if found.beginnings else [f"its warm-up could not be tried, store more bars: {found.checked}"]
    return [*found, *untried]
