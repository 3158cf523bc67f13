"""`limits.yaml` in WORKBENCH_HOME: dated entries of limits at four levels, as a person writes and reads them.

The newest entry whose `from` has come holds, and holds as a whole::

    - from: 2026-11-22
      by: ann
      reason: the first month
      global: {daily_loss_usd: 1500, max_micros: 40}     # of each account, and these two of all of them together
      accounts:
        1001: {max_position: 3, on_breach: account}      # instead of what was said when the account was linked
      markets:
        MES: {max_order_qty: 2}                          # only tighter
      strategies:
        sma-cross: {daily_loss_usd: 300}                 # its own loss; only tighter
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from workbench.domain.contract import spec
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.risk.limits import Limits
from workbench.risk.tightening import tightest, value_of
from workbench.storage.home import Home, write_durably

NAME = "limits.yaml"
LEVELS = ("global", "accounts", "markets", "strategies")
OVER_ALL = ("daily_loss_usd", "max_micros")
OF_ACCOUNT = (
    "flat_by", "news_flat", "blind_after_s", "blind_flatten_s", "protect_within_s", "on_breach", "equity_readings",
    "consecutive_losses", "cool_down_s",
)  # fmt: skip
MOST_CHARACTERS = 1_000_000
Values = dict[str, Any]
_HEAD = "# Limits by date; the newest entry that has come holds as a whole (workbench limits --help).\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsEntry:
    """What held from one date on: limits by name, as they are kept, at each level."""

    since: date
    by: str = ""
    reason: str = ""
    everywhere: Values = field(default_factory=dict)
    accounts: dict[int, Values] = field(default_factory=dict)
    markets: dict[str, Values] = field(default_factory=dict)
    strategies: dict[str, Values] = field(default_factory=dict)

    def level(self, name: str) -> Mapping[Any, Values]:
        """Return a level by its name in the file; the global one under the key ``""``."""
        if name not in LEVELS:
            raise UnknownName("level", name, LEVELS, where=NAME)
        found: Mapping[Any, Values] = {"": self.everywhere} if name == "global" else getattr(self, name)
        return found

    def of_account(self, account: int, linked: Limits) -> Limits:
        """Return the limits of an account: its own here, or as it was linked, and never looser than the global ones."""
        own = msgspec.structs.replace(linked, **self.accounts.get(account, {}))
        return tightest(own, self.everywhere)

    @property
    def over_all(self) -> Values:
        """The limits that hold for all accounts together, too."""
        return {name: self.everywhere[name] for name in OVER_ALL if self.everywhere.get(name) is not None}

    def body(self, account: int, linked: Limits, *, leased: bool = False) -> dict[str, Any]:
        """Return what an event carries: the account's limits, and the tighter ones of markets and strategies.

        `leased` says that the account needs its share of the limits over all accounts before it enters anything.
        """
        levels = {
            name: {str(key): plain(values) for key, values in self.level(name).items() if values}
            for name in ("markets", "strategies")
        }
        return {**plain(msgspec.structs.asdict(self.of_account(account, linked))), **levels, "leased": leased}


def load_limits(home: Home) -> list[LimitsEntry]:
    """Return the entries of the file, oldest first; none when there is no file.

    Raises
    ------
    InputError
        It is not readable, or says what cannot be meant: an unknown limit, a wrong value, no date.
    """
    path = home.path / NAME
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    return parse_limits(text)


def parse_limits(text: str) -> list[LimitsEntry]:
    """Return the entries of a text, oldest first; of one date the later written is the newer."""
    import yaml

    if len(text) > MOST_CHARACTERS:
        raise InputError(f"{NAME} has more than {MOST_CHARACTERS:,} characters")
    try:
        written = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{NAME} is not readable as YAML: {' '.join(str(error).split())}") from None
    if written is None:
        return []
    if not isinstance(written, list):
        raise InputError(f"{NAME} must be a list of dated entries, each with from, by, reason and its limits")
    entries = [_entry(number, row) for number, row in enumerate(written, 1)]
    return sorted(entries, key=lambda entry: entry.since)


def entry_on(entries: list[LimitsEntry], on: date) -> LimitsEntry:
    """Return the entry that holds on a trading date; an empty one before the first."""
    held = [entry for entry in entries if entry.since <= on]
    return held[-1] if held else LimitsEntry(since=date(1970, 1, 1))


def save_limits(home: Home, entries: list[LimitsEntry]) -> None:
    """Write the file anew, whole or not at all."""
    import yaml

    rows = [_written(entry) for entry in entries]
    body = yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=120)
    write_durably(home.path / NAME, (_HEAD + body).encode())


def plain(values: Mapping[str, Any]) -> Values:
    """Return limits as text, numbers and lists: for YAML, JSON and the journal."""
    return {
        name: str(value) if isinstance(value, Decimal) else list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def _written(entry: LimitsEntry) -> Values:
    row: Values = {"from": entry.since, "by": entry.by, "reason": entry.reason}
    if entry.everywhere:
        row["global"] = _numbers(entry.everywhere)
    for name in LEVELS[1:]:
        level = {key: _numbers(values) for key, values in entry.level(name).items() if values}
        if level:
            row[name] = level
    return row


def _numbers(values: Values) -> Values:
    # as a person would write them: 1500, 12.5
    usd = {name: value for name, value in values.items() if isinstance(value, Decimal)}
    return plain(values) | {name: int(value) if value % 1 == 0 else float(value) for name, value in usd.items()}


_KEYS = ("from", "by", "reason", *LEVELS)


def _entry(number: int, row: Any) -> LimitsEntry:
    where = f"{NAME}, entry {number}"
    if not isinstance(row, Mapping):
        raise InputError(f"{where} must be a mapping with {', '.join(_KEYS)}, not {row!r}")
    for key in row:
        if key not in _KEYS:
            raise UnknownName("key", str(key), _KEYS, where=where)
    accounts = {_account(key, where): v for key, v in _mapping(row.get("accounts"), f"{where}, accounts").items()}
    markets = {spec(str(key)).root: v for key, v in _mapping(row.get("markets"), f"{where}, markets").items()}
    strategies = {str(key): v for key, v in _mapping(row.get("strategies"), f"{where}, strategies").items()}
    return LimitsEntry(
        since=_date(row.get("from"), where),
        by=str(row.get("by") or ""),
        reason=str(row.get("reason") or ""),
        everywhere=read_values(row.get("global"), f"{where}, global"),
        accounts={key: read_values(v, f"{where}, account {key}") for key, v in accounts.items()},
        markets={key: read_values(v, f"{where}, market {key}", part=True) for key, v in markets.items()},
        strategies={key: read_values(v, f"{where}, strategy {key}", part=True) for key, v in strategies.items()},
    )


def read_values(written: Any, where: str, *, part: bool = False) -> Values:
    """Return limits as they are kept from what a person wrote; each is checked as if it stood alone.

    With `part` they are those of a market or strategy, which cannot keep every limit.
    """
    for key in _mapping(written, where) if part else ():
        if key in OF_ACCOUNT:
            raise InputError(f"{where}: {key} is kept by an account as a whole; write it under global or accounts")
    values = {str(key): value_of(str(key), value, where=where) for key, value in _mapping(written, where).items()}
    if "products" in values:
        values["products"] = tuple(spec(root).root for root in values["products"])
    try:
        Limits(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return values


def _mapping(written: Any, where: str) -> Mapping[Any, Any]:
    if written is None:
        return {}
    if not isinstance(written, Mapping):
        raise InputError(f"{where} must be a mapping such as {{max_position: 2}}, not {written!r}")
    return written


def _account(key: Any, where: str) -> int:
    if isinstance(key, int) and not isinstance(key, bool):
        return key
    raise InputError(f"{where}: accounts go by their number, not {key!r}")


def _date(value: Any, where: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise InputError(f"{where}: from={value!r} is no date; write 2026-11-22")
