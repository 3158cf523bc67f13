"""What the API says and takes of reports: templates, reports, schedules. Times are UTC ns of the market clock."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from workbench.services.desk_bodies import Body, Parameters


class TemplateParameter(BaseModel):
    """A parameter as its notebook declares it; `default` is Python as written, such as ``""`` or ``7``."""

    name: str
    default: str
    help: str


class ReportTemplate(BaseModel):
    """A shipped template."""

    name: str
    title: str
    parameters: list[TemplateParameter]


class ReportRun(BaseModel):
    """How the last due report of a schedule went: running, waiting (for another try), ok or failed."""

    due: int
    status: str
    tries: int
    report: str
    error: str


class ReportSchedule(BaseModel):
    """A report that is made by the clock; `next_due` is null until a scheduler has seen it."""

    name: str
    template: str
    due: str
    parameters: dict[str, Any]
    keep: int
    tries: int
    retry_s: int
    person: str
    since: int | None
    next_due: int | None
    last: ReportRun | None


class ScheduleRequest(Body):
    """A schedule to be kept: cron, or a time around the exchange's open or close."""

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", examples=["after-the-close"])
    template: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$", examples=["session"])
    due: str = Field(min_length=1, max_length=128, examples=["close + 10 min of MES", "30 17 * * mon-fri"])
    parameters: Parameters = Field(default_factory=dict)
    keep: int = Field(default=30, ge=1, le=10_000, description="Reports of it that are kept.")
    tries: int = Field(default=2, ge=1, le=10)
    retry_s: int = Field(default=60, ge=1, le=86_400)
