"""Promotion: refused with every reason, or recorded with its evidence; one live version, also after a death in it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rules.build import strategy_text
from tests.services.promotion_child import NO_GATES, MadeUp
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.lifecycle import State
from workbench.rules import parse_strategy
from workbench.rules.indicators.custom import indicator, unregister
from workbench.rules.strategy import Strategy
from workbench.services.promoted import NotPromoted, Promotion
from workbench.services.promotion import promote, rollback, versions_frame
from workbench.storage.home import Home
from workbench.storage.ledger import Trials
from workbench.storage.versions import Versions

ROOT = Path(__file__).parents[2]
# Eight trading dates in ten win 20 and two lose 2: far above any luck that one trial has.
GOOD = MadeUp()


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)


@pytest.fixture
def place(tmp_path: Path) -> Home:
    return Home(tmp_path)


def made(stop: int = 8, **values: int) -> Strategy:
    text = strategy_text(stop=f"{{ticks: {stop}}}") + "parameters:\n  length: {default: 3, min: 1, max: 50}\n"
    return parse_strategy(text.replace("close > open", "close > sma(close, length)")).with_parameters(**values)


def go(place: Home, strategy: Strategy | str, to: str, result: Any = GOOD, **more: Any) -> Promotion:
    def backtest(_: Strategy, *, start: Any = None) -> Any:
        if isinstance(result, Exception):
            raise result
        return result if start is None else MadeUp(start=start, days=30)

    known = {"person": "ada", "home": place, "backtest": backtest, "detect": lambda *_: []}
    return promote(strategy, to=to, **{**known, **more})


def open_gates(place: Home) -> None:
    (place.path / "gates.yaml").write_text(NO_GATES)


def test_a_good_version_goes_to_paper_through_both_gates_and_its_evidence_is_kept(place: Home) -> None:
    done = go(place, made(), "paper", reason="looks right")
    assert done.passed and (done.was, done.now) == (State.DRAFT, State.PAPER)
    assert {(v.into, v.gate) for v in done.verdicts} >= {("tested", "min_trades"), ("paper", "headroom.max_loss_share")}
    assert str(done) == f"probe@{made().version} is paper, by ada"
    versions = Versions(place)
    kept = versions.attempts(made().version)[0]
    assert (kept.person, kept.reason, kept.accepted, kept.parameters) == ("ada", "looks right", True, {"length": 3})
    assert len(kept.verdicts) == len(done.verdicts)
    held = versions.results(made().version)
    assert [r.kind for r in held] == ["backtest", "out_of_sample", "detectors"]
    assert held[1].provenance["data"]["from"] == "2026-03-16", "the last 30 of 100 days that begin on 5 January"


def test_a_refusal_names_every_reason_and_is_recorded(place: Home) -> None:
    bad = MadeUp(trades=12, costs_usd=0.0, age=99.0, max_drawdown_usd=5000.0)
    with pytest.raises(NotPromoted) as caught:
        go(place, made(), "paper", bad, detect=lambda *_: ["entry.long changes at row 7"])
    text = str(caught.value)
    for reason in (
        "the detectors found: entry.long changes at row 7",
        "12 trades, at least 30 are asked",
        "12 trades, at least 100 are asked",
        "fees or slippage are zero",
        "the last bar is 99.0 days old, at most 45 are asked",
        "worst drawdown 5,000.00 USD, at most 1,500.00 is asked (75% of the maximum loss of topstep-50k)",
    ):
        assert text.count(reason) == 1
    assert caught.value.promotion.now is State.DRAFT
    kept = Versions(place).attempts()[0]
    assert not kept.accepted and Versions(place).standing().state(made().version) is State.DRAFT
    asked = {"gate": "min_trades", "into": "tested", "passed": False, "value": 12, "bound": 30}
    assert {**asked, "text": "12 trades, at least 30 are asked"} in kept.verdicts
    shown = caught.value.promotion._repr_html_()
    assert "✗" in shown and "✓" in shown and "at least 30" in shown


def test_what_cannot_be_run_is_refused_with_the_cause(place: Home) -> None:
    with pytest.raises(NotPromoted, match="no backtest: no bars of MES in the store"):
        go(place, made(), "tested", InputError("no bars of MES in the store"))


def test_detectors_run_once_for_a_version_and_program(place: Home) -> None:
    calls: list[str] = []

    def detect(strategy: Strategy, _bars: object) -> list[str]:
        calls.append(strategy.version)
        return []

    go(place, made(), "tested", detect=detect)
    go(place, made(), "paper", detect=detect)
    assert len(calls) == 1


def test_a_version_that_reads_an_indicator_of_this_process_alone_stays_out_of_paper(place: Home) -> None:
    @indicator("mine")
    def mine(state: Any, x: float) -> float:
        return 2.0 * x

    try:
        own = parse_strategy(strategy_text(entry="{long: 'close > mine(close)'}"))
        assert go(place, own, "tested").now is State.TESTED
        with pytest.raises(NotPromoted, match="it reads mine, known to this process alone: no session could run it"):
            go(place, own, "paper")
    finally:
        unregister("mine")


def test_detectors_run_again_for_other_values_and_for_more_bars(place: Home) -> None:
    calls: list[tuple[Any, int]] = []

    def detect(strategy: Strategy, bars: Any) -> list[str]:
        calls.append((strategy.values["length"], len(bars)))
        return []

    class Short(MadeUp):
        bars = property(lambda self: super().bars.iloc[-1:])

    short = Short()
    go(place, made(), "tested", short, detect=detect)
    go(place, made(), "paper", detect=detect)
    with pytest.raises(NotPromoted, match="row 3"):
        go(place, made(stop=9, length=4), "tested", detect=lambda *_: ["row 3 changes"])
    go(place, made(stop=9, length=5), "tested", detect=detect)
    assert [value for value, _ in calls] == [3, 3, 5] and calls[0][1] < calls[1][1]


def test_dates_that_a_sweep_has_seen_do_not_count_as_out_of_sample_until_a_walk_forward_is_attached(
    place: Home,
) -> None:
    Trials(place).add("probe", "d1", 400, "length", evidence={"sharpe_variance": 0.0})
    with pytest.raises(NotPromoted, match="a sweep of 400 trials has seen the dates"):
        go(place, made(), "paper")
    from workbench.services.version import program_version

    walked = {"data": {"version": "d1"}, "program": program_version(), "costs": {"slippage_ticks": 1.0}}
    stats = {"trades": 44, "net_usd": 10.0, "costs_usd": 90.0}
    free = {**walked, "costs": {"slippage_ticks": 0.0}}
    Versions(place).attach(made().version, "walk_forward", stats, free, at=1)
    with pytest.raises(NotPromoted, match=r"zero out of sample \(walk-forward\)"):
        go(place, made(), "paper")
    Versions(place).attach(made().version, "walk_forward", stats, walked, at=2)
    done = go(place, made(), "paper")
    assert "44 trades out of sample (walk-forward), at least 30 are asked" in {v.text for v in done.verdicts}


def test_live_asks_for_paper_days_in_it_and_a_reason(place: Home) -> None:
    with pytest.raises(NotPromoted, match="is draft; live asks for paper first"):
        go(place, made(), "live", reason="now")
    go(place, made(), "paper")
    with pytest.raises(NotPromoted, match="say why it goes live"):
        go(place, made(), "live")
    with pytest.raises(NotPromoted, match=r"0\.0 days in paper, at least 5 are asked"):
        go(place, made(), "live", reason="now")
    open_gates(place)
    done = go(place, made(), "live", reason="now")
    assert (done.now, done.session, done.replaced) == (State.LIVE, "probe", None)
    with pytest.raises(NotPromoted, match="is live in session probe already"):
        go(place, made(), "live", reason="again")
    assert go(place, made(), "live", reason="second", session="evening").passed


def test_what_goes_live_has_the_values_that_were_in_paper(place: Home) -> None:
    open_gates(place)
    assert go(place, made(length=7), "paper").parameters == {"length": 7}
    with pytest.raises(NotPromoted, match="was in paper with length=7, not with length=3"):
        go(place, made().version, "live", reason="now")
    assert go(place, made(length=7), "live", reason="now").parameters == {"length": 7}


def test_promotion_replaces_and_rollback_restores_with_the_values_it_had(place: Home) -> None:
    open_gates(place)
    old, new = made(8, length=9), made(9)
    for strategy in (old, new):
        go(place, strategy, "paper")
        done = go(place, strategy, "live", reason="now", session="open")
    assert done.replaced == old.version
    assert [r.state for r in Versions(place).recorded()] == [State.PAPER, State.LIVE]
    with pytest.raises(InputError, match=f"nothing was rolled back: {old.version} would come back now"):
        rollback("open", to=new.version, reason="it lost", person="bob", home=place)
    back = rollback("open", to=old.version, reason="it lost", person="bob", home=place)
    assert (back.version, back.now, back.replaced, back.parameters) == (
        old.version,
        State.LIVE,
        new.version,
        {"length": 9},
    )
    with pytest.raises(InputError, match=f"no earlier live version to go back to; {old.version} stays live"):
        rollback("open", home=place)
    with pytest.raises(UnknownName, match="did you mean open"):
        rollback("opn", home=place)
    last = Versions(place).attempts()[-1]
    assert (last.person, last.reason, last.wanted) == ("bob", "it lost", "live")


def test_a_rollback_to_a_copy_that_cannot_run_is_refused(place: Home) -> None:
    open_gates(place)
    for strategy in (made(8), made(9)):
        go(place, strategy, "paper")
        go(place, strategy, "live", reason="now")
    (place.versions / f"{made(8).version}.yaml").write_text("name: nothing\n")
    with pytest.raises(InputError, match=f"cannot go back to {made(8).version}: the stored copy"):
        rollback("probe", home=place)
    assert Versions(place).standing().live("probe") == made(9).version


def test_a_live_version_is_taken_off_to_paper_and_only_then_retired_for_good(place: Home) -> None:
    open_gates(place)
    go(place, made(), "paper")
    go(place, made(), "live", reason="now", session="open")
    with pytest.raises(NotPromoted, match="is live; promote another version, roll back, or take it off"):
        go(place, made(), "retired")
    off = go(place, made(), "paper", InputError("nothing is run for less risk"))
    assert (off.now, off.session) == (State.PAPER, "open") and Versions(place).standing().live("open") is None
    assert go(place, made(), "live", reason="again", session="open").passed
    go(place, made(), "paper")
    assert go(place, made(), "retired").now is State.RETIRED
    for state in ("tested", "paper", "live", "retired"):
        with pytest.raises(NotPromoted, match="is retired, which is for good"):
            go(place, made(), state, reason="x")


def test_wrong_words_change_and_record_nothing(place: Home) -> None:
    for version, to, told in (
        (made(), "papr", "unknown state 'papr'; did you mean paper"),
        (made(), "draft", "every version begins as a draft"),
        ("0000", "paper", "unknown strategy '0000'"),
    ):
        with pytest.raises(InputError, match=told):
            go(place, version, to)
    assert not Versions(place).database.exists


def test_the_frame_of_versions_shows_states_and_sessions(place: Home) -> None:
    assert versions_frame(home=place).empty
    open_gates(place)
    go(place, made(8), "paper")
    go(place, made(8), "live", reason="now", session="open")
    go(place, made(9), "tested")
    frame = versions_frame("probe", home=place)
    assert list(frame.index) == [made(8).version, made(9).version]
    assert list(frame["state"]) == ["live", "tested"] and list(frame["live_in"]) == ["open", ""]
    assert frame.loc[made(9).version, "parent"] == made(8).version
    assert str(frame["stored_at"].dt.tz) == "UTC"


# --- K14: death in the middle, and two at once ---


Job = tuple[str, str, str]  # verb, version, where to die


class Others:
    """Other processes that promote, some of which die while they do it."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.services.promotion_child"]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def run(self, place: Home, *jobs: Job) -> list[tuple[int, str]]:
        """Start all jobs at once, and return the exit code and the words of each."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"home": str(place.path), "jobs": jobs}) + "\n")
        self.process.stdin.flush()
        codes, said = json.loads(self._line())
        return list(zip(codes, said, strict=True))

    def end(self) -> None:
        self.process.communicate(timeout=30)


@pytest.fixture(scope="module")
def others() -> Iterator[Others]:
    made = Others()
    yield made
    made.end()


def two_in_paper(place: Home) -> tuple[str, str]:
    open_gates(place)
    for strategy in (made(8), made(9)):
        go(place, strategy, "paper")
    go(place, made(8), "live", reason="first", session="open")
    return made(8).version, made(9).version


@pytest.mark.statement(51)
@pytest.mark.parametrize(
    ("point", "is_new"), [("K14.1", False), ("K14.2", False), ("K14.3", False), ("K14.4", True), ("", True)]
)
@pytest.mark.parametrize("verb", ["promote", "rollback"])
def test_after_a_death_inside_a_promotion_exactly_one_version_is_live(
    place: Home, others: Others, verb: str, point: str, is_new: bool
) -> None:
    old, new = two_in_paper(place)
    if verb == "rollback":
        go(place, made(9), "live", reason="second", session="open")
        old, new = new, old
    before = len(Versions(place).attempts())
    [(code, said)] = others.run(place, (verb, new, point))
    assert code == (137 if point else 0), said
    expected = new if is_new else old
    again = Versions(place)
    assert again.standing().live("open") == expected
    assert {r.version: r.state for r in again.recorded()} == {
        expected: State.LIVE,
        (old if is_new else new): State.PAPER,
    }
    assert len(again.attempts()) == before + is_new
    with again.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT session, version FROM live").all()
    assert [tuple(row) for row in rows] == [("open", expected)]
    if not is_new:  # nothing is in the way of doing it again
        assert others.run(place, (verb, new, ""))[0][0] == 0
        assert Versions(place).standing().live("open") == new


@pytest.mark.statement(51)
def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(place: Home) -> None:
    open_gates(place)
    for stop in (8, 9):
        go(place, made(stop), "paper")

    def racing(strategy: Strategy, *, start: Any = None) -> Any:
        # while this one looks at its evidence, another one goes live
        go(place, made(9), "live", reason="faster", session="open")
        return GOOD

    (place.path / "gates.yaml").write_text("live: {min_trades: 1}\n")
    with pytest.raises(NotPromoted, match=f"in session open nothing was live and {made(9).version} is"):
        go(place, made(8), "live", reason="slower", session="open", backtest=racing)
    versions = Versions(place)
    assert versions.standing().live("open") == made(9).version
    assert [(a.version, a.accepted) for a in versions.attempts()][-2:] == [
        (made(9).version, True),
        (made(8).version, False),
    ]


@pytest.mark.statement(51)
def test_processes_that_race_leave_one_live_version_whatever_the_order(place: Home, others: Others) -> None:
    old, new = two_in_paper(place)
    third = go(place, made(10), "paper").version
    done = others.run(place, *(("promote", version, "") for version in (new, third) * 3))
    assert [code for code, _ in done] == [0] * 6
    won = [said for _, said in done if "is live in session open, by child" in said]
    lost = [said for _, said in done if said.startswith("refused")]
    assert won and len(won) + len(lost) == 6
    assert all("already" in said or "another promotion was first" in said for said in lost)
    versions = Versions(place)
    assert versions.standing().live("open") in (new, third)
    assert [r.version for r in versions.recorded() if r.state is State.LIVE] == [versions.standing().live("open")]
    assert versions.standing().state(old) is State.PAPER
    assert sum(a.accepted for a in versions.attempts() if a.person == "child") == len(won)
