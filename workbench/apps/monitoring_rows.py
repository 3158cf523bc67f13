"""The tables of the monitoring page, from snapshots, the monitor's answer and the audit log. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from workbench.apps import frame as shown
from workbench.apps.frame import SILENT_S, age, lights, short, tone
from workbench.apps.grid import Row, columns
from workbench.apps.live_rows import LEVELS
from workbench.widgets.cards import CHICAGO, chicago, money, plain_money

Json = dict[str, Any]

PROCESS_HEADS = columns("Process", "State", "#Pid", "#Restarts", "#Last word", "Since CT", "~Why")
LINE_HEADS = columns("What", "State", "#Age", "#Last price", "Last at CT")
ACCOUNT_HEADS = columns("Account", "#Equity USD", "#Day P&L USD", "#Open USD", "#Exposure USD", "#Micros", "#At worst")
ALERT_HEADS = columns("Market CT", "What", "Account", "~Text", "Wall CT")
AUDIT_HEADS = columns("When CT", "Who", "What", "From", "~Details")
PAGE_SIZE = 25

STATES = {
    "running": ("● running", "ok"), "live": ("● live", "ok"), "starting": ("◔ starting", "info"),
    "stopped": ("‖ stopped", "warn"), "closed": ("○ closed", "dim"), "down": ("○ down", "dim"),
    "stale": ("▲ stale", "warn"), "lost": ("✖ lost", "alarm"), "degraded": ("✖ degraded", "alarm"),
}  # fmt: skip


def process_rows(snapshot: Json, silent_s: float) -> list[Row]:
    """Return a row for each process: the desk, the ingest, and a runner for each account."""
    desk = snapshot.get("desk") or {}
    alive = silent_s <= SILENT_S
    rows = [
        _process(
            "desk",
            "running" if alive else "lost",
            {"pid": desk.get("pid"), "age_s": silent_s, "up_s": desk.get("uptime_s"), "version": desk.get("version")},
        )
    ]
    ingest = desk.get("ingest")
    if ingest is not None:
        rows.append(_process("ingest", ingest["state"], ingest))
    for account in snapshot.get("accounts", []):
        runner = account.get("runner") or {}
        rows.append(_process(f"runner {account['account']}", runner.get("state", "unknown"), runner))
    return rows


def _process(name: str, state: str, told: Json) -> Row:
    since = f"up {age(told['up_s'])}" if told.get("up_s") is not None else stamp(told.get("since"))
    why = told.get("reason") or (f"version {told['version']}" if told.get("version") else None)
    restarts = told.get("restarts")
    again: tuple[str, str] | None = None if restarts is None else (str(restarts), "warn" if restarts else "")
    word = STATES.get(state, (f"? {state}", "warn"))
    pid = str(told["pid"]) if told.get("pid") else None
    return Row(id=name, cells=[name, word, pid, again, age(told.get("age_s")), since, why])


def line_rows(snapshot: Json) -> list[Row]:
    """Return a row for each stream, and for each line of market data with its age."""
    rows = [
        Row(
            id=f"stream {s['name']}",
            cells=[s["name"], ("● up", "ok") if s["up"] else ("✖ down", "alarm"), age(s.get("age_s")), None, None],
        )
        for s in snapshot.get("streams", [])
    ]
    rows += [
        Row(
            id=f"data {d['contract']} {d['timeframe']}",
            cells=[
                f"{short(d['contract'])} {d['timeframe']}", STATES.get(d["state"], (f"? {d['state']}", "warn")),
                age(d.get("age_s")), shown.price(d.get("last_price"), d["contract"]),
                chicago(d.get("last_ts")).removesuffix(" CT"),
            ],
        )
        for d in snapshot.get("data", [])
    ]  # fmt: skip
    return rows


def account_rows(snapshot: Json, monitored: Json) -> list[Row]:
    """Return exposure of each account and of all together; what a runner did not tell is a dash, never 0."""
    known = {row.get("account"): row for row in monitored.get("accounts", [])}
    rows = []
    for account in snapshot.get("accounts", []):
        both = {**known.get(account["account"], {}), **{k: v for k, v in account.items() if v is not None}}
        halted = f" ✖ {', '.join(account['halted'])}" if account.get("halted") else ""
        rows.append(_account(f"{account['account']} {account['name']}{halted}", both))
    if len(rows) > 1:
        rows.append(_account("all accounts", monitored.get("sum") or {}))
    return rows


def _account(name: str, told: Json) -> Row:
    exposure = told.get("notional_usd", told.get("exposure_usd"))
    cells = [
        name, _amount(told.get("equity_usd")), _gain(told.get("day_pnl_usd")), _gain(told.get("open_usd")),
        _amount(exposure), _count(told.get("micros")), _count(told.get("worst_micros")),
    ]  # fmt: skip
    return Row(id=name.partition(" ")[0], cells=cells)


def alert_rows(snapshot: Json) -> list[Row]:
    """Return the alerts, the newest first."""
    newest = sorted(enumerate(snapshot.get("alerts", [])), key=lambda pair: (pair[1]["at"], pair[0]), reverse=True)
    return [
        Row(
            id=f"{a['at']}-{a['text']}",
            cells=[
                stamp(a.get("market_at")), LEVELS.get(a["level"], (a["level"], "")), str(a.get("account") or ""),
                a["text"], stamp(a["at"]),
            ],
        )
        for _, a in newest
    ]  # fmt: skip


def audit_rows(lines: list[Json], words: str = "") -> list[Row]:
    """Return the lines of the audit log in which all of `words` occur, in their order."""
    rows = [
        Row(
            id=f"{line.get('at')}-{n}",
            cells=[stamp(line.get("at")), line.get("who"), line.get("what"), line.get("source"), details(line)],
        )
        for n, line in zip(range(len(lines), 0, -1), lines, strict=True)
    ]
    wanted = words.lower().split()
    return [row for row in rows if all(w in " ".join(str(c or "") for c in row.cells).lower() for w in wanted)]


def details(line: Json) -> str:
    """Return what a line says besides who, what and where, in one line.

    >>> details({"details": {"status": 200, "body": {"person": "ann"}}})
    'status 200 · body {"person": "ann"}'
    """
    told = line.get("details") or {}
    parts = [
        f"{k} {v if isinstance(v, str | int | float) else json.dumps(v)}"
        for k, v in told.items()
        if v not in (None, "", {})
    ]
    text = " · ".join(parts)
    return text if len(text) <= 110 else text[:109] + "…"


def latch_text(stop: Json) -> tuple[str, str]:
    """Return what is to be said of the stop's latch, and its tone."""
    if not stop.get("latched"):
        last = (stop.get("last_result") or {}).get("result")
        return (f"not latched; the last stop ended {last}" if last else "not latched"), "ok"
    accounts = ", ".join(str(a) for a in stop.get("accounts", [])) or "all accounts"
    return f"LATCHED for {accounts} since {stamp(stop.get('at'))} CT by {stop.get('by')}: {stop.get('reason')}", "alarm"


def board(
    snapshot: Json | None, *, silent_s: float, error: str, monitored: Json, rate: float | None, asked_ms: float | None
) -> Json:
    """Return lights and big numbers of the whole desk; rates and times are measured by this page."""
    if snapshot is None:
        return {"dead": error or "no news from the desk yet", "lights": [], "tiles": [], "silent_s": None}
    dead = error if silent_s > SILENT_S else ""
    return {
        "dead": dead,
        "silent_s": silent_s,
        "clock": chicago(snapshot.get("at")),
        "lights": lights(snapshot),
        "tiles": _tiles(snapshot, monitored, silent_s, rate, asked_ms),
    }


def _tiles(snapshot: Json, monitored: Json, silent_s: float, rate: float | None, asked_ms: float | None) -> list[Json]:
    total, alerts = monitored.get("sum") or {}, snapshot.get("alerts", [])
    text, shade = latch_text(snapshot.get("stop") or {})
    value, colour = ("LATCHED", "down") if shade == "alarm" else ("free", "up")
    alarms = sum(a["level"] == "critical" for a in alerts)
    count = {"value": str(alarms), "tone": "down" if alarms else "", "note": f"of {len(alerts)} alerts"}
    accounts = snapshot.get("accounts", [])
    known = sum(a.get("equity_usd") is not None for a in accounts)
    told = {"note": "" if known == len(accounts) else f"{known} of {len(accounts)} accounts known"}
    day = total.get("day_pnl_usd")
    return [
        {"label": "Stop latch", "value": value, "tone": colour, "note": text},
        {"label": "Day P&L, all", **_usd(money(day)), "tone": tone(day), **told},
        {"label": "Equity, all", **_usd(plain_money(total.get("equity_usd"))), **told},
        {"label": "Exposure, all", **_usd(plain_money(total.get("notional_usd")))},
        {"label": "Alarms kept", **count},
        {"label": "Desk answers in", **_unit(asked_ms, "ms"), "note": "this page asked"},
        {"label": "Snapshots", **_unit(rate, "per s", 1), "note": f"the newest is {age(silent_s)} old"},
    ]


def stamp(at: int | None) -> str:
    """Return date and time of day of a UTC-nanosecond instant at the exchange.

    >>> stamp(1_796_135_400_000_000_000)
    '12-01 08:30:00'
    """
    return "–" if not at else f"{datetime.fromtimestamp(at / 1e9, UTC).astimezone(CHICAGO):%m-%d %H:%M:%S}"


def _usd(text: str) -> Json:
    value, _, unit = text.partition(" ")
    return {"value": value, "unit": unit}


def _unit(value: float | None, unit: str, digits: int = 0) -> Json:
    return {"value": "–"} if value is None else {"value": f"{value:,.{digits}f}", "unit": unit}


def _amount(value: float | None) -> str | None:
    return None if value is None else f"{value:,.2f}"


def _gain(value: float | None) -> tuple[str, str]:
    return money(value).removesuffix(" USD"), tone(value)


def _count(value: int | None) -> str | None:
    return None if value is None else str(value)
