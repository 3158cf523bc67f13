"""Lanes: account and operator events first and never dropped, prices conflated, bars kept in order."""

from __future__ import annotations

import asyncio
import itertools
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from tests.execution.fake_broker import ACCOUNT, MES, bar_closed
from workbench.domain import events as e
from workbench.services.lanes import PRICE_AFTER, Lanes

OPERATOR, FILL, TIMER, BAR, PRICE = "operator", "account", "timer", "bar", "price"


def make(kind: str, number: int) -> e.Event:
    match kind:
        case "operator":
            return e.Halted(at=number, reason="x")
        case "account":
            return e.PositionReported(at=number, account=ACCOUNT, contract=MES, qty=0, average_price=0.0)
        case "timer":
            return e.TimerFired(at=number)
        case "bar":
            return bar_closed(number, 1.0)
    return e.PriceSeen(at=number, contract=f"c{number % 3}", price=float(number))


def drain(lanes: Lanes) -> list[e.Event]:
    out = []
    while (event := lanes.take()) is not None:
        out.append(event)
    return out


def test_the_most_urgent_lane_is_emptied_first() -> None:
    lanes = Lanes()
    for number, kind in enumerate((PRICE, BAR, TIMER, FILL, OPERATOR)):
        lanes.put(make(kind, number))
    assert [event.at for event in drain(lanes)] == [4, 3, 2, 1, 0]


@given(kinds=st.lists(st.sampled_from((OPERATOR, FILL, TIMER, BAR, PRICE)), max_size=40))
def test_only_prices_and_timers_are_conflated_and_each_lane_keeps_its_order(kinds: list[str]) -> None:
    lanes = Lanes()
    put = [make(kind, number) for number, kind in enumerate(kinds)]
    for event in put:
        lanes.put(event)
    got = drain(lanes)
    assert len(lanes) == 0
    for kind in (OPERATOR, FILL, BAR):
        sent = [event for event, name in zip(put, kinds, strict=True) if name == kind]
        assert [event for event in got if event in sent] == sent
    newest = {event.contract: event for event in put if isinstance(event, e.PriceSeen)}
    assert {event.contract: event for event in got if isinstance(event, e.PriceSeen)} == newest
    assert [x.at for x in got if isinstance(x, e.TimerFired)] == [x.at for x in put if isinstance(x, e.TimerFired)][-1:]
    assert lanes.conflated == kinds.count(PRICE) - len(newest)


def test_in_a_flood_that_never_ends_every_contract_has_its_newest_price_in_turn() -> None:
    lanes, newest, seen = Lanes(), {}, []
    for number in range(300):
        for kind in (OPERATOR, FILL, BAR):  # three come for each that is taken
            lanes.put(make(kind, number))
        lanes.put(price := make(PRICE, number))
        newest[price.contract] = price
        event = lanes.take()
        if isinstance(event, e.PriceSeen):
            assert event is newest[event.contract], "an old price is worth nothing"
            seen.append((number, event.contract))
    turns = [number for number, _ in seen]
    assert {later - sooner for sooner, later in itertools.pairwise(turns)} == {PRICE_AFTER + 1}
    for three in zip(seen, seen[1:], seen[2:], strict=False):
        assert len({contract for _, contract in three}) == 3, "no contract has two turns while another waits"


def test_a_price_that_has_just_come_overtakes_nothing() -> None:
    lanes = Lanes()
    for number in range(100):
        lanes.put(make(FILL, number))
        lanes.take()
    lanes.put(make(FILL, 100))
    lanes.put(make(PRICE, 101))
    assert [event.at for event in drain(lanes)] == [100, 101]


def test_every_event_type_has_a_lane_from_which_it_comes_out() -> None:
    for kind in get_args(e.AnyEvent):
        lanes = Lanes()
        fields = {"at": 1, "contract": MES}
        event = kind(**{name: fields.get(name, 0) for name in kind.__struct_fields__})
        lanes.put(event)
        assert lanes.take() is event, kind


async def test_get_waits_for_what_comes_later() -> None:
    lanes = Lanes()
    waiting = asyncio.create_task(lanes.get())
    await asyncio.sleep(0)
    lanes.put(make(TIMER, 5))
    assert (await asyncio.wait_for(waiting, 1)).at == 5
    for number in range(100):
        lanes.put(make(FILL, number))
    assert [(await lanes.get()).at for _ in range(100)] == list(range(100))
