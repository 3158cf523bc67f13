"""Alarms that leave the machine: through any channel that apprise knows, from the desk, or from a runner without one.

The channels are URLs in ``WORKBENCH_ALERT_URLS`` (separated by blanks). They hold secrets: they are never logged, and
what a channel answers is not logged either.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from workbench.services.logs import hide

log = logging.getLogger(__name__)
Json = dict[str, Any]
URLS_ENV = "WORKBENCH_ALERT_URLS"
LEVELS = ("warning", "critical")  # what is only information stays on the screens
WITHIN_S = 10.0  # a channel that takes longer is given up for this time
TRIES, FIRST_PAUSE_S, LONGEST_PAUSE_S = 5, 1.0, 30.0
SAME_AGAIN_S = 60.0  # the same text is not sent again within this time
MOST_WAITING, MOST_AT_ONCE = 200, 20

Send = Callable[[Sequence[str], str, str, str], bool]
"""(urls, level, title, body) -> whether every channel took it; blocks."""


def channel_urls(text: str | None = None) -> list[str]:
    """Return the channels in `text`, default from the environment; their secrets are hidden from the logs."""
    urls = (os.environ.get(URLS_ENV, "") if text is None else text).split()
    for url in urls:
        hide(url)
        for part in url.partition("://")[2].replace("@", "/").replace(":", "/").split("/"):
            if len(part) >= 12:  # a token or a key; host names of that length only make the log harder to read
                hide(part)
    return urls


def send_by_apprise(urls: Sequence[str], level: str, title: str, body: str) -> bool:
    """Send through apprise and wait for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it loads a hundred plugins, with whatever they warn of
        import apprise

        for talker in ("apprise", "urllib3", "requests"):  # they would name the URL of a channel
            logging.getLogger(talker).setLevel(logging.CRITICAL + 1)
        kind = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
        sender = apprise.Apprise()
        added = [sender.add(url) for url in urls]
        took = sender.notify(title=title, body=body, notify_type=kind.get(level, apprise.NotifyType.INFO))
    return bool(took) and all(added)


async def in_thread(send: Send, urls: Sequence[str], level: str, title: str, body: str) -> bool:
    """Send off the loop, in a thread that keeps no process alive; False when it fails or takes too long."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    took: list[bool] = []

    def tell() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(done.set)

    def work() -> None:
        try:
            took.append(send(urls, level, title, body))
        except Exception as error:  # what a channel throws is its own; its text may name the URL
            log.warning("an alert could not be sent: %s", type(error).__name__)
        try:
            tell()
        except RuntimeError:  # the loop has been closed meanwhile
            return

    threading.Thread(target=work, name="alert", daemon=True).start()
    try:
        async with asyncio.timeout(WITHIN_S):
            await done.wait()
    except TimeoutError:
        return False
    return bool(took and took[0])


class Channels:
    """What waits to be sent, and the loop that sends it.

    Parameters
    ----------
    who : str
        Named in the title: ``desk`` or ``runner-1001``.
    urls : sequence of str, optional
        Default: the environment's.
    send : callable
        Sends and blocks; for tests.
    """

    def __init__(self, who: str, urls: Sequence[str] | None = None, send: Send = send_by_apprise) -> None:
        self.who, self.urls, self._send = who, list(channel_urls() if urls is None else urls), send
        self._waiting: deque[Json] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._told: dict[str, float] = {}
        self.failed = 0

    def put(self, alert: Json) -> None:
        """Have `alert` (level, text, account) sent, unless it is mere information or was sent a moment ago."""
        if not self.urls or alert.get("level") not in LEVELS:
            return
        now, text = time.monotonic(), str(alert.get("text"))
        self._told = {t: at for t, at in self._told.items() if now - at < SAME_AGAIN_S}
        if text in self._told:
            return
        self._told[text] = now
        self._waiting.append(alert)
        self._wake.set()

    async def run(self) -> None:
        """Send for ever; what a channel does not take is tried again with growing pauses."""
        while True:
            await self._wake.wait()
            await self.flush()

    async def flush(self) -> None:
        """Send what waits now."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
            await self._deliver(batch)
        self._wake.clear()

    async def _deliver(self, batch: list[Json]) -> None:
        level = "critical" if any(a["level"] == "critical" for a in batch) else "warning"
        title = f"Workbench {self.who}: {level}"
        body = "\n".join(_line(a) for a in batch)
        pause = FIRST_PAUSE_S
        for attempt in range(TRIES):
            if await in_thread(self._send, self.urls, level, title, body):
                return
            if attempt + 1 < TRIES:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_S)
        self.failed += len(batch)
        log.error("%d alerts could not be sent through %d channels", len(batch), len(self.urls))


def _line(alert: Json) -> str:
    account = alert.get("account")
    return f"{'' if account is None else f'account {account}: '}{alert.get('text')}"


def send_now(who: str, level: str, text: str) -> bool:
    """Send one alert from a program without a loop, such as the command line; False when there is no channel."""

    async def send() -> bool:
        channels = Channels(who)
        return bool(channels.urls) and await in_thread(
            send_by_apprise, channels.urls, level, f"Workbench {who}: {level}", text
        )

    return asyncio.run(send())
