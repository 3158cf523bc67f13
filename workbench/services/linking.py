"""From what the gateway shows and a person says to an account link."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol

import msgspec

from workbench.domain.account import PROGRAMMES, AccountKind, kind_from_name, programme_of
from workbench.domain.commands import Outcome, Rejected
from workbench.domain.errors import InputError, UnknownName
from workbench.risk.limits import Limits
from workbench.services.clock import wall_ns
from workbench.storage.home import Home, sync_folder
from workbench.storage.links import AccountLink, LinkDamaged, linked_accounts, load_link, save_link, size_from_name
from workbench.storage.lock import AccountLock

ACCOUNT_REJECTED = 6  # of a cancel: a follower of a copy-trader, or an account with a broker
NO_ORDER = 0  # no order has this id, so asking to cancel it changes nothing
FLAT_BY = "15:05"  # the firm begins to close at 15:08
BUFFER_USD = Decimal(50)
FIRMS = (AccountKind.COMBINE, AccountKind.EXPRESS)  # the firm has loss rules for these
UNGUARDED = "the maximum-loss level, the firm's contract and product caps, market hours, flat by 15:05"
UNSTOPPED_TICKS = 100  # what an order without a stop counts for, of the room to the firm's levels


class Cancels(Protocol):
    """What is asked of a gateway here."""

    async def cancel(self, account_id: int, order_id: int) -> Outcome: ...


def called(account: int, name: str, kind: AccountKind | str) -> str:
    """Return how an account is named wherever a person confirms something about it.

    >>> called(1001, "50KTC-V2-77-1", "combine")
    'account 1001 (50KTC-V2-77-1, combine)'
    """
    return f"account {account} ({name}, {kind})"


async def require_own(gateway: Cancels, account: int, name: str) -> None:
    """Refuse an account whose orders cannot be cancelled from here: we could open what we cannot close.

    No field of an account says so, so the gateway is asked to cancel an order that does not exist.

    Raises
    ------
    InputError
        It follows another account, or lies with a broker; or the gateway did not answer clearly.
    """
    outcome = await gateway.cancel(account, NO_ORDER)
    who = called(account, name, kind_from_name(name))
    if isinstance(outcome, Rejected) and outcome.code == ACCOUNT_REJECTED:
        raise InputError(f"{who} cannot be traded from here: {outcome.reason or outcome.name}")
    if not isinstance(outcome, Rejected):
        told = getattr(outcome, "reason", "") or "it took the cancel of an order that does not exist"
        raise InputError(f"the gateway did not say whether orders of {who} can be cancelled ({told}); try again")


def reset_of(home: Home, account: int, name: str, listed: Mapping[int, str]) -> int | None:
    """Return the linked account that this one has taken the place of: the gateway lists it no more.

    A reset gives an account a new id and a new last number: ``50KTC-V2-77-1`` becomes ``50KTC-V2-77-2``.
    """
    for other in reversed(linked_accounts(home)):
        if other == account or other in listed:
            continue
        try:
            link = load_link(home, other)
        except LinkDamaged:
            continue
        if link is not None and _stem(link.name) == _stem(name):
            return other
    return None


def _stem(name: str) -> str:
    return re.sub(r"-\d+$", "", name.upper())


def link_account(home: Home, link: AccountLink) -> Path | None:
    """Store a link and put an earlier journal aside; the next runner begins with what the broker has.

    That is also the way out of a journal that is damaged or that a newer program decides differently: today's fills
    are read from the broker again, so the day's loss is not forgotten.

    Returns
    -------
    Path or None
        Where the earlier journal lies now.

    Raises
    ------
    LockHeld
        A runner trades the account; end it first.
    """
    folder = home.account(link.account)
    with AccountLock(folder) as lock:
        lock.acquire("link")
        journal = folder / "journal.wbj"
        aside = journal.with_name(f"journal-until-{link.linked_at}.wbj") if journal.exists() else None
        if aside is not None:
            journal.rename(aside)
            sync_folder(folder)
        save_link(home, link)
    return aside


def gap(link: AccountLink) -> str | None:
    """Return what nothing guards under a link, or a maximum-loss level that its programme cannot have.

    >>> practice = make_link(account=1, name="PRAC-V2-1-1", balance=Decimal(50_000), by="me")
    >>> gap(practice) is None
    True
    """
    who = called(link.account, link.name, link.kind)
    if not link.programme:
        if link.kind not in FIRMS:
            return None
        return (
            f"{who} is linked without its programme. Not guarded: {UNGUARDED}. Only the own daily loss "
            f"({link.limits.daily_loss_usd} USD) and {link.limits.max_position} contracts of an instrument hold. Link "
            "it again with --programme and --max-loss-level to guard them"
        )
    rules, level = programme_of(link.programme, link.kind), link.max_loss_level_usd
    lowest, highest = rules.starting_balance - rules.max_loss, rules.lock_at
    if level is None or (lowest <= level and (highest is None or level <= highest)):
        return None
    most = "" if highest is None else f" to {highest}"
    return (
        f"{who}: a maximum-loss level of {level} USD cannot be one of {rules.name}, where it goes from {lowest}{most} "
        "USD. It is the equity at which the account ends, not the loss that is allowed: look again at the platform"
    )


def _require_guarded(who: str, kind: AccountKind, given: str | None, plan: str, level: Decimal | None) -> None:
    plans = ", ".join(name for name in PROGRAMMES if not name.endswith("-express"))
    if kind in FIRMS and given is None and not plan:
        raise InputError(
            f"{who}: the name does not tell the size of the plan, and no endpoint does. Give --programme (one of "
            f"{plans}) and --max-loss-level, the level that the platform shows now. With --programme '' it is linked "
            f"without: then nobody here guards {UNGUARDED}"
        )
    if level is not None and not plan:
        raise InputError(
            f"{who}: without a programme nothing watches --max-loss-level; give the programme as well (--programme, "
            f"one of {plans}), or leave the level out"
        )


def make_link(
    *,
    account: int,
    name: str,
    balance: Decimal,
    kind: str | None = None,
    programme: str | None = None,
    max_loss_level: Decimal | None = None,
    day_start_balance: Decimal | None = None,
    bracket_mode: str = "auto-oco",
    daily_loss: Decimal = Decimal(1000),
    max_position: int = 5,
    by: str,
) -> AccountLink:
    """Return the link; what the person left out is guessed from the name where that is safe, else asked for.

    Its limits act: a broken one closes the account for the day. An account with a programme is flat by 15:05, enters in
    market hours only, keeps 50 USD away from the firm's levels, counts a contract without a
    stop with 100 ticks against them, and holds what the programme lets it hold today.

    Raises
    ------
    InputError
        Something that no endpoint tells is missing, such as the maximum-loss level of a combine, or the plan of an
        express account, whose name does not have it.
    """
    if kind is not None and kind not in list(AccountKind):
        raise UnknownName("kind of account", kind, [str(k) for k in AccountKind if k is not AccountKind.UNKNOWN])
    chosen = AccountKind(kind) if kind else kind_from_name(name)
    plan = programme if programme is not None else ("" if chosen is AccountKind.PRACTICE else size_from_name(name))
    _require_guarded(called(account, name, chosen), chosen, programme, plan, max_loss_level)
    start = balance if day_start_balance is None else day_start_balance
    limits = Limits(
        daily_loss_usd=daily_loss, max_position=max_position, on_breach="account", expiry_days=0, roll_warn_days=3
    )
    if plan in PROGRAMMES:
        rules = programme_of(plan, chosen)
        plan, caps = rules.name, int(rules.minis_at(start - rules.starting_balance))
        limits = msgspec.structs.replace(
            limits,
            max_position=min(max_position, caps),
            max_order_qty=min(5, caps),
            flat_by=FLAT_BY,
            market_hours=True,
            floor_buffer_usd=BUFFER_USD,
            unstopped_ticks=UNSTOPPED_TICKS,
        )
    return AccountLink(
        account=account,
        name=name,
        kind=chosen,
        programme=plan,
        max_loss_level_usd=max_loss_level,
        day_start_balance_usd=start,
        bracket_mode=bracket_mode,
        linked_at=wall_ns(),
        by=by,
        limits=limits,
    )
