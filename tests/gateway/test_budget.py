"""Request budgets: never above the gateway's limits, room for what must not wait."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.virtual import play
from tests.gateway.fakes import FakeTime
from workbench.gateway.budget import Budgets, Priority, SlidingBudget


def budget(time: FakeTime, limit: int = 200, window_s: float = 60.0, **options: float) -> SlidingBudget:
    return SlidingBudget(limit, window_s, clock=time.monotonic, sleep=time.sleep, **options)


async def test_ordinary_requests_stop_at_sixty_percent_of_eighty() -> None:
    time = FakeTime()
    gate = budget(time)
    for _ in range(96):  # 200 × 0.8 × 0.6
        await gate.acquire()
    assert time.slept == []
    assert gate.wait_s() == 60.0


async def test_a_cancel_never_waits_behind_ordinary_requests() -> None:
    time = FakeTime()
    gate = budget(time)
    for _ in range(96):
        await gate.acquire()
    for _ in range(104):
        await gate.acquire(Priority.URGENT)
    assert time.slept == []
    assert gate.wait_s(Priority.URGENT) == 60.0  # the gateway itself would refuse the 201st


async def test_history_has_a_budget_of_its_own_without_a_reserve() -> None:
    time = FakeTime()
    budgets = Budgets(history=budget(time, 50, 30.0, reserve=0.0))
    for _ in range(40):
        await budgets.of(True).acquire()
    assert budgets.of(True).wait_s() == 30.0
    assert budgets.of(False).wait_s() == 0.0


async def test_room_comes_back_one_by_one_as_the_window_slides() -> None:
    time = FakeTime()
    gate = budget(time, 10, 10.0, share=1.0, reserve=0.0)
    for _ in range(10):
        await gate.acquire()
        time.now += 0.5
    await gate.acquire()
    assert time.slept == [5.0]  # the first left at 0 s, it is 5 s now


async def test_a_429_holds_ordinary_requests_back_for_the_longest_time_asked_for() -> None:
    time = FakeTime()
    gate = budget(time)
    gate.pause(7.0)
    gate.pause(3.0)
    await gate.acquire()
    assert time.slept == [7.0]


async def refused(gate: SlidingBudget, seconds: float = 60.0) -> None:
    gate.pause(seconds, Priority.URGENT, await gate.acquire(Priority.URGENT))


@pytest.mark.statement(31)
async def test_a_429_to_an_ordinary_request_holds_no_cancel_back() -> None:
    time = FakeTime()
    gate = budget(time)
    gate.pause(60.0)
    await gate.acquire(Priority.URGENT)
    assert time.slept == []


@pytest.mark.statement(31)
async def test_refused_cancels_are_tried_again_within_seconds_however_long_ordinary_requests_wait() -> None:
    time = FakeTime()
    gate = budget(time)
    for _ in range(6):
        await refused(gate)
    assert time.slept == [1.0, 2.0, 3.0, 3.0, 3.0]  # 60 s were asked for each time
    assert gate.wait_s() == 60.0


async def test_a_cancel_that_gets_through_makes_the_next_429_a_first_one_and_lets_nothing_ordinary_leave() -> None:
    time = FakeTime()
    gate = budget(time)
    await refused(gate)
    await refused(gate)
    await gate.acquire(Priority.URGENT)
    gate.passed(Priority.URGENT)
    assert gate.wait_s() == 58.0  # asked for at 1 s, and it is 3 s now
    await refused(gate)
    await gate.acquire(Priority.URGENT)
    assert time.slept == [1.0, 2.0, 1.0]


async def test_of_a_burst_of_cancels_only_the_first_429_counts() -> None:
    time = FakeTime()
    gate = budget(time)
    left = [await gate.acquire(Priority.URGENT) for _ in range(16)]
    for at in left:
        gate.pause(60.0, Priority.URGENT, at)
        time.now += 0.01
    assert 0 < gate.wait_s(Priority.URGENT) < 1.0


@pytest.mark.statement(31)
def test_of_many_cancels_held_back_one_tries_and_the_others_follow_it_in() -> None:
    async def story() -> tuple[list[float], list[float]]:
        loop = asyncio.get_running_loop()
        gate = SlidingBudget(200, 60.0, clock=loop.time)
        refused_at, let_in_at = list[float](), list[float]()

        async def cancel() -> None:
            while True:
                left_at = await gate.acquire(Priority.URGENT)
                await asyncio.sleep(0.1)
                if left_at >= 20.0:
                    gate.passed(Priority.URGENT, left_at)
                    let_in_at.append(left_at)
                    return
                gate.pause(60.0, Priority.URGENT, left_at)
                refused_at.append(left_at)

        await asyncio.gather(*(cancel() for _ in range(10)))
        return refused_at, let_in_at

    refused_at, let_in_at = play(story(), 0)
    # By hand: ten at once, then one after 1 s, 2 s, and each 3 s (and the 0.1 s of an answer) until 20 s.
    assert len(refused_at) == 10 + 2 + 5
    assert len(let_in_at) == 10 and max(let_in_at) - min(let_in_at) <= 0.3 and max(let_in_at) < 23.5


async def test_a_429_that_asks_for_no_time_at_all_makes_no_loop() -> None:
    time = FakeTime()
    gate = budget(time)
    await refused(gate, 0.0)
    assert gate.wait_s(Priority.URGENT) >= 0.25


@given(gaps=st.lists(st.floats(0, 2), min_size=60, max_size=60), stop_at=st.integers(0, 59))
def test_whenever_a_stop_comes_in_a_flood_of_ordinary_requests_its_share_is_free(
    gaps: list[float], stop_at: int
) -> None:
    time = FakeTime()
    gate = budget(time, 20, 10.0)  # ordinary ones may use 20 × 0.8 × 0.6 = 9 of the 20

    async def play() -> None:
        for number, gap in enumerate(gaps):
            time.now += gap
            await gate.acquire()
            if number == stop_at:
                began = time.now
                for _ in range(11):
                    await gate.acquire(Priority.URGENT)
                assert time.now == began

    asyncio.run(play())


@given(
    gaps=st.lists(st.floats(0, 4), min_size=1, max_size=80),
    urgent=st.lists(st.booleans(), min_size=80, max_size=80),
)
def test_no_window_ever_holds_more_than_its_cap(gaps: list[float], urgent: list[bool]) -> None:
    time = FakeTime()
    gate = budget(time, 10, 10.0)
    left: list[tuple[float, bool]] = []

    async def play() -> None:
        for gap, is_urgent in zip(gaps, urgent, strict=False):
            time.now += gap
            await gate.acquire(Priority.URGENT if is_urgent else Priority.NORMAL)
            left.append((time.now, is_urgent))

    asyncio.run(play())
    for i, (at, is_urgent) in enumerate(left):
        earlier = [t for t, _ in left[:i] if t + 10.0 > at]
        assert len(earlier) < (10 if is_urgent else 4)  # 10 × 0.8 × 0.6 = 4
