"""The simulator as a program: build it from options, serve it, say how to reach it, until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from workbench.domain.errors import InputError
from workbench.simulator.config import AccountSettings, SimulatorSettings, settings
from workbench.simulator.server import Simulator, build
from workbench.simulator.stamps import stamp

DEFAULT_PORT = 8430


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of the command line; None = the default."""

    port: int = DEFAULT_PORT
    host: str = "127.0.0.1"
    seed: int | None = None
    roots: str | None = None
    start: str | None = None
    rate: float | None = None
    lockstep: bool = False
    replay: Path | None = None
    contract: str | None = None
    scenario: Path | None = None
    accounts_file: Path | None = None
    home: Path | None = None


def configure(options: Options) -> SimulatorSettings:
    """Return the settings that the options ask for.

    Raises
    ------
    InputError
        An option's value is wrong; the message names it.
    """
    values: dict[str, Any] = {
        "seed": options.seed,
        "roots": tuple(root.strip() for root in options.roots.split(",") if root.strip()) if options.roots else None,
        "start": options.start,
        "rate": options.rate,
        "lockstep": options.lockstep or None,
        "replay": options.replay,
        "replay_contract": options.contract,
        "scenario": options.scenario,
        "home": options.home,
        "accounts": read_accounts(options.accounts_file) if options.accounts_file else None,
    }
    try:
        return settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}, got {first['input']!r}"
        ) from error


def read_accounts(path: Path) -> tuple[AccountSettings, ...]:
    """Return the accounts of a YAML file: a list of mappings with the fields of `AccountSettings`."""
    try:
        rows = yaml.safe_load(path.read_text())
        return tuple(AccountSettings.model_validate(row) for row in rows)
    except OSError as error:
        raise InputError(f"cannot read the accounts file {path}: {error.strerror}") from error
    except (yaml.YAMLError, TypeError) as error:
        raise InputError(f"the accounts file {path} must be a YAML list of accounts: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"the accounts file {path} is wrong at {place}: {first['msg']}") from error


def describe(simulator: Simulator) -> dict[str, Any]:
    """Return what a client needs to know: URLs, credentials, accounts, contracts, market time."""
    config = simulator.config
    return {
        "url": simulator.url,
        "user_hub": f"{simulator.url}/hubs/user",
        "market_hub": f"{simulator.url}/hubs/market",
        "control": f"{simulator.url}/simulator/status",
        "user_name": config.users[0].name,
        "api_key": config.users[0].api_key,
        "accounts": {account.name: account.id for account in config.accounts},
        "contracts": list(simulator.market.live),
        "time": stamp(simulator.exchange.now),
        "rate": simulator.clock.rate,
        "lockstep": simulator.clock.lockstep,
    }


async def run(options: Options, *, ready: Callable[[dict[str, Any]], None] = lambda facts: None) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is called with `describe` once clients may connect.

    Raises
    ------
    InputError
        A wrong option, an unreadable recording, a taken port.
    """
    simulator = build(configure(options))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with simulator.serve(options.port, options.host):
            ready(describe(simulator))
            await stopped.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
