"""Limits that hang on money and size: losses, profits, the programme, what is at stake, and over all instruments."""

from __future__ import annotations

from decimal import Decimal

from workbench.domain.commands import PlaceOrder
from workbench.risk.codes import Code
from workbench.risk.limits import Limits
from workbench.risk.view import Exposure, Firm, View, micros

Why = tuple[Code, str] | None


def is_known(amount: Decimal | None) -> bool:
    """Say whether an amount is there and is a number."""
    return amount is not None and amount.is_finite()


def shown(amount: Decimal | None) -> str:
    """An amount for people."""
    return "?" if amount is None or not amount.is_finite() else f"{amount:.2f}"


def check_losses(command: PlaceOrder, view: View, limits: Limits) -> Why:
    """Return which loss or profit limit stands against an entry, None when none does."""
    day = view.day_pnl_usd
    if day is None or not day.is_finite():
        return Code.UNKNOWN_EQUITY, "the day's profit and loss is not known"
    if day <= -limits.daily_loss_usd:
        return Code.DAILY_LOSS, f"the day stands at {shown(day)} USD, limit −{limits.daily_loss_usd} USD"
    if view.lease_loss_usd is not None and not day > -view.lease_loss_usd:
        return Code.LEASE, f"the day stands at {shown(day)} USD, the desk's lease is −{view.lease_loss_usd} USD"
    return _check_drawdowns(view, limits) or _check_session(command, view, limits) or _check_profit(view, limits)


def _check_drawdowns(view: View, limits: Limits) -> Why:
    most = limits.max_drawdown_usd
    if most is not None and not is_known(view.drawdown_usd):
        return Code.UNKNOWN_EQUITY, "the account's drawdown is not known"
    if most is not None and view.drawdown_usd is not None and view.drawdown_usd >= most:
        return Code.DRAWDOWN, f"the account is {shown(view.drawdown_usd)} USD below its best, limit {most} USD"
    return None


def _check_session(command: PlaceOrder, view: View, limits: Limits) -> Why:
    if not command.session:
        return None
    most, fall = limits.session_daily_loss_usd, limits.session_drawdown_usd
    if most is not None and not is_known(view.session_pnl_usd):
        return Code.UNKNOWN_EQUITY, "the session's profit and loss is not known"
    if most is not None and view.session_pnl_usd is not None and view.session_pnl_usd <= -most:
        return Code.SESSION_LOSS, f"the session's day stands at {shown(view.session_pnl_usd)} USD, limit −{most} USD"
    if fall is not None and not is_known(view.session_drawdown_usd):
        return Code.UNKNOWN_EQUITY, "the session's drawdown is not known"
    if fall is not None and view.session_drawdown_usd is not None and view.session_drawdown_usd >= fall:
        return Code.SESSION_DRAWDOWN, (
            f"the session is {shown(view.session_drawdown_usd)} USD below its best, limit {fall} USD"
        )
    return None


def _check_profit(view: View, limits: Limits) -> Why:
    day = view.day_pnl_usd or Decimal(0)
    if limits.daily_profit_usd is not None and day >= limits.daily_profit_usd:
        return Code.PROFIT_LOCK, f"the day stands at {shown(day)} USD, locked in from {limits.daily_profit_usd} USD"
    most = most_of(limits, view.target_usd, view.earned_usd or Decimal(0))
    if most is not None and day >= most:
        return Code.CONSISTENCY, (
            f"the day stands at {shown(day)} USD; from {shown(most)} USD on it would be over "
            f"{limits.best_day_share:.0%} of the profit (consistency)"
        )
    if view.locked_in:
        return Code.PROFIT_LOCK, view.locked_in
    return None


def most_of(limits: Limits, target: Decimal | None, earned: Decimal) -> Decimal | None:
    """Return what this trading date may earn so that it stays within its share, None where nothing says so.

    Of a target it is the share of the target, or of the profit when that is more. Without a target the share is of all
    profit, this day's included: day ≤ share × (earned + day). Without earlier profit there is no such bound.
    """
    if limits.best_day_share is None:
        return None
    share = Decimal(repr(limits.best_day_share))
    bounds = [target * share] if target is not None else []
    if earned > 0 and share < 1:
        bounds.append(share / (1 - share) * earned)
    return max(bounds) if bounds else None


def check_firm(command: PlaceOrder, view: View, limits: Limits) -> Why:
    """Return what in the account's programme, and in its headroom, stands against an entry."""
    firm, stake = view.firm, order_risk(command, view, limits)
    if firm is None:
        return _check_capital(view, limits, stake)
    if _levels(firm) and not is_known(view.equity_usd):
        return Code.UNKNOWN_EQUITY, "the equity is not known, and the programme has loss levels"
    equity, buffer = view.equity_usd or Decimal(0), limits.floor_buffer_usd
    if firm.floor_usd is not None and equity <= firm.floor_usd + buffer:
        return Code.MAX_LOSS, f"equity {shown(equity)} USD is at the maximum-loss level {shown(firm.floor_usd)} USD"
    if firm.day_floor_usd is not None and equity <= firm.day_floor_usd + buffer:
        return (
            Code.PROGRAMME_DAY,
            f"equity {shown(equity)} USD is at the day's loss level {shown(firm.day_floor_usd)} USD",
        )
    if why := _check_cap(command, view, firm):
        return why
    if why := _check_headroom(command, view, firm, limits, stake):
        return why
    return _check_capital(view, limits, stake)


def check_stake(command: PlaceOrder, view: View, limits: Limits, stake: Decimal) -> Why:
    """Return what stands against `stake` USD more at risk on what is held already: a stop that moves away."""
    if view.firm is not None and (why := _check_headroom(command, view, view.firm, limits, stake)):
        return why
    return _check_capital(view, limits, stake)


def _levels(firm: Firm) -> bool:
    return firm.floor_usd is not None or firm.day_floor_usd is not None


def _check_headroom(command: PlaceOrder, view: View, firm: Firm, limits: Limits, stake: Decimal | None) -> Why:
    levels = [
        (level, what)
        for level, what in ((firm.floor_usd, "maximum-loss level"), (firm.day_floor_usd, "day's loss level"))
        if level is not None
    ]
    if not levels:
        return None
    held, equity = view.at_risk_usd, view.equity_usd or Decimal(0)
    if stake is None:
        lacks = "the order has no stop" if command.stop_loss_ticks is None else f"the tick value is {view.tick_value}"
        return Code.HEADROOM, (
            f"{lacks}: what it may lose of the room to the {levels[0][1]} is not known; give it a stop, or set "
            "unstopped_ticks in the limits"
        )
    if held is None or not held.is_finite():
        return Code.HEADROOM, (
            f"something held or working has no stop: how much room is left to the {levels[0][1]} is not known; give it "
            "a stop, or set unstopped_ticks in the limits"
        )
    for level, what in levels:
        if equity - held - stake <= level + limits.floor_buffer_usd:
            return Code.HEADROOM, (
                f"equity {shown(equity)} USD less {shown(held + stake)} USD at risk down to the stops would reach the "
                f"{what} {shown(level)} USD"
            )
    return None


def order_risk(command: PlaceOrder, view: View, limits: Limits) -> Decimal | None:
    """Return what a new order loses from its price to its stop, USD; None when it has no stop or no value is known."""
    ticks = limits.unstopped_ticks if command.stop_loss_ticks is None else abs(command.stop_loss_ticks)
    if ticks is None or view.tick_value is None or not view.tick_value.is_finite():
        return None
    return view.tick_value * ticks * command.qty


def _check_capital(view: View, limits: Limits, stake: Decimal | None) -> Why:
    most = limits.capital_at_risk_usd
    if most is None:
        return None
    value = view.tick_value
    if value is None or not value.is_finite() or value <= 0:
        return Code.TICK_VALUE, f"the tick value of {view.root} is {value}: what is at risk cannot be known"
    held = view.at_risk_usd
    if stake is None or held is None or not held.is_finite():
        return (
            Code.CAPITAL_AT_RISK,
            "what is at risk is not known: a stop is missing (unstopped_ticks can stand for it)",
        )
    if held + stake > most:
        return Code.CAPITAL_AT_RISK, (
            f"{shown(held)} USD at risk and {shown(stake)} USD more with this order, limit {most} USD"
        )
    return None


def _check_cap(command: PlaceOrder, view: View, firm: Firm) -> Why:
    here = with_order(command, view)
    if here is None:
        return Code.PROGRAMME_CAP, f"{view.root} is not in our table of products"
    caps, rules = dict(firm.rules.product_caps), firm.rules
    most = caps.get(here.spec.exchange_root)
    if most is not None and here.worst > most:
        return Code.PROGRAMME_CAP, f"{here.worst} contracts of {here.spec.exchange_root}, the programme allows {most}"
    units = sum(rules.units(each.spec) * each.worst for each in (here, *view.exposures))
    if units > firm.cap:
        per = rules.units_per_mini
        return Code.PROGRAMME_CAP, f"{units / per:g} minis over all contracts, the programme allows {firm.cap / per:g}"
    return None


def check_exposure(command: PlaceOrder, view: View, limits: Limits) -> Why:
    """Return whether the order makes a product group, or the account's share of all, too large."""
    if limits.max_micros is None and view.lease_micros is None:
        return None
    here = with_order(command, view)
    if here is None:
        return Code.MICROS, f"{view.root} is not in our table of products"
    every = (here, *view.exposures)
    group = sum(micros(each.spec) * each.worst for each in every if each.spec.group == here.spec.group)
    if limits.max_micros is not None and group > limits.max_micros:
        return Code.MICROS, f"{group} micros of group {here.spec.group}, limit {limits.max_micros}"
    total = sum(micros(each.spec) * each.worst for each in every)
    if view.lease_micros is not None and total > view.lease_micros:
        return Code.LEASE, f"{total} micros on this account, the desk's lease is {view.lease_micros}"
    return None


def with_order(command: PlaceOrder, view: View) -> Exposure | None:
    """Return the exposure of the order's own instrument if the order fills; None for a product we do not know."""
    from workbench.domain.errors import UnknownContract
    from workbench.domain.product import spec

    try:
        product = spec(command.contract)
    except UnknownContract:
        return None
    side, qty = command.side.sign, view.position or 0
    buy = view.working_buy + (command.qty if side > 0 else 0)
    sell = view.working_sell + (command.qty if side < 0 else 0)
    return Exposure(product, qty, buy, sell)
