"""The two SignalR hubs: negotiate, upgrade, handshake, invocations, keep-alive, and the endings a scenario asks for."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from workbench.domain.errors import LocalProtocolError, RemoteProtocolError
from workbench.gateway.protocol import Close, Completion, HubMessage, Invocation, Ping, State, StreamInvocation
from workbench.simulator.connections import METHODS, Connection
from workbench.simulator.tokens import bearer

if TYPE_CHECKING:
    from workbench.simulator.server import Simulator

# The clock extension: only our own clients call these, so no other client ever sees the clock.
SUBSCRIBE_CLOCK, ACKNOWLEDGE_CLOCK = "SubscribeSimulatorClock", "AcknowledgeSimulatorClock"
NO_METHOD = "Failed to invoke '{}' due to an error on the server. HubException: Method does not exist."
BAD_ARGUMENTS = (
    "Failed to invoke '{}' due to an error on the server. InvalidDataException: Invocation arguments do not fit."
)
# ASP.NET finds a method by its name in any case
SUBSCRIPTIONS = {
    hub: {
        f"{verb}{what}".lower(): (verb, event)
        for what, event in events.items()
        for verb in ("Subscribe", "Unsubscribe")
    }
    for hub, events in METHODS.items()
}
UNAUTHORIZED = {"WWW-Authenticate": "Bearer"}
FRAME_RECORDS = 64  # records joined into one text frame at most


class HubServer:
    """Serves both hubs of a `Simulator`."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    def _user(self, source: Request | WebSocket, hub: str) -> str | None:
        if self.simulator.faults.hits_hub("refuse_hub", hub):
            return None
        token = source.query_params.get("access_token") or bearer(source.headers.get("authorization"))
        return self.simulator.tokens.user(token)

    async def negotiate(self, request: Request) -> Response:
        """Answer as every client likes it: any query, any content type."""
        hub = request.path_params["hub"]
        if hub not in METHODS:
            return Response(status_code=404)
        if self._user(request, hub) is None:
            return Response(status_code=401, headers=UNAUTHORIZED)
        connection = secrets.token_urlsafe(16)
        transports = [{"transport": "WebSockets", "transferFormats": ["Text", "Binary"]}]
        reply = {"negotiateVersion": 0, "connectionId": connection, "availableTransports": transports}
        if request.query_params.get("negotiateVersion", "0") != "0":
            reply |= {"negotiateVersion": 1, "connectionToken": secrets.token_urlsafe(16)}
        return JSONResponse(reply)

    async def connect(self, socket: WebSocket) -> None:
        """Serve one connection until one of the sides ends it."""
        hub = socket.path_params["hub"]
        user = self._user(socket, hub) if hub in METHODS else None
        if user is None:
            await socket.send_denial_response(
                Response(status_code=401 if hub in METHODS else 404, headers=UNAUTHORIZED)
            )
            return
        await socket.accept()
        accounts = frozenset(a.id for a in self.simulator.config.accounts if a.user.lower() == user.lower())
        connection = Connection(
            hub, user, accounts, (socket.client.host, socket.client.port) if socket.client else None
        )
        connection.heard = time.monotonic()
        self.simulator.hubs.connections.add(connection)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write(socket, connection))
                tasks.create_task(self._keep_alive(connection))
                await self._read(socket, connection)
                raise _Done
        except* (_Done, WebSocketDisconnect, RuntimeError, OSError):
            pass  # the socket is gone, by whichever side
        finally:
            self.simulator.hubs.connections.discard(connection)
            self.simulator.pump.wake()

    async def _write(self, socket: WebSocket, connection: Connection) -> None:
        while True:
            text = await connection.outbox.get()
            records = []
            while text is not None:
                records.append(text)
                if len(records) == FRAME_RECORDS or connection.outbox.empty():
                    break
                text = connection.outbox.get_nowait()
            if records:
                await socket.send_text("".join(records))
            if text is None:
                await socket.close(1000)
                raise _Done

    async def _keep_alive(self, connection: Connection) -> None:
        config = self.simulator.config
        while True:
            await asyncio.sleep(config.keep_alive_s)
            quiet = time.monotonic() - connection.heard
            if config.client_timeout_s and quiet > config.client_timeout_s:
                connection.end()
                return
            if connection.protocol.state is State.OPEN and not self.simulator.faults.hits_hub(
                "silent_pings", connection.hub
            ):
                connection.put(connection.protocol.send(Ping()))

    async def _read(self, socket: WebSocket, connection: Connection) -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            connection.heard = time.monotonic()
            try:
                said, reply = connection.protocol.receive_data(message.get("text") or message.get("bytes") or "")
            except RemoteProtocolError as error:
                connection.put(connection.protocol.send(Close(error=str(error))))
                connection.end()
                return await _drain(socket)
            if reply:
                connection.put(reply)
            for each in said:
                if self._take(connection, each):
                    connection.end()
                    return await _drain(socket)
            if connection.protocol.state is State.CLOSED:
                connection.end()
                return await _drain(socket)

    def _take(self, connection: Connection, message: Any) -> bool:
        """Act on one message; True when the client has said goodbye."""
        if isinstance(message, Close):
            return True
        if isinstance(message, Invocation):
            connection.invocations += 1
            error = self._invoke(connection, message)
            self._complete(connection, message.invocation_id, error)
        elif isinstance(message, StreamInvocation):  # neither hub has a method that streams
            self._complete(connection, message.invocation_id, NO_METHOD.format(message.target))
        return False

    def _complete(self, connection: Connection, invocation_id: str | None, error: str | None) -> None:
        if invocation_id is None or self.simulator.faults.take("no_completion") is not None:
            return
        completion: HubMessage = (
            Completion(invocation_id=invocation_id, result=None)
            if error is None
            else Completion(invocation_id=invocation_id, error=error)
        )
        try:
            connection.put(connection.protocol.send(completion))
        except LocalProtocolError:
            return  # the connection was closed meanwhile

    def _invoke(self, connection: Connection, call: Invocation) -> str | None:
        """Carry out a method; return the error text of its completion, None when it worked."""
        target, arguments = call.target, call.arguments
        if target == SUBSCRIBE_CLOCK:
            connection.participant = str(arguments[0]) if arguments else "?"
            self.simulator.pump.announce([connection])
            return None
        if target == ACKNOWLEDGE_CLOCK:
            if not arguments or not isinstance(arguments[0], int):
                return BAD_ARGUMENTS.format(target)
            connection.acknowledged = max(connection.acknowledged, arguments[0])
            self.simulator.pump.wake()
            return None
        verb, event = SUBSCRIPTIONS[connection.hub].get(target.lower(), ("", None))
        if event is None:
            return NO_METHOD.format(target)
        return self._subscribe(connection, target, event, arguments, wanted=verb == "Subscribe")

    def _subscribe(
        self, connection: Connection, target: str, event: str, arguments: list[Any], *, wanted: bool
    ) -> str | None:
        key: object = None
        if connection.hub == "market":
            if not arguments or not isinstance(arguments[0], str):
                return BAD_ARGUMENTS.format(target)
            key = arguments[0]
        elif event != "GatewayUserAccount":
            key = _number(arguments)
            if key is None:
                return BAD_ARGUMENTS.format(target)
        topic = (event, key)
        self.simulator.sync()  # what is due goes out first: the first thing of a new subscription is the full quote
        (connection.topics.add if wanted else connection.topics.discard)(topic)
        if wanted and connection.hub == "market":
            contract = self.simulator.exchange.market.live.get(str(key))
            if contract is not None:
                self.simulator.hubs.greet(connection, event, contract, self.simulator.exchange.now)
        return None


class _Done(Exception):
    """Ends a connection's task group."""


async def _drain(socket: WebSocket) -> None:
    """Read on until the other side is gone, at most 5 s, so that the writer can say its last words."""
    try:
        async with asyncio.timeout(5):
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass
    except (TimeoutError, RuntimeError):
        return


def _number(arguments: list[Any]) -> int | None:
    """Return an account id sent as a JSON number or as digits."""
    value = arguments[0] if arguments else None
    if isinstance(value, str) and value.strip().isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
