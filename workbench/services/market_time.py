"""The market's time, asked once."""

from __future__ import annotations

import httpx

from workbench.domain.errors import GatewayError
from workbench.services.clock import wall_ns


async def market_now(simulator_url: str | None = None) -> int:
    """Return the market time in UTC ns: the simulator's when its address is given, else wall time.

    Raises
    ------
    GatewayError
        When nothing answers at the simulator's address.
    """
    if simulator_url is None:
        return wall_ns()
    try:
        plain = simulator_url.lower().startswith("http://")  # reading certificates takes time
        async with httpx.AsyncClient(base_url=simulator_url, timeout=5, trust_env=False, verify=not plain) as client:
            reply = await client.get("/simulator/status")
            return int(reply.raise_for_status().json()["now"])
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise GatewayError(
            f"no simulator answers at {simulator_url} ({type(error).__name__}); start one with `workbench simulator`, "
            "or choose a gateway with --profile"
        ) from error
