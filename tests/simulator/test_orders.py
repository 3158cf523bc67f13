"""Orders as the service takes, refuses, fills and ends them. MES, tick 0.25; tape at 6000 bid, 6000.25 ask."""

from __future__ import annotations

import pytest

from tests.simulator.lab import COMBINE, MES, NINE, SECOND, Lab, Tape
from workbench.domain.contract import parse_contract
from workbench.gateway.codes import OrderStatus as S
from workbench.simulator import orders as words
from workbench.simulator.config import AccountSettings, Latency, Matching


def test_a_market_buy_tells_pending_trade_filled_position_and_the_account_twice():
    lab = Lab(latency=Latency(acceptance_ms=150))
    answer = lab.place()
    assert answer.code == 0 and lab.story() == ["Order6"]
    lab.simulator.advance(NINE + 149_000_000)
    assert lab.qty == 0
    lab.simulator.advance(NINE + 150_000_000)
    assert lab.story() == ["Order6", "Trade", "Order2", "Position1", "Account", "Account"]
    assert lab.events()[1][1]["price"] == 6000.25  # the opposite best
    assert lab.events()[2][1]["updateTimestamp"] == "2026-11-18T15:00:00.1500000+00:00"


REFUSALS = [
    ("brackets in position mode", {"sl": -8}, words.NO_AUTO_OCO, {"bracket_mode": "position"}),
    ("no trail", {"type": 5}, words.NO_TRAIL, {}),
    ("trail off tick", {"type": 5, "trail": 5990.1}, words.TRAIL_OFF_TICK, {}),
    ("trail too far", {"type": 5, "side": 1, "trail": 5000.0}, words.TRAIL_TOO_FAR, {}),
    ("unsigned stop on a buy", {"sl": 40},
     "Invalid stop loss ticks (40). Ticks should be less than zero when longing.", {}),
    ("unsigned target on a sell", {"side": 1, "tp": 30},
     "Invalid take profit ticks (30). Ticks should be less than zero when going short", {}),
    ("bracket too near", {"sl": -1}, "Invalid stop loss ticks (-1). Price should be at least 4 ticks away.", {}),
    ("limit off tick", {"type": 1, "limit": 6000.1}, words.LIMIT_OFF_TICK, {}),
    ("stop off tick", {"type": 4, "stop": 6000.1}, words.STOP_OFF_TICK, {}),
    ("buy stop at the bid", {"type": 4, "stop": 6000.0}, words.BUY_STOP_LOW, {}),
    ("sell stop at the ask", {"type": 4, "side": 1, "stop": 6000.25}, words.SELL_STOP_HIGH, {}),
    ("no size", {"size": 0}, words.BAD_SIZE, {}),
    ("stop-limit is not placeable", {"type": 3, "limit": 1.0, "stop": 1.0}, words.BAD_TYPE, {}),
]  # fmt: skip


@pytest.mark.parametrize(("order", "text", "account"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_refusals_have_code_2_the_live_words_and_an_order_that_exists(order, text, account):
    lab = Lab(AccountSettings(id=1, name="PRAC-1", rules=False, **account))
    answer = lab.place(**order)
    assert (answer.code, answer.text) == (2, text)
    assert lab.order(answer.order_id).status is S.REJECTED
    assert lab.story() == ["Order6", "Order5"]


def test_account_contract_and_month_have_codes_of_their_own():
    lab = Lab()
    assert lab.place(account=77)[:2] == (None, 1)
    assert lab.place(contract="CON.F.US.NOPE.Z26")[:2] == (None, 8)
    assert lab.place(contract=parse_contract("MESH27")).code == 9


def test_a_contract_without_any_print_is_an_invalid_symbol_and_cannot_trail():
    tape = Tape()
    tape.rows[MES.id].clear()
    lab = Lab(tape=tape)
    assert lab.place().text == words.INVALID_SYMBOL
    assert lab.place(type=5, trail=5990.0).text == words.NO_LAST


def test_outside_the_hours_orders_get_code_2_and_by_switch_code_5():
    lab = Lab()
    lab.to("16:30")
    assert (lab.place().code, lab.place().text) == (2, words.CLOSED)
    lab.simulator.faults.set("hours_code_5")
    assert lab.place().code == 5


def test_a_tag_is_burnt_by_its_first_use_even_when_refused():
    lab = Lab()
    assert lab.place(tag="a", size=0).code == 2
    assert (lab.place(tag="a").code, lab.place(tag="a").text) == (2, words.TAG_USED)
    assert lab.place(tag="b").code == 0
    assert lab.place(tag="b").text == words.TAG_USED


def test_bracket_legs_wait_suspended_then_work_from_the_fill_price_and_cancel_each_other():
    lab = Lab()
    entry = lab.place(type=1, limit=5999.0, size=2, sl=-8, tp=12)
    stop, target = lab.children(entry)
    assert [stop.status, target.status] == [S.SUSPENDED, S.SUSPENDED]
    assert (stop.parent, stop.linked, target.linked) == (entry.order_id, target.id, stop.id)
    lab.prints(5999.0)
    assert lab.qty == 0  # touched, not traded through
    lab.prints(5998.75)
    assert (lab.qty, stop.status, target.status) == (2, S.OPEN, S.OPEN)
    assert (MES.spec.price(stop.stop), MES.spec.price(target.limit)) == (5997.0, 6002.0)
    lab.prints(6002.25)
    assert (lab.qty, target.status, stop.status) == (0, S.FILLED, S.CANCELLED)
    # +3 points on 2 MES = 12 ticks × 1.25 × 2 = 30.00; four half-turn contracts at 0.62
    assert float(lab.account.balance) == 150_000 + 30.00 - 4 * 0.62


def test_a_stop_leg_gaps_and_the_events_have_the_order_seen_on_the_wire():
    lab = Lab()
    lab.place(sl=-8, tp=12)
    before = len(lab.story())
    lab.prints(5990.0)
    assert lab.story()[before:] == ["Trade", "Order2", "Position0", "Account", "Order3"]
    trade = next(data for name, data in lab.events()[before:] if name == "Trade")
    assert (trade["price"], trade["profitAndLoss"]) == (5990, -51.25)  # 41 ticks × 1.25
    position = next(data for name, data in lab.events()[before:] if name == "Position")
    assert (position["type"], position["averagePrice"]) == (1, 6000.25)


def test_a_closing_limit_tells_the_order_first_and_by_switch_repeats_the_opening_trade():
    lab = Lab()
    lab.simulator.faults.set("duplicate_opening_trade")
    lab.place(sl=-8, tp=12)
    before, opening = len(lab.story()), lab.events()[3][1]
    lab.prints(6004.0)
    assert lab.story()[before:] == ["Order2", "Trade", "Trade", "Position0", "Account", "Order3"]
    assert lab.events()[before + 2][1]["id"] == opening["id"] and "profitAndLoss" not in lab.events()[before + 2][1]


def test_part_fills_grow_the_legs_and_a_part_fill_of_a_leg_shrinks_its_sibling():
    lab = Lab(matching=Matching(part_fills=True))
    entry = lab.place(type=1, limit=5999.0, size=5, sl=-8, tp=12)
    stop, target = lab.children(entry)
    lab.prints(5998.75, size=2)
    assert (lab.qty, stop.size, target.size, lab.order(entry.order_id).status) == (2, 2, 2, S.OPEN)
    lab.prints(5998.75, size=2)
    assert (lab.qty, stop.size, target.size) == (4, 4, 4)
    lab.prints(6002.25, size=3)
    assert (lab.qty, target.filled, stop.size, stop.status) == (1, 3, 1, S.OPEN)
    lab.prints(5998.75, size=1)
    assert (lab.qty, stop.size, target.size) == (2, 2, 5)  # the entry's last contract; the legs hold what is open


def test_a_cancelled_entry_takes_its_suspended_legs_along():
    lab = Lab()
    entry = lab.place(type=1, limit=5900.0, sl=-8, tp=12)
    assert lab.cancel(entry.order_id).code == 0
    assert {o.status for o in lab.exchange.orders.values()} == {S.CANCELLED}
    assert lab.cancel(entry.order_id).code == 5  # gone already
    assert lab.cancel(1).code == 2


def test_close_leaves_the_legs_working_and_they_can_open_a_naked_position():
    lab = Lab()
    entry = lab.place(sl=-8, tp=12)
    assert lab.close().code == 0
    stop, _ = lab.children(entry)
    assert lab.qty == 0 and stop.status is S.OPEN
    lab.prints(5990.0)
    assert lab.qty == -1
    assert Lab().close().code == 2


def test_partial_close_checks_its_size():
    lab = Lab()
    lab.place(size=3)
    assert [lab.close(n).code for n in (0, 4, 2)] == [5, 5, 0]
    assert lab.qty == 1


def test_a_trailing_stop_takes_a_level_keeps_the_distance_and_reads_back_a_distance():
    lab = Lab()
    lab.place()
    answer = lab.place(type=5, side=1, trail=5995.0)
    model = lab.order(answer.order_id).model()
    assert (model.trail_distance, model.trail_price) == (20, 5.0)
    lab.prints(6003.0, 5998.25)
    assert lab.qty == 1
    lab.prints(5998.0)
    assert (lab.qty, lab.order(answer.order_id).status) == (0, S.FILLED)


def test_join_orders_rest_at_the_best_of_their_arrival():
    lab = Lab()
    answer = lab.place(type=6)
    lab.prints(6001.0)
    assert MES.spec.price(lab.order(answer.order_id).limit) == 6000.0
    lab.prints(5999.75)
    assert lab.qty == 1


def test_modify_keeps_the_id_checks_levels_and_refuses_what_is_done():
    lab = Lab()
    answer = lab.place(type=1, limit=5999.0)
    assert lab.modify(answer.order_id, limit_price=5998.1).code == 3
    assert lab.modify(answer.order_id, limit_price=5998.0, size=2).code == 0
    lab.prints(5998.5, 5997.75)
    assert lab.qty == 2
    assert lab.modify(answer.order_id, size=3)[1:] == (3, words.NOT_OPEN)
    stop = lab.place(type=4, side=1, stop=5990.0)
    assert lab.modify(stop.order_id, stop_price=6005.0).text == words.SELL_STOP_HIGH


def test_an_order_may_be_modified_before_it_works():
    lab = Lab(latency=Latency(acceptance_ms=150, transport_ms=0))
    limit, stop = lab.place(type=1, limit=5999.0), lab.place(type=4, side=1, stop=5990.0)
    assert lab.modify(limit.order_id, limit_price=5998.0, size=2).code == 0
    assert lab.modify(stop.order_id, stop_price=5995.0).code == 0
    assert lab.modify(stop.order_id, stop_price=6005.0).text == words.SELL_STOP_HIGH
    assert [lab.order(each.order_id).status for each in (limit, stop)] == [6, 6]
    lab.prints(6000.0, 5998.5)
    assert [lab.order(each.order_id).status for each in (limit, stop)] == [1, 1] and lab.qty == 0
    lab.prints(5997.75)
    assert lab.qty == 2
    lab.prints(5994.75)
    assert lab.qty == 1


def test_a_reversal_closes_with_profit_and_opens_without():
    lab = Lab()
    lab.place(size=2)
    before = len(lab.story())
    lab.place(side=1, size=5)
    trades = [data for name, data in lab.events()[before:] if name == "Trade"]
    assert [(t["size"], t.get("profitAndLoss")) for t in trades] == [(2, -2.5), (3, None)]
    assert lab.qty == -3


def test_day_orders_expire_at_the_close():
    lab = Lab()
    answer = lab.place(type=1, limit=5900.0)
    lab.to("16:00")
    assert lab.order(answer.order_id).status is S.EXPIRED


def test_followers_cannot_cancel_and_the_cap_is_refused_not_cut():
    lab = Lab(AccountSettings(id=1, name="PRAC-1", rules=False, follower=True))
    answer = lab.place(type=1, limit=5900.0)
    assert lab.cancel(answer.order_id)[1:] == (6, words.FOLLOWER)
    capped = Lab(COMBINE)
    assert capped.place(size=51).text == words.TOO_BIG  # 5 minis = 50 micros
    assert capped.place(size=50).code == 0
    assert capped.place(size=1).text == words.TOO_BIG
    assert capped.place(side=1, size=50).code == 0


def test_slippage_and_touch_are_settings():
    lab = Lab(matching=Matching(slippage_ticks=2, touch=True))
    lab.place()
    assert lab.events()[1][1]["price"] == 6000.75
    limit = lab.place(type=1, limit=5999.0)
    lab.prints(5999.0)
    assert lab.order(limit.order_id).status is S.FILLED
    assert SECOND == 10**9
