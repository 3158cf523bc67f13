"""What became of a promotion: the value that is shown, and the error that carries it when it was refused."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workbench.domain.errors import InputError
from workbench.domain.lifecycle import State
from workbench.services.verdicts import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One promotion or rollback and what became of it.

    Attributes
    ----------
    was, now : State
        Of the version; equal when it was refused.
    replaced : str or None
        Version that was live in `session` before.
    parameters : mapping
        The values that were judged, and with which it may go live.
    verdicts : tuple of Verdict
        Each gate's answer, with value and bound.
    """

    name: str
    version: str
    wanted: State
    was: State
    now: State
    session: str
    person: str
    reason: str
    at: int
    passed: bool
    replaced: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was refused, each gate once; () when it was carried out."""
        return tuple(dict.fromkeys(v.text for v in self.verdicts if not v.passed))

    def __str__(self) -> str:
        who = f"{self.name}@{self.version}"
        where = f" in session {self.session}" if self.session else ""
        if not self.passed:
            return f"{who} stays {self.was}, {self.wanted}{where} is refused:\n" + "\n".join(
                f"  · {reason}" for reason in self.reasons
            )
        before = f"; {self.replaced} gave way" if self.replaced else ""
        return f"{who} is {self.now}{where}, by {self.person}{before}"

    def facts(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        made = {name: getattr(self, name) for name in self.__slots__}
        verdicts = [{name: getattr(v, name) for name in Verdict.__slots__} for v in self.verdicts]
        return {**made, "parameters": dict(self.parameters), "reasons": list(self.reasons), "verdicts": verdicts}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{'✓' if v.passed else '✗'}</td><td>{v.into}</td><td>{v.gate}</td>"
            f"<td style='text-align:left'>{html.escape(v.text)}</td></tr>"
            for v in self.verdicts
        )
        return f"<p><b>{html.escape(str(self).splitlines()[0])}</b></p><table>{rows}</table>"


class NotPromoted(InputError):
    """A promotion was refused; `promotion` holds every verdict, `reasons` why."""

    def __init__(self, promotion: Promotion) -> None:
        self.promotion = promotion
        self.reasons = promotion.reasons
        super().__init__(str(promotion))
