"""Small HTML for notebook reprs: no script, no style sheet, the colours of the notebook's own theme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from workbench.domain.html_table import muted, table

CHICAGO = ZoneInfo("America/Chicago")
COLOURS = {"good": "#1a7f37", "bad": "#cf222e", "warn": "#9a6700", "": "inherit"}
SHOWN_ENDED = 5  # an account keeps all of its sessions
STATES = {
    "running": "● running",
    "paused": "‖ paused",
    "warming": "◔ warming",
    "waiting": "◔ waiting",
    "ended": "○ ended",
}


def money(value: float | None) -> str:
    """Return dollars with sign; a missing value is a dash, never 0.

    >>> money(1234.5), money(-3), money(0), money(None)
    ('+1,234.50 USD', '−3.00 USD', '0.00 USD', '–')
    """
    if value is None or value != value:
        return "–"
    return f"{'−' if value < 0 else '+' if value > 0 else ''}{abs(value):,.2f} USD"


def plain_money(value: float | None) -> str:
    """Return an amount that is not a gain or a loss, such as a balance."""
    return "–" if value is None or value != value else f"{value:,.2f} USD"


def signed(qty: int | None) -> str:
    """Return a position as people read it."""
    return "–" if qty is None else "flat" if qty == 0 else f"{qty:+d}".replace("-", "−")


def version_name(session: dict[str, Any]) -> str:
    """Return strategy and the head of its version's hash.

    >>> version_name({"strategy": "sma_cross", "version": "15b32ecea1b3d7f1"})
    'sma_cross@15b32ece'
    """
    version = str(session.get("version") or "")
    return version if "@" in version or not version else f"{session['strategy']}@{version[:8]}"


def living_first(sessions: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sessions that live in the order of their beginning, then those that are over, the newest first.

    >>> rows = [("a", "ended", 60), ("b", "running", 90), ("c", "ended", 80)]
    >>> [s["session"] for s in living_first({"session": n, "state": s, "last_bar_end": e} for n, s, e in rows)]
    ['b', 'c', 'a']
    """

    def place(session: dict[str, Any]) -> tuple[bool, int]:
        over = session["state"] == "ended"
        return over, -(session.get("last_bar_end") or session.get("started_at") or 0) if over else 0

    return sorted(sessions, key=place)


def why(session: dict[str, Any], states: dict[str, str] | None = None) -> str:
    """Return a session's state, and what it waits for or why it does not trade.

    >>> why({"state": "warming", "reason": "warming up: 3 of 31 bars"})
    'warming (warming up: 3 of 31 bars)'
    >>> why({"state": "running", "reason": "", "waits_for": "the market is closed until Sun 17:00 Chicago"})
    'running (the market is closed until Sun 17:00 Chicago)'
    """
    state = session["state"]
    shown, reason = (states or {}).get(state, state), "" if state == "running" else session.get("reason")
    told = "; ".join(text for text in (reason, session.get("waits_for")) if text)
    return f"{shown} ({told})" if told else str(shown)


def policies(session: dict[str, Any]) -> str:
    """Return what a session does about a position that was there, and about a lost stream.

    >>> policies({"start_policy": "wait_flat", "disconnect_policy": "pause", "disconnect_after_s": 30.0})
    'begins: wait_flat, stream lost: pause after 30 s'
    >>> policies({"start_policy": "adopt", "disconnect_policy": "keep"})
    'begins: adopt, stream lost: keep'
    """
    begins, lost = session.get("start_policy") or "?", session.get("disconnect_policy") or "?"
    after = session.get("disconnect_after_s")
    patience = "" if after is None or lost in ("keep", "?") else f" after {after:g} s"
    return f"begins: {begins}, stream lost: {lost}{patience}"


def chicago(at: int | None) -> str:
    """Return the time of day of a UTC-nanosecond instant at the exchange.

    >>> chicago(1_796_135_400_000_000_000)
    '08:30:00 CT'
    """
    if not at:
        return "–"
    return f"{datetime.fromtimestamp(at / 1e9, UTC).astimezone(CHICAGO):%H:%M:%S} CT"


def session_table(rows: Iterable[dict[str, Any]]) -> str:
    """Return the table of sessions."""
    head = ("session", "state", "strategy", "contract", "account", "position", "P&L", "trades", "last bar", "policies")
    cells = [
        (
            row["session"],
            why(row, STATES),
            version_name(row),
            f"{row['contract']} {row['timeframe']}",
            row["account"],
            signed(row.get("position")),
            money(row.get("pnl_usd")),
            "–" if row.get("trades") is None else row["trades"],
            chicago(row.get("last_bar_end")),
            policies(row),
        )
        for row in rows
    ]
    return table(head, cells, right=(4, 5, 6, 7, 8))


def order_card(answer: dict[str, Any]) -> str:
    """Return what became of a wish to place, change, cancel or close: accepted, or refused with the reason."""
    accepted = bool(answer.get("accepted"))
    text = "✔ accepted: on its way to the exchange" if accepted else f"✖ refused: {answer.get('reason') or 'no reason'}"
    tone, order = COLOURS["good" if accepted else "bad"], answer.get("order") or {}
    rows = table(
        ("order", "contract", "side", "type", "qty", "filled", "limit (points)", "stop (points)", "status", "rule"),
        [(
            order.get("order_id"), order.get("contract"), order.get("side"), order.get("type"), order.get("qty"),
            order.get("filled"), points(order.get("limit_price")), points(order.get("stop_price")),
            order.get("status"), order.get("rule"),
        )],
        right=(0, 4, 5, 6, 7),
    ) if order else ""  # fmt: skip
    head = f'<div style="border-left:6px solid {tone};padding:4px 12px"><b>{escape(text)}</b></div>'
    return f"<div>{head}{rows}</div>"


def points(value: float | None) -> str:
    """Return a price in points; a missing one is a dash.

    >>> points(6845.5), points(None)
    ('6,845.50', '–')
    """
    return (
        "–" if value is None or value != value else f"{value:,.2f}" if value * 100 == int(value * 100) else f"{value:,}"
    )


def stop_card(result: str, latched: bool, remaining: Sequence[str], ms: float | None) -> str:
    """Return the box that says what a stop came to."""
    tone, text = {
        "FLAT": ("good", "✔ FLAT: verified at the broker"),
        "NOT_FLAT": ("bad", "✖ NOT FLAT: something remains"),
    }.get(result, ("bad", "✖ DESK DEAD: stop file dropped, nothing verified"))
    took = "" if ms is None else f" · {ms:,.0f} ms"
    held = "latched until cleared with a reason" if latched else "NOT latched"
    items = "".join(f"<li>{escape(item)}</li>" for item in remaining)
    return (
        f'<div style="border-left:6px solid {COLOURS[tone]};padding:6px 12px">'
        f'<b style="color:{COLOURS[tone]}">{text}</b><br><span>{held}{took}</span>'
        f"{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def desk_card(snapshot: dict[str, Any] | None, url: str, error: str = "") -> str:
    """Return the desk at a glance: gateway, stop, accounts, sessions; or why it cannot be seen."""
    if snapshot is None:
        box = f'<div style="border-left:6px solid {COLOURS["bad"]};padding:6px 12px">'
        return f"{box}<b>DESK DEAD</b><br>{escape(error)}</div>"
    gateway, stop = snapshot.get("gateway", {}), snapshot.get("stop", {})
    lights = [
        f"profile <b>{escape(str(gateway.get('profile')))}</b>",
        "gateway connected" if gateway.get("connected") else f'<b style="color:{COLOURS["bad"]}">gateway LOST</b>',
        f'<b style="color:{COLOURS["bad"]}">STOPPED: {escape(str(stop.get("reason")))}</b>'
        if stop.get("latched")
        else "stop clear",
        f"market time {chicago(snapshot.get('at'))}",
    ]
    accounts = table(
        ("account", "name", "balance", "day P&L", "runner"),
        [
            (a["account"], a["name"], plain_money(a.get("balance_usd")), money(a.get("day_pnl_usd")),
             (a.get("runner") or {}).get("state", "–"))
            for a in snapshot.get("accounts", [])
        ],
        right=(2, 3),
    )  # fmt: skip
    ordered = living_first(snapshot.get("sessions", []))
    shown = sum(s["state"] != "ended" for s in ordered) + SHOWN_ENDED
    sessions = session_table(ordered[:shown])
    rest = muted(f"{len(ordered) - shown} more ended sessions: desk.sessions") if len(ordered) > shown else ""
    return f"<div><b>Desk</b> {escape(url)} · {' · '.join(lights)}{accounts}{sessions}{rest}</div>"
