"""From what the gateway shows and a person says to an account link."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from workbench.domain.account import PROGRAMMES, AccountKind, kind_from_name
from workbench.domain.errors import UnknownName
from workbench.risk.limits import Limits
from workbench.services.clock import wall_ns
from workbench.storage.home import Home, sync_folder
from workbench.storage.links import AccountLink, save_link, size_from_name
from workbench.storage.lock import AccountLock


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

    Raises
    ------
    InputError
        Something that no endpoint tells is missing, such as the maximum-loss level of a combine.
    """
    if kind is not None and kind not in list(AccountKind):
        raise UnknownName("kind of account", kind, [str(k) for k in AccountKind if k is not AccountKind.UNKNOWN])
    chosen = AccountKind(kind) if kind else kind_from_name(name)
    plan = programme if programme is not None else ("" if chosen is AccountKind.PRACTICE else size_from_name(name))
    limits = Limits(daily_loss_usd=daily_loss, max_position=max_position)
    if plan in PROGRAMMES:
        caps = int(PROGRAMMES[plan].max_minis)
        limits = Limits(daily_loss_usd=daily_loss, max_position=min(max_position, caps), max_order_qty=min(5, caps))
    return AccountLink(
        account=account,
        name=name,
        kind=chosen,
        programme=plan,
        max_loss_level_usd=max_loss_level,
        day_start_balance_usd=balance if day_start_balance is None else day_start_balance,
        bracket_mode=bracket_mode,
        linked_at=wall_ns(),
        by=by,
        limits=limits,
    )
