"""Recorded versions: lineage, states, one live version of a session, results and trials."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.exc import IntegrityError

from tests.rules.build import strategy_text
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.lifecycle import IllegalStep, Moved, Seat, Standing, State, Step, promotion, rollback
from workbench.rules import parse_strategy
from workbench.rules.strategy import SEMANTICS, Strategy
from workbench.storage.attempts import Attempt
from workbench.storage.database import Database, DatabaseDamaged
from workbench.storage.home import Home
from workbench.storage.ledger import Trials
from workbench.storage.registry import Registry
from workbench.storage.versions import Overtaken, Versions

UP = [Step.PASSED_TESTS, Step.WENT_TO_PAPER]


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)


@pytest.fixture
def versions(tmp_path: Path, each_database: str) -> Versions:
    return Versions(Home(tmp_path))


@pytest.fixture
def file_versions(tmp_path: Path) -> Versions:
    """On SQLite only: the test speaks of the file."""
    return Versions(Home(tmp_path))


@cache
def made(stop: int) -> Strategy:
    return parse_strategy(strategy_text(stop=f"{{ticks: {stop}}}"))


def attempt(version: str, wanted: str = "paper", session: str = "", at: int = 1, **more: Any) -> Attempt:
    known = {"person": "ada", "reason": "", "accepted": True, "program": "0"}
    return Attempt(at=at, version=version, wanted=wanted, session=session, **{**known, **more})


def to_paper(versions: Versions, version: str) -> None:
    versions.carry_out(attempt(version), lambda _: [Moved(version, step) for step in UP])


def go_live(versions: Versions, version: str, session: str = "open") -> None:
    versions.carry_out(attempt(version, "live", session), lambda now: promotion(now, version, session))


def test_what_is_registered_is_recorded_with_all_that_made_it(versions: Versions) -> None:
    strategy = made(8)
    first = versions.register(strategy, at=5, person="ada")
    assert (first.version, first.name, first.state, first.parent) == (strategy.version, "probe", State.DRAFT, None)
    assert (first.kind, first.semantics, first.at, first.person) == ("yaml", SEMANTICS, 5, "ada")
    assert versions.register(made(8), at=9, person="bob") == first
    from workbench.storage.tables import versions as table

    with versions.database.reading() as connection:
        row = connection.execute(table.select()).mappings().one()
    assert row["source"] == strategy.source and row["normal"] == strategy.normal()


def test_the_parent_is_the_version_before_of_that_name_or_the_one_that_is_given(versions: Versions) -> None:
    a, b, c = (versions.register(made(n), at=n, person="ada").version for n in (5, 6, 7))
    d = versions.register(made(8), at=8, person="ada", parent=a).version
    assert [r.version for r in versions.lineage(c)] == [a, b, c]
    assert [r.version for r in versions.lineage(d)] == [a, d]
    assert [r.version for r in versions.recorded()] == [a, b, c, d]
    with pytest.raises(UnknownName, match="did you mean probe"):
        versions.recorded("prob")


def test_versions_stored_as_files_only_are_drafts_and_taken_up_by_the_next_write(
    versions: Versions, each_database: str
) -> None:
    registry = versions.registry
    first, second = (registry.register(made(n), at=n).version for n in (5, 6))
    is_file = each_database == "sqlite"
    assert versions.database.exists is not is_file
    assert [(r.version, r.state) for r in versions.recorded()] == [(first, State.DRAFT), (second, State.DRAFT)]
    assert versions.database.exists is not is_file, "looking makes nothing"
    to_paper(versions, second)
    assert [(r.version, r.state, r.parent) for r in versions.recorded()] == [
        (first, State.DRAFT, None),
        (second, State.PAPER, first),
    ]


def test_a_broken_database_never_keeps_a_stored_copy_from_running(file_versions: Versions) -> None:
    versions = file_versions
    version = versions.register(made(8), at=1, person="ada").version
    versions.database.path.write_bytes(b"not a database at all" * 500)
    with pytest.raises(DatabaseDamaged):
        Versions(versions.registry.home).recorded()
    again = Registry(versions.registry.home)
    assert again.get(version).version == version
    assert again.register(made(9), at=2).version == made(9).version
    versions.database.path.unlink()
    assert [r.version for r in Versions(versions.registry.home).recorded()] == [version, made(9).version]


def test_a_version_of_another_meaning_of_the_rules_says_so(versions: Versions) -> None:
    entry = versions.registry.register(made(8))
    old = "0123456789abcdef"
    for suffix in (".yaml", ".json"):
        path = versions.registry.folder / f"{entry.version}{suffix}"
        text = path.read_text().replace(entry.version, old).replace(f'"semantics": {SEMANTICS}', '"semantics": 0')
        (versions.registry.folder / f"{old}{suffix}").write_text(text)
    with pytest.raises(Exception, match=f"meaning 0 .* is version {entry.version}"):
        versions.registry.get(old)
    assert old in {r.version for r in versions.recorded()}
    to_paper(versions, entry.version)  # and it keeps nobody else from going on
    assert versions.standing().state(entry.version) is State.PAPER


def test_an_attempt_is_recorded_with_its_steps_or_not_at_all(versions: Versions) -> None:
    a, b = (versions.register(made(n), at=n, person="ada").version for n in (5, 6))
    to_paper(versions, a)
    with pytest.raises(IllegalStep):
        go_live(versions, b)
    assert [x.version for x in versions.attempts()] == [a]
    versions.refuse(attempt(b, accepted=False, verdicts=({"gate": "min_trades", "value": float("nan")},)))
    kept = versions.attempts(b)[0]
    assert (kept.accepted, kept.verdicts) == (False, ({"gate": "min_trades", "value": None},))
    assert versions.standing().state(b) is State.DRAFT
    assert versions.since(a, Step.WENT_TO_PAPER) == 1 and versions.since(a, Step.WENT_LIVE) is None


def test_who_decided_on_something_that_has_changed_is_overtaken(versions: Versions) -> None:
    a, b = (versions.register(made(n), at=n, person="ada").version for n in (5, 6))
    for version in (a, b):
        to_paper(versions, version)
    go_live(versions, a)
    with pytest.raises(Overtaken, match=f"in session open nothing was live and {a} is"):
        versions.carry_out(
            attempt(b, "live", "open"), lambda now: promotion(now, b, "open"), seen=(State.PAPER, Seat())
        )
    assert versions.standing().live("open") == a
    versions.carry_out(attempt(b, "live", "open"), lambda now: promotion(now, b, "open"), seen=(State.PAPER, Seat(a)))
    assert versions.standing().live("open") == b


@pytest.mark.statement(51)
def test_the_database_itself_refuses_a_second_live_version(versions: Versions) -> None:
    a, b = (versions.register(made(n), at=n, person="ada").version for n in (5, 6))
    for version in (a, b):
        to_paper(versions, version)
    go_live(versions, a)
    insert = f"INSERT INTO live (session, version, attempt) VALUES ('open', '{b}', 1)"
    with pytest.raises(IntegrityError), versions.database.writing() as connection:
        connection.exec_driver_sql(insert)
    with versions.database.writing() as connection:
        connection.exec_driver_sql(insert.replace("'open'", "'shadow'"))
    with pytest.raises(DatabaseDamaged, match="disagree about shadow"):
        versions.standing()


def test_results_are_attached_once_with_everything_that_makes_them_again(versions: Versions) -> None:
    version = versions.register(made(8), at=1, person="ada").version
    provenance = {"data": {"version": "d1"}, "program": "0.1", "costs": {"slippage_ticks": 1}, "parameters": {"n": 3}}
    for at in (2, 3):
        versions.attach(version, "backtest", {"net_usd": 12.5, "sharpe": float("inf")}, provenance, at=at)
    versions.attach(version, "out_of_sample", {"net_usd": 1.0}, provenance, at=4)
    versions.attach(version, "backtest", {"net_usd": 13.0}, {**provenance, "data": {"version": "d2"}}, at=5)
    first, second = versions.results(version, "backtest")
    assert (first.at, first.data_version, first.program, first.costs) == (2, "d1", "0.1", {"slippage_ticks": 1})
    assert first.stats == {"net_usd": 12.5, "sharpe": None} and first.provenance == provenance
    assert second.data_version == "d2" and len(versions.results(version)) == 3
    with pytest.raises(IntegrityError):
        versions.attach("0000000000000000", "backtest", {}, {}, at=6)


def test_trials_are_counted_over_all_versions_of_a_name(versions: Versions) -> None:
    ledger = Trials(versions.registry.home)
    assert ledger.count("probe") == 0 and ledger.list() == []
    ledger.add("probe", "d1", 500, "fast × slow", evidence={"pbo": 0.2, "sharpe_variance": float("nan")})
    ledger.add("probe", "d2", 120, "random")
    ledger.add("other", "d1", 7, "grid")
    assert (ledger.count("probe"), ledger.count("other"), ledger.count("none")) == (620, 7, 0)
    first = ledger.list("probe")[0]
    assert (first.trials, first.what, first.evidence) == (500, "fast × slow", {"pbo": 0.2, "sharpe_variance": None})
    with pytest.raises(InputError, match="0 trials"):
        ledger.add("probe", "d1", 0, "nothing")


@cache
def empty_database() -> bytes:
    """A database that was brought up to date once: hundreds of lives begin with it."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Home(Path(folder)))
        with database.writing():
            pass
        return database.path.read_bytes()


IN_MEMORY = next((str(p) for p in [Path("/dev/shm")] if os.access(p, os.W_OK)), None)  # nothing here tests the disk


class Lives(RuleBasedStateMachine):
    """Promotions, rollbacks and retirements in any order, against a plain model of who is live where."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        (self.folder / "workbench.db").write_bytes(empty_database())
        self.versions = Versions(Home(self.folder))
        self.names: list[str] = []
        self.live: dict[str, str] = {}
        self.accepted = 0

    @initialize(count=st.integers(2, 4))
    def begin(self, count: int) -> None:
        self.names = [self.versions.registry.register(made(5 + n), at=n).version for n in range(count)]

    def carry_out(self, version: str, wanted: str, session: str, steps: Any) -> Standing | None:
        try:
            after = self.versions.carry_out(attempt(version, wanted, session), steps)
        except IllegalStep:
            return None
        self.accepted += 1
        return after

    @rule(i=st.integers(0, 3))
    def test_and_paper(self, i: int) -> None:
        version = self.names[i % len(self.names)]
        self.carry_out(version, "paper", "", lambda _: [Moved(version, step) for step in UP])

    @rule(i=st.integers(0, 3), session=st.sampled_from(["open", "close"]))
    def promote(self, i: int, session: str) -> None:
        version = self.names[i % len(self.names)]
        done = self.carry_out(version, "live", session, lambda now: promotion(now, version, session))
        if done is not None:
            self.live[session] = version

    @rule(session=st.sampled_from(["open", "close"]))
    def roll_back(self, session: str) -> None:
        steps = rollback(self.versions.standing(), session)
        if steps and self.carry_out(steps[-1].version, "live", session, lambda _: steps) is not None:
            self.live[session] = steps[-1].version

    @precondition(lambda self: self.live)
    @rule(session=st.sampled_from(["open", "close"]))
    def take_off(self, session: str) -> None:
        version = self.live.get(session, self.names[0])
        if self.carry_out(version, "paper", session, lambda _: [Moved(version, Step.TAKEN_OFF, session)]) is not None:
            del self.live[session]

    @rule(i=st.integers(0, 3))
    def retire(self, i: int) -> None:
        version = self.names[i % len(self.names)]
        before = version in self.live.values()
        done = self.carry_out(version, "retired", "", lambda _: [Moved(version, Step.RETIRED)])
        assert done is None or not before, "what is live is not retired"

    @invariant()
    def one_live_version_of_a_session_and_all_records_agree(self) -> None:
        if not self.names or not self.versions.database.exists:
            return
        fresh = Versions(Home(self.folder))
        standing = fresh.standing()  # compares the record of steps with the table of live versions
        assert {s: seat.version for s, seat in standing.seats.items() if seat.version} == self.live
        shown = {r.version: r for r in fresh.recorded()}
        for version in self.names:
            sessions = tuple(sorted(s for s, v in self.live.items() if v == version))
            assert shown[version].sessions == sessions
            assert (shown[version].state is State.LIVE) == bool(sessions)
        assert len(fresh.attempts()) == self.accepted

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=10, stateful_step_count=20, deadline=None, database=None)


@pytest.mark.statement(51)
def test_the_same_lives_on_postgresql(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", address)
    from workbench.storage.tables import METADATA

    class OnServer(Lives):
        """One database for all lives: each begins with empty tables."""

        def __init__(self) -> None:
            super().__init__()
            with self.versions.database.writing() as connection:
                for table in reversed(METADATA.sorted_tables):
                    connection.execute(table.delete())

    run_state_machine_as_test(
        OnServer, settings=settings(max_examples=4, stateful_step_count=15, deadline=None, database=None)
    )


def test_a_version_that_gives_way_to_itself_stays_the_one_that_is_live(tmp_path: Path) -> None:
    versions = Versions(Home(tmp_path))
    name = versions.register(parse_strategy(strategy_text()), at=1, person="ada").version
    versions.carry_out(attempt(name, "paper", ""), lambda _: [Moved(name, step) for step in UP])
    for _ in range(2):
        versions.carry_out(attempt(name, "live", "open"), lambda now: promotion(now, name, "open"))
    assert versions.standing().live("open") == name
