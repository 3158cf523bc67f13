"""The gates between the states of a version, as people write them: a YAML file, wrong keys refused with their line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator

from workbench.domain.account import PROGRAMMES
from workbench.domain.errors import InputError, UnknownName
from workbench.rules.document import Document, read_document

if TYPE_CHECKING:
    from workbench.storage.home import Home

SHIPPED = Path(__file__).with_name("gates.yaml")
Share = Annotated[float, Field(gt=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OutOfSample(_Model):
    """What is asked of trading dates that no sweep has seen."""

    share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    min_trades: Annotated[StrictInt, Field(ge=0)] = 0
    min_net_usd: float = 0.0


class Overfit(_Model):
    """How much luck may explain."""

    max_pbo: Share | None = None
    min_deflated_sharpe: Share | None = None


class Headroom(_Model):
    """How much of an account programme's limits the worst may have used."""

    programme: str
    max_loss_share: Share | None = None
    daily_loss_share: Share | None = None

    @field_validator("programme")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PROGRAMMES:
            raise ValueError(str(UnknownName("account programme", value, PROGRAMMES)))
        return value


class Asked(_Model):
    """The gates on the way into one state; what is left out is not asked."""

    detectors: Literal["clean"] | None = None
    costs: Literal["charged"] | None = None
    min_trades: Annotated[StrictInt, Field(ge=0)] | None = None
    max_data_age_days: Annotated[float, Field(gt=0)] | None = None
    min_days_in_paper: Annotated[float, Field(ge=0)] | None = None
    out_of_sample: OutOfSample | None = None
    overfitting: Overfit | None = None
    headroom: Headroom | None = None


class Gates(_Model):
    """The whole file: what is asked on the way into each state."""

    tested: Asked = Asked()
    paper: Asked = Asked()
    live: Asked = Asked()


def load_gates(home: Home, path: str | Path | None = None) -> Gates:
    """Return the gates in `path`, else in the home's gates.yaml, else those that are shipped.

    Raises
    ------
    InputError
        The file cannot be read, or something in it is wrong: with the line.
    """
    own = home.path / "gates.yaml"
    chosen = Path(path) if path is not None else own if own.exists() else SHIPPED
    try:
        text = chosen.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the gates in {chosen}: {error}") from None
    return parse_gates(text, str(chosen))


def parse_gates(text: str, where: str = "gates.yaml") -> Gates:
    """Return the gates in a YAML text; raise InputError with the line of what is wrong."""
    document = read_document(text, where)
    if not isinstance(document.data, dict):
        raise InputError(f"gates are keys such as tested:, paper:, live: ({where}, line 1)")
    try:
        return Gates.model_validate(document.data)
    except ValidationError as error:
        raise _explained(error, document) from None


_SECTIONS: dict[str, type[_Model]] = {"out_of_sample": OutOfSample, "overfitting": Overfit, "headroom": Headroom}


def _explained(error: ValidationError, document: Document) -> InputError:
    # a mistyped key is also a missing one: what is written there is the better hint
    first = min(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
    path = tuple(part for part in first["loc"] if isinstance(part, str | int))
    where = document.place(path)
    if first["type"] == "extra_forbidden":
        parent = Gates if len(path) == 1 else Asked if len(path) == 2 else _SECTIONS[str(path[1])]
        return UnknownName("gate" if len(path) > 1 else "state", str(path[-1]), parent.model_fields, where=where)
    said = first["msg"].removeprefix("Value error, ")
    return InputError(f"{'.'.join(map(str, path))}: {said[0].lower()}{said[1:]} ({where})")
