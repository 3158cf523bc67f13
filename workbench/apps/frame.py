"""What a page shows, worked out from a snapshot: texts, tones and prices, no widgets. Pure."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from workbench.domain.contract import spec
from workbench.domain.errors import InputError
from workbench.widgets.cards import CHICAGO, chicago, money, plain_money, signed

Json = dict[str, Any]
SILENT_S = 3.0
HOUR_S = 3600  # longer bars hang on the session, not on the clock


def tone(value: float | None) -> str:
    """Return ``up``, ``down``, or nothing for 0 and unknown."""
    return "" if not value else "up" if value > 0 else "down"


def subject(snapshot: Json) -> Json:
    """Return what the page is about: the first live session, else a position, else whatever data there is."""
    ranks = {"running": 0, "warming": 1, "waiting": 1, "paused": 2}
    sessions = sorted(snapshot.get("sessions", []), key=lambda s: ranks.get(s["state"], 9))
    if sessions:
        return dict(sessions[0])
    for account in snapshot.get("accounts", []):
        for position in account.get("positions", []):
            return {"account": account["account"], "contract": position["contract"], "timeframe": "1m"}
    for row in snapshot.get("data", []):
        return {"contract": row["contract"], "timeframe": row["timeframe"]}
    return {}


def subject_name(session: Json) -> str:
    """Return what a session is called where one is chosen.

    >>> subject_name({"session": "s1", "contract": "CON.F.US.MES.Z26", "account": 1001})
    's1 · MES Z26 · 1001'
    """
    return f"{session['session']} · {short(session['contract'])} · {session['account']}"


def short(contract: str | None) -> str:
    """Return the tail of a contract id, as it is spoken.

    >>> short("CON.F.US.MES.Z26")
    'MES Z26'
    """
    return " ".join(contract.split(".")[-2:]) if contract else "–"


def tick_of(contract: str | None) -> tuple[float, int]:
    """Return tick size and the decimals needed to write it exactly.

    >>> tick_of("CON.F.US.MES.Z26")
    (0.25, 2)
    """
    try:
        tick = Fraction(spec(contract or "").tick)
    except InputError:
        return 0.01, 2
    decimals = next((n for n in range(10) if (tick * 10**n).denominator == 1), 9)
    return float(tick), decimals


def price(value: float | None, contract: str | None) -> str:
    """Return a price in points with the decimals of its tick."""
    return "–" if value is None or value != value else f"{value:,.{tick_of(contract)[1]}f}"


def age(seconds: float | None) -> str:
    """Return a length of time as people say it.

    >>> age(0.42), age(75), age(7300), age(None)
    ('0.4 s', '75 s', '2 h 1 min', '–')
    """
    if seconds is None or seconds != seconds:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def shifted(seconds: int) -> int:
    """Return unix seconds moved so that a chart that knows only UTC shows Chicago time.

    >>> shifted(1_796_135_400) - 1_796_135_400  # 1 December: Chicago is 6 hours behind
    -21600
    """
    offset = datetime.fromtimestamp(seconds, UTC).astimezone(CHICAGO).utcoffset()
    return seconds + int(offset.total_seconds() if offset else 0)


def account_of(snapshot: Json, about: Json) -> Json:
    """Return the account that the page is about, else the first one, else nothing."""
    accounts = snapshot.get("accounts", [])
    return dict(next((a for a in accounts if a["account"] == about.get("account")), accounts[0] if accounts else {}))


def data_age(snapshot: Json, about: Json) -> Json:
    """Return state and age of the data the page stands on; unknown is unknown, not fresh."""
    rows = [row for row in snapshot.get("data", []) if row["contract"] == about.get("contract")]
    if not rows:
        return {"state": "unknown", "age_s": None}
    freshest = min(rows, key=lambda row: float("inf") if row.get("age_s") is None else row["age_s"])
    return {"state": freshest["state"], "age_s": freshest.get("age_s")}


def data_row(snapshot: Json, contract: str) -> Json:
    """Return what is known of a contract's newest price, from its freshest row; empty when nothing is."""
    rows = [row for row in snapshot.get("data", []) if row["contract"] == contract and row.get("last_ts")]
    return max(rows, key=lambda row: int(row["last_ts"]), default={})


def moved(bars: list[Json], row: Json, step_s: int) -> list[Json]:
    """Return the bars with the newest price in the last one; bars are fetched seldom, prices come all the time.

    A price of a later bar begins it, an older one changes nothing: the fetched bars know better.

    >>> bars = [{"time": 60, "open": 5.0, "high": 6.0, "low": 4.0, "close": 5.0, "volume": 9}]
    >>> moved(bars, {"last_ts": 110 * 10**9, "last_price": 7.0}, 60)
    [{'time': 60, 'open': 5.0, 'high': 7.0, 'low': 4.0, 'close': 7.0, 'volume': 9}]
    >>> moved(bars, {"last_ts": 121 * 10**9, "last_price": 7.0}, 60)[-1]
    {'time': 120, 'open': 7.0, 'high': 7.0, 'low': 7.0, 'close': 7.0, 'volume': 0}
    """
    price, at = row.get("last_price"), int(row.get("last_ts") or 0) // 10**9
    if not bars or price is None or step_s > HOUR_S or at < bars[-1]["time"]:
        return bars
    last = bars[-1]
    if at < last["time"] + step_s:
        return [*bars[:-1], {**last, "high": max(last["high"], price), "low": min(last["low"], price), "close": price}]
    begin = at - (at - last["time"]) % step_s
    return [*bars, {"time": begin, "open": price, "high": price, "low": price, "close": price, "volume": 0}]


def lights(snapshot: Json) -> list[Json]:
    """Return the connection lights; the shape says what the colour says."""
    gateway, stop = snapshot.get("gateway", {}), snapshot.get("stop", {})
    clock = gateway.get("clock") or {}
    rate, is_simulated = clock.get("rate"), gateway.get("profile") == "sim"
    stands = is_simulated and rate == 0 and not clock.get("lockstep")
    profile = "SIMULATOR" if is_simulated else f"LIVE · {gateway.get('profile')}"
    pace = " · its clock stands still" if stands else f" ×{rate:g}" if rate not in (None, 1, 1.0, 0, 0.0) else ""
    shown = [{"text": profile + pace, "tone": "info" if is_simulated and not stands else "warn"}]
    shown.append({"text": "gateway", "tone": "ok" if gateway.get("connected") else "alarm"})
    for account in snapshot.get("accounts", []):
        state, number = (account.get("runner") or {}).get("state", "unknown"), account["account"]
        if state != "down" or any(s["account"] == number for s in snapshot.get("sessions", [])):
            shown.append({"text": f"runner {number} {state}", "tone": _RUNNER.get(state, "alarm")})
        shown += [{"text": f"halted: {reason}", "tone": "alarm"} for reason in account.get("halted", [])]
    shown += [{"text": row["name"], "tone": "ok" if row["up"] else "alarm"} for row in snapshot.get("streams", [])]
    if stop.get("latched"):
        shown.insert(0, {"text": f"STOPPED: {stop.get('reason') or 'no reason'} ({stop.get('by')})", "tone": "alarm"})
    return shown


# A runner that is down counts as an alarm only where a session wants it; others are not shown at all.
_RUNNER = {"running": "ok", "starting": "warn", "stopped": "warn"}


def tiles(snapshot: Json, about: Json) -> list[Json]:
    """Return the big numbers."""
    account = account_of(snapshot, about)
    position = next((p for p in account.get("positions", []) if p["contract"] == about.get("contract")), None)
    qty = about.get("position") if position is None else position["qty"]
    note = short(about.get("contract"))
    if position is not None and position["qty"]:
        note = f"at {price(position['average_price'], position['contract'])}"
    if (account.get("runner") or {}).get("state") not in ("running", None):
        note = "last known: no runner"
    shown = [
        {"label": "Day P&L", **_usd(money(account.get("day_pnl_usd"))), "tone": tone(account.get("day_pnl_usd")),
         "note": f"realised {money(account.get('realized_usd'))}"},
        {"label": "Open P&L", **_usd(money(account.get("open_usd"))), "tone": tone(account.get("open_usd"))},
        {"label": "Position", "value": signed(qty), "tone": tone(qty), "note": note},
        {"label": "Balance", **_usd(plain_money(account.get("balance_usd"))), "note": account.get("name", "")},
    ]  # fmt: skip
    return shown + [_gauge(limit) for limit in account.get("headroom", [])[:2]]


def _usd(text: str) -> Json:
    """Part the number from its unit, so that the unit can be written small."""
    value, _, unit = text.partition(" ")
    return {"value": value, "unit": unit}


def _gauge(limit: Json) -> Json:
    used, top = limit.get("used_usd"), limit.get("limit_usd")
    known = used is not None and bool(top)
    return {
        "label": f"{limit['limit'].replace('_', ' ')} left",
        **_usd(f"{top - used:,.0f} USD" if known else "–"),
        "gauge": min(1.0, used / top) if known else None,
        "note": f"{used:,.0f} of {top:,.0f} USD used" if known else "unknown",
    }


def level(order: Json) -> float | None:
    """Return the price an order waits at; 0 is a price."""
    stop: float | None = order.get("stop_price")
    return order.get("limit_price") if stop is None else stop


def price_lines(snapshot: Json, about: Json) -> list[Json]:
    """Return the lines across the chart: average price and working orders of the page's contract."""
    account, contract = account_of(snapshot, about), about.get("contract")
    lines = [
        {"price": position["average_price"], "title": signed(position["qty"]), "tone": "info"}
        for position in account.get("positions", [])
        if position["contract"] == contract and position.get("average_price") is not None
    ]
    for order in account.get("working", []):
        waits_at = level(order)
        if order["contract"] == contract and waits_at is not None:
            text = f"{order['type'].lower()} {order['side'].lower()} {order['qty']}"
            lines.append({"price": waits_at, "title": text, "tone": "down" if order["type"] == "STOP" else "up"})
    return lines


def markers(fills: list[Json], bars: list[Json], contract: str | None) -> list[Json]:
    """Return fill arrows at the bars they fell into: one for what was bought in a bar, one for what was sold."""
    starts = [bar["time"] for bar in bars]
    ours = [fill for fill in fills if fill["contract"] == contract and starts and fill["at"] >= starts[0] * 10**9]
    sums: dict[tuple[int, bool], int] = {}
    for fill in ours:
        key = (shifted(starts[bisect_right(starts, fill["at"] / 1e9) - 1]), fill["qty"] > 0)
        sums[key] = sums.get(key, 0) + fill["qty"]
    return [{"time": time, "qty": qty, "text": signed(qty)} for (time, _), qty in sorted(sums.items())]


def stop_state(stop: Json) -> Json:
    """Return what the header shows of the stop; nanoseconds do not fit into a browser's numbers."""
    last = stop.get("last_result")
    shown = None if last is None else {key: last.get(key) for key in ("result", "latched", "remaining", "ms")}
    return {"latched": bool(stop.get("latched")), "reason": stop.get("reason"), "last_result": shown}


def frame(snapshot: Json | None, *, silent_s: float, error: str, about: Json | None = None) -> Json:
    """Return lights and numbers; `silent_s` is how long the desk has said nothing, `about` what the page is about."""
    if snapshot is None:
        return {"dead": error or "no news from the desk yet", "lights": [], "tiles": [], "silent_s": None}
    about = subject(snapshot) if about is None else about
    return {
        "dead": error if silent_s > SILENT_S else "",
        "silent_s": silent_s,
        "clock": chicago(snapshot.get("at")),
        "age": data_age(snapshot, about),
        "lights": lights(snapshot),
        "tiles": tiles(snapshot, about),
    }
