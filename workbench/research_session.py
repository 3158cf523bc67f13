"""What a notebook calls about the exchange's day and a trading day that is over: `wb.hours`, `wb.replay`."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.domain.errors import InputError
from workbench.storage.home import Home

if TYPE_CHECKING:
    import pandas as pd

    from workbench.services.session_replay import SessionReplayed

TWO_WEEKS = timedelta(days=13)


def hours(product: str, start: str | date, end: str | date | None = None) -> pd.DataFrame:
    """Return when a product trades, by the exchange's trading date: Sunday evening is Monday.

    Parameters
    ----------
    product : str
        A root (``MES``), a contract, or a group such as ``energy``.
    start, end : str or date
        Trading dates, both included; two weeks when `end` is left out.

    Returns
    -------
    pandas.DataFrame
        Indexed by trading date: open and close (Chicago time), hours (between them), early (closes before its usual
        time). Holidays are missing.

    Raises
    ------
    InputError
        Unknown product, or no date.

    Examples
    --------
    >>> made = hours("MES", "2025-11-26", "2025-12-01")  # Thanksgiving was the 27th
    >>> made["hours"].tolist(), made["early"].tolist()
    ([23.0, 19.0, 19.25, 23.0], [False, True, True, False])
    """
    import pandas as pd

    from workbench.domain.hours import trading_hours

    first = _date(start)
    of = trading_hours(product)
    windows = [of.window(day) for day in of.trading_dates(first, first + TWO_WEEKS if end is None else _date(end))]
    opens, closes = (
        pd.DatetimeIndex(pd.to_datetime(stamps, utc=True)).tz_convert("America/Chicago")
        for stamps in ([w.open for w in windows], [w.close for w in windows])
    )
    return pd.DataFrame(
        {
            "open": opens,
            "close": closes,
            "hours": (closes - opens).total_seconds() / 3600,
            "early": [w.early for w in windows],
        },
        index=pd.DatetimeIndex([w.trading_date for w in windows], name="trading_date"),
    )


def replay(session: str, *, source: str = "prints", home: str | Path | Home | None = None) -> SessionReplayed:
    """Replay a recorded session from its market data alone, and return what differs, by cause.

    Parameters
    ----------
    session : str
        Its id, as `desk.sessions` shows it.
    source : str
        ``prints``: the recorded prints build the bars and fill the orders; ``bars``: the stored bars do, as in a
        backtest.

    Returns
    -------
    SessionReplayed
        ``.is_same`` (it decided the same at every bar), ``.by_cause()`` (USD, live minus replay), ``.decided``,
        ``.filled``, ``.live`` and ``.again``.

    Raises
    ------
    UnknownName, InputError
        No such session; nothing was recorded while it ran; its version can no longer run.
    """
    from workbench.research_data import home_of
    from workbench.services.session_replay import replay_session

    return replay_session(home_of(home), session, source=source)


def _date(written: str | date) -> date:
    try:
        return date.fromisoformat(written) if isinstance(written, str) else written
    except ValueError:
        raise InputError(f"{written!r} is no date; write 2025-03-17") from None
