"""The gate's later limits, each at its edge: price, time, patterns, money, the firm's programme, all instruments."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from tests.risk import test_gate
from workbench.domain.account import PROGRAMMES, AccountProgramme
from workbench.domain.commands import PlaceOrder
from workbench.domain.contract import spec
from workbench.domain.order import OrderType, Side
from workbench.domain.programme import rules_of
from workbench.risk.checks_money import _check_cap, check_exposure
from workbench.risk.gate import Approved, Code, Exposure, Firm, Refused, View, check
from workbench.risk.limits import Limits

USD = Decimal
MES, ES, MNQ, MCL = (f"CON.F.US.{root}.Z26" for root in ("MES", "EP", "MNQ", "MCLE"))
SEEN = View(
    root="MES",
    position=0,
    working_buy=0,
    working_sell=0,
    open_orders=0,
    day_pnl_usd=USD(0),
    can_trade=True,
    session_pnl_usd=USD(0),
    drawdown_usd=USD(0),
    session_drawdown_usd=USD(0),
    equity_usd=USD(50_000),
    price=USD(24_000),
    reference=USD(24_000),
    price_age_s=0.0,
    tick_value=USD("1.25"),
    market_open=True,
    days_to_expiry=26,
    unattended_s=0.0,
    at_risk_usd=USD(0),
)
WIDE = {"max_order_qty": 1000, "max_position": 1000}
BUY, SELL = Side.BUY, Side.SELL


def place(qty: int = 1, side: Side = BUY, contract: str = MES, **more: object) -> PlaceOrder:
    made = PlaceOrder(account=1, contract=contract, tag="t", side=side, type=OrderType.MARKET, qty=qty, session="s")
    return msgspec.structs.replace(made, **more)


def limit(ticks: int, side: Side = BUY) -> PlaceOrder:
    return place(side=side, type=OrderType.LIMIT, limit_ticks=ticks)


def stop(ticks: int, side: Side = BUY) -> PlaceOrder:
    return place(side=side, type=OrderType.STOP, stop_ticks=ticks)


def seen(**changes: object) -> View:
    return replace(SEEN, **changes)


def firm(name: str = "topstep-50k", floor: int | None = 48_000, day: int | None = None, cap: int = 50) -> Firm:
    usd = lambda amount: None if amount is None else USD(amount)  # noqa: E731 - one expression
    return Firm(rules=rules_of(PROGRAMMES[name]), floor_usd=usd(floor), day_floor_usd=usd(day), cap=cap)


def held(contract: str, qty: int, buy: int = 0, sell: int = 0) -> Exposure:
    return Exposure(spec(contract), qty, buy, sell)


def code_of(command: PlaceOrder, view: View, **limits: object) -> Code | None:
    verdict = check(command, view, Limits(**{**WIDE, **limits}))  # type: ignore[arg-type]
    return verdict.code if isinstance(verdict, Refused) else None


NAN, INF = Decimal("NaN"), Decimal("Infinity")
COLLAR = {"price_collar_ticks": 40}
PERCENT = {"price_collar_percent": 0.5}  # of 24,000 ticks: 120 ticks
STAKE = {"unstopped_ticks": 1}  # 1.25 USD a contract of MES without a stop
BUFFER = {"floor_buffer_usd": USD(50)}
AT_RISK = {"capital_at_risk_usd": USD(500)}

# (code, order, view, limits, expected): one step inside, at, one step outside; and what is not known.
EDGES: list[tuple[Code, PlaceOrder, View, dict[str, object], Code | None]] = [
    # distance of an order's own price from the last one
    (Code.COLLAR, limit(23_961), SEEN, COLLAR, None),
    (Code.COLLAR, limit(23_960), SEEN, COLLAR, None),
    (Code.COLLAR, limit(23_959), SEEN, COLLAR, Code.COLLAR),
    (Code.COLLAR, limit(24_041, SELL), SEEN, COLLAR, Code.COLLAR),
    (Code.COLLAR, stop(24_040), SEEN, COLLAR, None),
    (Code.COLLAR, stop(24_041), SEEN, COLLAR, Code.COLLAR),
    (Code.COLLAR, limit(23_880), SEEN, PERCENT, None),
    (Code.COLLAR, limit(23_879), SEEN, PERCENT, Code.COLLAR),
    # of the last price that a market order would meet from the last closed bar
    (Code.COLLAR, place(), seen(price=USD(24_039)), COLLAR, None),
    (Code.COLLAR, place(), seen(price=USD(24_040)), COLLAR, None),
    (Code.COLLAR, place(), seen(price=USD(24_041)), COLLAR, Code.COLLAR),
    (Code.COLLAR, place(), seen(price=USD(23_959)), COLLAR, Code.COLLAR),
    (Code.NO_PRICE, place(), seen(price=None), {}, None),
    (Code.NO_PRICE, place(), seen(price=None), COLLAR, Code.NO_PRICE),
    (Code.NO_PRICE, limit(24_000), seen(price=NAN), COLLAR, Code.NO_PRICE),
    (Code.NO_PRICE, limit(24_000), seen(price=INF), PERCENT, Code.NO_PRICE),
    (Code.NO_PRICE, limit(24_000), seen(price=USD(0)), COLLAR, Code.NO_PRICE),
    (Code.NO_PRICE, place(), seen(reference=None), COLLAR, Code.NO_PRICE),
    (Code.STALE_DATA, place(), seen(price_age_s=4.9), {"stale_after_s": 5.0}, None),
    (Code.STALE_DATA, place(), seen(price_age_s=5.0), {"stale_after_s": 5.0}, None),
    (Code.STALE_DATA, place(), seen(price_age_s=5.1), {"stale_after_s": 5.0}, Code.STALE_DATA),
    (Code.STALE_DATA, place(), seen(price_age_s=None), {"stale_after_s": 5.0}, Code.STALE_DATA),
    (Code.STALE_DATA, place(), seen(price_age_s=math.nan), {"stale_after_s": 5.0}, Code.STALE_DATA),
    # time
    (Code.MARKET_CLOSED, place(), seen(market_open=False), {}, None),
    (Code.MARKET_CLOSED, place(), SEEN, {"market_hours": True}, None),
    (Code.MARKET_CLOSED, place(), seen(market_open=False), {"market_hours": True}, Code.MARKET_CLOSED),
    (Code.MARKET_CLOSED, place(), seen(market_open=None), {"market_hours": True}, Code.MARKET_CLOSED),
    (Code.FLAT_BY, place(), seen(flat_by_passed=True), {"flat_by": "15:05"}, Code.FLAT_BY),
    (Code.EXPIRY, place(), seen(days_to_expiry=-1), {}, None),
    (Code.EXPIRY, place(), seen(days_to_expiry=4), {"expiry_days": 3}, None),
    (Code.EXPIRY, place(), seen(days_to_expiry=3), {"expiry_days": 3}, None),
    (Code.EXPIRY, place(), seen(days_to_expiry=2), {"expiry_days": 3}, Code.EXPIRY),
    (Code.EXPIRY, place(), seen(days_to_expiry=0), {"expiry_days": 0}, None),
    (Code.EXPIRY, place(), seen(days_to_expiry=-1), {"expiry_days": 0}, Code.EXPIRY),
    (Code.EXPIRY, place(), seen(days_to_expiry=None), {"expiry_days": 0}, Code.EXPIRY),
    (Code.NEWS, place(), seen(news="FOMC"), {}, Code.NEWS),
    (Code.UNATTENDED, place(), seen(unattended_s=599.0), {"unattended_after_s": 600.0}, None),
    (Code.UNATTENDED, place(), seen(unattended_s=600.0), {"unattended_after_s": 600.0}, None),
    (Code.UNATTENDED, place(), seen(unattended_s=601.0), {"unattended_after_s": 600.0}, Code.UNATTENDED),
    (Code.UNATTENDED, place(), seen(unattended_s=None), {"unattended_after_s": 600.0}, Code.UNATTENDED),
    # patterns
    (Code.DUPLICATE_INTENT, place(), seen(sides_at_bar=(-1,)), {}, None),
    (Code.DUPLICATE_INTENT, place(), seen(sides_at_bar=(1,)), {}, Code.DUPLICATE_INTENT),
    (Code.FLIPS, place(), seen(last_side=-1, flips=1), {"max_flips": 3}, None),
    (Code.FLIPS, place(), seen(last_side=-1, flips=2), {"max_flips": 3}, None),
    (Code.FLIPS, place(), seen(last_side=-1, flips=3), {"max_flips": 3}, Code.FLIPS),
    (Code.FLIPS, place(), seen(last_side=1, flips=3), {"max_flips": 3}, None),  # the same way again is no flip
    (Code.COOL_DOWN, place(), seen(cool_down_s=0.0), {"consecutive_losses": 3}, None),
    (Code.COOL_DOWN, place(), seen(cool_down_s=0.1), {"consecutive_losses": 3}, Code.COOL_DOWN),
    (Code.BREACH, place(), seen(breach="the session has lost its limit today"), {}, Code.BREACH),
    # losses and profits
    *(
        (code, place(), seen(**{name: USD(value)}), {field: USD(500)}, expected)
        for code, name, field, sign in (
            (Code.SESSION_LOSS, "session_pnl_usd", "session_daily_loss_usd", -1),
            (Code.DRAWDOWN, "drawdown_usd", "max_drawdown_usd", 1),
            (Code.SESSION_DRAWDOWN, "session_drawdown_usd", "session_drawdown_usd", 1),
            (Code.PROFIT_LOCK, "day_pnl_usd", "daily_profit_usd", 1),
        )
        for value, expected in ((sign * 499, None), (sign * 500, code), (sign * 501, code))
    ),
    *(
        (Code.UNKNOWN_EQUITY, place(), seen(**{name: unknown}), {field: USD(500)}, Code.UNKNOWN_EQUITY)
        for name, field in (
            ("session_pnl_usd", "session_daily_loss_usd"),
            ("drawdown_usd", "max_drawdown_usd"),
            ("session_drawdown_usd", "session_drawdown_usd"),
            ("day_pnl_usd", "daily_profit_usd"),
        )
        for unknown in (None, NAN, INF)
    ),
    (Code.PROFIT_LOCK, place(), seen(locked_in="the day has earned 600.00 USD"), {}, Code.PROFIT_LOCK),
    # half of a target of 3,000 is 1,500; without a target half of all profit: as much as on the days before
    (Code.CONSISTENCY, place(), seen(day_pnl_usd=USD(1499), target_usd=USD(3000)), {"best_day_share": 0.5}, None),
    (
        *(Code.CONSISTENCY, place(), seen(day_pnl_usd=USD(1500), target_usd=USD(3000))),
        *({"best_day_share": 0.5}, Code.CONSISTENCY),
    ),
    (Code.CONSISTENCY, place(), seen(day_pnl_usd=USD(799), earned_usd=USD(800)), {"best_day_share": 0.5}, None),
    (
        *(Code.CONSISTENCY, place(), seen(day_pnl_usd=USD(800), earned_usd=USD(800))),
        *({"best_day_share": 0.5}, Code.CONSISTENCY),
    ),
    (Code.CONSISTENCY, place(), seen(day_pnl_usd=USD(9999), earned_usd=USD(-1)), {"best_day_share": 0.5}, None),
    (Code.LEASE, place(), seen(day_pnl_usd=USD(-299), lease_loss_usd=USD(300)), {}, None),
    (Code.LEASE, place(), seen(day_pnl_usd=USD(-300), lease_loss_usd=USD(300)), {}, Code.LEASE),
    (Code.LEASE, place(), seen(lease_loss_usd=USD(0)), {}, Code.LEASE),
    (Code.LEASE, place(2), seen(lease_micros=2), {}, None),
    (Code.LEASE, place(3), seen(lease_micros=2), {}, Code.LEASE),
    # the programme: levels of equity, contracts, and what the stops would leave
    (Code.MAX_LOSS, place(), seen(firm=firm(), equity_usd=USD("48001.26")), STAKE, None),  # a cent above it, and 1.25
    (Code.MAX_LOSS, place(), seen(firm=firm(), equity_usd=USD(48_000)), {}, Code.MAX_LOSS),
    (
        Code.MAX_LOSS,
        place(),
        seen(firm=firm(), equity_usd=USD("48051.26")),
        {"floor_buffer_usd": USD(50), **STAKE},
        None,
    ),
    (Code.MAX_LOSS, place(), seen(firm=firm(), equity_usd=USD(48_050)), {"floor_buffer_usd": USD(50)}, Code.MAX_LOSS),
    (Code.PROGRAMME_DAY, place(), seen(firm=firm(day=49_000), equity_usd=USD("49001.26")), STAKE, None),
    (Code.PROGRAMME_DAY, place(), seen(firm=firm(day=49_000), equity_usd=USD(49_000)), {}, Code.PROGRAMME_DAY),
    *(
        (Code.UNKNOWN_EQUITY, place(), seen(firm=firm(), equity_usd=unknown), {}, Code.UNKNOWN_EQUITY)
        for unknown in (None, NAN, INF)
    ),
    (Code.PROGRAMME_CAP, place(49), seen(firm=firm()), STAKE, None),
    (Code.PROGRAMME_CAP, place(50), seen(firm=firm()), STAKE, None),
    (Code.PROGRAMME_CAP, place(51), seen(firm=firm()), {}, Code.PROGRAMME_CAP),
    (Code.PROGRAMME_CAP, place(10), seen(firm=firm(), exposures=(held(ES, -4),)), STAKE, None),  # 10 + 40 micros
    (Code.PROGRAMME_CAP, place(11), seen(firm=firm(), exposures=(held(ES, -4),)), {}, Code.PROGRAMME_CAP),
    (Code.PROGRAMME_CAP, place(11), seen(firm=firm(), exposures=(held(ES, 1, 3, 0),)), {}, Code.PROGRAMME_CAP),
    (Code.PROGRAMME_CAP, place(30, contract=MCL), seen(firm=firm()), STAKE, None),  # 30 MCL on this plan
    (Code.PROGRAMME_CAP, place(31, contract=MCL), seen(firm=firm()), {}, Code.PROGRAMME_CAP),
    # 8 ticks to the stop at 1.25 USD: 10 USD a contract
    (Code.HEADROOM, place(4, stop_loss_ticks=-8), seen(firm=firm(), equity_usd=USD(48_041)), {}, None),
    (Code.HEADROOM, place(4, stop_loss_ticks=-8), seen(firm=firm(), equity_usd=USD(48_040)), {}, Code.HEADROOM),
    (
        *(Code.HEADROOM, place(stop_loss_ticks=-8)),
        *(seen(firm=firm(), equity_usd=USD(48_040), at_risk_usd=USD(30)), {}, Code.HEADROOM),
    ),
    (Code.HEADROOM, place(), seen(firm=firm(), equity_usd=USD("48050.01")), {"unstopped_ticks": 40}, None),
    (Code.HEADROOM, place(), seen(firm=firm(), equity_usd=USD(48_050)), {"unstopped_ticks": 40}, Code.HEADROOM),
    # a stake that is not known counts for everything: of the order, and of what is held or works
    (Code.HEADROOM, place(), seen(firm=firm()), {}, Code.HEADROOM),
    (Code.HEADROOM, place(), seen(firm=firm(floor=None)), {}, None),  # no level, no room to it
    (Code.HEADROOM, place(), seen(firm=firm(floor=None, day=49_000)), {}, Code.HEADROOM),
    (Code.HEADROOM, place(stop_loss_ticks=-8), seen(firm=firm(), tick_value=None), {}, Code.HEADROOM),
    (Code.HEADROOM, place(stop_loss_ticks=-8), seen(firm=firm()), {}, None),
    *(
        (Code.HEADROOM, place(stop_loss_ticks=-8), seen(firm=firm(), at_risk_usd=unknown), {}, Code.HEADROOM)
        for unknown in (None, NAN, INF)
    ),
    # the level of the day counts as the maximum loss does: 10 USD a contract, and the buffer
    (Code.HEADROOM, place(4, stop_loss_ticks=-8), seen(firm=firm(day=49_000), equity_usd=USD(49_041)), {}, None),
    (
        Code.HEADROOM,
        place(4, stop_loss_ticks=-8),
        seen(firm=firm(day=49_000), equity_usd=USD(49_040)),
        {},
        Code.HEADROOM,
    ),
    (
        *(Code.HEADROOM, place(4, stop_loss_ticks=-8), seen(firm=firm(day=49_000), equity_usd=USD(49_090))),
        *({"floor_buffer_usd": USD(50)}, Code.HEADROOM),
    ),
    (Code.CAPITAL_AT_RISK, place(49, stop_loss_ticks=-8), SEEN, AT_RISK, None),
    (Code.CAPITAL_AT_RISK, place(50, stop_loss_ticks=-8), SEEN, AT_RISK, None),
    (Code.CAPITAL_AT_RISK, place(51, stop_loss_ticks=-8), SEEN, AT_RISK, Code.CAPITAL_AT_RISK),
    (Code.CAPITAL_AT_RISK, place(2, stop_loss_ticks=-8), seen(at_risk_usd=USD(490)), AT_RISK, Code.CAPITAL_AT_RISK),
    (Code.CAPITAL_AT_RISK, place(), SEEN, AT_RISK, Code.CAPITAL_AT_RISK),  # no stop: the risk is not known
    (Code.CAPITAL_AT_RISK, place(10), SEEN, {**AT_RISK, "unstopped_ticks": 40}, None),
    (Code.CAPITAL_AT_RISK, place(11), SEEN, {**AT_RISK, "unstopped_ticks": 40}, Code.CAPITAL_AT_RISK),
    *(
        (Code.CAPITAL_AT_RISK, place(stop_loss_ticks=-8), seen(at_risk_usd=unknown), AT_RISK, Code.CAPITAL_AT_RISK)
        for unknown in (None, NAN, INF)
    ),
    *(
        (Code.TICK_VALUE, place(stop_loss_ticks=-8), seen(tick_value=value), AT_RISK, Code.TICK_VALUE)
        for value in (None, NAN, INF, USD(0), USD(-1))
    ),
    # correlated exposure: a mini is ten micros, longs and shorts of a group are added
    (Code.MICROS, place(4), seen(exposures=(held(ES, 1), held(MNQ, -5))), {"max_micros": 20}, None),
    (Code.MICROS, place(5), seen(exposures=(held(ES, 1), held(MNQ, -5))), {"max_micros": 20}, None),
    (Code.MICROS, place(6), seen(exposures=(held(ES, 1), held(MNQ, -5))), {"max_micros": 20}, Code.MICROS),
    (Code.MICROS, place(20), seen(exposures=(held(MCL, 5),)), {"max_micros": 20}, None),  # energy is another group
    (Code.MICROS, place(2, contract=ES), SEEN, {"max_micros": 20}, None),
    (Code.MICROS, place(3, contract=ES), SEEN, {"max_micros": 20}, Code.MICROS),
]


@pytest.mark.statement(29)
@pytest.mark.statement(30)
@pytest.mark.parametrize(("code", "command", "view", "limits", "expected"), EDGES)
def test_each_limit_at_its_edge(
    code: Code, command: PlaceOrder, view: View, limits: dict[str, object], expected: Code | None
) -> None:
    assert code_of(command, view, **limits) is expected
    assert expected in (None, code)


def test_every_code_is_produced_by_some_edge() -> None:
    produced = {row[-1] for row in (*EDGES, *test_gate.EDGES)} - {None}
    assert produced == set(Code)


@pytest.mark.statement(31)
@pytest.mark.parametrize(("code", "command", "view", "limits", "expected"), [row for row in EDGES if row[-1]])
def test_none_of_it_holds_back_a_reduction(
    code: Code, command: PlaceOrder, view: View, limits: dict[str, object], expected: Code | None
) -> None:
    leaving = place(1, SELL, command.contract, limit_ticks=command.limit_ticks, stop_ticks=command.stop_ticks)
    verdict = check(leaving, replace(view, position=2), Limits(**limits))  # type: ignore[arg-type]
    assert isinstance(verdict, Approved) and verdict.reducing


def test_a_separate_exit_passes_beside_its_sibling_but_never_for_more_than_is_open() -> None:
    beside = seen(position=2, working_sell=2, halted=("stop latch",))  # the stop rests, here comes the target
    target = place(2, SELL, type=OrderType.LIMIT, limit_ticks=24_040, protects="entry", session="")
    assert isinstance(check(target, beside, Limits()), Approved)
    assert isinstance(check(msgspec.structs.replace(target, qty=3), beside, Limits()), Refused)
    assert isinstance(check(msgspec.structs.replace(target, side=BUY), beside, Limits()), Refused)
    assert isinstance(check(msgspec.structs.replace(target, protects=""), beside, Limits()), Refused)
    market = msgspec.structs.replace(target, type=OrderType.MARKET, limit_ticks=None)
    assert isinstance(check(market, beside, Limits()), Refused)  # two of these would turn the position


def test_a_programme_of_an_express_account_lets_hold_what_its_scaling_has_reached() -> None:
    programme: AccountProgramme = PROGRAMMES["topstep-50k-express"]
    for profit, minis in ((0, 2), (1499, 2), (1500, 3), (2000, 5)):
        cap = int(programme.minis_at(USD(profit)) * programme.micros_per_mini)
        within = seen(firm=firm("topstep-50k-express", floor=-2000, cap=cap))
        assert code_of(place(minis, contract=ES), within, **STAKE) is None
        assert code_of(place(minis + 1, contract=ES), within, **STAKE) is Code.PROGRAMME_CAP


# --- what it says, and products that nobody can value -----------------------------------------------------------------

STRANGE = place(contract="CON.F.US.XYZ.Z26")


@pytest.mark.parametrize(
    ("judge", "seen", "limits", "code"),
    [
        (check_exposure, SEEN, {"max_micros": 100}, Code.MICROS),
        (check_exposure, replace(SEEN, lease_micros=100), {}, Code.MICROS),
        (check_exposure, SEEN, {}, None),
    ],
)
def test_a_product_of_unknown_weight_is_refused_where_weight_is_limited(
    judge: object, seen: View, limits: dict[str, object], code: Code | None
) -> None:
    said = judge(STRANGE, seen, Limits(**WIDE, **limits))  # type: ignore[operator, arg-type]
    assert (said and said[0]) == code
    assert said is None or "is not in our table of products" in said[1]


def test_nor_does_a_programme_take_a_product_that_it_cannot_count() -> None:
    said = _check_cap(STRANGE, SEEN, firm())
    assert said is not None and said[0] is Code.PROGRAMME_CAP and "is not in our table" in said[1]


@pytest.mark.parametrize(
    ("order", "view", "limits", "said"),
    [
        (place(), seen(day_pnl_usd=USD("-512.5")), {"daily_loss_usd": USD(500)}, "the day stands at -512.50 USD"),
        (place(), seen(drawdown_usd=None), {"max_drawdown_usd": USD(500)}, "the account's drawdown is not known"),
        (limit(24_041), SEEN, {"price_collar_ticks": 40}, "the order's price is 41 ticks away, collar 40 ticks"),
        (
            place(),
            seen(reference=USD(23_000)),
            {"price_collar_ticks": 40, "price_collar_percent": 0.5},
            "the last price is 1000 ticks away, collar 40 ticks and 0.5 %",
        ),
    ],
)
def test_a_refusal_names_the_figure_and_the_limit(
    order: PlaceOrder, view: View, limits: dict[str, object], said: str
) -> None:
    refused = check(order, view, Limits(**WIDE, **limits))  # type: ignore[arg-type]
    assert isinstance(refused, Refused) and said in refused.reason, refused
