"""What is posted to the desk about versions, and the shapes of its answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from workbench.services.desk_bodies import LARGEST, Body, Contract, Source

Into = Literal["tested", "paper", "live", "retired"]
Seat = Annotated[
    str | None,
    Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Session that a live version takes; by default the strategy's name.",
        examples=["sma_cross"],
    ),
]
Reason = Annotated[str, Field(min_length=3, max_length=500, examples=["five quiet days in paper"])]
Who = Annotated[
    str, Field(min_length=1, max_length=64, description="Who does it; kept with it for good.", examples=["ann"])
]


class Judge(Body):
    """Ask the gates on the way to a state; nothing is promoted."""

    to: Into = Field(examples=["paper"])
    session: Seat


class Promote(Judge):
    """Promote one exact version: through its gates, or refused with every reason."""

    reason: Reason
    person: Who


class Rollback(Body):
    """Make the version live again that was live before; with `to` that one or none."""

    reason: Reason
    person: Who
    to: str | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="The version that is to come back; refused when it would be another.",
        examples=["0ce6001b9065e92b"],
    )


class Explain(Body):
    """A text, and the bar at whose close it is asked. Without `bars`, the desk's own recent ones."""

    source: Source
    contract: Contract
    at: int = Field(ge=0, le=LARGEST, description="Start of the bar, unix seconds.", examples=[1796135400])
    limit: int = Field(default=1_000, ge=1, le=5_000, description="Bars before it that are read, at most.")


class VersionRow(BaseModel):
    """One stored version and where it stands; `at` in UTC ns."""

    version: str
    name: str
    state: str
    live_in: list[str]
    parent: str | None
    kind: str
    at: int
    person: str


class GateVerdict(BaseModel):
    """One gate's answer: what was found, what is asked, and in words why."""

    into: str
    gate: str
    passed: bool
    value: float | int | str | None
    bound: float | int | str | None
    text: str


class VersionAttempt(BaseModel):
    """One promotion that was asked for, carried out or refused."""

    at: int
    wanted: str
    session: str
    person: str
    reason: str
    accepted: bool
    program: str
    parameters: dict[str, Any]
    verdicts: list[GateVerdict]


class VersionEvidence(BaseModel):
    """The newest result of its kind that is attached to a version."""

    kind: str
    at: int
    data_version: str
    stats: dict[str, Any]


class GateAsked(BaseModel):
    """What the gates file asks on the way into a state."""

    into: str
    gate: str
    wanted: str


class VersionDetails(VersionRow):
    """One version with its lineage (the oldest first), ways on, attempts (the newest first), evidence and gates."""

    lineage: list[VersionRow]
    ways: list[str]
    attempts: list[VersionAttempt]
    evidence: list[VersionEvidence]
    gates: list[GateAsked]


class Change(BaseModel):
    """One thing that two versions do differently."""

    what: str
    kind: Literal["added", "removed", "changed"]
    before: str
    after: str


class VersionDifference(BaseModel):
    """What `new` does differently from `old`, by meaning."""

    old: VersionRow
    new: VersionRow
    changes: list[Change]


class SeatRow(BaseModel):
    """A session in which a version is live (null when none is any more), and those before, the newest last."""

    session: str
    version: str | None
    before: list[str]


class Promoted(BaseModel):
    """What became of a promotion or a rollback; refused: `passed` is false and `reasons` says why."""

    name: str
    version: str
    wanted: str
    was: str
    now: str
    session: str
    person: str
    reason: str
    at: int
    passed: bool
    replaced: str | None
    parameters: dict[str, Any]
    reasons: list[str]
    verdicts: list[GateVerdict]


class Explained(BaseModel):
    """What every condition came to at the close of one bar: each rule as a tree of parts with value or truth."""

    strategy: str
    bar: str
    row: int
    end: int
    rules: dict[str, Any]
    hurdles: dict[str, list[dict[str, Any]]]
    verdicts: dict[str, str]
    bars: int
