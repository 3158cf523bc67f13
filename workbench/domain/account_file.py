"""Account programmes as people write them: a shipped name with changes, a mapping, or the same as YAML text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from workbench.domain.account import PROGRAMMES, AccountProgramme, TrailBasis
from workbench.domain.contract import spec
from workbench.domain.errors import InputError, UnknownName

_TIME = re.compile(r"([01]?\d|2[0-3]):[0-5]\d")
_TRAILS = {"end_of_day": TrailBasis.END_OF_DAY, "intraday": TrailBasis.INTRADAY, "static": TrailBasis.STATIC}
_REQUIRED = ("starting_balance", "max_loss", "max_minis")
_DEFAULTS: dict[str, Any] = {
    "name": "own",
    "valid_from": date(2000, 1, 1),
    "trail_basis": TrailBasis.END_OF_DAY,
    "daily_loss": None,
    "profit_target": None,
}
MOST_CHARACTERS = 20_000


def account(what: str | Mapping[str, Any] | AccountProgramme, **changes: Any) -> AccountProgramme:
    """Return an account programme.

    Parameters
    ----------
    what : str, mapping or AccountProgramme
        A shipped name (``topstep-50k``), YAML text (it has a line break), or the keys themselves: those of
        `AccountProgramme`, of which starting_balance, max_loss and max_minis are needed, and ``like``, the name of a
        shipped programme that the others change. Money in USD, ``scaling`` as {profit: minis}, ``product_caps`` as
        {root: contracts}, ``trail_basis`` one of end_of_day, intraday, static.
    **changes
        Keys to change.

    Raises
    ------
    InputError
        Something is missing, unknown or makes no sense; the message says which key, and what to write.

    Examples
    --------
    >>> account("topstep-50k", daily_loss=None).daily_loss is None
    True
    >>> own = account({"starting_balance": 25_000, "max_loss": 1500, "max_minis": 3, "trail_basis": "intraday"})
    >>> own.lock_at, own.floor_after_day(Decimal(23_500), Decimal(25_800))
    (Decimal('25000'), Decimal('24300'))
    >>> account("topstep-50k", flatby="15:00")
    Traceback (most recent call last):
    ...
    workbench.domain.errors.UnknownName: unknown key 'flatby' (account programme); did you mean flat_by or least_days?
    """
    if isinstance(what, AccountProgramme):
        return _checked(replace(what, **_values(changes)))
    if isinstance(what, str) and "\n" not in what:
        if what not in PROGRAMMES:
            raise UnknownName("account programme", what, PROGRAMMES)
        return _checked(replace(PROGRAMMES[what], **_values(changes)))
    written = _read(what) if isinstance(what, str) else what
    if not isinstance(written, Mapping):
        raise InputError(f"an account programme is a name or a mapping of keys, not {type(written).__name__}")
    return _made({**written, **changes})


def _made(written: Mapping[Any, Any]) -> AccountProgramme:
    rest = dict(written)
    base = rest.pop("like", None)
    values = _values(rest)
    if base is not None:
        if base not in PROGRAMMES:
            raise UnknownName("account programme", str(base), PROGRAMMES, where="like")
        return _checked(replace(PROGRAMMES[base], **{"name": f"like {base}", **values}))
    missing = [name for name in _REQUIRED if name not in values]
    if missing:
        raise InputError(
            f"account programme: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; write every one "
            "of starting_balance, max_loss and max_minis, or like: topstep-50k and what differs"
        )
    whole = {**_DEFAULTS, "lock_at": values["starting_balance"], **values}
    return _checked(AccountProgramme(**whole))


def _values(written: Mapping[Any, Any]) -> dict[str, Any]:
    made = {}
    for key, value in written.items():
        read = _KEYS.get(str(key))
        if read is None:
            raise UnknownName("key", str(key), [*_KEYS, "like"], where="account programme")
        made[str(key)] = read(str(key), value)
    return made


def _checked(made: AccountProgramme) -> AccountProgramme:
    def require(name: str, ok: bool, rule: str) -> None:
        if not ok:
            raise InputError(f"account programme {made.name}: {name}={getattr(made, name)} {rule}")

    floor = made.starting_balance - made.max_loss
    for name in ("max_loss", "max_minis", "micros_per_mini"):
        require(name, getattr(made, name) > 0, "must be positive")
    for name in ("daily_loss", "profit_target"):
        require(name, getattr(made, name) is None or getattr(made, name) > 0, "must be positive, or None")
    require("lock_at", made.lock_at is None or made.lock_at >= floor, f"lies below the first floor, {floor}")
    require("consistency", made.consistency is None or 0 < made.consistency <= 1, "must lie in (0, 1]")
    require("least_days", made.least_days >= 0, "must not be negative")
    return made


def _read(text: str) -> Any:
    import yaml

    if len(text) > MOST_CHARACTERS:
        raise InputError(f"an account programme has at most {MOST_CHARACTERS:,} characters, this text {len(text):,}")
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"account programme: not readable as YAML: {' '.join(str(error).split())}") from None


# --- one reader per key: what a person wrote, as the programme holds it ---


def _money(key: str, value: Any) -> Decimal:
    try:
        made = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        made = Decimal("NaN")
    if not made.is_finite():
        raise InputError(f"account programme: {key}={value!r} is not a number")
    if made * 10_000 % 1:
        raise InputError(f"account programme: {key}={value} is finer than 1/10,000")
    return made


def _money_or_none(key: str, value: Any) -> Decimal | None:
    return None if value is None else _money(key, value)


def _whole(key: str, value: Any) -> int:
    made = _money(key, value)
    if made % 1:
        raise InputError(f"account programme: {key}={value} must be a whole number")
    return int(made)


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"account programme: {key}={value!r} must be a text")
    return value


def _date(key: str, value: Any) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(f"account programme: {key}={value!r} is no date; write 2026-10-01") from None


def _trail(key: str, value: Any) -> TrailBasis:
    known = _TRAILS | {str(basis): basis for basis in TrailBasis}
    if value not in known:
        raise UnknownName(key, str(value), _TRAILS, where="account programme")
    return known[value]


def _clock(key: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InputError(f'account programme: {key}={value!r} is no time of day; write "15:10" (Chicago), with quotes')
    return value.rjust(5, "0")


def _scaling(key: str, value: Any) -> tuple[tuple[Decimal, Decimal], ...]:
    pairs = [(_money(key, profit), _money(key, minis)) for profit, minis in _pairs(key, value, "{0: 2, 1500: 3}")]
    if any(minis <= 0 for _, minis in pairs):
        raise InputError(f"account programme: {key}={value} must hold positive numbers of contracts")
    return tuple(sorted(pairs))


def _caps(key: str, value: Any) -> tuple[tuple[str, int], ...]:
    caps = [(spec(str(root)).exchange_root, _whole(key, most)) for root, most in _pairs(key, value, "{GC: 3, SI: 0}")]
    if any(most < 0 for _, most in caps):
        raise InputError(f"account programme: {key}={value} must not hold negative numbers of contracts")
    return tuple(caps)


def _pairs(key: str, value: Any, example: str) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list | tuple) and all(isinstance(row, list | tuple) and len(row) == 2 for row in value):
        return [(row[0], row[1]) for row in value]
    raise InputError(f"account programme: {key}={value!r} must be a mapping such as {example}")


_KEYS: dict[str, Callable[[str, Any], Any]] = {
    "name": _name,
    "valid_from": _date,
    "starting_balance": _money,
    "max_loss": _money,
    "trail_basis": _trail,
    "lock_at": _money_or_none,
    "daily_loss": _money_or_none,
    "max_minis": _money,
    "scaling": _scaling,
    "product_caps": _caps,
    "profit_target": _money_or_none,
    "consistency": _money_or_none,
    "least_days": _whole,
    "flat_by": _clock,
    "micros_per_mini": _whole,
}
