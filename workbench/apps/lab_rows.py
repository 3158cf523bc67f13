"""What the lab shows of jobs and their results: tiles, curves, tables. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workbench.apps.frame import price, shifted, short, tone
from workbench.apps.grid import Act, Row, columns
from workbench.rules.parameter import shown
from workbench.widgets.cards import CHICAGO, chicago, money

Json = dict[str, Any]

RUN_HEADS = columns("Time CT", "What", "Strategy", "Contract", "~Settings", "State")
TRADE_HEADS = columns(
    "Entry CT", "Exit CT", "Side", "#Qty", "#Entry", "#Exit", "#Net USD", "#Costs USD", "#MAE USD", "#MFE USD", "#Bars",
    "Exit by",
)  # fmt: skip
COMPARE_HEADS = columns("Number", "#A", "#B", "#A − B")
KINDS = {"backtest": "Backtest", "sweep": "Sweep", "walk_forward": "Walk-forward"}
OVER = ("done", "failed", "cancelled", "interrupted")
STATES = {
    "queued": ("◔ waiting", "info"),
    "running": ("● running", "info"),
    "done": ("✓ done", "ok"),
    "failed": ("✖ failed", "alarm"),
    "cancelled": ("○ cancelled", "dim"),
    "interrupted": ("▲ interrupted", "warn"),
}
TRADES_A_PAGE = 25
# name, label, unit; the unit says how it is written
FIGURES = (
    ("net_usd", "Net profit", "USD"),
    ("trades", "Trades", "n"),
    ("win_rate", "Win rate", "%"),
    ("profit_factor", "Profit factor", "x"),
    ("sharpe", "Sharpe ratio", "x"),
    ("max_drawdown_usd", "Max drawdown", "loss"),
    ("cost_share", "Costs of gross", "%"),
    ("expectancy_usd", "Mean trade", "USD"),
)
MORE = (
    ("gross_usd", "Before costs", "USD"), ("costs_usd", "Costs", "loss"), ("sortino", "Sortino ratio", "x"),
    ("calmar", "Calmar ratio", "x"), ("payoff_ratio", "Payoff ratio", "x"), ("best_day_usd", "Best day", "USD"),
    ("worst_day_usd", "Worst day", "USD"), ("exposure", "Time in the market", "%"),
    ("trades_per_day", "Trades a day", "pace"), ("days", "Trading dates", "n"),
)  # fmt: skip


def figure(value: float | None, unit: str) -> tuple[str, str]:
    """Return a number and its unit as they are shown; what is undefined is a dash.

    >>> figure(0.2439, "%"), figure(-5577.99, "USD"), figure(1513, "n"), figure(None, "x")
    (('24.4', '%'), ('−5,577.99', 'USD'), ('1,513', ''), ('–', ''))
    """
    if value is None:
        return "–", ""
    if unit == "USD":
        return money(value).removesuffix(" USD"), "USD"
    if unit == "loss":
        return f"{value:,.2f}", "USD"
    if unit == "%":
        return f"{100 * value:.1f}".replace("-", "−"), "%"
    return (f"{value:,.0f}" if unit == "n" else f"{value:,.2f}").replace("-", "−"), ""


def sheet(job: Json | None, other: Json | None, names: dict[str, str]) -> Json:
    """Return what is said of a backtest: what it was, how to believe it, and its key numbers, beside another's."""
    if job is None:
        return {"empty": "No backtest yet: choose a strategy above and run one."}
    result, beside = job["result"], (other or {}).get("result")
    return {
        "title": title(job, names),
        "sub": provenance(result["provenance"]),
        "versus": "" if other is None else f"B: {title(other, names)} · {provenance(beside['provenance'])}",
        "alarms": list(result["alarms"]),
        "tiles": [_tile(one, result, beside) for one in FIGURES],
    }


def _tile(of: tuple[str, str, str], result: Json, beside: Json | None) -> Json:
    name, label, unit = of
    value, written = figure(result["stats"].get(name), unit)
    made = {"label": label, "value": value, "unit": written, "note": result["reasons"].get(name, "")}
    if unit == "USD":
        made["tone"] = tone(result["stats"].get(name))
    if beside is not None:
        made["other"] = " ".join(filter(None, figure(beside["stats"].get(name), unit)))
    return made


def title(job: Json, names: dict[str, str]) -> str:
    """Return what a job ran: strategy with the head of its version, contract, and the values that were asked."""
    asked = job["asked"]
    return f"{_name(asked['strategy'], names)} · {short(asked.get('contract'))} · {settings(asked)}"


def _name(strategy: str, names: dict[str, str]) -> str:
    known = names.get(strategy)
    return f"{known}@{strategy[:7]}" if known and known != strategy else strategy.rpartition("/")[2]


def settings(asked: Json) -> str:
    """Return the values of a job in a line.

    >>> settings({"parameters": {"fast": 5, "slow": 15}, "timeframe": "5m"})
    '5m, fast 5, slow 15'
    >>> settings({"values": {"fast": [5, 10, 15], "slow": 20}})
    'fast 5…15 (3), slow 20'
    """
    parts = [str(asked["timeframe"])] if asked.get("timeframe") else []
    for name, value in (asked.get("parameters") or asked.get("values") or {}).items():
        if isinstance(value, list):
            parts.append(f"{name} {shown(value[0])}…{shown(value[-1])} ({len(value)})")
        else:
            parts.append(f"{name} {value if isinstance(value, str) else shown(value)}")
    if asked.get("programme"):
        parts.append(asked["programme"])
    return ", ".join(parts) or "as declared"


def provenance(told: Json) -> str:
    """Return what a result stands on: version, bars, period, costs, firm's rules."""
    data, costs = told["data"], told["costs"]
    words = [
        f"version {told['strategy']['version'][:8]}",
        f"{data['bars']:,} bars of {data['timeframe']}, {data['first']} … {data['last']} CT",
        f"slippage {costs.get('slippage_ticks')} ticks, {costs.get('per_side_usd')} USD a side",
    ]
    return " · ".join([*words, *([f"rules of {told['account']}"] if told.get("account") else [])])


def curve(job: Json | None, other: Json | None) -> Json:
    """Return equity and drawdown for the chart, and the equity of the other run."""
    made: Json = {"equity": [], "drawdown": [], "other": []}
    if job is not None:
        points = job["result"]["equity"]
        made["equity"], made["drawdown"] = _line(points, "equity_usd"), _line(points, "drawdown_usd")
    if other is not None:
        made["other"] = _line(other["result"]["equity"], "equity_usd")
    return made


def _line(points: list[Json], name: str) -> list[Json]:
    """Return points of ascending Chicago time, as the chart wants them."""
    made: dict[int, float] = {}
    for point in points:
        if name not in point or point[name] is None:
            continue
        stamp = point.get("at") or f"{point['date'][:10]}T12:00:00+00:00"
        at = int(datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp())
        made[shifted(at)] = point[name]
    return [{"time": at, "value": made[at]} for at in sorted(made)]


def comparison(job: Json, other: Json) -> list[Row]:
    """Return the numbers of two runs side by side, those first in which their settings differ."""
    mine, theirs = job["result"], other["result"]
    rows = []
    for name in sorted({*mine["provenance"]["parameters"], *theirs["provenance"]["parameters"]}):
        a, b = (r["provenance"]["parameters"].get(name) for r in (mine, theirs))
        if a != b:
            rows.append(Row(id=f"parameter {name}", cells=[(f"◆ {name}", "info"), _text(a), _text(b), None]))
    for name, label, unit in (*FIGURES, *MORE):
        a, b = mine["stats"].get(name), theirs["stats"].get(name)
        apart = None if a is None or b is None else a - b
        shades = "" if apart is None or unit not in ("USD", "x") else tone(apart)
        cells = [" ".join(filter(None, figure(value, unit))) for value in (a, b)]
        delta = None if apart is None else _signed(apart, unit)
        rows.append(Row(id=name, cells=[label, *cells, (delta, shades)]))
    return rows


def _text(value: Any) -> str | None:
    return None if value is None else shown(value)


def _signed(value: float, unit: str) -> str:
    written, of = figure(abs(value), "loss" if unit == "USD" else unit)
    return " ".join(filter(None, ("+" * (value > 0) + "−" * (value < 0) + written, of)))


# --- tables ----------------------------------------------------------------------------------------------------------


def run_rows(jobs: list[Json], names: dict[str, str], here: str | None, beside: str | None) -> list[Row]:
    """Return the runs, the newest first, each with what can be done with it; only backtests are compared."""
    base = next((job["id"] for job in jobs if job["id"] == here and job["kind"] == "backtest"), None)
    return [
        Row(
            id=job["id"],
            cells=[
                chicago(job["created_at"]).removesuffix(" CT"), KINDS[job["kind"]],
                _name(job["asked"]["strategy"], names), short(job["asked"].get("contract")), _settled(job), _state(job),
            ],
            acts=_run_acts(job, here, base, beside),
        )
        for job in jobs if job["kind"] in KINDS
    ]  # fmt: skip


def _settled(job: Json) -> str:
    words = settings(job["asked"])
    return f"{words}: {job['error']}" if job["error"] else words


def _state(job: Json) -> tuple[str, str]:
    text, shade = STATES.get(job["state"], (job["state"], ""))
    if job["state"] == "running":
        text += f", {job['phase']}" if job["progress"] is None else f" {100 * job['progress']:.0f} %"
    return text, shade


def _run_acts(job: Json, open_: str | None, base: str | None, beside: str | None) -> tuple[Act, ...]:
    if job["state"] not in OVER:
        return (Act(verb="cancel", label="Cancel", sure="End this run?"),)
    if job["state"] != "done":
        return ()
    here = "it is shown" if job["id"] == open_ else ""
    acts = [Act(verb="show", label="Show", why_not=here)]
    if job["kind"] == "backtest":
        if job["id"] == beside and base is not None:
            acts.append(Act(verb="apart", label="Do not compare"))
        else:
            acts.append(Act(verb="beside", label="Compare", why_not=here or ("" if base else "show a backtest first")))
    return tuple(acts)


def going(jobs: list[Json]) -> Json | None:
    """Return the progress of the oldest run that is not over, for the bar."""
    left = [job for job in jobs if job["kind"] in KINDS and job["state"] not in OVER]
    if not left:
        return None
    job = left[-1]
    waiting = f" · {len(left) - 1} more in line" if len(left) > 1 else ""
    words = "waiting for its turn" if job["state"] == "queued" else job["phase"]
    return {"id": job["id"], "text": f"{KINDS[job['kind']]}: {words}{waiting}", "progress": job["progress"]}


def trade_rows(trades: list[Json], contract: str | None, offset: int) -> list[Row]:
    """Return one page of trades."""
    return [
        Row(
            id=str(offset + n),
            cells=[
                _moment(t["entry_at"]), _moment(t["exit_at"]) if t["exit_at"] else ("open", "warn"),
                (f"{'▲' if t['side'] == 'long' else '▼'} {t['side']}", "up" if t["side"] == "long" else "down"),
                str(t["qty"]), price(t["entry_price"], contract), price(t["exit_price"], contract),
                (money(t["net_usd"]).removesuffix(" USD"), tone(t["net_usd"])), f"{t['costs_usd']:,.2f}",
                _loss(t["mae_usd"]), _loss(t["mfe_usd"]), f"{t['bars']:,}", t["exit_rule"],
            ],
        )
        for n, t in enumerate(trades)
    ]  # fmt: skip


def _loss(value: float | None) -> str | None:
    return None if value is None else f"{value:,.2f}".replace("-", "−")


def _moment(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns // 10**9, CHICAGO):%Y-%m-%d %H:%M:%S}"
