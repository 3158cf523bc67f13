"""What surfaces see of the desk: one snapshot of plain values, None for what is not known."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.domain.account import kind_from_name
from workbench.domain.errors import StorageError
from workbench.domain.hours import local
from workbench.services.children import Child
from workbench.services.clock import wall_ns
from workbench.services.version import program_version
from workbench.services.waiting import waits_for
from workbench.storage.latch import read_latch, stopped_mark
from workbench.storage.links import AccountLink, load_link

if TYPE_CHECKING:
    from workbench.services.supervisor import Desk

Json = dict[str, Any]
MOST_SIGNALS = 60  # all of them go out with every snapshot


class DeskView:
    """Reads a `Desk`; changes nothing.

    Parameters
    ----------
    desk : Desk
        Whose state is shown.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._links_told: dict[int, str] = {}

    def snapshot(self) -> Json:
        """The whole visible state; what is not known is None."""
        runners = {a: r.last.get("snapshot", {}) for a, r in self._desk.runners.items()}
        latch = read_latch(self._desk.home, None)
        stopped = [a for a in self._desk.all_accounts() if read_latch(self._desk.home, a) is not None]
        first = latch or (read_latch(self._desk.home, stopped[0]) if stopped else None)
        return {
            "at": self._desk.clock.now(),
            "wall": wall_ns(),
            "local": local(self._desk.clock.now()).isoformat(timespec="seconds"),
            "desk": {
                "version": program_version(),
                "pid": os.getpid(),
                "uptime_s": round(time.monotonic() - self._desk.begun),
                "ingest": _process(self._desk.ingest),
            },
            "gateway": {
                "profile": self._desk.profile.name,
                "url": self._desk.profile.rest_url,
                "connected": not self._desk.gateway_error,
                "error": self._desk.gateway_error,
                "clock": {"rate": self._desk.clock.rate, "lockstep": self._desk.clock.lockstep},
            },
            "stop": {
                "latched": first is not None,
                "reason": first.reason if first else None,
                "by": first.by if first else None,
                "at": first.at if first else None,
                "account": first.account if first else None,  # None: everything, as the command that clears it names it
                "accounts": stopped,
                "last_result": self._desk.button.result,
            },
            "accounts": [self._account(a, runners.get(a, {})) for a in sorted({*self._desk.accounts, *runners})],
            "sessions": [s for account, snapshot in runners.items() for s in self.sessions(account, snapshot)],
            "signals": newest_signals(runners),
            "data": self._data_lines(),
            "streams": [s for child in (self._desk.ingest, *self._desk.runners.values()) for s in _streams(child)],
            "alerts": list(self._desk.alerts)[-50:],
        }

    def sessions(self, account: int, snapshot: Json) -> list[Json]:
        """Sessions of an account as its runner told of them; a stop has ended them, whatever they said last."""
        told: list[Json] = snapshot.get("sessions", [])
        runner = self._desk.runners.get(account)
        gone = runner is None or runner.channel is None
        if not (gone and stopped_mark(self._desk.home, account).exists()):
            return [self.session(s) for s in told]
        return [{**s, "state": "ended", "reason": s.get("reason") or "ended by the stop"} for s in told]

    def session(self, row: Json) -> Json:
        """A session's row as people see it: with what it waits for, and until when."""
        clock = self._desk.clock
        stands = clock.announced and not clock.rate and not clock.lockstep
        return {**row, "waits_for": waits_for(row, clock.now(), stands=stands)}

    def _data_lines(self) -> list[Json]:
        lines: list[Json] = self._desk.ingest.last.get("status", {}).get("lines", [])
        if not self._desk.ingest.is_silent:
            return lines
        now = self._desk.clock.now()  # what was live when ingest spoke last grows old with it
        ages = [None if r["last_ts"] is None else max(0.0, (now - r["last_ts"]) / 1e9) for r in lines]
        shown = ["closed" if r["state"] == "closed" else "stale" for r in lines]
        return [{**r, "age_s": age, "state": state} for r, age, state in zip(lines, ages, shown, strict=True)]

    def link(self, account: int) -> AccountLink | None:
        # A damaged link is shown once and counts as none: it must not hide everything else, least of all the stop.
        try:
            return load_link(self._desk.home, account)
        except StorageError as error:
            if self._links_told.get(account) != str(error):
                self._links_told[account] = str(error)
                self._desk.alert("critical", str(error), account)
            return None

    def _account(self, account: int, snapshot: Json) -> Json:
        listed, link, runner = self._desk.accounts.get(account), self.link(account), self._desk.runners.get(account)
        name = listed.name if listed else str(account)
        base: Json = {
            "account": account,
            "name": name,
            "kind": str(link.kind if link else kind_from_name(name)),
            "can_trade": listed.can_trade if listed else None,
            "balance_usd": float(listed.balance) if listed else None,
            "equity_usd": None,
            "day_pnl_usd": None,
            "realized_usd": None,
            "open_usd": None,
            "fees_usd": None,
            "headroom": [],
            "positions": [],
            "working": [],
            "halted": [],
        }
        known = {k: v for k, v in snapshot.get("account", {}).items() if k != "name" and v is not None}
        if (
            listed is not None and runner is not None and self._desk.accounts_at > runner.heard_at
        ):  # the younger word counts
            known = {k: v for k, v in known.items() if k not in ("balance_usd", "can_trade")}
        state = {**_process(runner), "epoch": snapshot.get("epoch")}
        return {**base, **known, "linked": link is not None, "runner": state}


def newest_signals(runners: Mapping[int, Json]) -> list[Json]:
    """Return what the rules of all accounts said, the oldest first."""
    rows = [{**row, "account": a} for a, snapshot in runners.items() for row in snapshot.get("signals", [])]
    return sorted(rows, key=lambda row: row["at"])[-MOST_SIGNALS:]


def _process(child: Child | None) -> Json:
    return {
        "state": child.state if child else "down",
        "pid": child.pid if child else None,
        "since": child.since if child else None,
        "restarts": child.restarts if child else 0,
        "age_s": round(time.monotonic() - child.heard_at, 1) if child and child.heard_at else None,
        "reason": (child.reason or None) if child else None,
    }


def _streams(child: Child) -> list[Json]:
    told = [s for body in child.last.values() for s in body.get("streams", [])]
    return [{**s, "up": False} for s in told] if child.is_silent else told
