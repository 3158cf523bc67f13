"""A uvicorn server that leaves signals to its owner."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn


class Server(uvicorn.Server):
    """uvicorn takes SIGINT and SIGTERM for itself; here the process that embeds it decides what they mean."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
