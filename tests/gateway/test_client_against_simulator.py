"""Our client on our simulator over real sockets: the normal life, and the right answer to every fault switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.gateway.live import ACCOUNT, MAINTENANCE, MES, MORNING, QUICK, Live, approved, live
from workbench.domain.commands import Accepted, Rejected, Unknown
from workbench.domain.order import OrderType, Side, Status
from workbench.domain.timeframe import timeframe
from workbench.gateway.link import Timing
from workbench.simulator.faults import KINDS

F = TypeVar("F", bound=Callable[..., Any])
COVERED: set[str] = set()


def covers(*names: str) -> Callable[[F], F]:
    """Mark a test as the one that shows the client's right answer to these switches."""
    COVERED.update(names)
    return lambda function: function


def quick(**changes: float) -> Timing:
    return Timing(**{**{name: getattr(QUICK, name) for name in QUICK.__struct_fields__}, **changes})


async def round_trip(case: Live, qty: int = 2) -> None:
    """Buy with a bracket, see it everywhere, sell it again, see it flat everywhere."""
    await case.ready()
    bought = await case.rest.place(approved("in", qty=qty, stop_loss_ticks=-400, take_profit_ticks=400))
    assert isinstance(bought, Accepted), bought
    await case.until(lambda: case.held == case.reported == qty, f"long {qty}")
    assert case.truth == qty
    for order in await case.rest.working_orders(ACCOUNT):
        assert await case.rest.cancel(ACCOUNT, order.order_id or 0) == Accepted()
    assert await case.rest.close(ACCOUNT, MES) == Accepted()
    await case.until(lambda: case.held == case.reported == 0 and len(case.fills) >= 2, "flat")
    assert case.truth == 0


# --- the normal life -------------------------------------------------------------------------------------------------


async def test_log_in_subscribe_buy_with_a_bracket_and_see_it_filled() -> None:
    async with live() as case:
        await case.ready()
        (account,) = [a for a in await case.rest.accounts() if a.account == ACCOUNT]
        assert account.can_trade
        assert MES in {c.id for c in await case.rest.contracts_available()}
        assert (await case.rest.contract_search("MES"))[0].id == MES
        assert await case.rest.ping() == "pong"
        outcome = await case.rest.place(approved("t-1", qty=2, stop_loss_ticks=-40, take_profit_ticks=80))
        assert isinstance(outcome, Accepted)
        await case.until(lambda: case.held == 2, "the fill")
        entry = case.orders[outcome.order_id or 0]
        assert (entry.tag, entry.qty, entry.side) == ("t-1", 2, Side.BUY)
        await case.until(lambda: len(case.orders) == 3, "both legs")
        legs = [o for o in case.orders.values() if o.parent_id == outcome.order_id]
        (fill,) = case.fills.values()
        prices = {o.type: o.stop_ticks if o.type is OrderType.STOP else o.limit_ticks for o in legs}
        assert prices == {OrderType.STOP: fill.ticks - 40, OrderType.LIMIT: fill.ticks + 80}
        working = await case.rest.working_orders(ACCOUNT)
        assert {o.order_id for o in working} == {o.order_id for o in legs}
        assert [p.qty for p in await case.rest.positions(ACCOUNT)] == [2]
        assert [f.trade_id for f in await case.rest.trades(ACCOUNT, MORNING)] == [fill.trade_id]
        assert [o.tag for o in await case.rest.orders(ACCOUNT, MORNING) if o.tag] == ["t-1"]
        await case.until(lambda: case.trades and case.quotes, "market data")
        assert case.faults == []


async def test_history_and_stream_meet_without_a_seam() -> None:
    async with live() as case:
        await case.ready()
        frame = await case.rest.bars(MES, timeframe("1m"), MORNING - 3_600_000_000_000, MORNING)
        assert frame.height == 60
        assert frame["ts"].is_sorted()


async def test_a_modified_stop_is_the_same_order_with_a_new_price() -> None:
    async with live() as case:
        await case.ready()
        outcome = await case.rest.place(approved("m", type=OrderType.LIMIT, limit_ticks=20_000))
        assert isinstance(outcome, Accepted)
        from workbench.domain.commands import ModifyOrder

        order_id = outcome.order_id or 0
        command = ModifyOrder(account=ACCOUNT, contract=MES, order_id=order_id, limit_ticks=20_004)
        assert await case.rest.modify(command) == Accepted()
        await case.until(
            lambda: case.orders.get(order_id) and case.orders[order_id].limit_ticks == 20_004, "the change"
        )


async def test_lockstep_goes_on_only_after_our_acknowledgement() -> None:
    async with live(lockstep=True, clock=True) as case:
        await case.ready()
        await case.until(lambda: case.clocks, "the first announcement")
        for _ in range(5):
            seen, now = len(case.clocks), case.clocks[-1].now
            await case.client.acknowledge(case.clocks[-1].seq)
            await case.until(lambda seen=seen: len(case.clocks) > seen, "the next chunk")
            assert case.clocks[-1].now == now + 60_000_000_000
            assert case.simulator.exchange.now == case.clocks[-1].now
        before = len(case.trades)
        assert before
        assert all(t.ts <= case.clocks[-1].now for t in case.trades)


async def test_at_a_rate_the_clock_is_told_each_second() -> None:
    async with live(clock=True) as case:
        await case.ready()
        await case.until(lambda: len(case.clocks) >= 2, "two announcements")
        assert case.clocks[0].rate == 20.0
        assert not case.clocks[0].lockstep
        assert case.clocks[1].now > case.clocks[0].now


# --- the shape of the wire -------------------------------------------------------------------------------------------


@covers("flat_user_events", "reorder_events", "duplicate_events", "duplicate_opening_trade")
@pytest.mark.parametrize("name", ["flat_user_events", "reorder_events", "duplicate_events", "duplicate_opening_trade"])
async def test_user_events_in_any_shape_and_order_give_the_same_position(name: str) -> None:
    async with live(before=lambda case: case.fault(name)) as case:
        await round_trip(case)
        assert case.faults == []
        trades = await case.rest.trades(ACCOUNT, MORNING)
        assert {f.trade_id: f for f in trades} == case.fills


@covers("object_trades", "one_item_trades", "sparse_first_quote", "full_quotes")
@pytest.mark.parametrize("name", ["object_trades", "one_item_trades", "sparse_first_quote", "full_quotes"])
async def test_market_data_in_any_shape_is_the_same_data(name: str) -> None:
    async with live(before=lambda case: case.fault(name)) as case:
        await case.ready()
        await case.until(lambda: len(case.trades) > 20 and len(case.quotes) > 20, "market data")
        assert case.faults == []
        assert [t.ts for t in case.trades] == sorted(t.ts for t in case.trades)
        quote = case.quotes[-1]
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.ask


@covers("dom_reset")
async def test_a_reset_of_the_book_disturbs_nothing() -> None:
    async with live() as case:
        await case.client.market.subscribe("SubscribeContractMarketDepth", MES)
        await case.ready()
        await case.until(lambda: case.trades, "prints")
        case.fault("dom_reset")
        seen = len(case.trades)
        await case.until(lambda: len(case.trades) > seen, "more prints")
        assert case.faults == []
        assert case.client.market.connections == 1


# --- orders ----------------------------------------------------------------------------------------------------------


@covers("position_brackets")
async def test_position_brackets_mode_is_a_clear_no_with_the_gateways_text() -> None:
    async with live(before=lambda case: case.fault("position_brackets")) as case:
        outcome = await case.rest.place(approved("b", stop_loss_ticks=-40, take_profit_ticks=80))
        assert isinstance(outcome, Rejected)
        assert (outcome.code, outcome.name) == (2, "OrderRejected")
        assert "You must enable Auto OCO Brackets" in outcome.reason
        assert outcome.order_id is not None
        assert isinstance(await case.rest.place(approved("plain")), Accepted)


@covers("unsigned_brackets")
async def test_signed_brackets_pass_with_and_without_the_sign_check() -> None:
    async with live(before=lambda case: case.fault("unsigned_brackets")) as case:
        await round_trip(case)


@covers("duplicate_tag")
async def test_a_burnt_tag_is_a_clear_no() -> None:
    async with live() as case:
        assert isinstance(await case.rest.place(approved("once")), Accepted)
        again = await case.rest.place(approved("once"))
        assert isinstance(again, Rejected)
        case.fault("duplicate_tag", count=1)
        assert isinstance(await case.rest.place(approved("fresh")), Rejected)
        assert isinstance(await case.rest.place(approved("fresher")), Accepted)


@covers("allow_duplicate_tag")
async def test_two_orders_of_one_tag_both_show_when_asked_for() -> None:
    async with live(before=lambda case: case.fault("allow_duplicate_tag")) as case:
        assert isinstance(await case.rest.place(approved("twice")), Accepted)
        assert isinstance(await case.rest.place(approved("twice")), Accepted)
        assert [o.tag for o in await case.rest.orders(ACCOUNT, MORNING)] == ["twice", "twice"]


@covers("hours_code_5")
@pytest.mark.parametrize(("fault", "name"), [(False, "OrderRejected"), (True, "OutsideTradingHours")])
async def test_outside_the_hours_is_a_clear_no_by_either_code(fault: bool, name: str) -> None:
    async with live(start=MAINTENANCE) as case:
        if fault:
            case.fault("hours_code_5")
        outcome = await case.rest.place(approved("late"))
        assert isinstance(outcome, Rejected)
        assert outcome.name == name


@covers("reject_order")
async def test_a_refusal_keeps_its_text_and_its_order_id() -> None:
    async with live(before=lambda case: case.fault("reject_order", text="Not enough margin.", count=1)) as case:
        await case.ready()
        outcome = await case.rest.place(approved("poor"))
        assert isinstance(outcome, Rejected)
        assert outcome.reason == "Not enough margin."
        await case.until(lambda: outcome.order_id in case.orders, "the refused order on the hub")
        assert case.orders[outcome.order_id or 0].status is Status.REJECTED
        assert case.truth == 0


@covers("refuse_cancel")
async def test_a_refused_cancel_is_told_and_leaves_the_order_working() -> None:
    async with live() as case:
        await case.ready()
        resting = await case.rest.place(approved("rest", type=OrderType.LIMIT, limit_ticks=20_000))
        assert isinstance(resting, Accepted) and resting.order_id is not None
        number = resting.order_id
        await case.until(lambda: number in case.orders, "the order on the hub")
        case.fault("refuse_cancel", count=1)
        assert isinstance(await case.rest.cancel(ACCOUNT, number), Rejected)
        assert [o.order_id for o in await case.rest.working_orders(ACCOUNT)] == [number]
        assert isinstance(await case.rest.cancel(ACCOUNT, number), Accepted)


@covers("part_fills")
async def test_part_fills_add_up_to_the_order() -> None:
    matching = {"market_on": "print"}
    async with live(before=lambda case: case.fault("part_fills"), matching=matching) as case:
        await case.ready()
        outcome = await case.rest.place(approved("big", qty=30))
        assert isinstance(outcome, Accepted)
        await case.until(lambda: case.held == 30, "all parts")
        assert len(case.fills) > 1
        await case.until(lambda: case.orders[outcome.order_id or 0].status is Status.FILLED, "filled")
        assert case.truth == 30


# --- REST ------------------------------------------------------------------------------------------------------------


@covers("expire_tokens")
async def test_an_expired_token_is_renewed_by_reads_and_by_the_hubs() -> None:
    async with live() as case:
        await case.ready()
        case.fault("expire_tokens", after_s=0.5)
        await asyncio.sleep(0.6)
        assert isinstance(await case.rest.cancel(ACCOUNT, 1), Unknown)  # a mutation is never sent again
        assert await case.rest.positions(ACCOUNT) == []
        case.fault("drop_hub")  # the tokens that are issued now end after half a second, too
        await case.ready(2)


@covers("unauthorized")
async def test_a_401_makes_an_order_unknown_and_a_read_whole() -> None:
    async with live() as case:
        case.fault("unauthorized", count=1, path="/api/Order/place")
        assert isinstance(await case.rest.place(approved("lost")), Unknown)
        assert case.placed == 1
        assert case.tagged("lost") == []
        case.fault("unauthorized", count=1)
        assert await case.rest.orders(ACCOUNT, MORNING) == []


@covers("rate_limited")
async def test_a_429_is_waited_out_by_reads_and_makes_an_order_unknown() -> None:
    async with live() as case:
        case.fault("rate_limited", count=1, path="/api/Order/place")
        assert isinstance(await case.rest.place(approved("lost")), Unknown)
        assert case.placed == 1
        case.fault("rate_limited", count=1)
        assert await case.rest.orders(ACCOUNT, MORNING) == []


LOST = {
    "timeout_before": ({"hang_s": 2.0}, False),
    "timeout_after": ({"hang_s": 2.0}, True),
    "server_error": ({"path": "/api/Order/place"}, False),
    "server_error after": ({"path": "/api/Order/place", "after": True}, True),
    "truncated_body": ({"path": "/api/Order/place"}, True),
    "corrupt_body": ({"path": "/api/Order/place"}, True),
}


@covers("timeout_before", "timeout_after", "server_error", "truncated_body", "corrupt_body")
@pytest.mark.parametrize("name", LOST)
async def test_a_lost_answer_is_unknown_sent_once_and_resolved_by_its_tag(name: str) -> None:
    parameters, happened = LOST[name]
    async with live(timeout_s=0.6) as case:
        await case.ready()
        case.fault(name.split()[0], count=1, **parameters)
        outcome = await case.rest.place(approved("who-knows"))
        assert isinstance(outcome, Unknown), outcome
        assert case.placed == 1
        found = [o for o in await case.rest.orders(ACCOUNT, MORNING) if o.tag == "who-knows"]
        assert len(found) == len(case.tagged("who-knows")) == happened
        if happened:
            await case.until(lambda: case.held == case.truth == 1, "the fill of the lost order")


@pytest.mark.parametrize("name", ["server_error", "truncated_body", "corrupt_body", "unauthorized", "rate_limited"])
async def test_a_read_gets_its_answer_in_the_end(name: str) -> None:
    async with live() as case:
        case.fault(name, count=1, path="/api/Position")
        assert await case.rest.positions(ACCOUNT) == []


@covers("slow_replies")
async def test_a_slow_answer_is_an_answer_within_the_time_out_and_unknown_beyond_it() -> None:
    async with live(timeout_s=0.8) as case:
        case.fault("slow_replies", count=1, delay_s=0.2, path="/api/Order/place")
        assert isinstance(await case.rest.place(approved("slow")), Accepted)
        case.fault("slow_replies", count=1, delay_s=1.5, path="/api/Order/place")
        assert isinstance(await case.rest.place(approved("slower")), Unknown)
        assert len(case.tagged("slower")) == 1


@covers("empty_live_tier")
async def test_the_wrong_feed_tier_is_empty_not_an_error() -> None:
    async with live(feed_live=True, before=lambda case: case.fault("empty_live_tier")) as case:
        assert await case.rest.contracts_available() == []
        assert (await case.rest.bars(MES, timeframe("1m"), MORNING - 3_600_000_000_000, MORNING)).is_empty()


@covers("bars_cap")
async def test_a_server_that_cuts_bars_in_silence_still_gives_the_whole_window() -> None:
    start, end = MORNING - 2 * 86_400_000_000_000, MORNING
    async with live(hubs=False) as case:
        whole = await case.rest.bars(MES, timeframe("1m"), start, end)
        case.fault("bars_cap", cap=500)
        asked = case.simulator.requests.total
        assert (await case.rest.bars(MES, timeframe("1m"), start, end)).equals(whole)
        assert whole.height > 2_000
        assert case.simulator.requests.total - asked >= whole.height // 500


# --- hubs ------------------------------------------------------------------------------------------------------------


async def still_works(case: Live, tag: str = "after") -> None:
    """Both hubs bring news again."""
    seen = len(case.trades)
    outcome = await case.rest.place(approved(tag))
    assert isinstance(outcome, Accepted)
    await case.until(lambda: case.held == case.truth == 1, "the fill on the new connection")
    await case.until(lambda: len(case.trades) > seen, "prints on the new connection")


@covers("drop_hub", "close_message", "corrupt_frame")
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("drop_hub", {}),
        ("close_message", {}),
        ("close_message", {"error": "Connection closed with an error.", "allow_reconnect": False}),
        ("corrupt_frame", {}),
    ],
)
async def test_after_any_ending_both_hubs_are_back_with_their_subscriptions(
    name: str, parameters: dict[str, Any]
) -> None:
    async with live() as case:
        await case.ready()
        case.fault(name, **parameters)
        await case.ready(2)
        assert case.ups("user") == case.ups("market") == 2
        await still_works(case)


@covers("gateway_logout")
async def test_a_logout_is_answered_with_one_login_and_two_new_connections() -> None:
    async with live() as case:
        await case.ready()
        logins = sum(r["path"].endswith("loginKey") for r in case.simulator.requests.entries)
        case.fault("gateway_logout")
        await case.ready(2)
        assert sum(r["path"].endswith("loginKey") for r in case.simulator.requests.entries) == logins + 1
        await still_works(case)


@covers("refuse_hub")
async def test_a_401_on_the_upgrade_is_retried_with_new_tokens_until_it_is_let_in() -> None:
    async with live(before=lambda case: case.fault("refuse_hub")) as case:
        await case.until(
            lambda: sum(r["path"].endswith("loginKey") for r in case.simulator.requests.entries) >= 3, "logins"
        )
        assert case.client.user.connections == 0
        case.simulator.faults.clear("refuse_hub")
        await case.ready()
        await still_works(case)


@covers("zombie_hub")
async def test_a_zombie_market_hub_is_rebuilt_and_the_quiet_user_hub_is_not() -> None:
    async with live(timing=quick(data_silence_s=1.5)) as case:
        await case.ready()
        await case.until(lambda: case.trades, "prints")
        case.fault("zombie_hub", hub="market")
        await case.until(lambda: case.client.market.connections >= 2, "a rebuild")
        case.simulator.faults.clear("zombie_hub")
        seen = len(case.trades)
        await case.until(lambda: len(case.trades) > seen, "prints again")
        assert case.client.user.connections == 1


@covers("no_completion")
async def test_without_completions_it_is_never_ready() -> None:
    async with live(timing=quick(answer_s=0.4), before=lambda case: case.fault("no_completion")) as case:
        await case.until(lambda: case.client.user.connections >= 2 and case.client.market.connections >= 2, "retries")
        assert case.ups("user") == case.ups("market") == 0
        case.simulator.faults.clear("no_completion")
        await case.ready()
        await still_works(case)


@covers("silent_pings")
async def test_a_hub_without_any_frame_is_dead() -> None:
    async with live(timing=quick(silence_s=1.0), keep_alive_s=0.3) as case:
        await case.ready()
        await case.until(lambda: case.simulator.exchange.now > MORNING + 40_000_000_000, "two quiet seconds")
        assert case.client.user.connections == 1  # pings are enough
        case.fault("silent_pings", hub="user")
        await case.until(lambda: case.client.user.connections >= 2, "a rebuild")


def test_every_fault_switch_has_its_test() -> None:
    assert set(KINDS) == COVERED
