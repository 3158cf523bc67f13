"""`workbench simulator`: a ProjectX Gateway on this machine."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

Opt = typer.Option


def register(app: typer.Typer) -> None:
    """Add the command to the CLI."""
    app.command("simulator")(simulator)


def simulator(
    port: Annotated[int, Opt(help="Port on 127.0.0.1; 0 picks a free one.", min=0, max=65535)] = 8430,
    seed: Annotated[int | None, Opt(help="Seed of the synthetic market.")] = None,
    roots: Annotated[str | None, Opt(help="Products of the synthetic market, such as MES,MNQ,MGC.")] = None,
    start: Annotated[
        str | None, Opt(help="Market time at the beginning: ISO (UTC), 'now', or 'end' of a recording.")
    ] = None,
    rate: Annotated[float | None, Opt(help="Market seconds per real second.")] = None,
    lockstep: Annotated[bool, Opt(help="As fast as clients acknowledge; deterministic.")] = False,
    replay: Annotated[Path | None, Opt(help="Parquet file of bars or ticks to replay.")] = None,
    contract: Annotated[str | None, Opt(help="Contract of a recording that does not name it, such as ESU13.")] = None,
    scenario: Annotated[Path | None, Opt(help="YAML file of faults.")] = None,
    accounts_file: Annotated[Path | None, Opt(help="YAML list of accounts.")] = None,
    home: Annotated[Path | None, Opt(help="Replay the store of this WORKBENCH_HOME.")] = None,
    as_json: Annotated[bool, Opt("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Serve a local gateway: REST, both hubs, accounts, a market, and faults on request."""
    from workbench.simulator.main import Options, run

    options = Options(
        port=port, seed=seed, roots=roots, start=start, rate=rate, lockstep=lockstep, replay=replay,
        contract=contract, scenario=scenario, accounts_file=accounts_file, home=home,
    )  # fmt: skip

    def ready(facts: dict[str, Any]) -> None:
        print(json.dumps(facts) if as_json else sentence(facts), flush=True)

    asyncio.run(run(options, ready=ready))


def sentence(facts: dict[str, Any]) -> str:
    """Return the facts as a person reads them."""
    accounts = ", ".join(f"{name} ({number})" for name, number in facts["accounts"].items())
    pace = "lockstep" if facts["lockstep"] else f"×{facts['rate']:g}"
    return "\n".join(
        (
            f"Simulator ready on {facts['url']}",
            f"  user name {facts['user_name']}   API key {facts['api_key']}",
            f"  accounts  {accounts}",
            f"  contracts {', '.join(facts['contracts'])}",
            f"  market    {facts['time']} at {pace}; control: {facts['control']}",
            "  Ctrl-C ends it.",
        )
    )
