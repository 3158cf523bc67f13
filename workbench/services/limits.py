"""Limits over time: what holds for an account, who may change it, and how a runner hears of it.

Tighter limits may be written at any time and are taken up by running runners within a second; looser ones only while
no session runs, by a named person who says why. Every change is an entry of ``limits.yaml`` and a line of the audit
log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.domain.hours import trading_hours
from workbench.risk.limits import Limits
from workbench.risk.tightening import loosened, tightest
from workbench.services.audit import Audit
from workbench.services.clock import wall_ns
from workbench.storage.home import Home
from workbench.storage.limits_file import (
    LEVELS,
    LimitsEntry,
    Values,
    entry_on,
    load_limits,
    plain,
    read_values,
    save_limits,
)
from workbench.storage.links import LinkDamaged, linked_accounts, load_link
from workbench.storage.lock import AccountLock

Json = dict[str, Any]
OFF = "off"


def trading_date(at: int) -> date:
    """The trading date of an instant (UTC ns)."""
    return trading_hours("index").trading_date(at)


def limits_body(home: Home, account: int, linked: Limits, at: int) -> Json:
    """Return what a runner starts with: the limits of its account at market time `at`, with those of other levels.

    In a replayed market what was written today holds, too: a person means it for what runs now.

    Raises
    ------
    InputError
        The file cannot be understood; nothing may be entered on a guess.
    """
    entry = entry_on(load_limits(home), day_of(at))
    leased = bool(entry.over_all) and len(linked_accounts(home)) > 1
    return entry.body(account, linked, leased=leased)


def day_of(at: int) -> date:
    """The trading date whose limits hold at market time `at`: the later one of the market's and of the wall clock's."""
    return max(trading_date(at), trading_date(wall_ns()))


def is_running(home: Home, account: int) -> bool:
    """Say whether a runner holds the account."""
    return AccountLock(home.account(account)).holder() is not None


def change(
    home: Home,
    level: str,
    key: str,
    values: Mapping[str, Any],
    *,
    person: str,
    reason: str,
    tighten: bool,
    source: str = "cli",
    on: date | None = None,
    running: Callable[[int], bool] | None = None,
) -> Json:
    """Write new values at one level, from today on; None takes a name out of the level.

    Parameters
    ----------
    level : str
        ``global``, ``accounts``, ``markets`` or ``strategies``.
    key : str
        The account, root or strategy; empty at the global level.
    values : mapping
        Limits by name.
    person, reason : str
        Both must be given: they stand in the entry and in the audit log.
    tighten : bool
        Refuse whatever lets more pass than before.
    on : date, optional
        The trading date from which it holds; by default the one it is.
    running : callable, optional
        Whether a session runs on an account; by default whether a runner holds it.

    Returns
    -------
    dict
        What was changed, the names that were loosened, and the accounts it concerns.

    Raises
    ------
    InputError
        Nobody named, no reason, an unknown name, a wrong value, or looser than allowed. Nothing was written.
    """
    if not person.strip() or len(reason.strip()) < 3:
        raise InputError("a change of limits needs a person and a reason of at least three letters")
    day, entries = on or trading_date(wall_ns()), load_limits(home)
    old = entry_on(entries, day)
    new = _changed(old, level, key, values)
    new = replace(new, since=day, by=person.strip(), reason=reason.strip())
    looser = _looser(home, old, new)
    if looser and tighten:
        raise InputError(f"{_listed(looser)} would be looser; loosen with `workbench limits set` while nothing trades")
    held = running or (lambda account: is_running(home, account))
    busy = [account for account in looser if held(account)]
    if busy:
        raise InputError(
            f"{_listed(looser)} would be looser, and account {', '.join(map(str, busy))} is running: limits are "
            "loosened only while no session runs. End the sessions and the desk, then set them"
        )
    save_limits(home, [*entries, new])
    done: Json = {
        "level": level,
        "key": key,
        "values": plain({name: values[name] for name in values}),
        "from": day.isoformat(),
        "loosened": {str(account): names for account, names in looser.items()},
    }
    Audit(home).note(who=person, what="change the limits", source=source, details={**done, "reason": reason})
    return done


def _changed(old: LimitsEntry, level: str, key: str, values: Mapping[str, Any]) -> LimitsEntry:
    if not values:
        raise InputError("name at least one limit, such as max_position=2")
    known = old.level(level)
    where = f"level {level}{f' {key}' if key else ''}"
    if level != "global" and not key:
        raise InputError(f"level {level} needs to know of which: an account, a root or a strategy")
    if level == "global" and key:
        raise InputError(f"the global level has no parts, so no {key!r}")
    name: Any = _account(key) if level == "accounts" else spec(key).root if level == "markets" else key
    gone = {each for each, value in values.items() if value is None and _may_go(known.get(name, {}), each)}
    part = level in ("markets", "strategies")
    given = read_values({n: v for n, v in values.items() if n not in gone}, where, part=part)
    merged: Values = {**{n: v for n, v in known.get(name, {}).items() if n not in gone}, **given}
    if level == "global":
        return replace(old, everywhere=read_values(merged, where))
    return replace(old, **{level: {**known, name: read_values(merged, where)}})


def _may_go(held: Values, name: str) -> bool:
    return name in held


def _account(key: str) -> int:
    if not key.isdigit():
        raise InputError(f"accounts go by their number, not {key!r}")
    return int(key)


def _looser(home: Home, old: LimitsEntry, new: LimitsEntry) -> dict[int, list[str]]:
    # by account; a level that no account uses yet is measured on the standard limits, account 0
    found: dict[int, list[str]] = {}
    before_all, after_all = old.over_all, new.over_all
    over = [f"{n} over all" for n, v in before_all.items() if after_all.get(n) is None or after_all[n] > v]
    for account in [*linked_accounts(home), 0]:
        linked = _linked(home, account)
        before, after = old.of_account(account, linked), new.of_account(account, linked)
        names = loosened(after, before) + over
        for level in ("markets", "strategies"):
            was, now = old.level(level), new.level(level)
            for key in was:
                here = loosened(tightest(after, now.get(key, {})), tightest(before, was[key]))
                names += [f"{level}.{key}.{name}" for name in here if name not in names]
        if names:
            found[account] = names
    if set(found) != {0}:
        found.pop(0, None)
    return found


def _linked(home: Home, account: int) -> Limits:
    try:
        link = load_link(home, account) if account else None
    except LinkDamaged:
        link = None
    return Limits() if link is None else link.limits


def _listed(looser: Mapping[int, list[str]]) -> str:
    return ", ".join(dict.fromkeys(name for names in looser.values() for name in names))


# --- looking ---------------------------------------------------------------------------------------------------------


def shown(home: Home, account: int | None = None, on: date | None = None) -> Json:
    """Return the limits of every linked account (or one) with the level each comes from; what is off says so."""
    entry = entry_on(load_limits(home), on or trading_date(wall_ns()))
    accounts = [account] if account is not None else linked_accounts(home)
    return {
        "from": entry.since.isoformat() if entry.since.year > 1970 else None,
        "global": plain(entry.everywhere),
        "markets": {key: plain(values) for key, values in entry.markets.items()},
        "strategies": {key: plain(values) for key, values in entry.strategies.items()},
        "accounts": {str(number): _of(home, entry, number) for number in accounts},
    }


def _of(home: Home, entry: LimitsEntry, account: int) -> Json:
    held, own = plain_limits(entry.of_account(account, _linked(home, account))), entry.accounts.get(account, {})
    rows = {}
    for name, value in held.items():
        source = "account" if name in own else "link"
        if name in entry.everywhere and plain(entry.everywhere)[name] == value:
            source = "global"
        rows[name] = {"value": OFF if value is None or value == [] else value, "from": source}
    return rows


def plain_limits(limits: Limits) -> Values:
    """Return limits by name, as plain values."""
    return plain({name: getattr(limits, name) for name in Limits.__struct_fields__})


def history(home: Home) -> list[Json]:
    """Return every entry, newest first: from when, by whom, why, and what it changed."""
    rows, before = [], LimitsEntry(since=date(1970, 1, 1))
    for entry in load_limits(home):
        rows.append(
            {
                "from": entry.since.isoformat(),
                "by": entry.by,
                "reason": entry.reason,
                "changes": _changes(before, entry),
            }
        )
        before = entry
    return rows[::-1]


def _changes(before: LimitsEntry, after: LimitsEntry) -> list[str]:
    found = []
    for level in LEVELS:
        was, now = before.level(level), after.level(level)
        for key in dict.fromkeys([*was, *now]):
            old, new = plain(was.get(key, {})), plain(now.get(key, {}))
            place = f"{level}.{key}" if key else level
            found += [
                f"{place}.{name}: {old.get(name, '–')} → {new.get(name, '–')}"
                for name in dict.fromkeys([*old, *new])
                if old.get(name) != new.get(name)
            ]
    return found
