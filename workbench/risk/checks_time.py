"""Limits that hang on time, price and the market: whether this may be entered now, and at that price."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeGuard

from workbench.domain.commands import PlaceOrder
from workbench.risk.codes import Code
from workbench.risk.limits import Limits
from workbench.risk.view import View

Why = tuple[Code, str] | None


def check_time(command: PlaceOrder, view: View, limits: Limits) -> Why:
    """Return why nothing may be entered at this moment, None when it may."""
    if limits.market_hours and view.market_open is not True:
        return (
            Code.MARKET_CLOSED,
            f"the market of {view.root} is {'closed' if view.market_open is False else 'unknown'}",
        )
    if view.flat_by_passed:
        return Code.FLAT_BY, f"it is past {limits.flat_by} in Chicago (flat_by): nothing until the next trading date"
    if view.news:
        return Code.NEWS, f"news: {view.news}"
    if view.cool_down_s > 0:
        return Code.COOL_DOWN, (
            f"{limits.consecutive_losses} losing trades in a row; {view.cool_down_s:.0f} s of {limits.cool_down_s:g} s "
            "are left"
        )
    return _check_expiry(view, limits) or _check_attended(view, limits)


def _check_expiry(view: View, limits: Limits) -> Why:
    if limits.expiry_days is None:
        return None
    left = view.days_to_expiry
    if left is None or left < limits.expiry_days:
        when = "not known" if left is None else f"{left} days away" if left >= 0 else f"{-left} days ago"
        return Code.EXPIRY, f"the contract's last trading day is {when}, limit {limits.expiry_days} days before"
    return None


def _check_attended(view: View, limits: Limits) -> Why:
    if limits.unattended_after_s is None:
        return None
    since = view.unattended_s
    if since is None or not since <= limits.unattended_after_s:
        seen = "nobody has been seen yet" if since is None else f"nobody has been seen for {since:.0f} s"
        return Code.UNATTENDED, f"{seen}, limit {limits.unattended_after_s:g} s"
    return None


def check_pattern(command: PlaceOrder, view: View, limits: Limits) -> Why:
    """Return why this order repeats what was done already, None when it does not."""
    side = command.side.sign
    if side in view.sides_at_bar:
        return Code.DUPLICATE_INTENT, "the session has entered on this side at this bar already"
    flips = view.flips + (view.last_side * side < 0)
    if limits.max_flips is not None and view.last_side * side < 0 and flips > limits.max_flips:
        return Code.FLIPS, (
            f"the session would turn for the {flips}th time in {limits.flips_minutes:g} minutes, "
            f"limit {limits.max_flips}"
        )
    return None


def check_price(command: PlaceOrder, view: View, limits: Limits) -> Why:
    """Return why the price is too old or too far away, None when it is near or nothing asks for one."""
    age = view.price_age_s
    if limits.stale_after_s is not None and (age is None or not age <= limits.stale_after_s):
        told = "there is none" if age is None else f"it is {age:.1f} s old"
        return Code.STALE_DATA, f"the last price of {view.root}: {told}, limit {limits.stale_after_s:g} s"
    if limits.price_collar_ticks is None and limits.price_collar_percent is None:
        return None
    if not _is_price(view.price):
        return Code.NO_PRICE, f"no price of {view.root} is known to measure the collar from"
    asked = [Decimal(t) for t in (command.limit_ticks, command.stop_ticks, command.trail_ticks) if t is not None]
    if asked:
        return _check_collar(asked, view.price, "the order's price", limits)
    if not _is_price(view.reference):
        return Code.NO_PRICE, f"no closed bar of {view.root} is known to measure the last price from"
    return _check_collar([view.price], view.reference, "the last price", limits)


def _check_collar(levels: list[Decimal], base: Decimal, what: str, limits: Limits) -> Why:
    for away in (abs(level - base) for level in levels):
        if _is_outside(away, base, limits):
            return Code.COLLAR, f"{what} is {away:g} ticks away, collar {_collar(limits)}"
    return None


def _is_price(price: Decimal | None) -> TypeGuard[Decimal]:
    return price is not None and price.is_finite() and price != 0


def _is_outside(away: Decimal, base: Decimal, limits: Limits) -> bool:
    if limits.price_collar_ticks is not None and not away <= limits.price_collar_ticks:
        return True
    percent = limits.price_collar_percent
    return percent is not None and not away * 100 <= abs(base) * Decimal(repr(percent))


def _collar(limits: Limits) -> str:
    ticks, percent = limits.price_collar_ticks, limits.price_collar_percent
    parts = [f"{ticks} ticks" if ticks is not None else "", f"{percent:g} %" if percent is not None else ""]
    return " and ".join(part for part in parts if part)
