"""A gateway's history in memory: answers `bars` as REST does, and can fail, lag, or cut."""

from __future__ import annotations

import polars as pl

from workbench.domain.errors import GatewayError
from workbench.domain.timeframe import Timeframe


class History:
    """Bars by timeframe; `calls` keeps the windows that were asked for.

    Parameters
    ----------
    fails_at : int, optional
        Number of the call (from 1) that raises GatewayError.
    """

    def __init__(self, frames: dict[str, pl.DataFrame], *, fails_at: int | None = None) -> None:
        self.frames, self.fails_at = frames, fails_at
        self.hidden_from: int | None = None
        self.calls: list[tuple[str, int, int]] = []

    async def bars(
        self, contract_id: str, tf: Timeframe, start: int, end: int, *, include_partial: bool = False
    ) -> pl.DataFrame:
        self.calls.append((tf.text, start, end))
        if len(self.calls) == self.fails_at:
            raise GatewayError("the connection was reset (fake history)")
        if self.hidden_from is not None:
            end = min(end, self.hidden_from)
        return self.frames[tf.text].filter(pl.col("ts").to_physical().is_between(start, end, closed="left"))
