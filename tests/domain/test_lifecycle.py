"""The states of a version: the table, the seats, and laws that hold whatever happens in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.lifecycle import (
    TRANSITIONS,
    IllegalStep,
    Moved,
    Seat,
    Standing,
    State,
    Step,
    apply,
    fold,
    promotion,
    rollback,
)


def ready(*versions: str) -> Standing:
    """Standing in which all of `versions` are in paper."""
    return fold(Moved(v, step) for v in versions for step in (Step.PASSED_TESTS, Step.WENT_TO_PAPER))


def after(standing: Standing, moves: list[Moved]) -> Standing:
    for moved in moves:
        standing = apply(standing, moved)
    return standing


def test_a_version_climbs_one_state_at_a_time() -> None:
    standing = Standing()
    assert standing.state("a") is State.DRAFT
    for step, state in ((Step.PASSED_TESTS, State.TESTED), (Step.WENT_TO_PAPER, State.PAPER)):
        standing = apply(standing, Moved("a", step))
        assert standing.state("a") is state
    standing = apply(standing, Moved("a", Step.WENT_LIVE, "open"))
    assert (standing.state("a"), standing.live("open"), standing.sessions("a")) == (State.LIVE, "a", ("open",))


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("step", list(Step))
def test_a_cell_that_is_not_in_the_table_is_refused(state: State, step: Step) -> None:
    way = {
        State.DRAFT: [],
        State.TESTED: [Step.PASSED_TESTS],
        State.PAPER: [Step.PASSED_TESTS, Step.WENT_TO_PAPER],
        State.LIVE: [Step.PASSED_TESTS, Step.WENT_TO_PAPER, Step.WENT_LIVE],
        State.RETIRED: [Step.RETIRED],
    }
    standing = fold(Moved("a", s, "open" if s is Step.WENT_LIVE else "") for s in way[state])
    seated = step in (Step.WENT_LIVE, Step.RESTORED)
    leaving = step in (Step.REPLACED, Step.ROLLED_BACK, Step.TAKEN_OFF)
    moved = Moved("a", step, "other" if seated else "open" if leaving else "")
    if step in TRANSITIONS[state]:
        assert apply(standing, moved).state("a") is TRANSITIONS[state][step]
    else:
        with pytest.raises(IllegalStep):
            apply(standing, moved)


def test_a_session_has_one_live_version_and_remembers_who_was_before() -> None:
    standing = ready("a", "b")
    standing = after(standing, promotion(standing, "a", "open"))
    with pytest.raises(IllegalStep, match="a is live in open; it must give way"):
        apply(standing, Moved("b", Step.WENT_LIVE, "open"))
    standing = after(standing, promotion(standing, "b", "open"))
    assert (standing.state("a"), standing.state("b")) == (State.PAPER, State.LIVE)
    assert standing.seat("open") == Seat("b", ("a",))


def test_rolling_back_goes_further_back_each_time_and_not_to_and_fro() -> None:
    standing = ready("a", "b", "c")
    for version in ("a", "b", "c"):
        standing = after(standing, promotion(standing, version, "open"))
    for expected in ("b", "a"):
        standing = after(standing, rollback(standing, "open"))
        assert standing.live("open") == expected
    assert rollback(standing, "open") == []
    assert [standing.state(v) for v in "abc"] == [State.LIVE, State.PAPER, State.PAPER]


def test_a_version_that_is_live_elsewhere_stays_live_when_it_loses_one_session() -> None:
    standing = ready("a", "b")
    for session in ("open", "close"):
        standing = after(standing, promotion(standing, "a", session))
    standing = after(standing, promotion(standing, "b", "open"))
    assert standing.state("a") is State.LIVE and standing.sessions("a") == ("close",)
    standing = apply(standing, Moved("a", Step.TAKEN_OFF, "close"))
    assert standing.state("a") is State.PAPER and standing.live("close") is None
    assert rollback(standing, "close") == [Moved("a", Step.RESTORED, "close")]


def test_nobody_goes_back_to_a_retired_version() -> None:
    standing = ready("a", "b", "c")
    for version in ("a", "b", "c"):
        standing = after(standing, promotion(standing, version, "open"))
    standing = apply(standing, Moved("b", Step.RETIRED))
    standing = after(standing, rollback(standing, "open"))
    assert standing.live("open") == "a"


def test_going_live_needs_a_session_and_nothing_else_has_one() -> None:
    with pytest.raises(IllegalStep, match="needs the name of a session"):
        apply(ready("a"), Moved("a", Step.WENT_LIVE))
    with pytest.raises(IllegalStep, match="belongs to no session"):
        apply(Standing(), Moved("a", Step.PASSED_TESTS, "open"))
    live = after(ready("a", "b"), [Moved("a", Step.WENT_LIVE, "open"), Moved("b", Step.WENT_LIVE, "close")])
    with pytest.raises(IllegalStep, match="b is not live in open, a is"):
        apply(live, Moved("b", Step.TAKEN_OFF, "open"))


MOVES = st.builds(Moved, st.sampled_from("abc"), st.sampled_from(list(Step)), st.sampled_from(["", "open", "close"]))


@given(st.lists(MOVES, max_size=60))
def test_whatever_is_tried_a_seat_and_a_state_never_contradict_each_other(tried: list[Moved]) -> None:
    standing, taken = ready("a", "b", "c"), []
    for moved in tried:
        before = standing
        try:
            standing = apply(standing, moved)
        except IllegalStep:
            assert standing is before
            continue
        taken.append(moved)
    for version in "abc":
        assert (standing.state(version) is State.LIVE) == bool(standing.sessions(version))
    for seat in standing.seats.values():
        assert len(set(seat.before)) == len(seat.before) and seat.version not in seat.before
        assert all(standing.state(v) is not State.RETIRED for v in seat.before)
    assert fold([*(Moved(v, s) for v in "abc" for s in (Step.PASSED_TESTS, Step.WENT_TO_PAPER)), *taken]) == standing
