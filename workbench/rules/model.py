"""What a strategy file may hold: the keys, their types, and messages that name the line and the closest known key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
)

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.document import Document

Scalar = StrictInt | StrictFloat | StrictBool
Amount = StrictInt | StrictFloat | StrictStr  # a number, or an expression

_ONE, _SIDES = "<one>", "<sides>"  # which form of a value was meant; taken out of the places in messages


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ParameterFile(_Model):
    """One declared parameter; the type is that of its default unless it is given."""

    default: Scalar
    type: Annotated[StrictStr | None, Field(pattern="^(int|float|bool)$")] = None
    min: StrictInt | StrictFloat | None = None
    max: StrictInt | StrictFloat | None = None
    step: StrictInt | StrictFloat | None = None
    description: StrictStr = ""


class SidesFile(_Model):
    """A condition for each side; a side that is left out is not traded."""

    long: StrictStr | None = None
    short: StrictStr | None = None


class ExitFile(SidesFile):
    """A condition for each side, and the bars in position after which it is left."""

    after_bars: Amount | None = None


class SidedAmountFile(_Model):
    """An amount for each side."""

    long: Amount | None = None
    short: Amount | None = None


SidedAmount = Annotated[
    Annotated[Amount, Tag(_ONE)] | Annotated[SidedAmountFile, Tag(_SIDES)],
    Discriminator(lambda value: _SIDES if isinstance(value, dict) else _ONE),
]


class DistanceFile(_Model):
    """How far something stands from the fill price: exactly one of the units; for price the level itself."""

    ticks: SidedAmount | None = None
    points: SidedAmount | None = None
    percent: SidedAmount | None = None
    atr: SidedAmount | None = None
    price: SidedAmount | None = None
    length: Amount | None = None  # of the average true range; 14 when left out


class SidedDistanceFile(_Model):
    """A distance for each side."""

    long: DistanceFile | None = None
    short: DistanceFile | None = None


SidedDistance = Annotated[
    Annotated[DistanceFile, Tag(_ONE)] | Annotated[SidedDistanceFile, Tag(_SIDES)],
    Discriminator(lambda value: _SIDES if isinstance(value, dict) and {"long", "short"} & value.keys() else _ONE),
]


class BreakEvenFile(_Model):
    """After which gain the stop moves to the entry price, and how many ticks beyond it."""

    after: SidedDistance
    plus_ticks: Amount = 0


class SizingFile(_Model):
    """How much to enter with: contracts, or the dollars at risk, or the dollars of an ordinary move."""

    contracts: Amount | None = None
    risk_usd: Amount | None = None
    volatility_usd: Amount | None = None
    of: Amount | None = None  # an ordinary move in points; atr(14) when left out
    max_contracts: Amount | None = None


class WindowFile(_Model):
    """A part of some weekdays in a zone's time."""

    days: StrictStr | list[StrictStr] = "Mon-Sun"
    begins: Annotated[StrictStr, Field(alias="from")]
    ends: Annotated[StrictStr, Field(alias="to")]
    zone: StrictStr = "America/Chicago"


class TradingFile(_Model):
    """When entries are allowed; Chicago time where no zone is given."""

    window: Annotated[list[StrictStr] | None, Field(min_length=2, max_length=2)] = None
    windows: Annotated[list[WindowFile] | None, Field(min_length=1, max_length=20)] = None
    flat_by: StrictStr | None = None
    max_trades_per_day: Amount | None = None
    cooldown: Amount = 0


class LimitsFile(_Model):
    """The strategy's own limits."""

    daily_loss_usd: Amount | None = None
    max_position: Amount | None = None


class StrategyFile(_Model):
    """The whole file."""

    name: Annotated[StrictStr, Field(pattern="^[a-z][a-z0-9_]{0,63}$")]
    description: StrictStr = ""
    roots: Annotated[list[StrictStr], Field(min_length=1)]
    timeframe: StrictStr
    secondary: list[StrictStr] = Field(default_factory=list)
    parameters: dict[StrictStr, ParameterFile] = Field(default_factory=dict)
    constraints: list[StrictStr] = Field(default_factory=list)
    entry: SidesFile
    exit: ExitFile = ExitFile()
    stop: SidedDistance | None = None
    target: SidedDistance | None = None
    trail: SidedDistance | None = None
    break_even: BreakEvenFile | None = None
    sizing: SizingFile = SizingFile()
    trading: TradingFile = TradingFile()
    limits: LimitsFile = LimitsFile()


def read_model(document: Document) -> StrategyFile:
    """Return the checked content of a strategy file; raise InputError or UnknownName with file and line."""
    if not isinstance(document.data, dict):
        raise InputError(f"a strategy is a list of keys such as name:, timeframe:, entry: ({document.where}, line 1)")
    try:
        return StrategyFile.model_validate(document.data)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        # a misspelt key is the better answer than the missing one that it was meant to be
        first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
        raise explained(first, document) from None


def place_of(error: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return the path of one of pydantic's errors as the file has it."""
    return tuple(part for part in error["loc"] if part not in (_ONE, _SIDES))


def is_cut(key: str | int) -> bool:
    """Return whether YAML made this key by cutting a rule at its comma: ``{long: sma(close, 20) > 1}``."""
    return str(key).count(")") > str(key).count("(")


def explained(first: Mapping[str, Any], document: Document) -> InputError:
    """Return one of pydantic's errors as a mistake with its line and the closest known key."""
    path = place_of(first)
    if first["type"] == "extra_forbidden":
        if is_cut(path[-1]):
            told = f"a comma ends a value inside {{ }}, so {path[-1]!r} became a key; put the rule in quotes"
            return InputError(f"{told} ({document.place(path)})")
        return UnknownName("key", str(path[-1]), known_keys(path[:-1]), where=document.place(path))
    name = ".".join(str(part) for part in written_part(path, document)) or str(path[-1])
    if first["type"] == "missing":
        return InputError(f"{'.'.join(map(str, path))} is missing ({document.place(path[:-1])})")
    if first["type"] == "string_pattern_mismatch":
        rule = "int, float or bool" if path[-1] == "type" else "small letters, digits and _, a letter first"
        return InputError(f"{name}: {first['input']!r} must be {rule} ({document.place(path)})")
    return InputError(f"{name}: {first['msg'][0].lower()}{first['msg'][1:]} ({document.place(path)})")


def written_part(path: tuple[Any, ...], document: Document) -> tuple[Any, ...]:
    """Return the part of a path that the file has: pydantic adds the names of union members."""
    for end in range(len(path), 0, -1):
        if path[:end] in document.lines:
            return path[:end]
    return ()


_UNITS = dict.fromkeys(("ticks", "points", "percent", "atr", "price"), SidedAmountFile)
_SECTIONS: dict[str, type[_Model]] = {
    "entry": SidesFile,
    "exit": ExitFile,
    "stop": DistanceFile,
    "target": DistanceFile,
    "trail": DistanceFile,
    "break_even": BreakEvenFile,
    "after": DistanceFile,
    "sizing": SizingFile,
    "trading": TradingFile,
    "windows": WindowFile,
    "limits": LimitsFile,
    "parameters": ParameterFile,
    **_UNITS,
}


def known_keys(path: tuple[Any, ...]) -> list[str]:
    """Return the keys that may stand below a path."""
    model: type[_Model] = StrategyFile
    for part in path:
        if model is not ParameterFile:  # a parameter may be called as a section is
            model = _SECTIONS.get(str(part), model)
    sided = model is DistanceFile and "long" not in path and "short" not in path
    return [field.alias or name for name, field in model.model_fields.items()] + (["long", "short"] if sided else [])
