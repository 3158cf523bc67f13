"""From the wire to the domain: every shape that was seen, nothing invented, nothing fatal."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain import events as e
from workbench.domain.commands import ModifyOrder, PlaceOrder
from workbench.domain.errors import InputError, RemoteProtocolError
from workbench.domain.order import OrderType, Side, Status
from workbench.gateway import translate as tr
from workbench.gateway.market_data import QuoteCache, TradeSeen, trades_seen
from workbench.gateway.times import parse_timestamp
from workbench.gateway.wire_hub import Print, QuoteUpdate
from workbench.gateway.wire_rest import OrderModel

MES = "CON.F.US.MES.Z26"
TIME = "2026-11-20T15:09:03.2214309+00:00"
AT = parse_timestamp(TIME)
# the reference's captured samples, with a whole-number price as the hub writes it
ORDER = json.loads(
    '{"id":240001180,"accountId":901234,"contractId":"CON.F.US.MES.Z26","symbolId":"F.US.MES","creationTimestamp":'
    '"2026-11-20T15:09:03.1170421+00:00","updateTimestamp":"2026-11-20T15:09:03.1170421+00:00","status":6,"type":1,'
    '"side":1,"size":2,"limitPrice":6713,"fillVolume":0}'
)
TRADE = json.loads(
    '{"id":81200455,"accountId":901234,"contractId":"CON.F.US.MES.Z26","creationTimestamp":'
    '"2026-11-20T15:09:03.2214309+00:00","price":6713.5,"fees":0.74,"commissions":0.5,"side":0,"size":2,'
    '"voided":false,"orderId":240001180}'
)
POSITION = json.loads(
    '{"id":5512345,"accountId":901234,"contractId":"CON.F.US.MES.Z26","contractDisplayName":"MESZ6",'
    '"creationTimestamp":"2026-11-20T15:09:03.2214309+00:00","type":1,"size":2,"averagePrice":6713.5}'
)
ACCOUNT = {"id": 901234, "name": "50KTC-V2-1", "balance": 50123.45, "canTrade": True, "isVisible": True}


# --- user hub --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [{"action": 1, "data": ORDER}],
        [ORDER],
        [901234, ORDER],
        [[{"action": 0, "data": ORDER}]],
        [{"action": 1, "data": [ORDER]}],
        [[ORDER]],
        (901234, {"action": 2, "data": ORDER}),
    ],
)
def test_wrapped_flat_listed_and_with_an_account_id_in_front(arguments: Any) -> None:
    assert tr.user_items(arguments) == [ORDER]


def test_an_order_event() -> None:
    event = tr.user_event("GatewayUserOrder", ORDER, 5)
    assert isinstance(event, e.OrderReported)
    order = event.order
    assert (order.order_id, order.status, order.side, order.qty, order.filled) == (
        240001180,
        Status.PENDING,
        Side.SELL,
        2,
        0,
    )
    assert order.limit_ticks == 26_852  # 6713 / 0.25
    assert (event.at, order.updated_at) == (5, parse_timestamp(ORDER["updateTimestamp"]))


def test_an_opening_half_turn_has_no_profit_and_all_its_costs() -> None:
    event = tr.user_event("GatewayUserTrade", TRADE, 5)
    assert isinstance(event, e.FillReported)
    assert event.fill.gross_pnl is None
    assert event.fill.fees == Decimal("1.24")
    assert (event.fill.qty, event.fill.ticks, event.fill.at) == (2, 26_854, AT)


def test_a_closing_half_turn_brings_its_exact_profit() -> None:
    event = tr.user_event("GatewayUserTrade", TRADE | {"profitAndLoss": -12.55, "side": 1}, 5)
    assert isinstance(event, e.FillReported)
    assert (event.fill.gross_pnl, event.fill.qty) == (Decimal("-12.55"), -2)


@pytest.mark.parametrize(("kind", "size", "qty"), [(1, 2, 2), (2, 2, -2), (1, 0, 0), (2, 0, 0), (0, 0, 0), (9, 0, 0)])
def test_a_position_is_signed_and_size_0_is_flat_whatever_its_type(kind: int, size: int, qty: int) -> None:
    event = tr.user_event("GatewayUserPosition", POSITION | {"type": kind, "size": size}, 5)
    assert isinstance(event, e.PositionReported)
    assert event.qty == qty


@pytest.mark.parametrize("broken", [{"type": 0}, {"type": 7}, {"size": -2}, {"averagePrice": "much"}, {"size": None}])
def test_a_position_that_makes_no_sense_is_not_guessed(broken: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        tr.user_event("GatewayUserPosition", POSITION | broken, 5)


def test_an_account_event_keeps_the_cents() -> None:
    event = tr.user_event("GatewayUserAccount", ACCOUNT, 5)
    assert event == e.AccountReported(
        at=5, account=901234, name="50KTC-V2-1", balance=Decimal("50123.45"), can_trade=True
    )


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (0, Status.PENDING),
        (1, Status.WORKING),
        (2, Status.FILLED),
        (3, Status.CANCELED),
        (4, Status.EXPIRED),
        (5, Status.REJECTED),
        (6, Status.PENDING),
        (7, Status.WORKING),
        (8, Status.SUSPENDED),
    ],
)
def test_every_status_has_its_meaning(number: int, status: Status) -> None:
    assert tr.order_of(tr.model(OrderModel, ORDER | {"status": number})).status is status


def test_a_filled_order_without_a_fill_volume_is_filled_whole() -> None:
    filled = {k: v for k, v in ORDER.items() if k != "fillVolume"} | {"status": 2}
    assert tr.order_of(tr.model(OrderModel, filled)).filled == 2


def test_an_order_of_a_product_we_do_not_know_keeps_side_and_size() -> None:
    order = tr.order_of(tr.model(OrderModel, ORDER | {"contractId": "CON.F.US.XYZ.Z26", "type": 0}))
    assert (order.qty, order.side, order.limit_ticks, order.type) == (2, Side.SELL, None, OrderType.MARKET)


@pytest.mark.parametrize(
    "broken",
    [
        {"price": 6713.6},
        {"price": 1e300},
        {"contractId": "CON.F.US.XYZ.Z26"},
        {"side": 2},
        {"creationTimestamp": "now"},
        {"price": None},
    ],
)
def test_a_fill_that_cannot_be_counted_exactly_is_a_fault(broken: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        tr.user_event("GatewayUserTrade", TRADE | broken, 5)


def test_an_order_of_unknown_status_is_a_fault() -> None:
    with pytest.raises(RemoteProtocolError, match="status 9"):
        tr.user_event("GatewayUserOrder", ORDER | {"status": 9}, 5)


# --- commands --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "stop", "target", "is_legal"),
    [
        (Side.BUY, -16, 24, True),
        (Side.SELL, 16, -24, True),
        (Side.BUY, 16, 24, False),
        (Side.BUY, -16, -24, False),
        (Side.SELL, -16, -24, False),
        (Side.SELL, 16, 24, False),
        (Side.BUY, 0, None, False),
        (Side.BUY, None, None, True),
    ],
)
def test_bracket_ticks_are_signed_in_price_direction(
    side: Side, stop: int | None, target: int | None, is_legal: bool
) -> None:
    order = PlaceOrder(
        account=1,
        contract=MES,
        tag="t",
        side=side,
        type=OrderType.MARKET,
        qty=1,
        stop_loss_ticks=stop,
        take_profit_ticks=target,
    )
    if not is_legal:
        with pytest.raises(InputError, match="signed"):
            tr.place_request(order)
        return
    request = tr.place_request(order)
    assert (request.stop_loss_bracket.ticks if request.stop_loss_bracket else None) == stop
    assert (request.take_profit_bracket.ticks if request.take_profit_bracket else None) == target


@pytest.mark.parametrize(
    ("contract", "ticks", "points"),
    [
        (MES, 26_841, 6710.25),
        ("CON.F.US.TYA.Z26", 7_041, 110.015625),
        ("CON.F.US.TUA.Z26", 26_625, 104.00390625),
        ("CON.F.US.JY6.Z26", 13_001, 0.0065005),
        ("CON.F.US.CLE.K20", -3_763, -37.63),
    ],
)
def test_prices_leave_on_the_grid_and_come_back_as_the_same_ticks(contract: str, ticks: int, points: float) -> None:
    request = tr.modify_request(ModifyOrder(account=1, contract=contract, order_id=2, limit_ticks=ticks))
    assert request.limit_price == points
    sent = ORDER | {"contractId": contract, "limitPrice": json.loads(json.dumps(request.limit_price))}
    assert tr.order_of(tr.model(OrderModel, sent)).limit_ticks == ticks


# --- market hub ------------------------------------------------------------------------------------------------------

PRINT = {"symbolId": "F.US.MES", "contractId": MES, "price": 6713.75, "timestamp": TIME, "type": 1, "volume": 3}
SEEN = TradeSeen(MES, AT, 6713.75, 3, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        [MES, [PRINT]],
        [MES, PRINT],
        [[PRINT]],
        [PRINT],
        (MES, [Print(price=6713.75, timestamp=TIME, type=1, volume=3)]),
        (MES, Print(price=6713.75, timestamp=TIME, type=1, volume=3)),
        [MES, [PRINT | {"volume": "3"}]],
    ],
)
def test_prints_come_as_arrays_objects_and_structs(arguments: Any) -> None:
    assert trades_seen(arguments) == ([SEEN], [])


def test_repeated_prints_are_distinct_trades_and_keep_their_order() -> None:
    later = PRINT | {"price": 6714.0}
    seen, _ = trades_seen([MES, [PRINT, later, PRINT]])
    assert [s.price for s in seen] == [6713.75, 6714.0, 6713.75]


def test_one_bad_print_does_not_take_its_neighbours_with_it() -> None:
    seen, faults = trades_seen([MES, [PRINT, PRINT | {"timestamp": "?"}, PRINT | {"volume": -1}, {}, PRINT]])
    assert (seen, len(faults)) == ([SEEN, SEEN], 3)


def test_a_print_without_volume_still_tells_a_price() -> None:
    (seen,), faults = trades_seen([MES, [PRINT | {"volume": 0}]])
    assert (seen.size, seen.price, faults) == (0, 6713.75, [])


@pytest.mark.parametrize(("kind", "side"), [(0, 0), (1, 1), (None, -1), (7, -1)])
def test_the_aggressor_is_unknown_when_it_is_not_told(kind: int | None, side: int) -> None:
    (seen,), _ = trades_seen([MES, [PRINT | {"type": kind}]])
    assert seen.side == side


def test_sparse_quotes_are_merged_per_contract() -> None:
    cache = QuoteCache()
    cache.merge([MES, {"symbol": "F.US.MES", "lastPrice": 1.0, "bestBid": 0.5, "bestAsk": 1.5, "timestamp": TIME}])
    cache.merge(["CON.F.US.EP.Z26", {"bestBid": 100}])
    quote = cache.merge((MES, QuoteUpdate(best_bid=0.75)))
    assert quote is not None
    assert (quote.bid, quote.ask, quote.last, quote.ts) == (0.75, 1.5, 1.0, AT)
    cache.clear()
    fresh = cache.merge([MES, {"bestAsk": 2}])
    assert fresh is not None
    assert (fresh.bid, fresh.ask) == (None, 2.0)


_TEXT = st.sampled_from([MES, TIME, "", "7", "é"])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ORDER, *TRADE, *PRINT, "action", "data", "bestBid"]), inner, max_size=6)
    ),
    max_leaves=10,
)


def _mutant(sample: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(list(sample)), _JSON, max_size=3).map(lambda change: sample | change)


@given(
    target=st.sampled_from(["GatewayUserOrder", "GatewayUserTrade", "GatewayUserPosition", "GatewayUserAccount", "X"]),
    item=_JSON | _mutant(ORDER) | _mutant(TRADE) | _mutant(POSITION),
)
def test_fuzzed_user_events_are_events_or_faults(target: str, item: Any) -> None:
    for payload in tr.user_items([item]):
        try:
            assert isinstance(tr.user_event(target, payload, 0), e.Event)
        except RemoteProtocolError:
            continue


@given(arguments=_JSON | st.tuples(st.just(MES), _JSON | st.lists(_mutant(PRINT), max_size=3)).map(list))
def test_fuzzed_market_events_are_values_or_faults(arguments: Any) -> None:
    for read in (trades_seen, QuoteCache().merge):
        try:
            read(arguments)
        except RemoteProtocolError:
            continue
