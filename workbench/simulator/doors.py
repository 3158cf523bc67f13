"""What ASP.NET does before an operation sees a request: paths match in any case, browsers of any origin are let in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.middleware.cors import CORSMiddleware

METHODS = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]


class Doors:
    """Hands every request to `app` under the path as it is documented.

    A browser's SignalR client asks beforehand (OPTIONS) and sends credentials, so that the origin has to be named, not
    ``*``. The control plane is for programs: no foreign page gets at it.
    """

    def __init__(self, app: Any, paths: Iterable[str]) -> None:
        self._control = app
        self._gateway = CORSMiddleware(
            app, allow_origin_regex=".*", allow_methods=METHODS, allow_headers=["*"], allow_credentials=True,
            expose_headers=["Retry-After", "WWW-Authenticate"], max_age=600,
        )  # fmt: skip
        self._paths = {path.lower(): path for path in paths}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        known = self._paths.get(path.lower().rstrip("/"))
        if known is not None and known != path:
            scope = {**scope, "path": known, "raw_path": known.encode()}
        app = self._control if path.startswith("/simulator") else self._gateway
        await app(scope, receive, send)
