"""The fault switches: each with its name, what it does and its parameters; set, counted, timed, listed, cleared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workbench.domain.errors import InputError, UnknownName

ORDER_PATHS = "/api/Order"


@dataclass(frozen=True, slots=True)
class Kind:
    """A switch. `acts` = it happens at once when set and is not kept; otherwise it stays for its count or duration."""

    what: str
    parameters: dict[str, Any] = field(default_factory=dict)
    acts: bool = False


KINDS: dict[str, Kind] = {
    # shape of the wire
    "flat_user_events": Kind("user events as bare objects instead of {action, data}"),
    "object_trades": Kind("trades as one object per event instead of an array"),
    "one_item_trades": Kind("trade arrays of one item each"),
    "sparse_first_quote": Kind("the first quote after a subscription is sparse too"),
    "full_quotes": Kind("every quote is full"),
    "dom_reset": Kind("clear the book, then send it anew", {"contract": ""}, acts=True),
    "reorder_events": Kind("user events of one moment arrive in another order"),
    "duplicate_events": Kind("every user event arrives twice"),
    "duplicate_opening_trade": Kind("a closing fill sends the opening half-turn again"),
    # orders
    "position_brackets": Kind("the accounts are in Position-Brackets mode: bracket objects are refused"),
    "unsigned_brackets": Kind("bracket ticks are taken without the sign check"),
    "duplicate_tag": Kind("a fresh custom tag is refused as if it were used"),
    "allow_duplicate_tag": Kind("a used custom tag is taken again"),
    "hours_code_5": Kind("orders outside the hours are refused with code 5 instead of 2"),
    "reject_order": Kind("the next orders are refused", {"text": "Not enough margin."}),
    "refuse_cancel": Kind("cancels are refused; closed_only = only while the contract does not trade",
                          {"closed_only": False}),
    "part_fills": Kind("our orders get no more than the size of a print"),
    # REST
    "expire_tokens": Kind("every token expires, 401 after that", {"after_s": 0.0}, acts=True),
    "unauthorized": Kind("401 on any authorised request", {"path": ""}),
    "rate_limited": Kind("429", {"path": "", "retry_after": 1}),
    "timeout_before": Kind("no answer, and nothing happened", {"path": "/api/Order/place", "hang_s": 60.0}),
    "timeout_after": Kind("no answer, but it happened", {"path": "/api/Order/place", "hang_s": 60.0}),
    "server_error": Kind("a 5xx with an HTML body; after = it happened", {"path": "", "status": 503, "after": False}),
    "truncated_body": Kind("a JSON body cut in the middle; it happened", {"path": ""}),
    "corrupt_body": Kind("a body that is no JSON; it happened", {"path": ""}),
    "slow_replies": Kind("answers come late", {"path": "", "delay_s": 1.0}),
    "empty_live_tier": Kind("live:true finds no contracts and no bars"),
    "bars_cap": Kind("no more than so many bars, whatever was asked", {"cap": 1000}),
    # hubs
    "drop_hub": Kind("reset the sockets", {"hub": "both"}, acts=True),
    "refuse_hub": Kind("401 on negotiate and upgrade", {"hub": "both"}),
    "zombie_hub": Kind("pings flow, data does not", {"hub": "both"}),
    "close_message": Kind("type 7, then the socket closes",
                          {"hub": "both", "error": "", "allow_reconnect": True}, acts=True),
    "gateway_logout": Kind("GatewayLogout on both hubs and every token void", {"void": True}, acts=True),
    "corrupt_frame": Kind("a frame that is no JSON", {"hub": "both"}, acts=True),
    "no_completion": Kind("invocations are carried out but not answered"),
    "silent_pings": Kind("no keep-alive pings", {"hub": "both"}),
}  # fmt: skip


@dataclass(slots=True)
class Active:
    """A switch that is on: how often it still acts, until when (monotonic seconds), with what parameters."""

    name: str
    parameters: dict[str, Any]
    count: int | None = None
    until: float | None = None
    hits: int = 0


class Faults:
    """The switches that are on. `perform` carries out those that act at once."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.active: dict[str, Active] = {}
        self.history: list[str] = []
        self.perform: Callable[[str, dict[str, Any]], None] = lambda name, parameters: None
        self.changed: Callable[[], None] = lambda: None

    def set(self, name: str, *, count: int | None = None, duration_s: float | None = None, **parameters: Any) -> None:
        """Turn a switch on, or carry it out at once when it acts.

        Parameters
        ----------
        name : str
            One of `KINDS`.
        count : int, optional
            It acts so many times, then it is off.
        duration_s : float, optional
            It is off after so many real seconds.
        **parameters
            The switch's own.

        Raises
        ------
        UnknownName
            No such switch, or no such parameter of it.
        InputError
            A count or duration that is not above 0.
        """
        kind = KINDS.get(name)
        if kind is None:
            raise UnknownName("fault", name, KINDS)
        for each in parameters:
            if each not in kind.parameters:
                raise UnknownName("parameter", each, {*kind.parameters, "count", "duration_s"}, where=f"fault {name}")
        for what, value in (("count", count), ("duration_s", duration_s)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
                raise InputError(f"{what} of fault {name} must be above 0, not {value!r}")
        merged = {**kind.parameters, **parameters}
        self.history.append(name)
        if kind.acts:
            self.perform(name, merged)
            return
        until = None if duration_s is None else self._monotonic() + duration_s
        self.active[name] = Active(name, merged, count, until)
        self.changed()

    def clear(self, name: str | None = None) -> None:
        """Turn one switch (or all) off."""
        if name is not None and name not in KINDS:
            raise UnknownName("fault", name, KINDS)
        for each in [name] if name else list(self.active):
            self.active.pop(each, None)
        self.changed()

    def on(self, name: str) -> dict[str, Any] | None:
        """Return the parameters of a switch that is on, None when it is off; nothing is used up."""
        active = self.active.get(name)
        if active is None:
            return None
        if active.until is not None and self._monotonic() >= active.until:
            del self.active[name]
            self.changed()
            return None
        return active.parameters

    def take(self, name: str, *, path: str = "") -> dict[str, Any] | None:
        """Return the parameters if the switch acts now (on this REST path), and use up one of its count."""
        parameters = self.on(name)
        if parameters is None or not path.startswith(parameters.get("path", "")):
            return None
        active = self.active[name]
        active.hits += 1
        if active.count is not None:
            active.count -= 1
            if active.count == 0:
                del self.active[name]
                self.changed()
        return parameters

    def hits_hub(self, name: str, hub: str) -> bool:
        """Tell whether a hub switch is on for this hub."""
        parameters = self.on(name)
        return parameters is not None and parameters["hub"] in ("both", hub)

    def listing(self) -> dict[str, Any]:
        """Return all switches with what they do, and those that are on."""
        for name in list(self.active):
            self.on(name)
        return {
            "available": {
                name: {"what": kind.what, "parameters": kind.parameters, "acts_at_once": kind.acts}
                for name, kind in KINDS.items()
            },
            "active": {
                name: {"count": a.count, "hits": a.hits, "parameters": a.parameters} for name, a in self.active.items()
            },
            "history": self.history[-200:],
        }
