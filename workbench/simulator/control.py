"""The control plane: what is going on, and faults, clock and scenario from outside. No path of the gateway's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from workbench.domain.errors import InputError
from workbench.gateway.messages import encode
from workbench.simulator.market import FOREVER
from workbench.simulator.stamps import stamp

if TYPE_CHECKING:
    from workbench.simulator.server import Simulator

Handler = Callable[[Request], Awaitable[Response]]


def routes(simulator: Simulator) -> list[Route]:
    """Return the routes of the control plane."""
    plane = ControlPlane(simulator)
    return [
        Route("/simulator/status", plane.status, methods=["GET"]),
        Route("/simulator/faults", plane.list_faults, methods=["GET"]),
        Route("/simulator/faults", plane.set_faults, methods=["POST"]),
        Route("/simulator/faults", plane.clear_faults, methods=["DELETE"]),
        Route("/simulator/clock", plane.set_clock, methods=["POST"]),
        Route("/simulator/requests", plane.requests, methods=["GET"]),
        Route("/simulator/truth", plane.truth, methods=["GET"]),
        Route("/simulator/scenario", plane.scenario, methods=["POST"]),
    ]


def _reply(body: Any, status: int = 200) -> Response:
    return Response(encode(body), status_code=status, media_type="application/json")


async def _object(request: Request) -> dict[str, Any]:
    """Return the JSON object of a body, or raise InputError."""
    try:
        body = msgspec.json.decode(await request.body() or b"{}")
    except msgspec.DecodeError as error:
        raise InputError(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise InputError("the body must be a JSON object")
    return body


class ControlPlane:
    """Reads and steers a `Simulator`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    async def status(self, request: Request) -> Response:
        return _reply(self.state())

    def state(self) -> dict[str, Any]:
        """Return the simulator's state as plain data."""
        simulator = self.simulator
        simulator.sync()
        clock, pump, end = simulator.clock, simulator.pump, simulator.feed.end_at()
        return {
            "now": simulator.exchange.now,
            "time": stamp(simulator.exchange.now),
            "rate": clock.rate,
            "paused": clock.paused,
            "lockstep": clock.lockstep,
            "seq": pump.sequence,
            "ended": pump.ended or (end != FOREVER and simulator.exchange.now >= end and not clock.lockstep),
            "end": None if end == FOREVER else end,
            "participants": [
                {"name": c.participant, "hub": c.hub, "acknowledged": c.acknowledged} for c in pump.participants()
            ],
            "connections": {hub: sum(1 for _ in simulator.hubs.of(hub)) for hub in ("user", "market")},
            "contracts": [c.id for c in simulator.market.live.values()],
            "events": simulator.hubs.counts,
            "requests": simulator.requests.total,
            "scenario": simulator.scenario.name,
            "seed": simulator.config.seed,
        }

    async def list_faults(self, request: Request) -> Response:
        return _reply(self.simulator.faults.listing())

    async def set_faults(self, request: Request) -> Response:
        try:
            body = await _object(request)
            name = body.pop("fault", None) or body.pop("name", None)
            if not isinstance(name, str):
                raise InputError('name the switch: {"fault": "drop_hub", "count": 1}; GET /simulator/faults lists them')
            parameters = body.pop("parameters", {})
            self.simulator.faults.set(name, **(body | parameters))
        except InputError as error:
            return _reply({"error": str(error)}, 400)
        return _reply(self.simulator.faults.listing()["active"])

    async def clear_faults(self, request: Request) -> Response:
        try:
            self.simulator.faults.clear(request.query_params.get("fault"))
        except InputError as error:
            return _reply({"error": str(error)}, 400)
        return _reply(self.simulator.faults.listing()["active"])

    async def set_clock(self, request: Request) -> Response:
        """Take ``{"rate": 60}``, ``{"pause": true}``, ``{"resume": true}`` or ``{"lockstep": true}``."""
        clock = self.simulator.clock
        try:
            body = await _object(request)
            for key, value in body.items():
                if (
                    key == "rate"
                    and isinstance(value, int | float)
                    and not isinstance(value, bool)
                    and 0 < value <= 100_000
                ):
                    self.simulator.sync()
                    clock.set_rate(float(value))
                elif key in ("pause", "resume") and value is True:
                    self.simulator.sync()
                    clock.pause(key == "pause")
                elif key == "lockstep" and isinstance(value, bool):
                    self.simulator.sync()
                    clock.set_lockstep(value)
                else:
                    raise InputError(
                        f"cannot set the clock to {key}={value!r}; rate (above 0), pause, resume, lockstep"
                    )
        except InputError as error:
            return _reply({"error": str(error)}, 400)
        self.simulator.pump.announce(self.simulator.pump.participants())
        self.simulator.pump.wake()
        return _reply(self.state())

    async def requests(self, request: Request) -> Response:
        path = request.query_params.get("path", "")
        entries = [e for e in self.simulator.requests.entries if e["path"].startswith(path)]
        return _reply({"total": self.simulator.requests.total, "requests": entries})

    async def truth(self, request: Request) -> Response:
        """Answer with all the firm knows, for oracles in tests: floors and blocks too, which no endpoint gives."""
        self.simulator.sync()
        exchange = self.simulator.exchange
        accounts = [
            {
                **msgspec.to_builtins(a.model(), builtin_types=()),
                "floor": a.floor, "dayStart": a.day_start, "failed": a.failed, "blocked": a.blocked,
                "equity": float(a.equity(exchange.last)), "capMinis": a.cap_minis,
                "positions": [p.model(a.id) for p in a.positions.values() if p.qty],
                "trades": [t.model(7) for t in a.trades],
                "orders": [o.model(7) for o in exchange.orders.values() if o.account == a.id],
            }
            for a in exchange.accounts.values()
        ]  # fmt: skip
        return _reply({"now": exchange.now, "accounts": accounts})

    async def scenario(self, request: Request) -> Response:
        try:
            self.simulator.scenario.load(await _object(request))
        except InputError as error:
            return _reply({"error": str(error)}, 400)
        return JSONResponse({"scenario": self.simulator.scenario.name})
