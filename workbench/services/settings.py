"""Where the gateway is and who we are there: from the environment, never from a file in the project."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from workbench.domain.errors import InputError, UnknownName
from workbench.services.logs import hide

SIM_USER, SIM_KEY = "sim", "sim-key"
PROFILES = ("sim", "topstepx")
DESK_PORT, DASHBOARD_PORT, SIMULATOR_PORT, LAB_PORT = 8420, 8421, 8430, 8888


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One gateway and one login. `rest_url` and `hub_url` are origins without a path."""

    name: str
    rest_url: str
    hub_url: str
    username: str = field(repr=False)
    api_key: str = field(repr=False)

    @property
    def is_simulator(self) -> bool:
        return self.name == "sim"


def load_profile(name: str | None = None, *, simulator_url: str | None = None) -> Profile:
    """Return the profile `name`, else ``WORKBENCH_PROFILE``, else the simulator.

    Raises
    ------
    InputError
        A real gateway without ``PROJECTX_USERNAME`` or ``PROJECTX_API_KEY``.
    """
    chosen = name or os.environ.get("WORKBENCH_PROFILE") or "sim"
    if chosen not in PROFILES:
        raise UnknownName("profile", chosen, PROFILES, where="WORKBENCH_PROFILE")
    if chosen == "sim":
        url = simulator_url or os.environ.get("WORKBENCH_SIMULATOR_URL") or f"http://127.0.0.1:{SIMULATOR_PORT}"
        url = _origin(url)
        return Profile(name="sim", rest_url=url, hub_url=url, username=SIM_USER, api_key=SIM_KEY)
    username, api_key = (os.environ.get(name, "").strip() for name in ("PROJECTX_USERNAME", "PROJECTX_API_KEY"))
    missing = [n for n, v in (("PROJECTX_USERNAME", username), ("PROJECTX_API_KEY", api_key)) if not v]
    if missing:
        raise InputError(
            f"profile {chosen} needs {' and '.join(missing)} in the environment; create a key in the platform under "
            "Settings → API, or use the simulator: WORKBENCH_PROFILE=sim"
        )
    hide(api_key)
    return Profile(
        name=chosen,
        rest_url="https://api.topstepx.com",
        hub_url="https://rtc.topstepx.com",
        username=username,
        api_key=api_key,
    )


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a broken IPv6 address
        sound = False
    if not sound or parts.path.strip("/"):
        raise InputError(
            f"{url!r} is not the address of a simulator; give one such as http://127.0.0.1:{SIMULATOR_PORT} "
            "(--simulator-url or WORKBENCH_SIMULATOR_URL)"
        )
    return url.rstrip("/")
