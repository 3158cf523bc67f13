"""Scenarios: a YAML file of faults, each at a real or market time or after so many requests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workbench.domain.errors import InputError, RemoteProtocolError
from workbench.gateway.times import parse_timestamp

if TYPE_CHECKING:
    from workbench.simulator.server import Simulator


class Step(BaseModel):
    """One fault: at once, or when one of `after_s` (real seconds), `at` (market time), `after_requests` is reached."""

    model_config = ConfigDict(extra="forbid")

    fault: str
    after_s: float | None = Field(None, ge=0)
    at: str | None = None
    after_requests: int | None = Field(None, ge=0)
    count: int | None = None
    duration_s: float | None = None
    parameters: dict[str, Any] = {}


class ScenarioFile(BaseModel):
    """A scenario as a person writes it."""

    model_config = ConfigDict(extra="forbid")

    name: str = ""
    description: str = ""
    faults: list[Step]


def read_scenario(source: Path | str | dict[str, Any]) -> ScenarioFile:
    """Return the scenario in a file or a mapping.

    Raises
    ------
    InputError
        The file is missing, no YAML, or holds an unknown key; the message says where.
    """
    where = str(source) if isinstance(source, Path | str) else "scenario"
    try:
        data = yaml.safe_load(Path(source).read_text()) if isinstance(source, Path | str) else source
        return ScenarioFile.model_validate(data)
    except OSError as error:
        raise InputError(f"cannot read the scenario {where}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"the scenario {where} is no YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"the scenario {where} is wrong at {place or 'the top'}: {first['msg']}") from error


class Scenario:
    """The steps that are still to come."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.name = ""
        self._steps: list[tuple[Step, float, int]] = []

    def load(self, source: Path | str | dict[str, Any]) -> None:
        """Take the steps of a scenario in; faults and parameters are checked before anything happens."""
        from workbench.simulator.faults import Faults

        file = read_scenario(source)
        rehearsal = Faults(time.monotonic)
        for step in file.faults:
            rehearsal.set(step.fault, count=step.count, duration_s=step.duration_s, **step.parameters)
            _market_time(step)
        self.name = file.name
        requests = self.simulator.requests.total
        self._steps += [(step, time.monotonic(), requests) for step in file.faults]
        self.due()

    def due(self) -> None:
        """Carry out every step whose moment has come."""
        waiting = []
        for step, since, requests in self._steps:
            if self._is_due(step, since, requests):
                self.simulator.faults.set(step.fault, count=step.count, duration_s=step.duration_s, **step.parameters)
            else:
                waiting.append((step, since, requests))
        self._steps = waiting

    def _is_due(self, step: Step, since: float, requests: int) -> bool:
        if step.after_s is not None and time.monotonic() - since < step.after_s:
            return False
        if step.at is not None and self.simulator.exchange.now < _market_time(step):
            return False
        return step.after_requests is None or self.simulator.requests.total - requests >= step.after_requests


def _market_time(step: Step) -> int:
    try:
        return parse_timestamp(step.at) if step.at is not None else 0
    except RemoteProtocolError as error:
        raise InputError(f"the scenario's step {step.fault} has a wrong time {step.at!r}: {error}") from error
