"""A runner's visible state on the desk: whole once, then what has changed, each with a number; a gap is noticed.

The runner numbers what it sends (`Outgoing`), the desk applies it in order (`Replica`). What is older than what is
known changes nothing; what comes after a gap is not applied, a whole one is asked for instead.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class Outgoing:
    """The runner's side.

    >>> out = Outgoing()
    >>> out.next({"a": 1, "b": 2})
    {'seq': 1, 'whole': True, 'parts': {'a': 1, 'b': 2}}
    >>> out.next({"a": 1, "b": 3})
    {'seq': 2, 'whole': False, 'parts': {'b': 3}}
    """

    def __init__(self) -> None:
        self._seq = 0
        self._sent: Json = {}
        self._whole = True

    def want_whole(self) -> None:
        """Send everything next time: the desk has asked, or there is a new one."""
        self._whole = True

    def next(self, parts: Json) -> Json:
        """Return the message that brings the desk from what was sent last to `parts`."""
        whole, self._whole = self._whole, False
        changed = parts if whole else {k: v for k, v in parts.items() if k not in self._sent or self._sent[k] != v}
        self._seq += 1
        self._sent = dict(parts)
        return {"seq": self._seq, "whole": whole, "parts": dict(changed)}


class Replica:
    """The desk's side.

    >>> replica = Replica()
    >>> replica.take({"seq": 1, "whole": True, "parts": {"a": 1, "b": 2}})
    True
    >>> replica.take({"seq": 3, "whole": False, "parts": {"b": 9}})  # 2 is missing
    False
    >>> replica.value
    {'a': 1, 'b': 2}
    """

    def __init__(self) -> None:
        self.value: Json = {}
        self.seq = 0
        self.gaps = 0

    def take(self, message: Json) -> bool:
        """Apply `message`; return False when a whole one is needed first."""
        seq, parts = int(message["seq"]), message["parts"]
        if seq <= self.seq:
            return True  # it came late: what is known is younger
        if message["whole"]:
            self.value, self.seq = dict(parts), seq
            return True
        if seq != self.seq + 1:
            self.gaps += 1
            return False
        self.value, self.seq = {**self.value, **parts}, seq
        return True
