"""The token of a command: the desk's, when it runs (one login per user), else one of its own."""

from __future__ import annotations

import httpx

from workbench.gateway.tokens import LoginTokens, TokenSource
from workbench.gateway.transport import Transport
from workbench.services.desk_file import desk_now
from workbench.services.settings import load_profile
from workbench.services.tokens import DeskTokens
from workbench.storage.home import Home


async def client_tokens(home: Home, profile: str | None = None, *, transport: Transport | None = None) -> TokenSource:
    """Return where a command in front of `home` gets its gateway token.

    A login of its own goes over `transport`, which the caller closes.
    """
    chosen = load_profile(profile)
    url, token = desk_now(home, "", "")
    if url and await _is_alive(url):
        return DeskTokens(lambda: desk_now(home, url, token))
    return LoginTokens(transport or Transport(chosen.rest_url), chosen.username, chosen.api_key)


async def _is_alive(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=1.0, trust_env=False) as client:
            return (await client.get(f"{url}/api/health")).status_code == httpx.codes.OK
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
