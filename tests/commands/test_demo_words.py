"""What the demo says of its market while it runs, and what its summary counts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from workbench.commands.demo_market import MarketWatch
from workbench.commands.demo_summary import figures, lines

STILL = "; until then nothing moves or trades"
MES = "CON.F.US.MES.Z26"


def at(text: str, *, rate: float = 60.0, lockstep: bool = False) -> dict[str, Any]:
    now = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return {"now": int(now.timestamp()) * 10**9, "rate": rate, "lockstep": lockstep, "ended": False}


def heard(*statuses: dict[str, Any]) -> list[str]:
    said: list[str] = []
    market = MarketWatch(MES, said.append)
    assert not any(market.ended(status) for status in statuses)
    return said


def test_the_close_on_friday_is_said_once_with_the_open_on_sunday_and_what_to_do() -> None:
    # Friday 20 November 2026 16:00 CST is 22:00 UTC; Sunday 17:00 CST is 49 hours later: 49 minutes at 60 to 1.
    said = heard(at("2026-11-20T21:59:00"), at("2026-11-20T22:00:00"), at("2026-11-20T22:10:00"))
    assert said == [
        "market     closed until Sun 22 Nov 2026 17:00 Chicago in market time, in about 49 min here" + STILL,
        "           Ctrl-C ends the demo with its summary; started again, it begins its day anew",
    ]


def test_a_break_of_an_hour_is_only_waited_for_and_its_end_is_said() -> None:
    said = heard(at("2026-11-18T22:00:00"), at("2026-11-18T22:30:00"), at("2026-11-18T23:00:00"))
    assert said == [
        "market     closed until Wed 18 Nov 2026 17:00 Chicago in market time, in about 60 s here" + STILL,
        "market     open again, Wed 18 Nov 2026 17:00 Chicago in market time",
    ]


def test_without_a_pace_no_wait_is_promised_and_an_unknown_year_is_not_judged() -> None:
    [said] = heard(at("2026-11-20T22:00:00", lockstep=True))
    assert said.startswith("market     closed until Sun 22 Nov 2026 17:00 Chicago in market time; until")
    assert heard(at("1971-01-01T00:00:00")) == []


def trade(profit: float | None, **more: Any) -> dict[str, Any]:
    return {"profitAndLoss": profit, "fees": 0.37, "commissions": 0.25, **more}


def test_the_summary_tells_what_was_sent_from_what_the_broker_holds_and_counts_each_tick_once() -> None:
    orders = [{"customTag": "wb-1001-1"}, {"customTag": None}, {"customTag": "wb-1001-2"}, {}, {"customTag": "other"}]
    trades = [trade(None), trade(12.5), trade(99.0, voided=True)]
    truth = {"accounts": [{"id": 7, "orders": orders, "trades": trades, "positions": [{"size": 2, "type": 2}]}]}
    data = [
        {"contract": MES, "timeframe": "5m", "ticks": 1500, "built": 90},
        {"contract": MES, "timeframe": "1h", "ticks": 1500, "built": 7},
        {"contract": "CON.F.US.MNQ.Z26", "timeframe": "1m", "ticks": 80, "built": 5},
    ]
    snapshot = {
        "accounts": [{"account": 7, "runner": {"restarts": 1}}],
        "data": data,
        "sessions": [{"session": "a", "version": "v"}],
        "desk": {"version": "1"},
    }
    found = figures(snapshot, truth, account=7, contract=MES, session="a")
    assert (found["orders_sent"], found["orders_at_broker"], found["fills"]) == (2, 5, 2)
    assert found["realized_pnl_usd"] == 12.5 - 4 * 0.31
    assert (found["ticks_received"], found["bars_built"], found["open_position"]) == (1500, 97, -2)
    told = lines({**found, "stop": {"flat_confirmed": False, "ms": 1063.2}})
    assert "2 orders sent (5 at the broker with their brackets and closes), 2 fills" in told
    assert "+11.26 USD after costs on account 7" in told and "NOT FLAT after 1063 ms" in told
