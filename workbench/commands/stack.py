"""The demo: simulator, desk, runner, history, a backtest, a paper session and the stop, on this machine alone."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import secrets
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

import httpx

from workbench.commands.demo_folder import claim, empty, end_left_over, note_lab
from workbench.commands.demo_summary import figures
from workbench.desk import Desk
from workbench.domain.contract import front_month, spec
from workbench.domain.errors import GatewayError, InputError
from workbench.domain.hours import trading_hours
from workbench.services.linking import make_link
from workbench.services.processes import Program, answers, free_port, python_module
from workbench.services.settings import DASHBOARD_PORT, DESK_PORT, LAB_PORT, SIMULATOR_PORT
from workbench.storage.home import Home, read_json, remove_leftover, write_durably
from workbench.storage.home import home as home_of
from workbench.storage.links import save_link

CHICAGO = ZoneInfo("America/Chicago")
DAY_NS = 86_400_000_000_000
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"  # where JupyterLab opens, when the demo is started beside it


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the demo does.

    Parameters
    ----------
    seed : int
        Of the synthetic market.
    rate : float
        Market seconds per real second.
    lockstep : bool
        As fast as possible, the market waiting for the runner: the same seed gives the same orders.
    replay : Path or None
        A Parquet file of bars or ticks to replay instead of the synthetic market.
    strategy : str
        Path, name or version.
    account : int
        Of the simulator's accounts.
    days : int
        Trading days of history to ingest.
    ports : tuple of int
        Simulator, desk, dashboard, JupyterLab; 0 picks a free one.
    browser : bool
        Start the dashboard and JupyterLab, too.
    """

    seed: int = 7
    rate: float = 60.0
    lockstep: bool = False
    replay: Path | None = None
    strategy: str = "sma_cross"
    account: int = 1001
    days: int = 3
    ports: tuple[int, int, int, int] = (SIMULATOR_PORT, DESK_PORT, DASHBOARD_PORT, LAB_PORT)
    browser: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)


class DemoStack:
    """All programs of the demo, started in order and ended in reverse; a context manager.

    Parameters
    ----------
    home : Home or None
        A folder of its own (made anew; a folder that is not a demo's is refused). None: a temporary one.
    options : DemoOptions
        What to do.
    say : callable
        Takes progress lines.
    go_on : callable
        Asked while programs come up; raises to give up.
    """

    def __init__(
        self,
        options: DemoOptions,
        home: Home | None = None,
        say: Any = lambda text: None,
        go_on: Callable[[], None] = lambda: None,
    ) -> None:
        self.options, self.say, self._go_on = options, say, go_on
        self._claim: int | None = None
        self._temporary = home is None
        self.home = home or Home(Path(tempfile.mkdtemp(prefix="workbench-demo-")))
        self.programs: list[Program] = []
        self.urls: dict[str, str] = {}
        self.desk: Desk
        self.ingested = 0
        self.contract = ""
        self.session: Any = None

    def __enter__(self) -> Self:
        return self if self.urls else self.start()  # `demo_stack` gives one that runs already

    def start(self) -> Self:
        """Bring everything up; a half-started demo is taken down again."""
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- up -------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._claim = claim(self.home)
        empty(self.home)
        self._start_simulator()
        self._link_accounts()
        self._start_desk()
        if self.options.browser:
            self._start_browser_parts()

    def environment(self) -> dict[str, str]:
        """Environment of every program of the demo."""
        return {
            "WORKBENCH_HOME": str(self.home.path),
            "WORKBENCH_PROFILE": "sim",
            "WORKBENCH_SIMULATOR_URL": self.urls.get("simulator", ""),
        }

    def _run(
        self, name: str, command: list[str], url: str, ready: str, *, extra: dict[str, str] | None = None
    ) -> Program:
        self.urls[name] = url
        program = Program(name, command, self.home.logs / f"{name}.out", self.environment() | (extra or {}))
        self.programs.append(program)
        program.wait_for(lambda: self._go_on() or answers(ready), 60.0)
        return program

    def _start_simulator(self) -> None:
        options = self.options
        port = free_port(options.ports[0])
        arguments = ["simulator", "--port", str(port), "--seed", str(options.seed), "--rate", str(options.rate)]
        if options.replay is not None:
            if not options.replay.is_file():
                raise InputError(f"no file {options.replay} to replay; give a Parquet file of bars or ticks")
            arguments += ["--replay", str(options.replay), "--start", replay_start(options.replay)]
        else:
            arguments += ["--start", demo_start()]
        if options.lockstep:
            arguments.append("--lockstep")
        url = f"http://127.0.0.1:{port}"
        self.say(f"simulator  {url}")
        self._run("simulator", python_module("workbench.cli", *arguments), url, f"{url}/simulator/status")
        self.control("clock", {"pause": True})

    def control(self, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the simulator's control plane."""
        url = f"{self.urls['simulator']}/simulator/{what}"
        try:
            with httpx.Client(timeout=30, trust_env=False) as client:
                reply = client.get(url) if body is None else client.post(url, json=body)
            found: dict[str, Any] = reply.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise GatewayError(
                f"the simulator does not answer at {url} ({type(error).__name__}); see {self.home.logs}/simulator.out"
            ) from error
        return found

    def market_time(self) -> int:
        """The simulator's market time, UTC ns."""
        return int(self.control("status")["now"])

    def _link_accounts(self) -> None:
        for account in self.control("truth")["accounts"]:
            plan = account["floor"] is not None and not account["name"].startswith("PRAC")
            link = make_link(
                account=account["id"],
                name=account["name"],
                balance=Decimal(str(account["balance"])),
                max_loss_level=Decimal(str(account["floor"])) if plan else None,
                programme="topstep-50k" if plan else "",
                by="demo",
            )
            save_link(self.home, link)

    def _start_desk(self) -> None:
        port = free_port(self.options.ports[1])
        url = f"http://127.0.0.1:{port}"
        origins = [
            f"--origin=http://{host}:{number}"
            for host in ("127.0.0.1", "localhost")
            for number in self.options.ports[2:]
            if number
        ]
        command = python_module("workbench.cli", "desk", "--port", str(port), *origins)
        self._run("desk", command, url, f"{url}/api/health")
        self.say(f"desk       {url}")
        self.desk = Desk(at=self.home)

    def _start_browser_parts(self) -> None:
        port = free_port(self.options.ports[2])
        url = f"http://127.0.0.1:{port}"
        self._run("dashboard", python_module("workbench.cli", "dashboard", "--port", str(port)), url, f"{url}/health")
        told = read_json(self.home.desk / "dashboard.json") or {}
        self.urls["dashboard"] = str(told.get("link", url))  # with the token of its door
        lab = free_port(self.options.ports[3])
        token = secrets.token_urlsafe(18)  # whoever has it runs code here; in the environment, not in the process list
        command = python_module(
            "jupyterlab",
            "--no-browser",
            f"--ServerApp.port={lab}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={Path.cwd()}",
            f"--LabServerApp.app_settings_dir={self._quiet_lab()}",
            *(["--allow-root"] if os.geteuid() == 0 else []),  # a container's user
        )
        page = f"lab/tree/{FIRST_NOTEBOOK}" if Path(FIRST_NOTEBOOK).is_file() else "lab"
        url, extra = f"http://127.0.0.1:{lab}/{page}?token={token}", {"JUPYTER_TOKEN": token}
        self._run("lab", command, url, f"http://127.0.0.1:{lab}/api", extra=extra)
        note_lab(self.home, lab)
        for host in ("127.0.0.1", "localhost"):  # its port is known only now
            self.desk.allow_origin(f"http://{host}:{lab}")

    def _quiet_lab(self) -> Path:
        # No pop-up about news or updates: the demo needs no network and asks for none.
        folder = self.home.desk / "lab"
        quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
        write_durably(folder / "overrides.json", json.dumps(quiet).encode())
        return folder

    # --- the day ----------------------------------------------------------------------------------------------------

    def choose_contract(self) -> str:
        """The contract to trade: the replayed one, else the front month of the strategy's first root."""
        from workbench.services.strategies import resolve_strategy
        from workbench.storage.registry import Registry

        live = self.control("status")["contracts"]
        strategy = resolve_strategy(self.options.strategy, Registry(self.home))
        if self.options.replay is not None and live:
            self.contract = str(live[0])
        else:
            root = strategy.roots[0]
            today = trading_hours(spec(root)).trading_date(self.market_time())
            self.contract = front_month(root, today).id
        return self.contract

    def backfill(self, frame: str = "1m") -> int:
        """Pull history of the contract into the store; return the bars that were written."""
        from workbench.gateway.rest import Rest
        from workbench.services.backfill import backfill
        from workbench.services.client_tokens import client_tokens
        from workbench.storage.bars import BarStore

        async def pull() -> int:
            rest = Rest(self.urls["simulator"], await client_tokens(self.home))
            now = self.market_time()
            start = now - int(self.options.days * 1.6 + 2) * DAY_NS
            try:
                done = await backfill(rest, BarStore(self.home.market), self.contract, frame, start, now, now=now)
            finally:
                await rest.aclose()
            return int(done.written)

        with ThreadPoolExecutor(1) as aside:  # in a notebook a loop is running already
            self.ingested += aside.submit(asyncio.run, pull()).result()
        return self.ingested

    def backtest(self) -> Any:
        """Backtest the strategy on what was ingested."""
        from workbench import research

        strategy = research.load_strategy(self.strategy_path()).with_parameters(**self.options.parameters)
        return research.backtest(strategy, contract=self.contract, home=self.home)

    def strategy_path(self) -> str:
        """Path of the strategy, for research."""
        from workbench.services.strategies import shipped_folder

        written = self.options.strategy
        return written if "/" in written else str(shipped_folder() / f"{written}.yaml")

    def trade(self) -> Any:
        """Start the paper session; then the market goes on."""
        options = self.options
        self.session = self.desk.start(
            options.strategy, account=options.account, contract=self.contract, **options.parameters
        )
        self.control("clock", {"resume": True})
        return self.session

    def summary(self, stop: Any) -> dict[str, Any]:
        """What the demo came to."""
        counted = figures(
            self.desk.snapshot(),
            self.control("truth"),
            account=self.options.account,
            contract=self.contract,
            session=self.session.session,
        )
        stopped = {"latched": stop.latched, "flat_confirmed": stop.result == "FLAT", "ms": stop.ms}
        return {**counted, "bars_ingested": self.ingested, "stop": stopped}

    # --- down -------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End every program, last started first."""
        for program in reversed(self.programs):
            program.end()
        self.programs.clear()
        if self._claim is None:  # a demo of somebody else
            return
        end_left_over(self.home)
        if self._temporary:
            remove_leftover(self.home.path)
        os.close(self._claim)
        self._claim = None


def demo_start(now: datetime | None = None) -> str:
    """08:20 Chicago of the newest full trading date that is over, as ISO text: ten minutes before the bell."""
    hours = trading_hours("index")
    day = (now or datetime.now(CHICAGO)).date() - timedelta(days=1)
    while True:
        found = hours.trading_dates(day, day)
        if found and not hours.window(day).early:
            local = datetime(day.year, day.month, day.day, 8, 20, tzinfo=CHICAGO)
            return local.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
        day -= timedelta(days=1)


def replay_start(path: Path) -> str:
    """The instant of the middle row of a recording, as ISO text: half is history, half is traded.

    Raises
    ------
    InputError
        The file has no ``ts`` column or cannot be read.
    """
    import polars as pl

    try:
        stamps = pl.scan_parquet(path).select(pl.col("ts").cast(pl.Datetime("ns", "UTC")).dt.epoch("s")).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} cannot be replayed: {error}; it needs a column ts and bars or ticks") from error
    if stamps.is_empty():
        raise InputError(f"{path} has no rows to replay")
    middle = stamps.to_series().sort()[stamps.height // 2]
    return datetime.fromtimestamp(middle, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")


def wait_out(seconds: float | None, is_over: Any) -> None:
    """Wait for `seconds`, or until Ctrl-C, or until `is_over` says so."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while not is_over() and (deadline is None or time.monotonic() < deadline):
        time.sleep(0.25)


def demo_stack(home: str | Path | None = None, **options: Any) -> DemoStack:
    """Return a running demo for a notebook: the one that `make demo` has started, else one of its own.

    `WORKBENCH_HOME` of this process points to the demo's folder afterwards, so that `wb.bars` and `wb.connect` find it.

    Parameters
    ----------
    home : path, optional
        Folder of an own demo; a temporary one by default, deleted by ``close()`` or at exit.
    **options
        Fields of `DemoOptions`, such as ``seed`` and ``rate``.
    """
    found = read_json(home_of().desk / "desk.json") if home is None else None
    url = os.environ.get("WORKBENCH_SIMULATOR_URL", "")
    if found is not None and url and answers(f"{found['url']}/api/health"):
        stack = DemoStack(DemoOptions(**options), home_of())
        stack.urls = {"desk": found["url"], "simulator": url}
        stack.desk = Desk(at=stack.home)
        return stack
    stack = DemoStack(DemoOptions(**{"ports": (0, 0, 0, 0), **options}), Home(Path(home).absolute()) if home else None)
    atexit.register(stack.close)
    stack.start()
    os.environ.update(stack.environment())
    return stack
