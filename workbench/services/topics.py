"""What the desk tells by topic: the values of each, every change as a numbered delta, and the last few to catch up.

A subscriber has a bounded queue. One that does not read is dropped; nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from workbench.domain.errors import InputError, UnknownName, WorkbenchError
from workbench.services.topic_values import FROM_SNAPSHOT, orders_by_tag, triggers

log = logging.getLogger(__name__)
Json = dict[str, Any]
TOPICS = ("quotes", "bars", "signals", "triggers", "orders", "positions", "pnl", "risk", "status", "alerts")
BAR_TOPIC = re.compile(r"bars:([A-Za-z0-9.]{1,40}):([0-9a-zA-Z]{2,5})")
PERIOD_S, ASKED_EVERY_S = 0.2, 1.0
KEPT_DELTAS = 512
QUEUE = 256
MOST_BAR_TOPICS = 32
FIRST_BARS, NEXT_BARS = 300, 3
ENCODER = msgspec.json.Encoder(decimal_format="number")


class Source(Protocol):
    """What is asked beside the snapshot."""

    async def bars(self, contract: str, timeframe: str, limit: int) -> list[Json]: ...

    async def orders(self, account: int | None) -> list[Json]: ...


class Subscriber:
    """One client's queue; `gone` is set when it is full: the client is too slow and will be dropped."""

    def __init__(self, most: int | None = None) -> None:
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(most or QUEUE)
        self.gone = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Hand over a message, or give the client up."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.gone.set()


class Topic:
    """The values of one topic by key, and its deltas; `seq` counts them from 0."""

    def __init__(self, name: str) -> None:
        self.name, self.seq = name, 0
        self.values: dict[str, Any] = {}
        self.deltas: deque[tuple[int, bytes]] = deque(maxlen=KEPT_DELTAS)
        self.subscribers: set[Subscriber] = set()

    def update(self, values: dict[str, Any], *, replace: bool = True) -> None:
        """Take the values of now; what changed goes to every subscriber as one delta."""
        changed = {key: value for key, value in values.items() if key not in self.values or self.values[key] != value}
        removed = [key for key in self.values if key not in values] if replace else []
        if not (changed or removed):
            return
        self.values = dict(values) if replace else {**self.values, **changed}
        self.seq += 1
        body = {"type": "delta", "topic": self.name, "seq": self.seq, "changed": changed, "removed": removed}
        message = ENCODER.encode(body)
        self.deltas.append((self.seq, message))
        for each in self.subscribers:
            each.put(message)

    def missed(self, since: int) -> list[bytes] | None:
        """Return the deltas after `since`, None when they are not all here any more."""
        if since > self.seq or (since < self.seq and (not self.deltas or self.deltas[0][0] > since + 1)):
            return None
        return [message for seq, message in self.deltas if seq > since]


class Topics:
    """All topics of one desk; reads the desk while anybody listens.

    Parameters
    ----------
    source : Source
        Bars and orders.
    snapshot : callable
        Returns the desk's snapshot, shared by all readers.
    """

    def __init__(self, source: Source, snapshot: Callable[[], Awaitable[Json]]) -> None:
        self.epoch = secrets.token_hex(4)  # sequence numbers of an earlier desk mean nothing here
        self._source, self._snapshot = source, snapshot
        self._topics = {name: Topic(name) for name in TOPICS if name != "bars"}
        self._task: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self.clients: set[Subscriber] = set()

    async def join(self, client: Subscriber) -> None:
        """A client has come."""
        self.clients.add(client)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())

    def leave(self, client: Subscriber) -> None:
        """A client has gone; whatever it subscribed to is forgotten."""
        self.clients.discard(client)
        for name, topic in list(self._topics.items()):
            topic.subscribers.discard(client)
            if not topic.subscribers and name.startswith("bars:"):
                del self._topics[name]

    async def subscribe(self, client: Subscriber, name: str, since: int | None = None, epoch: str = "") -> None:
        """Send a client the values of a topic, or what it missed since `since`; from then on every delta.

        Raises
        ------
        UnknownName, InputError
            There is no such topic, or there are too many.
        """
        topic = self._topic(name)
        if not topic.seq:
            await self._ask(topic)
        self._topics.setdefault(name, topic)
        missed = topic.missed(since) if since is not None and epoch == self.epoch else None
        topic.subscribers.add(client)
        if missed is None:
            body = {"type": "snapshot", "topic": name, "seq": topic.seq, "epoch": self.epoch, "values": topic.values}
            client.put(ENCODER.encode(body))
            return
        client.put(ENCODER.encode({"type": "resumed", "topic": name, "seq": since, "epoch": self.epoch}))
        for message in missed:
            client.put(message)

    def unsubscribe(self, client: Subscriber, name: str) -> None:
        """Send a client no more of a topic."""
        if name in self._topics:
            self._topics[name].subscribers.discard(client)

    def _topic(self, name: str) -> Topic:
        if name in self._topics:
            return self._topics[name]
        if not BAR_TOPIC.fullmatch(name):
            raise UnknownName("topic", name[:60], [*self._topics, "bars:CON.F.US.MES.Z26:1m"])
        if sum(each.startswith("bars:") for each in self._topics) >= MOST_BAR_TOPICS:
            raise InputError(f"{MOST_BAR_TOPICS} series of bars are followed already")
        return Topic(name)

    async def _follow(self) -> None:
        while self.clients:
            try:
                await self._read()
            except WorkbenchError as error:
                status = {**self._topics["status"].values, "desk": {"error": str(error)}}
                self._topics["status"].update(status)
            except Exception:  # one reading that failed must not silence the desk
                log.exception("the topics could not be read")
            await asyncio.sleep(PERIOD_S)

    async def _read(self) -> None:
        now = time.monotonic()
        snapshot = await self._snapshot()
        for name, values in FROM_SNAPSHOT.items():
            self._topics[name].update(values(snapshot))
        if now - self._asked_at < ASKED_EVERY_S:
            return
        self._asked_at = now
        for topic in list(self._topics.values()):
            if topic.subscribers and topic.name not in FROM_SNAPSHOT:
                try:
                    await self._ask(topic)
                except WorkbenchError as error:  # its child is away: the others go on
                    log.info("topic %s was not read: %s", topic.name, error)

    async def _ask(self, topic: Topic) -> None:
        if topic.name in FROM_SNAPSHOT:
            topic.update(FROM_SNAPSHOT[topic.name](await self._snapshot()))
        elif topic.name == "orders":
            topic.update(orders_by_tag(await self._source.orders(None)))
        elif topic.name == "triggers":
            topic.update(triggers(await self._source.orders(None)))
        elif (found := BAR_TOPIC.fullmatch(topic.name)) is not None:
            bars = await self._source.bars(found[1], found[2], NEXT_BARS if topic.seq else FIRST_BARS)
            topic.update({str(bar["time"]): bar for bar in bars}, replace=False)

    async def close(self) -> None:
        """End the reading; every client is dropped."""
        for client in self.clients:
            client.gone.set()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
