"""What a backtest found: numbers, frames, a picture, and everything needed to make it again."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.backtest import frames
from workbench.backtest.curve import Curve, curve, tick_value_e4
from workbench.backtest.played import E4, Played
from workbench.backtest.series import Series
from workbench.backtest.stats import Number, Stats, TradeColumns, stats, years_between
from workbench.backtest.trades import Float64Array, Trips, excursions, round_trips
from workbench.domain.errors import InputError
from workbench.rules.strategy import Strategy

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go
    import vectorbt as vbt

    from workbench.backtest.alarms import Alarm
    from workbench.backtest.passing import Chance
    from workbench.backtest.static import Picture
    from workbench.domain.account import AccountProgramme
    from workbench.rules.explanation import Explanation

CAPITAL_USD = 50_000.0  # the account of a backtest that names none
Writer = Callable[[Path, bytes], None]


class Result:
    """The result of one backtest. `print(result)` is its one line; in a notebook it shows itself.

    Parameters
    ----------
    strategy : Strategy
    bars : Series
    played : Played
        What the engine did; everything here is read from it when it is asked for.
    provenance : mapping, optional
        Or a callable that makes it when it is asked for.
    writer : callable, optional
        Writes bytes to a path, for `report`.
    capital_usd : float, optional
        Balance of the account at the beginning; left out, that of the account programme, or 50,000.

    Attributes
    ----------
    provenance : dict
        Strategy version, parameters, data version, program version, costs, limits and capital: what it takes to make it
        again.
    reasons : dict
        Why a value in `stats` is None.
    """

    def __init__(
        self,
        strategy: Strategy,
        bars: Series,
        played: Played,
        *,
        provenance: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        writer: Writer | None = None,
        capital_usd: float | None = None,
    ) -> None:
        self.strategy = strategy
        self._bars, self._played, self._writer = bars, played, writer
        self._capital = capital_usd
        self._told = provenance

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What it takes to make this result again; hashing the bars can wait until somebody asks."""
        told = self._told() if callable(self._told) else self._told
        return {**dict(told or {}), "capital_usd": self.capital_usd}

    @cached_property
    def capital_usd(self) -> float:
        """Balance of the account at the beginning, USD."""
        return _capital(self._played, self._trips) if self._capital is None else float(self._capital)

    # --- arrays, read once ---

    @cached_property
    def _trips(self) -> Trips:
        return round_trips(self._played.fills, tick_value_e4(self._bars))

    @cached_property
    def _excursions(self) -> tuple[Float64Array, Float64Array]:
        # USD
        tick = tick_value_e4(self._bars) / E4
        mae, mfe = excursions(self._trips, self._played.orders, self._bars.starts, self._bars.ticks)
        return mae * tick, mfe * tick

    @cached_property
    def _curve(self) -> Curve:
        return curve(self._played.fills, self._bars)

    @cached_property
    def trade_columns(self) -> TradeColumns:
        """Closed trades as columns, USD."""
        over, trips = self._trips.closed, self._trips
        mae, mfe = self._excursions
        return TradeColumns(
            net_usd=trips.net_e4[over] / E4,
            side=trips.side[over],
            mae_usd=mae[over],
            mfe_usd=mfe[over],
            bars=(trips.exit_bar - trips.entry_bar)[over],
        )

    @property
    def exit_times(self) -> npt.NDArray[np.int64]:
        """When each closed trade was left, UTC ns."""
        made: npt.NDArray[np.int64] = self._trips.exit_at[self._trips.closed]
        return made

    @property
    def series(self) -> Series:
        """The bars as arrays."""
        return self._bars

    @property
    def curve(self) -> Curve:
        """Position and equity at each close, exact in 1/10,000 USD."""
        return self._curve

    @cached_property
    def _stats(self) -> Stats:
        bars, played = self._bars, self._played
        return stats(
            self.trade_columns,
            self._curve,
            years=years_between(int(bars.starts[0]), int(bars.ends[-1])),
            capital=self.capital_usd,
            costs_usd=int(played.fills.fees_e4.sum()) / E4,
            refused=sum(text.startswith("order refused") for _, text in played.alerts),
        )

    # --- numbers ---

    @property
    def stats(self) -> dict[str, Number]:
        """Statistics by name; the definitions stand in `workbench.backtest.stats`."""
        return dict(self._stats.values)

    @property
    def reasons(self) -> dict[str, str]:
        """Why a value in `stats` is None."""
        return dict(self._stats.reasons)

    @property
    def alerts(self) -> list[tuple[int, str]]:
        """What the operator would have been told: (UTC ns, text)."""
        return list(self._played.alerts)

    @cached_property
    def alarms(self) -> list[Alarm]:
        """What makes this result hard to believe, each with its number; empty when nothing does."""
        from workbench.backtest.alarms import alarms, shortness

        told = shortness((self.provenance.get("data") or {}).get("short", ()))
        return [*told, *alarms(self._stats.values, self._trips, self._curve, self._played, self._bars)]

    # --- frames ---

    @cached_property
    def trades(self) -> pd.DataFrame:
        """One row per round trip; prices in points, money in USD, times UTC. An open trade has no exit."""
        return frames.trades(self._trips, self._excursions, self._played, self._bars.contract.spec)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order, bracket legs included; prices in points. `moved` says what moved a stop last."""
        return frames.orders(self._played, self._bars.contract.spec)

    @cached_property
    def equity(self) -> pd.DataFrame:
        """Net profit, drawdown (USD) and signed position at each bar's close."""
        import pandas as pd

        made = self._curve
        index = frames.utc(self._bars.ends, "at")
        columns = {
            "equity_usd": made.equity_e4 / E4,
            "drawdown_usd": made.fall_e4 / -E4,
            "position": made.position,
        }
        return pd.DataFrame(columns, index=index)

    @cached_property
    def account(self) -> pd.DataFrame | None:
        """Balance and maximum-loss level (USD) of the firm's account, day by day; None when it was held to none."""
        return frames.account(self._played, int(self._bars.ends[-1]))

    @cached_property
    def daily(self) -> pd.DataFrame:
        """Net profit (USD, the open position at its last close included) and closed trades of each trading date."""
        import pandas as pd

        made, trips = self._curve, self._trips
        closed = made.day(trips.exit_bar[trips.closed])
        index = pd.DatetimeIndex(self._bars.hours.dates[made.rows], name="trading_date")
        columns = {"net_usd": made.daily_e4 / E4, "trades": np.bincount(closed, minlength=len(made.rows))}
        return pd.DataFrame(columns, index=index)

    @property
    def monthly(self) -> pd.DataFrame:
        """Net profit (USD) by year and month of the trading dates, with the year's sum; empty months are missing."""
        from workbench.backtest.breakdown import monthly

        return monthly(self.daily)

    def by(self, what: str) -> pd.DataFrame:
        """Return closed trades summed up in groups.

        Parameters
        ----------
        what : str
            ``day``, ``month``, ``weekday`` (trading date of the exit), ``hour`` (of the entry, Chicago), ``rule`` (of
            the entry), ``exit_rule`` or ``side``.
        """
        from workbench.backtest.breakdown import by

        return by(self.trades, self._bars.hours, what)

    @cached_property
    def bars(self) -> pd.DataFrame:
        """The bars it ran on, by their start."""
        import pandas as pd

        index = frames.utc(self._bars.starts, "ts")
        columns = dict(zip(("open", "high", "low", "close"), self._bars.points, strict=True))
        return pd.DataFrame({**columns, "volume": self._bars.volume}, index=index)

    def chance_to_pass(self, account: str | AccountProgramme, **options: Any) -> Chance:
        """Return how often days like these, drawn anew or in other orders, pass a firm's programme.

        `account` as `workbench.account` takes it, options as `workbench.backtest.passing.chance_to_pass` does: drawn,
        size, edge, length, samples, seed.
        """
        from workbench.backtest.passing import chance_to_pass
        from workbench.domain.account_file import account as programme

        return chance_to_pass(frames.days(self.trades, self.daily, self._bars.hours), programme(account), **options)

    @cached_property
    def portfolio(self) -> vbt.Portfolio:
        """The same fills as a vectorbt Portfolio, for its analytics and plots (importing vectorbt takes seconds)."""
        from workbench.backtest.portfolio import portfolio

        return portfolio(self._played.fills, self._bars, self.capital_usd)

    # --- to look at ---

    def plot(self, *, static: bool = False, start: Any = None, end: Any = None) -> go.Figure | Picture:
        """Return price with entries and exits, equity and drawdown.

        Parameters
        ----------
        static : bool
            A picture without scripts (SVG) instead of a Plotly figure.
        start, end : str or timestamp, optional
            Show a stretch only, in the detail it allows; without a zone they are UTC.
        """
        if static:
            from workbench.backtest.static import draw

            return draw(self, start, end)
        from workbench.backtest.plot import plot_result

        return plot_result(self, start, end)

    def explain(self, at: Any) -> Explanation:
        """Return what each condition saw at one bar, and what kept an entry from happening.

        Parameters
        ----------
        at : str, datetime or int
            A moment in the bar, or a row; as `workbench.rules.explain.explain` takes it.

        Raises
        ------
        InputError
            No such bar, or a strategy in Python: its conditions are code.
        """
        if not isinstance(self.strategy, Strategy):
            raise InputError(f"{self.strategy.name} is written in Python: what it saw is in its own code, not in rules")
        return self.strategy.explain(self._bars, at, contract=self._bars.contract.id, trades=self.trades)

    def summary(self) -> str:
        """Return the backtest line: everything that matters in one row of text."""
        s, bars = self._stats.values, self.provenance.get("data", {})
        parts = [
            f"{self.strategy.name}@{self.strategy.version[:8]} {self._bars.contract.id} {self._bars.timeframe}",
            f"{bars.get('first', '')} … {bars.get('last', '')}" if bars else f"{len(self._bars):,} bars",
            f"{s['trades']} trades",
            f"net {_usd(s['net_usd'])}",
            f"costs {_usd(s['costs_usd'])}",
            f"win {_text(s['win_rate'], '{:.1%}')}",
            f"PF {_text(s['profit_factor'], '{:.2f}')}",
            f"max DD {_usd(s['max_drawdown_usd'])}",
            f"Sharpe {_text(s['sharpe'], '{:.2f}')}",
        ]
        return " · ".join(parts)

    def report(self, path: str | Path, *, static: bool = False) -> Path:
        """Write a self-contained HTML page (numbers, alarms, picture, tables, trades, provenance) and return its path.

        With `static` the picture has no script in it, and the page a hundredth of the size.
        """
        from workbench.backtest.page import page

        if self._writer is None:
            raise InputError("this result has nobody to write for it; results of workbench.backtest have")
        target = Path(path)
        self._writer(target, page(self, static=static).encode("utf-8"))
        return target

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        told = "".join(f"\n  ! {alarm}" for alarm in self.alarms)
        return f"<Result {self.summary()}{told}>"

    def _repr_html_(self) -> str:
        from workbench.backtest.page import alarm_list
        from workbench.domain.html_table import muted, table

        told = self.shown()
        numbers = table(("statistic", "value"), [(name.replace("_", " "), told[name]) for name in KEY], right=[1])
        more = muted(f"the other {len(told) - len(KEY)} are in .stats, every trade in .trades, the picture in .plot()")
        return f"<p><b>{html.escape(self.summary())}</b></p>{alarm_list(self)}{numbers}{more}{muted(self.origin())}"

    def origin(self) -> str:
        """Return in a line what made this result: the versions of strategy, data and program, and the capital."""
        told, data = self.provenance, self.provenance.get("data") or {}
        parts = [f"made from {self.strategy.name}@{self.strategy.version}"]
        parts += (
            [f"{data.get('bars', len(self._bars)):,} bars, data version {data['version']}"] if "version" in data else []
        )
        parts += [f"program {told['program']}"] if "program" in told else []
        return " · ".join([*parts, f"capital {_usd(self.capital_usd)}"])

    def shown(self) -> dict[str, str]:
        """The statistics as people read them; what is undefined says why."""
        made = {}
        for name, value in self._stats.values.items():
            if name == "sharpe_daily":  # the same as sharpe
                continue
            made[name] = f"– ({self._stats.reasons[name]})" if value is None else _shown(name, value)
        return made


KEY = (
    "net_usd costs_usd trades win_rate profit_factor expectancy_usd max_drawdown_usd worst_day_usd "
    "sharpe cagr exposure average_bars open_position"
).split()
_SHARES = frozenset(
    "win_rate exposure cost_share net_share cagr volatility max_drawdown_share under_water winning_days".split()
)


def _capital(played: Played, trips: Trips) -> float:
    # what the account ended with, less what its fills made and cost: its first balance
    if played.account is None:
        return CAPITAL_USD
    made = int(trips.gross_e4.sum() - trips.costs_e4.sum())
    return round((played.account.balance_e4 - made) / E4, 2)


def _shown(name: str, value: float) -> str:
    if name.endswith("_usd"):
        return _usd(value)
    if name in _SHARES:
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _usd(value: Number) -> str:
    return "–" if value is None else f"{value:,.2f} USD"


def _text(value: Number, form: str) -> str:
    return "–" if value is None else form.format(value)
