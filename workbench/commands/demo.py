"""`workbench demo`: everything on this machine, from history to the red button, with no account and no network."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.commands.output import show
from workbench.domain.errors import InputError

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: the window of the terminal was closed


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @app.command("demo")
    def demo(
        headless: Annotated[bool, typer.Option("--headless", help="No dashboard, no JupyterLab.")] = False,
        for_: Annotated[float | None, typer.Option("--for", help="Seconds to trade; without it until Ctrl-C.")] = None,
        seed: Annotated[int, typer.Option(help="Of the synthetic market.")] = 7,
        rate: Annotated[float, typer.Option(help="Market seconds per real second.")] = 60.0,
        lockstep: Annotated[bool, typer.Option("--lockstep", help="The market waits for the runner.")] = False,
        replay: Annotated[Path | None, typer.Option(help="Parquet file of bars or ticks to replay.")] = None,
        strategy: Annotated[str, typer.Option(help="A path or a shipped strategy's name.")] = "sma_cross",
        account: Annotated[int, typer.Option(help="Account of the simulator.")] = 1001,
        home: Annotated[str | None, typer.Option(help="Folder for the demo, made anew each time.")] = None,
        ports: Annotated[str, typer.Option(help="Simulator, desk, dashboard, lab.")] = "",
        json_: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    ) -> None:
        """Trade on paper against a local gateway; Ctrl-C stops, flattens and ends everything."""
        from workbench.commands.demo_summary import lines
        from workbench.commands.stack import DemoOptions

        free = (0, 0, 0, 0) if headless else DemoOptions.ports
        options = DemoOptions(
            seed=seed,
            rate=rate,
            lockstep=lockstep,
            replay=replay,
            strategy=strategy,
            account=account,
            ports=_ports(ports) if ports else free,
            browser=not headless,
        )
        summary = run_demo(options, home, for_, quiet=json_)
        show(summary if json_ else lines(summary), as_json=json_)
        raise typer.Exit(0 if summary["stop"]["flat_confirmed"] else 1)


def _ports(text: str) -> tuple[int, int, int, int]:
    try:
        parts = [int(p) for p in text.split(",")]
    except ValueError:
        raise InputError(f"--ports {text!r} must be up to four numbers such as 8430,8420,8421,8888 (0: any)") from None
    if len(parts) > 4 or not all(0 <= port <= 65535 for port in parts):
        names = "simulator, desk, dashboard, JupyterLab"
        raise InputError(f"--ports {text!r} must be up to four numbers from 0 to 65535: {names}")
    simulator, desk, dashboard, lab = [*parts, 0, 0, 0, 0][:4]
    return simulator, desk, dashboard, lab


def run_demo(options: Any, home: str | None, seconds: float | None, *, quiet: bool) -> dict[str, Any]:
    """Run the whole demo and return its summary."""
    from workbench.commands.demo_market import MarketWatch
    from workbench.commands.stack import DemoStack, wait_out
    from workbench.storage.home import Home
    from workbench.storage.home import home as home_of

    say: Any = (lambda text: None) if quiet else typer.echo
    place = Home(Path(home).absolute()) if home else Home(home_of().path / "demo")
    over: list[int] = []
    earlier = {s: signal.signal(s, lambda number, frame: over.append(number)) for s in ENDS}

    def go_on() -> None:
        # Between two steps, never inside one: what was started is known, and is ended on the way out.
        if over:
            raise KeyboardInterrupt

    try:
        with DemoStack(options, place, say, go_on) as stack:
            contract = stack.choose_contract()
            say(f"history    {stack.backfill():,} one-minute bars of {contract} ingested")
            go_on()
            say(f"backtest   {stack.backtest().summary()}")
            go_on()
            pace = "as fast as the runner goes" if options.lockstep else f"at {options.rate:g} times the pace of here"
            trading = f"{options.strategy} on {contract}, account {options.account}; market time goes {pace}"
            say(f"session    {stack.trade().session}, {trading}")
            for name in ("dashboard", "lab"):
                if name in stack.urls:
                    say(f"{name:<10} {stack.urls[name]}")
            say(f"elsewhere  export WORKBENCH_HOME={place.path} (for commands and notebooks in another terminal)")
            say(f"stop       Ctrl-C here, the red button there, or: workbench stop --home {place.path}")
            market = MarketWatch(contract, say)
            wait_out(seconds, lambda: bool(over) or market.ended(stack.control("status")))
            say("ending     cancelling, closing, reading the gateway twice …")
            stop = stack.desk.emergency_stop(reason="end of the demo")
            return stack.summary(stop)
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
