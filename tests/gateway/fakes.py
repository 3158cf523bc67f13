"""Fakes for the gateway room: a pair of hub connections that talk to each other."""

from __future__ import annotations

from workbench.gateway.protocol import HandshakeRequest, HubConnection, Message


class HubPair:
    """A client and a server connection, joined without a socket, handshake done."""

    def __init__(self, **client_options: object) -> None:
        self.client = HubConnection(server=False, **client_options)  # type: ignore[arg-type]
        self.server = HubConnection(server=True)
        _, reply = self.server.receive_data(self.client.send(HandshakeRequest()))
        self.client.receive_data(reply)

    def from_client(self, message: Message) -> list[Message]:
        """Send from the client; return what the server reads."""
        return self.server.receive_data(self.client.send(message).encode())[0]

    def from_server(self, message: Message) -> list[Message]:
        """Send from the server; return what the client reads."""
        return self.client.receive_data(self.server.send(message).encode())[0]
