"""An application around a fake desk, and a client that knocks with any token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.fakes.desk import FakeDesk
from workbench.api.app import build_app
from workbench.services.issued_tokens import IssuedTokens

TOKEN = "the-full-token-of-this-test"
FULL = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def knock(desk: FakeDesk) -> Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]:
    """Give a client of an application around the fake desk; options go to `build_app`."""

    @asynccontextmanager
    async def made(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
        app = build_app(desk, token=TOKEN, **options)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50001))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420") as client:
            yield client
        await app.state.close()

    return made


def issue(desk: FakeDesk, *scopes: str, name: str = "page", days: float = 1) -> dict[str, str]:
    """Return the header of a new token."""
    token, _ = IssuedTokens(desk.home).create(name=name, scopes=scopes, days=days)
    return {"authorization": f"Bearer {token}"}


ORDER = {"request": "click-1", "account": 1001, "contract": "CON.F.US.MES.Z26", "side": "BUY", "qty": 1}
