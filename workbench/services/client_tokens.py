"""The token of a command: the desk's, when it runs (one login per user), else one of its own."""

from __future__ import annotations

import httpx

from workbench.domain.errors import StorageError
from workbench.gateway.tokens import LoginTokens, TokenSource
from workbench.gateway.transport import Transport
from workbench.services.settings import load_profile
from workbench.services.tokens import DeskTokens
from workbench.storage.home import Home, read_json


async def client_tokens(home: Home, profile: str | None = None, *, transport: Transport | None = None) -> TokenSource:
    """Return where a command in front of `home` gets its gateway token.

    A login of its own goes over `transport`, which the caller closes.
    """
    chosen = load_profile(profile)
    try:
        desk = read_json(home.desk / "desk.json")
    except StorageError:
        desk = None
    if desk is not None and await _is_alive(str(desk["url"])):
        return DeskTokens(str(desk["url"]), str(desk["token"]))
    return LoginTokens(transport or Transport(chosen.rest_url), chosen.username, chosen.api_key)


async def _is_alive(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=1.0) as client:
            return (await client.get(f"{url}/api/health")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
