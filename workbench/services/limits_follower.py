"""How a runner hears of limits and news windows: the files are looked at, and what has changed comes as events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from workbench.domain import events as e
from workbench.domain.errors import StorageError, WorkbenchError
from workbench.risk.limits import Limits
from workbench.services.limits import day_of, limits_body
from workbench.storage.home import Home
from workbench.storage.limits_file import NAME, LimitsEntry, entry_on, load_limits
from workbench.storage.news_file import NEWS, load_news

Json = dict[str, Any]
UNREAD = "the limits cannot be read"


class LimitsFollower:
    """Looks at ``limits.yaml`` and ``news.yaml`` for one runner, and tells of what has changed as events.

    Parameters
    ----------
    home : Home
    account : int
    linked : Limits
        Of the account's link.
    now : callable
        Market time, UTC ns.
    tell : callable
        Takes level and text of what cannot be read; the limits that held then hold on.
    """

    def __init__(
        self, home: Home, account: int, linked: Limits, now: Callable[[], int], tell: Callable[[str, str], None]
    ) -> None:
        self._home, self._account, self._linked, self._now, self._tell = home, account, linked, now, tell
        self._told: dict[str, Any] = {}
        self._stamps: dict[str, Any] = {}
        self._unread: dict[str, str] = {}
        self._date: date | None = None
        self.is_unread = False

    def begin(self) -> Json:
        """Return the limits that a runner starts with; what is read now is no change later.

        Of a file that cannot be read nothing is returned and `is_unread` is set: what the journal holds holds on, for a
        position must be looked after whatever somebody has typed. `look` tells when it can be read.
        """
        self._stamps[NAME], self._date = self._stamp(NAME), day_of(self._now())
        try:
            self._told[NAME] = limits_body(self._home, self._account, self._linked, self._now())
        except WorkbenchError as error:
            self._note_unread(NAME, error)
            self._tell("critical", f"{error}; what held before holds on, nothing is entered until it can be read")
            self.is_unread = True
            return {}
        return dict(self._told[NAME])

    def look(self) -> list[e.Event]:
        """Return what has changed since the last look; cheap when nothing has."""
        found: list[e.Event] = []
        day = day_of(self._now())
        if self._is_new(NAME) or day != self._date:
            self._date = day
            body = self._read(NAME, lambda: limits_body(self._home, self._account, self._linked, self._now()))
            if body is not None and (entry := self._entry(day)) is not None:
                found.append(
                    e.LimitsChanged(at=self._now(), limits=body, person=entry.by, reason=entry.reason or f"as of {day}")
                )
                if self.is_unread:
                    self.is_unread = False
                    found.append(e.Released(at=self._now(), reason=UNREAD))
        if self._is_new(NEWS):
            windows = self._read(NEWS, lambda: load_news(self._home))
            if windows is not None:
                found.append(e.NewsWindows(at=self._now(), windows=windows))
        return found

    def _entry(self, day: date) -> LimitsEntry | None:
        try:
            return entry_on(load_limits(self._home), day)
        except WorkbenchError:  # it broke since the body was read: the next look reads both, and tells what is wrong
            del self._told[NAME]
            self._stamps[NAME] = "unread"
            return None

    def _read(self, name: str, read: Callable[[], Any]) -> Any:
        try:
            value = read()
        except WorkbenchError as error:
            if self._note_unread(name, error):
                self._tell("critical", f"{error}; what held before holds on")
            return None
        self._unread.pop(name, None)
        if value == self._told.get(name, [] if name == NEWS else None):
            return None
        self._told[name] = value
        return value

    def _note_unread(self, name: str, error: WorkbenchError) -> bool:
        # A disk that is away for a moment: the file is looked at again though nobody writes it anew, and told of once.
        is_new = not isinstance(error, StorageError) or self._unread.get(name) != str(error)
        self._unread[name] = str(error)
        if isinstance(error, StorageError):
            self._stamps[name] = "unread"
        return is_new

    def _stamp(self, name: str) -> tuple[int, int] | None:
        try:
            seen = (self._home.path / name).stat()
        except OSError:
            return None
        return seen.st_mtime_ns, seen.st_size

    def _is_new(self, name: str) -> bool:
        stamp = self._stamp(name)
        if stamp == self._stamps.get(name):
            return False
        self._stamps[name] = stamp
        return True
