"""History that is a moment behind the clock: the half of a bar never goes for the whole of it."""

from __future__ import annotations

import pytest

from tests.services.test_feed import CONTRACT, MINUTE, OPEN, World, bar
from workbench.services.feed import Feed

SECOND = 1_000_000_000


@pytest.fixture
def world() -> World:
    """Return a feed whose minutes 0 and 1 came from history, and which heard minute 2 from its middle on."""
    world = World()
    world.mono = 0.0  # type: ignore[attr-defined]
    world.feed = Feed(world.fetch, world.out.append, lambda: world.now, lambda: world.mono)  # type: ignore[attr-defined]
    world.history = [bar(0, 100.0), bar(1, 101.0)]
    world.now = OPEN + int(2.5 * MINUTE)
    return world


async def heard_from_the_middle(world: World) -> None:
    world.feed.open(CONTRACT, "1m", OPEN)
    await world.feed.fill()
    world.trade(2.7, 999.0)  # the second half of a minute that began at 102
    world.to(3.0)
    await world.feed.fill()


@pytest.mark.statement(26)
async def test_a_bar_that_history_has_not_yet_is_waited_for_and_comes_whole(world: World) -> None:
    await heard_from_the_middle(world)
    assert world.minutes() == [(0, 100.0), (1, 101.0)], "what was seen of minute 2 is half of it"
    world.trade(3.01, 103.0)
    world.history.append(bar(2, 102.0))
    world.mono += 1.0  # type: ignore[attr-defined]
    assert not world.feed.idle, "it is asked for again"
    await world.feed.fill()
    world.to(4.0)
    assert world.minutes()[2:] == [(2, 102.0), (3, 103.0)]


@pytest.mark.statement(26)
async def test_a_whole_bar_waits_behind_the_one_that_history_has_not_yet(world: World) -> None:
    world.feed.open(CONTRACT, "1m", OPEN)
    await world.feed.fill()
    world.trade(2.7, 999.0)
    world.trade(3.1, 103.0)
    world.now = OPEN + 3 * MINUTE + SECOND
    world.feed._lines[CONTRACT, "1m"].waiting.append(bar(3, 103.0))  # built from its first instant
    await world.feed.fill()
    assert world.minutes() == [(0, 100.0), (1, 101.0)]
    world.history.append(bar(2, 102.0))
    world.mono += 1.0  # type: ignore[attr-defined]
    await world.feed.fill()
    assert world.minutes()[2:] == [(2, 102.0), (3, 103.0)]


@pytest.mark.statement(26)
async def test_what_history_never_has_holds_up_the_bars_behind_it_for_seconds_and_is_left_out(world: World) -> None:
    await heard_from_the_middle(world)
    world.trade(3.5, 103.0)
    world.to(4.0)
    world.mono += 1.0  # type: ignore[attr-defined]
    await world.feed.fill()
    assert world.minutes()[2:] == [(3, 103.0)], "half a bar is none"
    assert world.feed.idle


async def test_a_later_bar_of_history_shows_that_the_half_one_is_not_on_its_way(world: World) -> None:
    await heard_from_the_middle(world)
    world.history.append(bar(3, 103.0))
    world.now = OPEN + 4 * MINUTE
    world.mono += 1.0  # type: ignore[attr-defined]
    await world.feed.fill()
    assert world.minutes()[2:] == [(3, 103.0)] and world.feed.idle
