"""The gate: every limit at its edge, every code produced, reductions never held back, nothing unknown passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.domain.commands import PlaceOrder
from workbench.domain.errors import InputError
from workbench.domain.order import OrderType, Side
from workbench.risk.gate import Approved, Code, Refused, View, check, is_reducing, worst_position
from workbench.risk.limits import Limits

MES = "CON.F.US.MES.Z26"
LIMITS = Limits(
    max_order_qty=3,
    max_position=4,
    max_open_orders=6,
    daily_loss_usd=Decimal(500),
    max_orders_per_minute=5,
    products=("MES", "EP"),
)
FLAT = View(
    root="MES",
    position=0,
    working_buy=0,
    working_sell=0,
    open_orders=0,
    day_pnl_usd=Decimal(0),
    can_trade=True,
)


def place(qty: int = 1, side: Side = Side.BUY, **changes: object) -> PlaceOrder:
    made = PlaceOrder(account=1, contract=MES, tag="t", side=side, type=OrderType.MARKET, qty=qty)
    return msgspec.structs.replace(made, **changes)


def view(**changes: object) -> View:
    return replace(FLAT, **changes)


def code_of(command: PlaceOrder, seen: View, limits: Limits = LIMITS) -> Code | None:
    verdict = check(command, seen, limits)
    return verdict.code if isinstance(verdict, Refused) else None


# One row per limit: (code, command, view) one step inside, at, and one step outside the limit. None passes.
EDGES = [
    (Code.BAD_QUANTITY, place(1), FLAT, None),
    (Code.BAD_QUANTITY, place(0), FLAT, Code.BAD_QUANTITY),
    (Code.BAD_QUANTITY, place(-1), FLAT, Code.BAD_QUANTITY),
    (Code.BAD_QUANTITY, place(math.nan), FLAT, Code.BAD_QUANTITY),  # type: ignore[arg-type]
    (Code.BAD_QUANTITY, place(1.5), FLAT, Code.BAD_QUANTITY),  # type: ignore[arg-type]
    (Code.ORDER_SIZE, place(2), FLAT, None),
    (Code.ORDER_SIZE, place(3), FLAT, None),
    (Code.ORDER_SIZE, place(4), FLAT, Code.ORDER_SIZE),
    (Code.POSITION, place(1), view(position=2), None),
    (Code.POSITION, place(1), view(position=3), None),
    (Code.POSITION, place(1), view(position=4), Code.POSITION),
    (Code.POSITION, place(1), view(working_buy=3), None),
    (Code.POSITION, place(1), view(working_buy=4), Code.POSITION),
    (Code.POSITION, place(1, Side.SELL), view(position=-3), None),
    (Code.POSITION, place(1, Side.SELL), view(position=-4), Code.POSITION),
    (Code.POSITION, place(2, Side.SELL), view(position=1, working_sell=3), None),  # 1 − 3 − 2 = −4
    (Code.POSITION, place(3, Side.SELL), view(position=1, working_sell=3), Code.POSITION),  # −5
    (Code.OPEN_ORDERS, place(), view(open_orders=4), None),
    (Code.OPEN_ORDERS, place(), view(open_orders=5), None),
    (Code.OPEN_ORDERS, place(), view(open_orders=6), Code.OPEN_ORDERS),
    (Code.OPEN_ORDERS, place(stop_loss_ticks=-8, take_profit_ticks=8), view(open_orders=3), None),  # 3 + 3 = 6
    (Code.OPEN_ORDERS, place(stop_loss_ticks=-8, take_profit_ticks=8), view(open_orders=4), Code.OPEN_ORDERS),
    (Code.ORDER_RATE, place(), view(orders_last_minute=3), None),
    (Code.ORDER_RATE, place(), view(orders_last_minute=4), None),
    (Code.ORDER_RATE, place(), view(orders_last_minute=5), Code.ORDER_RATE),
    (Code.DAILY_LOSS, place(), view(day_pnl_usd=Decimal("-499")), None),
    (Code.DAILY_LOSS, place(), view(day_pnl_usd=Decimal("-499.99")), None),
    (Code.DAILY_LOSS, place(), view(day_pnl_usd=Decimal("-500")), Code.DAILY_LOSS),
    (Code.DAILY_LOSS, place(), view(day_pnl_usd=Decimal("-501")), Code.DAILY_LOSS),
    (Code.UNKNOWN_EQUITY, place(), view(day_pnl_usd=None), Code.UNKNOWN_EQUITY),
    (Code.UNKNOWN_EQUITY, place(), view(day_pnl_usd=Decimal("NaN")), Code.UNKNOWN_EQUITY),
    (Code.UNKNOWN_EQUITY, place(), view(day_pnl_usd=Decimal("Infinity")), Code.UNKNOWN_EQUITY),
    (Code.UNKNOWN_POSITION, place(), view(position=None), Code.UNKNOWN_POSITION),
    (Code.HALTED, place(), view(halted=("stop latch",)), Code.HALTED),
    (Code.CANNOT_TRADE, place(), view(can_trade=False), Code.CANNOT_TRADE),
    (Code.CANNOT_TRADE, place(), view(can_trade=None), Code.CANNOT_TRADE),
    (Code.INSTRUMENT_LOCKED, place(), view(locked="own 1, broker 2"), Code.INSTRUMENT_LOCKED),
    (Code.UNRESOLVED_ORDER, place(), view(unresolved=True), Code.UNRESOLVED_ORDER),
    (Code.PRODUCT, place(), view(root="EP"), None),
    (Code.PRODUCT, place(), view(root="CLE"), Code.PRODUCT),
    (Code.DUPLICATE_TAG, place(), view(known_tags={"other"}), None),
    (Code.DUPLICATE_TAG, place(), view(known_tags={"t"}), Code.DUPLICATE_TAG),
    (Code.BAD_PRICE, place(type=OrderType.LIMIT, limit_ticks=1), FLAT, None),
    (Code.BAD_PRICE, place(type=OrderType.LIMIT, limit_ticks=-1), FLAT, None),  # oil has traded below zero
    (Code.BAD_PRICE, place(type=OrderType.LIMIT, limit_ticks=0), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(type=OrderType.LIMIT, limit_ticks=math.nan), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(stop_loss_ticks=0), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(take_profit_ticks=math.inf), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(type=OrderType.LIMIT), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(type=OrderType.STOP), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(type=OrderType.STOP_LIMIT, limit_ticks=4), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(type=OrderType.STOP_LIMIT, stop_ticks=4), FLAT, Code.BAD_PRICE),
    (Code.BAD_PRICE, place(type=OrderType.TRAILING_STOP), FLAT, Code.BAD_PRICE),
]


@pytest.mark.statement(29)
@pytest.mark.statement(30)
@pytest.mark.parametrize(("limit", "command", "seen", "expected"), EDGES)
def test_each_limit_at_its_edge(limit: Code, command: PlaceOrder, seen: View, expected: Code | None) -> None:
    assert code_of(command, seen) is expected
    assert expected in (None, limit)


# --- what a reduction is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "side", "qty", "working", "reduces"),
    [
        (3, Side.SELL, 3, 0, True),  # to flat
        (3, Side.SELL, 1, 2, True),  # flat if the working sells fill as well
        (3, Side.SELL, 2, 2, False),  # −1 if they do
        (3, Side.SELL, 5, 0, False),  # a flip is not a reduction
        (3, Side.BUY, 1, 0, False),
        (-2, Side.BUY, 2, 0, True),
        (-2, Side.BUY, 3, 0, False),
        (-2, Side.BUY, 1, 2, False),
        (0, Side.SELL, 1, 0, False),
    ],
)
def test_a_reduction_never_changes_the_sign(position: int, side: Side, qty: int, working: int, reduces: bool) -> None:
    seen = view(position=position, working_buy=working, working_sell=working)
    assert is_reducing(position, seen, place(qty, side)) is reduces


def test_an_order_with_bracket_legs_is_never_a_reduction() -> None:
    assert not is_reducing(3, view(position=3), place(1, Side.SELL, stop_loss_ticks=8))
    assert not is_reducing(3, view(position=3), place(1, Side.SELL, take_profit_ticks=-8))


NEVER_BLOCKS_A_REDUCTION: dict[str, Callable[[View], View]] = {
    "halted": lambda v: replace(v, halted=("stop latch", "user hub is down")),
    "daily loss": lambda v: replace(v, day_pnl_usd=Decimal(-99999)),
    "NaN equity": lambda v: replace(v, day_pnl_usd=Decimal("NaN")),
    "unknown equity": lambda v: replace(v, day_pnl_usd=None),
    "canTrade false": lambda v: replace(v, can_trade=False),
    "canTrade unknown": lambda v: replace(v, can_trade=None),
    "locked": lambda v: replace(v, locked="positions differ"),
    "an unresolved order": lambda v: replace(v, unresolved=True),
    "order count": lambda v: replace(v, open_orders=99),
    "order rate": lambda v: replace(v, orders_last_minute=99),
    "product list": lambda v: replace(v, root="CLE"),
    "order size": lambda v: replace(v, position=50),
}


@pytest.mark.statement(31)
@pytest.mark.parametrize("why", sorted(NEVER_BLOCKS_A_REDUCTION))
def test_a_reduction_passes_whatever_is_wrong(why: str) -> None:
    seen = NEVER_BLOCKS_A_REDUCTION[why](view(position=10))
    verdict = check(place(5, Side.SELL), seen, LIMITS)
    assert isinstance(verdict, Approved) and verdict.reducing


@pytest.mark.parametrize("why", sorted(set(NEVER_BLOCKS_A_REDUCTION) - {"order size"}))
def test_the_same_trouble_stops_a_flip(why: str) -> None:
    seen = NEVER_BLOCKS_A_REDUCTION[why](view(position=1))
    assert isinstance(check(place(2, Side.SELL), seen, LIMITS), Refused)


@pytest.mark.parametrize("seen", [view(position=None), view(position=3, known_tags={"t"})])
def test_a_reduction_is_refused_for_an_unknown_position_and_a_used_tag(seen: View) -> None:
    assert isinstance(check(place(1, Side.SELL), seen, LIMITS), Refused)


quantities = st.integers(0, 12)


@given(
    position=st.integers(-10, 10),
    buy=quantities,
    sell=quantities,
    qty=st.integers(1, 12),
    side=st.sampled_from(Side),
)
def test_what_passes_is_within_the_limit_or_shrinks(position: int, buy: int, sell: int, qty: int, side: Side) -> None:
    seen = view(position=position, working_buy=buy, working_sell=sell)
    verdict = check(place(qty, side), seen, LIMITS)
    if isinstance(verdict, Refused):
        return
    # Let any subset of one side's working orders fill, one contract at a time, and then this order.
    others = buy if side is Side.BUY else sell
    for filled in range(others + 1):
        after = position + side.sign * (filled + qty)
        if verdict.reducing:
            assert abs(after) <= abs(position) and after * position >= 0
        else:
            assert abs(after) <= max(LIMITS.max_position, abs(position))
    assert worst_position(position, seen, place(qty, side)) == position + side.sign * (others + qty)


# --- the seal, and statement 20 ---------------------------------------------------------------------------------------


def test_nobody_but_the_gate_makes_an_approved() -> None:
    for seal in (None, object(), "seal", True):
        with pytest.raises(TypeError, match=r"risk\.gate\.check alone"):
            Approved(place(), True, seal)


def test_an_approved_cannot_be_changed_into_another_order() -> None:
    verdict = check(place(1), FLAT, LIMITS)
    assert isinstance(verdict, Approved)
    with pytest.raises(AttributeError):
        verdict.command = place(5)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        verdict.command.qty = 5


def test_the_quantity_sent_for_one_intent_never_exceeds_it() -> None:
    tags: set[str] = set()
    sent = 0
    for _ in range(10):
        verdict = check(place(2), view(known_tags=tags), LIMITS)
        if isinstance(verdict, Approved):
            sent += verdict.command.qty
        tags.add("t")
    assert sent == 2


# --- limits as a person writes them -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_order_qty": 0},
        {"max_position": -1},
        {"max_open_orders": 0},
        {"max_orders_per_minute": 0},
        {"max_position": math.nan},
        {"daily_loss_usd": Decimal(0)},
        {"daily_loss_usd": Decimal(-1)},
        {"daily_loss_usd": Decimal("NaN")},
        {"daily_loss_usd": Decimal("Infinity")},
        {"protect_within_s": 0.0},
        {"protect_within_s": math.nan},
        {"protect_within_s": math.inf},
    ],
)
def test_a_limit_that_limits_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Limits(**wrong)  # type: ignore[arg-type]


def test_an_unknown_limit_is_refused_instead_of_ignored() -> None:
    with pytest.raises(msgspec.ValidationError, match="max_postion"):
        msgspec.convert({"max_postion": 3}, Limits)
