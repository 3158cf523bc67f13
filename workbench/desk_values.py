"""What the desk's client hands out: sessions and stop results, as values with a good repr."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from workbench.domain.errors import UnknownName
from workbench.widgets.cards import money, order_card, policies, session_table, stop_card, why


class Commander(Protocol):
    """What a session needs of its desk."""

    def command(self, session: str, verb: str) -> Session: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A trading run as it was when it was read; the commands return it as it is afterwards.

    `position` in signed contracts, `pnl_usd` realised and open, net of fees, `last_bar_end` in UTC nanoseconds;
    `reason` says what a session waits for that is warming or waiting, and why it is paused or over; `waits_for` what
    else a living one waits for, and until when.
    """

    session: str
    strategy: str
    version: str
    account: int
    contract: str
    timeframe: str
    state: str
    position: int | None = None
    pnl_usd: float | None = None
    trades: int | None = None
    last_bar_end: int | None = None
    last_signal: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None
    waits_for: str | None = None
    start_policy: str | None = None
    disconnect_policy: str | None = None
    disconnect_after_s: float | None = None
    desk: Commander = field(repr=False, compare=False)

    @classmethod
    def from_row(cls, desk: Commander, row: dict[str, Any]) -> Session:
        """Build from the API's row; keys of a newer desk are left out."""
        known = {f.name for f in fields(cls)}
        return cls(desk=desk, **{key: value for key, value in row.items() if key in known})

    def start(self) -> Session:
        """Let it trade."""
        return self.desk.command(self.session, "start")

    def pause(self) -> Session:
        """No new entries; position and protection stay."""
        return self.desk.command(self.session, "pause")

    def resume(self) -> Session:
        """Entries again."""
        return self.desk.command(self.session, "resume")

    def flatten(self) -> Session:
        """Cancel its orders, close its position, and pause."""
        return self.desk.command(self.session, "flatten")

    def end(self) -> Session:
        """Flatten and finish for good."""
        return self.desk.command(self.session, "end")

    def __repr__(self) -> str:
        position = "?" if self.position is None else f"{self.position:+d}" if self.position else "flat"
        return (
            f"Session({self.session}: {why(self.as_row())}, {self.strategy} on {self.contract} {self.timeframe}, "
            f"account {self.account}, {position}, {money(self.pnl_usd)}, {policies(self.as_row())})"
        )

    def _repr_html_(self) -> str:
        return session_table([self.as_row()])

    def as_row(self) -> dict[str, Any]:
        """Return the values without the desk."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "desk"}


class Sessions(list[Session]):
    """A list of sessions that shows itself as a table."""

    def named(self, name: str) -> Session:
        """Return the session with this id; UnknownName says what there is."""
        for session in self:
            if session.session == name:
                return session
        raise UnknownName("session", name, [session.session for session in self])

    def _repr_html_(self) -> str:
        return session_table([session.as_row() for session in self])


@dataclass(frozen=True, slots=True, kw_only=True)
class StopResult:
    """What an emergency stop came to.

    `result` is ``FLAT`` (verified at the broker), ``NOT_FLAT`` (see `remaining`) or ``DESK_DEAD`` (the stop file is
    dropped, nothing is verified). `ms` is the time from the call to the verdict.
    """

    result: str
    latched: bool
    remaining: tuple[str, ...] = ()
    ms: float | None = None
    accounts: tuple[dict[str, Any], ...] = ()

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> StopResult:
        """Build from the API's answer."""
        return cls(
            result=str(row["result"]),
            latched=bool(row["latched"]),
            remaining=tuple(str(item) for item in row.get("remaining") or ()),
            ms=row.get("ms"),
            accounts=tuple(row.get("accounts") or ()),
        )

    @classmethod
    def by_file(cls, path: Path, why: str, *, ms: float) -> StopResult:
        """Return what is known when only the stop file could be dropped."""
        remaining = (
            f"nothing is verified: {why}",
            f"the stop file {path} is dropped; running runners stop by it",
            "run `workbench stop` in a terminal: it cancels, closes and verifies without a desk",
        )
        return cls(result="DESK_DEAD", latched=True, remaining=remaining, ms=ms)

    @property
    def is_flat(self) -> bool:
        """True only if the broker was read and showed nothing open."""
        return self.result == "FLAT"

    def __repr__(self) -> str:
        took = "" if self.ms is None else f" after {self.ms:,.0f} ms"
        rest = "".join(f"\n  - {item}" for item in self.remaining)
        return f"StopResult({self.result}{took}, {'latched' if self.latched else 'NOT latched'}){rest}"

    def _repr_html_(self) -> str:
        return stop_card(self.result, self.latched, self.remaining, self.ms)


class OrderAnswer(dict[str, Any]):
    """What became of a wish about an order or a position: ``accepted``, and the ``order`` or the ``reason``."""

    def _repr_html_(self) -> str:
        return order_card(self)
