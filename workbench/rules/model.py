"""What a strategy file may hold: the keys, their types, and messages that name the line and the closest known key."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, ValidationError

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.document import Document

Scalar = StrictInt | StrictFloat | StrictBool
Amount = StrictInt | StrictFloat | StrictStr  # a number, or an expression


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
    """A condition for each side; a side that is left out is not traded (entry) or not closed by rule (exit)."""

    long: StrictStr | None = None
    short: StrictStr | None = None


class DistanceFile(_Model):
    """How far a protective order stands from the fill price: exactly one of ticks, points, atr (a multiple)."""

    ticks: Amount | None = None
    points: Amount | None = None
    atr: Amount | None = None
    length: Amount | None = None  # of the average true range; 14 when left out


class SizingFile(_Model):
    """How much to enter with."""

    contracts: Amount = 1


class TradingFile(_Model):
    """When entries are allowed; Chicago time."""

    window: Annotated[list[StrictStr] | None, Field(min_length=2, max_length=2)] = None
    flat_by: StrictStr | None = None
    max_trades_per_day: Amount | None = None
    cooldown: Amount = 0


class StrategyFile(_Model):
    """The whole file."""

    name: Annotated[StrictStr, Field(pattern="^[a-z][a-z0-9_]{0,63}$")]
    description: StrictStr = ""
    roots: Annotated[list[StrictStr], Field(min_length=1)]
    timeframe: StrictStr
    parameters: dict[StrictStr, ParameterFile] = Field(default_factory=dict)
    constraints: list[StrictStr] = Field(default_factory=list)
    entry: SidesFile
    exit: SidesFile = SidesFile()
    stop: DistanceFile | None = None
    target: DistanceFile | None = None
    sizing: SizingFile = SizingFile()
    trading: TradingFile = TradingFile()


def read_model(document: Document) -> StrategyFile:
    """Return the checked content of a strategy file; raise InputError or UnknownName with file and line."""
    if not isinstance(document.data, dict):
        raise InputError(f"a strategy is a list of keys such as name:, timeframe:, entry: ({document.where}, line 1)")
    try:
        return StrategyFile.model_validate(document.data)
    except ValidationError as error:
        raise _explained(error, document) from None


def _explained(error: ValidationError, document: Document) -> InputError:
    first = error.errors(include_url=False)[0]
    path = tuple(first["loc"])
    if first["type"] == "extra_forbidden":
        return UnknownName("key", str(path[-1]), _known_keys(path[:-1]), where=document.place(path))
    name = ".".join(str(part) for part in _written(path, document)) or str(path[-1])
    if first["type"] == "missing":
        return InputError(f"{'.'.join(map(str, path))} is missing ({document.place(path[:-1])})")
    if first["type"] == "string_pattern_mismatch":
        rule = "int, float or bool" if path[-1] == "type" else "small letters, digits and _, a letter first"
        return InputError(f"{name}: {first['input']!r} must be {rule} ({document.place(path)})")
    return InputError(f"{name}: {first['msg'][0].lower()}{first['msg'][1:]} ({document.place(path)})")


def _written(path: tuple[Any, ...], document: Document) -> tuple[Any, ...]:
    # pydantic adds the names of union members to the path; the file does not have them
    for end in range(len(path), 0, -1):
        if path[:end] in document.lines:
            return path[:end]
    return ()


_SECTIONS: dict[str, type[_Model]] = {
    "entry": SidesFile,
    "exit": SidesFile,
    "stop": DistanceFile,
    "target": DistanceFile,
    "sizing": SizingFile,
    "trading": TradingFile,
    "parameters": ParameterFile,
}


def _known_keys(path: tuple[Any, ...]) -> list[str]:
    model = _SECTIONS.get(str(path[0]), StrategyFile) if path else StrategyFile
    return list(model.model_fields)
