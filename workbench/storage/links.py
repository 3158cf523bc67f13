"""What a person has said about an account when linking it; until then the account may not enter anything."""

from __future__ import annotations

import re
from decimal import Decimal

import msgspec

from workbench.domain.account import PROGRAMMES, AccountKind
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.risk.limits import Limits
from workbench.storage.home import Home, write_durably

BRACKET_MODES = ("auto-oco", "position")


class LinkDamaged(StorageError):
    """An account's link file cannot be read: it counts as not linked until it is linked again."""


class AccountLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One linked account. No endpoint tells these things, so a person types them from the platform.

    Parameters
    ----------
    account : int
        Gateway account id.
    name : str
        Account name as the gateway shows it.
    kind : AccountKind
        Read from the name and confirmed by the person.
    programme : str
        Key of `domain.account.PROGRAMMES`, or "" for a practice account without loss rules.
    max_loss_level_usd : Decimal or None
        Current maximum-loss floor as the platform shows it, USD of equity.
    day_start_balance_usd : Decimal
        Balance at 17:00 Chicago of this trading date.
    bracket_mode : str
        ``auto-oco`` or ``position``; confirmed by the first bracketed order's answer.
    linked_at : int
        UTC ns.
    by : str
        Who linked it.
    limits : Limits
        What the gate evaluates.
    """

    account: int
    name: str
    kind: AccountKind
    programme: str
    max_loss_level_usd: Decimal | None
    day_start_balance_usd: Decimal
    bracket_mode: str
    linked_at: int
    by: str
    limits: Limits

    def __post_init__(self) -> None:
        if self.programme and self.programme not in PROGRAMMES:
            raise UnknownName("account programme", self.programme, PROGRAMMES, where=f"account {self.account}")
        if self.bracket_mode not in BRACKET_MODES:
            raise UnknownName("bracket mode", self.bracket_mode, BRACKET_MODES, where=f"account {self.account}")
        if self.kind is AccountKind.UNKNOWN:
            raise InputError(f"say what kind of account {self.name} is (practice, combine or express): --kind")
        if not self.day_start_balance_usd.is_finite():
            raise InputError("the balance at the start of the day must be an amount in dollars: --day-start-balance")
        if self.max_loss_level_usd is not None and not self.max_loss_level_usd.is_finite():
            raise InputError("the maximum-loss level must be an amount in dollars: --max-loss-level")
        if self.programme and self.max_loss_level_usd is None:
            raise InputError(
                f"type in the current maximum-loss level that the platform shows for {self.name}: --max-loss-level"
            )


def save_link(home: Home, link: AccountLink) -> None:
    """Store a link; it replaces an earlier one of the same account."""
    body = msgspec.json.format(msgspec.json.encode(link))
    write_durably(home.account(link.account) / "link.json", body)


def load_link(home: Home, account: int) -> AccountLink | None:
    """Return the link of `account`, None when it was never linked.

    Raises
    ------
    LinkDamaged
        The file is there but cannot be read as a link of this account.
    """
    path = home.account(account) / "link.json"
    try:
        link = msgspec.json.decode(path.read_bytes(), type=AccountLink)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError, InputError, OSError) as error:
        raise LinkDamaged(f"{path} cannot be read as an account link: {error}; link the account again") from error
    if link.account != account:
        raise LinkDamaged(f"{path} speaks of account {link.account}, not of {account}; link the account again")
    return link


def linked_accounts(home: Home) -> list[int]:
    """Ids of the linked accounts, ascending."""
    return [a for a in home.accounts() if (home.account(a) / "link.json").exists()]


def known_accounts(home: Home) -> list[int]:
    """Ids of the accounts that are linked or have ever traded from here: what a stop of everything has to close."""
    return [
        a for a in home.accounts() if any((home.account(a) / name).exists() for name in ("link.json", "journal.wbj"))
    ]


def size_from_name(name: str) -> str:
    """Guess the programme from an account name such as ``50KTC-V2-…`` ("" when it says nothing)."""
    match = re.match(r"(50|100|150)K", name.upper())
    return f"topstep-{match.group(1)}k" if match else ""
