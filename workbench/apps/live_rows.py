"""The tables of the live desk, from snapshots: rows, what can be done with each, and the request that does it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from workbench.apps.frame import SILENT_S, age, level, price, short, tick_of, tone
from workbench.apps.grid import Act, Cell, Field, Row, columns
from workbench.domain.errors import InputError
from workbench.widgets.cards import CHICAGO, STATES, chicago, living_first, money, signed, version_name

Json = dict[str, Any]
Request = tuple[str, str, Json]  # method, path, body

SESSION_HEADS = columns(
    "~Session",
    "State",
    "~Strategy",
    "Contract",
    "~Begins · stream lost",
    "#Position",
    "#P&L",
    "#Trades",
    "~Last signal",
)
POSITION_HEADS = columns("Account", "Contract", "#Qty", "#Average", "#Last", "#Open P&L")
ORDER_HEADS = columns("Time CT", "Account", "Contract", "Side", "Type", "#Qty", "#Filled", "#Price", "Status", "Rule")
SIGNAL_HEADS = columns("Time CT", "What", "Where", "~Text")
LIMIT_HEADS = columns("Account", "Limit", "#Used USD", "#Of USD", "#Left USD", "#Left %")

STATE_TONES = {"running": "ok", "paused": "warn", "warming": "info", "waiting": "info", "ended": "dim"}
LEVELS = {"info": ("■ info", "info"), "warning": ("▲ warning", "warn"), "critical": ("✖ alarm", "alarm")}
LEGS = {"STOP": "stop", "STOP_LIMIT": "stop", "TRAILING_STOP": "trail", "LIMIT": "target"}
WORKING = ("WORKING", "PENDING", "SUSPENDED")


def session_rows(snapshot: Json) -> list[Row]:
    """Return a row for each session, with what may be asked of it in its state; what is old says how old it is.

    What lives stands first, in the order of its beginning; then what is over, the newest first.
    """
    old = _silent(snapshot)
    return [
        Row(
            id=s["session"],
            cells=[
                s["session"], (STATES.get(s["state"], s["state"]), STATE_TONES.get(s["state"], "")), version_name(s),
                f"{short(s['contract'])} {s['timeframe']}", _policies(s),
                _held(s, old), _earned(s, old),
                None if s.get("trades") is None else str(s["trades"]), _said(s, snapshot.get("at")),
            ],
            acts=_session_acts(s),
        )
        for s in living_first(snapshot.get("sessions", []))
    ]  # fmt: skip


def _policies(session: Json) -> str:
    begins, lost = session.get("start_policy") or "?", session.get("disconnect_policy") or "?"
    after = session.get("disconnect_after_s") if lost in ("pause", "flatten") else None
    return f"{begins} · {lost}" + (
        "" if after is None else f"\u00a0{after:g}\u00a0s"
    )  # kept together where the cell breaks


def _said(session: Json, now: int | None) -> str | None:
    # What keeps it from entering is of more use than what its rule said last.
    own = session.get("reason") if session["state"] in ("warming", "waiting") else None
    waits = "; ".join(words for words in (own, session.get("waits_for")) if words)
    text, at = session.get("last_signal"), session.get("last_signal_at")
    return waits or (f"{text} · {moment(at, now)}" if text and at else text or None)


def _silent(snapshot: Json) -> dict[int, float]:
    # Accounts whose runner is gone or silent -> seconds since its last word.
    runners = {a["account"]: a.get("runner") or {} for a in snapshot.get("accounts", [])}
    gone = {a: r.get("age_s") for a, r in runners.items() if r.get("state") not in ("running", None)}
    return {a: s for a, s in gone.items() if s is not None and s > SILENT_S}


def _held(session: Json, old: dict[int, float]) -> Cell:
    text, was_read = signed(session.get("position")), session.get("last_pnl_usd") is not None
    if session.get("account") not in old or session.get("position") is None or was_read:  # flat, as the broker showed
        return text, tone(session.get("position"))
    return f"{text} · {age(old[session['account']])} old", "dim"


def _earned(session: Json, old: dict[int, float]) -> Cell:
    now = session.get("pnl_usd")
    known = session.get("last_pnl_usd") if now is None else now
    if known is None or (now is not None and session.get("account") not in old):
        return money(now), tone(now)
    since = f"{age(old[session['account']])} old" if session.get("account") in old else "before the stop"
    return f"{money(known)} · {since}", "dim"


def _session_acts(session: Json) -> tuple[Act, ...]:
    held, state = signed(session.get("position")), session["state"]
    flatten = Act(verb="flatten", label="Flatten", sure=f"Close {held}, then pause?")
    end = Act(verb="end", label="End", sure="End this session?")
    if state in ("running", "warming", "waiting"):
        return Act(verb="pause", label="Pause"), flatten, end
    if state == "paused":
        return Act(verb="resume", label="Resume", sure="Trade again?"), flatten, end
    return ()


def position_rows(snapshot: Json) -> list[Row]:
    """Return a row for each open position of all accounts."""
    return [
        Row(
            id=f"{a['account']}/{p['contract']}",
            cells=[
                str(a["account"]), short(p["contract"]), (signed(p["qty"]), tone(p["qty"])),
                price(p.get("average_price"), p["contract"]), price(p.get("last_price"), p["contract"]),
                (money(p.get("open_usd")), tone(p.get("open_usd"))),
            ],
            acts=_position_acts(p),
        )
        for a in snapshot.get("accounts", []) for p in a.get("positions", []) if p["qty"]
    ]  # fmt: skip


def _position_acts(position: Json) -> tuple[Act, ...]:
    qty = position["qty"]
    close = Act(verb="close", label="Close", sure=f"Close {signed(qty)} at the market?")
    seen = {"seen_qty": qty}
    reverse = Act(verb="reverse", label="Reverse", sure=f"Turn {signed(qty)} to {signed(-qty)}?", seen=seen)
    if abs(qty) == 1:
        return close, reverse
    part = Field(name="qty", label="contracts", value=abs(qty) // 2, step=1)
    return close, Act(verb="part-close", label="Part close", sure="Close these", inputs=(part,), seen=seen), reverse


def order_rows(rows: list[Json], fills: list[Json] | None = None) -> list[Row]:
    """Return the blotter: what works first, then the newest first; an order that was filled has its average price."""
    filled = _averages(fills or [])
    ranked = sorted(rows, key=lambda o: (not _works(o), -(o.get("at") or 0), -(o.get("order_id") or 0)))
    return [
        Row(
            id=f"{o['account']}/{o.get('order_id') or o.get('tag')}",
            cells=[
                chicago(o.get("at")).removesuffix(" CT"), str(o["account"]), short(o["contract"]),
                (f"{'▲' if o['side'] == 'BUY' else '▼'} {o['side']}", "up" if o["side"] == "BUY" else "down"),
                o["type"], str(o["qty"]), str(o["filled"]),
                price(_price_of(o, filled), o["contract"]), _status(o), _rule(o),
            ],
            acts=_order_acts(o),
        )
        for o in ranked
    ]  # fmt: skip


def _averages(fills: list[Json]) -> dict[tuple[int, int | None], float]:
    sums: dict[tuple[int, int | None], tuple[int, float]] = {}
    for f in fills:
        if f.get("price") is not None and f["qty"]:
            key, size = (f["account"], f.get("order_id")), abs(f["qty"])
            qty, total = sums.get(key, (0, 0.0))
            sums[key] = (qty + size, total + size * f["price"])
    return {key: total / qty for key, (qty, total) in sums.items()}


def _price_of(order: Json, filled: dict[tuple[int, int | None], float]) -> float | None:
    # Where it waits as long as it may still fill, then what it was filled at.
    known = None if _works(order) else filled.get((order["account"], order.get("order_id")))
    return level(order) if known is None else known


def _rule(order: Json) -> str | None:
    """Return the rule that wanted an order; an exit names that of its entry, and what kind of exit it is.

    >>> _rule({"rule": "entry.long.bracket", "type": "STOP"}), _rule({"rule": "exit.long", "type": "MARKET"})
    ('entry.long · stop', 'exit.long')
    """
    entry, leg, _ = str(order.get("rule") or "").rpartition(".bracket")
    return f"{entry} · {LEGS.get(order['type'], 'exit')}" if leg else order.get("rule")


def _works(order: Json) -> bool:
    return str(order["status"]).upper() in WORKING


def _status(order: Json) -> tuple[str, str]:
    status = str(order["status"]).upper()
    mark = {"FILLED": ("✓ ", "ok"), "REJECTED": ("✖ ", "alarm"), "UNKNOWN": ("▲ ", "warn")}
    sign, shade = mark.get(status, ("● ", "info") if status in WORKING else ("", "dim"))
    return sign + status, shade


def _order_acts(order: Json) -> tuple[Act, ...]:
    if not _works(order) or order.get("order_id") is None:
        return ()
    cancel = Act(verb="cancel", label="Cancel", sure="Cancel this order?")
    waits_at = level(order)
    if waits_at is None:
        return (cancel,)
    tick, _ = tick_of(order["contract"])
    fields = (
        Field(name="price", label="price", value=waits_at, step=tick),
        Field(name="qty", label="qty", value=order["qty"], step=1),
    )
    seen = {"seen_price": waits_at, "seen_qty": order["qty"]}
    return Act(verb="modify", label="Modify", sure="Change it", inputs=fields, seen=seen), cancel


def signal_rows(snapshot: Json) -> list[Row]:
    """Return what was said by market time, the newest first: alerts, and the signals of each session's rule."""
    told = [*_alerts_told(snapshot), *_signals_told(snapshot)]
    newest = sorted(enumerate(told), key=lambda pair: (pair[1][0], pair[0]), reverse=True)
    return [Row(id=f"{at}-{cells[3]}-{cells[2]}", cells=cells) for _, (at, cells) in newest]


def _alerts_told(snapshot: Json) -> list[tuple[int, list[Cell]]]:
    # Market time to sort by, and the row. One whose market time nobody knew stays behind the one that was told before.
    told: list[tuple[int, list[Cell]]] = []
    for a in snapshot.get("alerts", []):
        at = a.get("market_at", a["at"])
        clock = moment(at, snapshot.get("at")) if at is not None else f"{moment(a['at'], snapshot.get('wall'))} wall"
        known = at if at is not None else told[-1][0] if told else 0
        mark = LEVELS.get(a["level"], (a["level"], ""))
        told.append((known, [clock, mark, str(a.get("account") or ""), a["text"]]))
    return told


def _signals_told(snapshot: Json) -> list[tuple[int, list[Cell]]]:
    now, mark = snapshot.get("at"), ("◆ signal", "up")
    listed = snapshot.get("signals", [])
    told: list[tuple[int, list[Cell]]] = [
        (s["at"], [moment(s["at"], now), mark, s["session"], s["rule"]]) for s in listed
    ]
    for s in snapshot.get("sessions", []):  # of an earlier runner: no later than its newest bar
        if s.get("last_signal") and s["session"] not in {row["session"] for row in listed}:
            at = s.get("last_bar_end") or 0
            told.append((at, [f"≤ {moment(at, now)}", mark, s["session"], s["last_signal"]]))
    return told


def moment(at: int, now: int | None) -> str:
    """Return the time of day at the exchange, with its date when that is not the date of `now` (both UTC ns).

    >>> moment(1_796_135_400_000_000_000, 1_796_135_500_000_000_000)
    '08:30:00'
    >>> moment(1_796_135_400_000_000_000, 1_796_235_500_000_000_000)
    '12-01 08:30:00'
    """
    dates = [datetime.fromtimestamp((ns or 0) / 1e9, CHICAGO).date() for ns in (at, now)]
    clock = chicago(at).removesuffix(" CT")
    return clock if not at or now is None or dates[0] == dates[1] else f"{dates[0]:%m-%d} {clock}"


def limit_rows(snapshot: Json) -> list[Row]:
    """Return how much room each account has to each of its limits, the tightest first."""
    found = []
    for account in snapshot.get("accounts", []):
        for limit in account.get("headroom", []):
            used, top = limit.get("used_usd"), limit.get("limit_usd")
            known = used is not None and bool(top)
            left = max(0.0, 1 - used / top) if known else None
            shade = "" if left is None else "alarm" if left < 0.2 else "warn" if left < 0.5 else "ok"
            mark = {"alarm": "✖ ", "warn": "▲ ", "ok": "● "}.get(shade, "")
            cells = [
                str(account["account"]), limit["limit"].replace("_", " "),
                f"{used:,.2f}" if used is not None else None, f"{top:,.0f}" if top else None,
                f"{top - used:,.2f}" if known else None, None if left is None else (f"{mark}{100 * left:.0f} %", shade),
            ]  # fmt: skip
            row = Row(id=f"{account['account']}/{limit['limit']}", cells=cells)
            found.append((2.0 if left is None else left, row))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


# --- what an action asks of the desk ---------------------------------------------------------------------------------


def session_request(verb: str, session: str) -> Request:
    """Return the request of a session's button."""
    return "POST", f"/api/sessions/{session}/{verb}", {"person": "dashboard"}


def position_request(verb: str, row: str, values: dict[str, str], key: str) -> Request:
    """Return the request of a position's button; `key` makes it happen once.

    Raises
    ------
    InputError
        What was typed is not a number of contracts.
    """
    account, contract = row.split("/", 1)
    body: Json = {"request": key, "person": "dashboard"}
    if verb == "part-close":
        body["qty"] = _whole(values.get("qty", ""), "contracts")
    if "seen_qty" in values:  # the account's gate does nothing about a position that has changed since
        body["seen_qty"] = int(values["seen_qty"])
    return "POST", f"/api/positions/{account}/{contract}/{verb}", body


def order_request(verb: str, row: str, values: dict[str, str], orders: list[Json], key: str) -> Request:
    """Return the request of an order's button: only what the person changed of what was shown is asked for.

    Raises
    ------
    InputError
        The order is gone, what was typed is not a number, or nothing was changed.
    """
    account, number = row.split("/", 1)
    body: Json = {"request": key, "account": int(account), "person": "dashboard"}
    if verb == "modify":
        order = next((o for o in orders if f"{o['account']}/{o.get('order_id')}" == row), None)
        if order is None:
            raise InputError(f"order {number} is not there any more")
        body |= _changes(order, values)
    return "POST", f"/api/orders/{number}/{verb}", body


def _changes(order: Json, values: dict[str, str]) -> Json:
    asked, qty = _number(values.get("price", ""), "price"), _whole(values.get("qty", ""), "qty")
    price_seen, qty_seen = level(order), order["qty"]
    if "seen_price" in values:  # the order may have moved since: what was not touched stays as it is now
        price_seen, qty_seen = float(values["seen_price"]), int(values["seen_qty"])
    changes: Json = {}
    if asked != price_seen:
        changes["limit_price" if order.get("stop_price") is None else "stop_price"] = asked
    if qty != qty_seen:
        changes["qty"] = qty
    if not changes:
        raise InputError(f"order {order['order_id']} has this price and size already; nothing was asked")
    return changes


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise InputError(f"{name} {text!r} is not a number")
    return value


def _whole(text: str, name: str) -> int:
    value = _number(text, name)
    if value != int(value) or value < 1:
        raise InputError(f"{name} {text!r} is not a whole number of one or more")
    return int(value)
