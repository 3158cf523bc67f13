"""A strategy's declaration, a store, and results of jobs as the desk answers them."""

from __future__ import annotations

from typing import Any

CONTRACT = "CON.F.US.MES.H22"


def parameter(name: str, default: Any, low: Any, high: Any, step: Any, kind: str = "int") -> dict[str, Any]:
    return {"name": name, "type": kind, "default": default, "min": low, "max": high, "step": step, "description": ""}


STRATEGY = {
    "strategy": "sma_cross", "name": "sma_cross", "version": "0ce6001b9065e92b", "stored": False,
    "description": "Follow a crossing.", "timeframe": "1m", "roots": ["MES", "ES"],
    "parameters": [
        parameter("fast", 5, 2, 100, 1), parameter("slow", 15, 3, 400, 1),
        parameter("stop", 3.0, 0.5, 20, 0.5, "float"), parameter("both_ways", True, None, None, None, "bool"),
    ],
    "constraints": ["(fast < slow)"],
}  # fmt: skip
STORED = [
    {"contract": CONTRACT, "timeframe": "1m", "rows": 20_000, "first": 1_641_250_800, "last": 1_643_033_940},
    {"contract": CONTRACT, "timeframe": "1h", "rows": 340, "first": 1_641_164_400, "last": 1_643_032_800},
    {"contract": "CON.F.US.ENQ.H22", "timeframe": "1m", "rows": 5, "first": 1_641_250_800, "last": 1_641_251_100},
]


def job(number: int, kind: str = "backtest", state: str = "done", **more: Any) -> dict[str, Any]:
    asked = {"strategy": "sma_cross", "contract": CONTRACT, "timeframe": None, "programme": None}
    asked |= {"values": {"fast": [5, 10], "slow": 20}} if kind == "sweep" else {"parameters": {"fast": 5, "slow": 15}}
    return {
        "id": f"{number:012x}", "kind": kind, "state": state, "phase": state, "progress": None, "asked": asked,
        "by": "ann", "created_at": 1_796_135_400_000_000_000 + number, "started_at": None, "ended_at": None,
        "error": None, "result": None, **more,
    }  # fmt: skip


def backtest_result(**stats: Any) -> dict[str, Any]:
    told = {
        "net_usd": -5577.99, "trades": 1513, "win_rate": 0.24388, "profit_factor": 0.3389, "sharpe": None,
        "max_drawdown_usd": 5597.43, "cost_share": None, "expectancy_usd": -3.687, **stats,
    }  # fmt: skip
    return {
        "summary": "", "stats": told, "alarms": ["one side: the market's drift"],
        "reasons": {"sharpe": "15 trading dates; it takes 20", "cost_share": "no profit before costs"},
        "trades": [], "trades_in_all": 1513,
        "equity": [
            {"at": "2022-01-04T00:00:00.000Z", "equity_usd": 0.0, "drawdown_usd": 0.0},
            {"at": "2022-01-04T01:00:00.000Z", "equity_usd": -10.0, "drawdown_usd": -10.0},
        ],
        "provenance": {
            "strategy": {"name": "sma_cross", "version": "0ce6001b9065e92b"}, "parameters": {"fast": 5, "slow": 15},
            "data": {"bars": 20_000, "timeframe": "1m", "first": "2022-01-03 17:00", "last": "2022-01-24 08:19"},
            "costs": {"slippage_ticks": 1, "per_side_usd": "0.62"}, "account": None,
        },
    }  # fmt: skip


def trade(net: float) -> dict[str, Any]:
    return {
        "entry_at": 1_642_056_420_000_000_000, "exit_at": None, "side": "long", "qty": 1, "entry_price": 4986.5,
        "exit_price": None, "gross_usd": net, "costs_usd": 1.24, "net_usd": net, "rule": "entry.long",
        "exit_rule": None, "mae_usd": -7.5, "mfe_usd": 38.75, "bars": 48,
    }  # fmt: skip


def sweep_result() -> dict[str, Any]:
    """Three by two combinations, twice: once for each stop. The cell (fast 10, slow 40) is the best."""
    rows = [(f, s, t) for f in (5, 10, 15) for s in (20, 40) for t in (2.0, 3.0)]
    sharpe = {(5, 20): -1.0, (5, 40): 0.5, (10, 20): 1.0, (10, 40): 2.0, (15, 20): None, (15, 40): 1.5}
    columns: dict[str, list[Any]] = {
        "fast": [f for f, _, _ in rows], "slow": [s for _, s, _ in rows], "stop": [t for *_, t in rows],
        "sharpe_daily": [None if sharpe[f, s] is None else sharpe[f, s] + (t - 2.5) for f, s, t in rows],
        "net_usd": [100.0 * f for f, _, _ in rows], "max_drawdown_usd": [10.0 * f + s for f, s, _ in rows],
    }  # fmt: skip
    top = [{"fast": 10, "slow": 40, "stop": 3.0, "sharpe_daily": 2.5, "net_usd": 1000.0, "max_drawdown_usd": 140.0}]
    return {
        "summary": "12 combinations", "best": {"fast": 10, "slow": 40, "stop": 3.0}, "combinations": 12, "top": top,
        "grid": {"parameters": ["fast", "slow", "stop"], "metric": "sharpe_daily", "sign": 1, "columns": columns,
                 "left_out": 0},
        "overfit": {"trials": 12, "deflated_sharpe": 0.31, "pbo": 0.6, "hansen": None, "is_likely_luck": True,
                    "reasons": {"reality_check": "15 trading dates are too few"},
                    "sentence": "This looks like luck: …"},
        "stability": {"best": 2.5, "neighbours": 5, "kept": 0.4, "profitable": 1.0, "reason": ""},
    }  # fmt: skip
