"""Live against the replay of the same hours, for one trading date or all of a session: every dollar has a cause."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from workbench.backtest.decisions import CAUSES, SIGNAL, Difference, Trip
from workbench.services.session_replay import SessionReplayed

BY_HAND = "entered without a decision of a bar: by hand, or taken over"
MEANING = {
    "signal": "the rules decided otherwise on the same bars",
    "timing": "the same decision, but earlier or later",
    "fill price": "the same order, filled at another price",
    "fee": "other fees or commissions",
    "missed": "a bar came too late to be acted on",
    "data": "the bars of the replay are not those that the session saw",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDifference:
    """What a stretch of a session came to, live and replayed, net of fees (USD), and why they differ.

    Attributes
    ----------
    rows : tuple of Difference
        Their sum is ``live_usd - replay_usd``, to the cent.
    decided : tuple of Difference
        Decisions that only one of the two made.
    """

    session: str
    source: str
    live_usd: Decimal
    replay_usd: Decimal
    live_trades: int
    replay_trades: int
    rows: tuple[Difference, ...] = field(default=())
    decided: tuple[Difference, ...] = field(default=())

    @property
    def usd(self) -> Decimal:
        """Live minus replay."""
        return self.live_usd - self.replay_usd

    def by_cause(self) -> dict[str, tuple[Decimal, int]]:
        """Return every cause with what it came to (USD, live minus replay) and how often, in the usual order."""
        return sum_causes(self.rows)


def sum_causes(rows: Iterable[Difference]) -> dict[str, tuple[Decimal, int]]:
    """Return USD and count by cause, every cause named, also those that did not happen."""
    given = list(rows)
    return {
        cause: (sum((d.usd for d in given if d.cause == cause), Decimal(0)), sum(d.cause == cause for d in given))
        for cause in CAUSES
    }


def difference(replayed: SessionReplayed, begin: int = 0, end: int = 1 << 62) -> LiveDifference:
    """Return the difference for trades that began in ``begin <= entry < end`` (UTC ns).

    What no bar decided cannot be dated by its bar; it makes up what is left, as a row of its own.
    """
    live = [t for t in replayed.live.trips if begin <= _began(t) < end]
    again = [t for t in replayed.again.trips if begin <= _began(t) < end]
    live_usd, again_usd = (sum((t.gross_usd - t.fees_usd for t in trips), Decimal(0)) for trips in (live, again))
    rows = [d for d in replayed.filled if d.bar and begin <= d.bar < end]
    rest = live_usd - again_usd - sum((d.usd for d in rows), Decimal(0))
    if rest:
        rows.append(Difference(bar=0, cause=SIGNAL, text=BY_HAND, usd=rest))
    return LiveDifference(
        session=replayed.session,
        source=replayed.source,
        live_usd=live_usd,
        replay_usd=again_usd,
        live_trades=len(live),
        replay_trades=len(again),
        rows=tuple(rows),
        decided=tuple(d for d in replayed.decided if begin <= d.bar < end),
    )


def _began(trip: Trip) -> int:
    return trip.bar or trip.entry_at
