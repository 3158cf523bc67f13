"""What a demo came to: counted at the simulator, which knows what reached it, and at the desk."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

Json = dict[str, Any]


def figures(snapshot: Json, truth: Json, *, account: int, contract: str, session: str) -> Json:
    """Return the demo's figures: of one account, after costs; ticks and bars of its contract.

    Parameters
    ----------
    snapshot : dict
        Of the desk.
    truth : dict
        Of the simulator: accounts with orders and trades.
    account, contract, session
        Which the demo traded.
    """
    row = next(a for a in snapshot["accounts"] if a["account"] == account)
    real = next(a for a in truth["accounts"] if a["id"] == account)
    trades = [t for t in real["trades"] if not t.get("voided")]
    lines = [d for d in snapshot["data"] if d["contract"] == contract]
    known: Json = next((s for s in snapshot["sessions"] if s["session"] == session), {})
    return {
        "contract": contract,
        "account": account,
        "ticks_received": max((d.get("ticks") or 0 for d in lines), default=0),  # each line counts the same ticks
        "bars_built": sum(d.get("built") or 0 for d in lines),
        "orders_sent": len([o for o in real["orders"] if (o.get("customTag") or "").startswith("wb-")]),
        "orders_at_broker": len(real["orders"]),
        "fills": len(trades),
        "realized_pnl_usd": float(sum(map(_net, trades), Decimal(0))),
        "open_position": sum(p["size"] * (1 if p["type"] == 1 else -1) for p in real["positions"]),
        "runner_restarts": row["runner"]["restarts"],
        "versions": {"program": snapshot["desk"]["version"], "strategy": known.get("version")},
    }


def lines(summary: Json) -> str:
    """Return the summary as it is printed."""
    stop = summary["stop"]
    flat = "FLAT, confirmed by the gateway" if stop["flat_confirmed"] else "NOT FLAT"
    return (
        f"ended      {summary['orders_sent']} orders sent ({summary['orders_at_broker']} at the broker with their "
        f"brackets and closes), {summary['fills']} fills, realized {summary['realized_pnl_usd']:+,.2f} USD after costs "
        f"on account {summary['account']}\n"
        f"           {summary['ticks_received']:,} ticks, {summary['bars_built']:,} bars built of all timeframes; "
        f"{flat} after {stop['ms']:.0f} ms"
    )


def _net(trade: Json) -> Decimal:
    costs = Decimal(str(trade["fees"])) + Decimal(str(trade.get("commissions") or 0))
    return Decimal(str(trade["profitAndLoss"] or 0)) - costs
