"""What is wrong with this machine, and what to do about it: one finding for each thing that has cost somebody a day."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from workbench.domain.errors import WorkbenchError
from workbench.services.port_holders import holder
from workbench.services.settings import (
    DASHBOARD_PORT,
    DESK_PORT,
    LAB_PORT,
    SIMULATOR_PORT,
    Profile,
    load_profile,
)
from workbench.services.version import program_version
from workbench.storage.home import Home, read_json
from workbench.storage.latch import read_latch

OK, WARN, BAD = "ok", "warn", "bad"
OLDEST, NEWEST = (3, 11), (3, 14)
FREE_BAD, FREE_WARN = 200 * 2**20, 2 * 2**30
SYNC_SLOW_S = 0.1
CLOCK_WARN_S, CLOCK_BAD_S = 2.0, 30.0
ANSWER_S = 5.0
KERNEL = "python3"
DISTRIBUTION = "futures-workbench"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "firefox", "open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it is (``ok``, ``warn``, ``bad``), what was seen, and what to do."""

    name: str
    state: str
    seen: str
    cure: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return plain values for JSON."""
        return asdict(self)


def examine(home: Home) -> list[Finding]:
    """Look at this machine, changing nothing but a temporary file in `home`.

    Returns
    -------
    list of Finding
        One for each check; a check that itself fails is a bad finding with the error's text, never left out.
    """
    findings = []
    for check in CHECKS:
        try:
            findings.append(check(home))
        except Exception as error:  # the doctor must survive what it finds
            name = check.__name__.removeprefix("check_").replace("_", " ")
            findings.append(Finding(name=name, state=BAD, seen=f"the check failed: {type(error).__name__}: {error}"))
    return findings


def check_python(home: Home, running: tuple[int, int] | None = None) -> Finding:
    """Look for a Python that the project is made for, in an environment of its own."""
    now = running or sys.version_info[:2]
    seen = f"{now[0]}.{now[1]} at {sys.executable}"
    if not OLDEST <= now <= NEWEST:
        cure = "make the environment anew with Python 3.11 to 3.14: PYTHON=python3.12 make venv"
        return Finding(name="python", state=BAD, seen=seen, cure=cure)
    if sys.prefix == sys.base_prefix:
        cure = "packages of the system may be too old or too new: run `make venv`, then .venv/bin/workbench"
        return Finding(name="python", state=WARN, seen=f"{seen}, outside an environment", cure=cure)
    return Finding(name="python", state=OK, seen=seen)


def check_packages(home: Home) -> Finding:
    """Compare the installed packages with what the project needs."""
    from packaging.requirements import Requirement

    wrong = []
    for text in requires(DISTRIBUTION) or []:
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(needed.name)
        except PackageNotFoundError:
            wrong.append(f"{needed.name} is missing")
            continue
        if not needed.specifier.contains(have, prereleases=True):
            wrong.append(f"{needed.name} {have} is not {needed.specifier}")
    if wrong:
        return Finding(name="packages", state=BAD, seen="; ".join(wrong), cure="run `make venv` (or pip install -e .)")
    return Finding(name="packages", state=OK, seen=f"all there, workbench {program_version()}")


def check_kernelspec(home: Home) -> Finding:
    """Look whether a notebook starts with this Python; with the kernelspec of another one nothing imports."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    try:
        spec = KernelSpecManager().get_kernel_spec(KERNEL)
    except NoSuchKernel:
        cure = f"{sys.executable} -m ipykernel install --prefix {sys.prefix} --name {KERNEL}"
        return Finding(name="kernelspec", state=BAD, seen=f"there is no kernel {KERNEL}", cure=cure)
    command = spec.argv[0]
    if command in ("python", "python3", f"python{sys.version_info[0]}.{sys.version_info[1]}"):
        command = sys.executable  # as Jupyter reads it
    found = shutil.which(command) or command
    if Path(found).absolute() == Path(sys.executable).absolute():
        return Finding(name="kernelspec", state=OK, seen=f"{KERNEL} starts {found}")
    cure = f"{sys.executable} -m ipykernel install --prefix {sys.prefix} --name {KERNEL}"
    seen = f"{KERNEL} starts {found}, not {sys.executable}: notebooks will not find workbench"
    return Finding(name="kernelspec", state=WARN, seen=f"{seen} ({spec.resource_dir})", cure=cure)


def check_kernels(home: Home) -> Finding:
    """Look for the compiled kernels on the disk, where they last."""
    from workbench._numba_cache import prepare

    folder = prepare()
    count = sum(1 for _ in folder.glob("**/*.nbi"))
    if folder.is_relative_to(tempfile.gettempdir()):
        cure = "the cache does not last: make the home folder writable, or set NUMBA_CACHE_DIR to a folder that is"
        return Finding(name="numba cache", state=WARN, seen=f"{folder}, {count} files", cure=cure)
    if not count:
        cure = "the first backtest will compile for half a minute: python -m workbench.warm does it now"
        return Finding(name="numba cache", state=WARN, seen=f"{folder} is empty", cure=cure)
    return Finding(name="numba cache", state=OK, seen=f"{folder}, {count} compiled functions")


def check_home(home: Home) -> Finding:
    """Write and sync a block where the state lies."""
    try:
        home.path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=home.path) as file:
            file.write(b"x" * 4096)
            file.flush()
            begun = time.monotonic()
            os.fsync(file.fileno())
            took_s = time.monotonic() - begun
    except OSError as error:
        cure = "unlock or free the disk, or set WORKBENCH_HOME to a folder that can be written; until then no orders"
        seen = f"{home.path} cannot be written: {error.strerror or error}"
        return Finding(name="home", state=BAD, seen=seen, cure=cure)
    seen = f"{home.path}, a synced write takes {1e3 * took_s:.1f} ms"
    if took_s > SYNC_SLOW_S:
        cure = "every order waits for such a write: put WORKBENCH_HOME on a local disk, not on a network or USB drive"
        return Finding(name="home", state=WARN, seen=seen, cure=cure)
    return Finding(name="home", state=OK, seen=seen)


def check_disk(home: Home, free: int | None = None) -> Finding:
    """Look for room for journals and bars."""
    place = next(p for p in (home.path, *home.path.parents) if p.exists())
    left = shutil.disk_usage(place).free if free is None else free
    seen = f"{left / 2**30:.1f} GB free at {place}"
    if left < FREE_BAD:
        return Finding(name="disk", state=BAD, seen=seen, cure="a full disk blocks every entry: free some space")
    if left < FREE_WARN:
        return Finding(name="disk", state=WARN, seen=seen, cure="a year of one-minute bars and journals may not fit")
    return Finding(name="disk", state=OK, seen=seen)


def check_time_zones(home: Home) -> Finding:
    """Ask the time of the exchange."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        there = datetime.now(ZoneInfo("America/Chicago"))
    except ZoneInfoNotFoundError:
        return Finding(
            name="time zones", state=BAD, seen="America/Chicago is not known", cure="pip install tzdata (or apt)"
        )
    return Finding(name="time zones", state=OK, seen=f"it is {there:%H:%M:%S} in Chicago, as this machine has it")


def check_ports(home: Home) -> Finding:
    """Look whether the usual ports are free, or held by what should hold them."""
    held = {(name, port): holder(name, port, home) for name, port in _ports() if _listens(port)}
    taken = [f"{port} ({name}) is taken by another program" for (name, port), who in held.items() if who is None]
    ours = [f"{port} by {who}" for (_, port), who in held.items() if who is not None]
    if taken:
        cure = "end that program, or choose others: workbench demo --ports 0,0,0,0 takes any that are free"
        return Finding(name="ports", state=WARN, seen="; ".join(taken + ours), cure=cure)
    return Finding(
        name="ports", state=OK, seen=", ".join(ours) or "all free: " + ", ".join(str(p) for _, p in _ports())
    )


def check_browser(home: Home) -> Finding:
    """Look for something to show the dashboard with."""
    found = [name for name in BROWSERS if shutil.which(name)]
    if found:
        return Finding(name="browser", state=OK, seen=", ".join(found))
    cure = "open the printed link in a browser of your own machine (ssh -L 8421:127.0.0.1:8421 …), or install one"
    return Finding(name="browser", state=WARN, seen="none found", cure=cure)


def check_desk(home: Home) -> Finding:
    """Ask the desk of this home for its version."""
    told = read_json(home.desk / "desk.json")
    if not told:
        return Finding(name="desk", state=OK, seen="none runs; `workbench demo` or `workbench desk` starts one")
    import httpx

    url = str(told.get("url"))
    try:
        body = httpx.get(f"{url}/api/health", timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError) as error:
        cure = "if nothing of it runs any more, start it anew: workbench desk. To stop all trading: workbench stop"
        seen = f"desk.json names {url}, which does not answer ({type(error).__name__})"
        return Finding(name="desk", state=WARN, seen=seen, cure=cure)
    running, here = str(body.get("version", "?")), program_version()
    if running != here:
        cure = "end the desk and start it again: two versions do not trade together"
        return Finding(name="desk", state=BAD, seen=f"{url} runs {running}, this is {here}", cure=cure)
    return Finding(name="desk", state=OK, seen=f"{url}, version {running}")


def check_stop(home: Home) -> Finding:
    """Look for an emergency stop in force."""
    held = [(account, read_latch(home, account)) for account in (None, *home.accounts())]
    latched = [(account, latch) for account, latch in held if latch is not None]
    if not latched:
        return Finding(name="stop", state=OK, seen="no emergency stop is in force")
    account, latch = latched[0]
    where = "everything" if account is None else f"account {account}"
    cure = "when you know why: workbench stop --clear --reason '…'"
    return Finding(name="stop", state=WARN, seen=f"{where} is stopped: {latch.reason} ({latch.by})", cure=cure)


def check_credentials(home: Home) -> Finding:
    """Look for name and key of the chosen gateway in the environment; they are never shown."""
    try:
        profile = load_profile()
    except WorkbenchError as error:
        return Finding(name="credentials", state=BAD, seen=str(error), cure="export them in the shell that starts us")
    if profile.is_simulator:
        return Finding(name="credentials", state=OK, seen="the simulator needs none (WORKBENCH_PROFILE=sim)")
    return Finding(name="credentials", state=OK, seen=f"name and key for {profile.name} are in the environment")


def check_gateway(home: Home) -> Finding:
    """Ask the gateway for a sign of life, and compare its clock with ours."""
    try:
        profile = load_profile()
    except WorkbenchError:
        return Finding(name="gateway", state=WARN, seen="not asked: no credentials", cure="see credentials")
    told = read_json(home.desk / "desk.json") or {}
    url = str(told.get("gateway_url") or profile.rest_url) if profile.is_simulator else profile.rest_url
    return _gateway(profile, url)


def _gateway(profile: Profile, url: str) -> Finding:
    import httpx

    try:
        response = httpx.get(f"{url}/api/Status/ping", timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError as error:
        seen = f"{url} does not answer ({type(error).__name__})"
        if profile.is_simulator:
            cure = "`workbench demo` or `workbench simulator` starts it"
            return Finding(name="gateway", state=OK, seen=f"the simulator is not running at {url}", cure=cure)
        cure = "check the network, a firewall or proxy, and the firm's status page"
        return Finding(name="gateway", state=BAD, seen=seen, cure=cure)
    if response.status_code != httpx.codes.OK:
        cure = "the gateway is up but refuses: see the firm's status page"
        return Finding(name="gateway", state=BAD, seen=f"{url} answers HTTP {response.status_code}", cure=cure)
    seen = f"{url} answers in {1e3 * response.elapsed.total_seconds():.0f} ms"
    if profile.is_simulator:
        return Finding(name="gateway", state=OK, seen=seen)
    return clock_finding(seen, response.headers.get("date"), datetime.now(UTC))


def clock_finding(seen: str, date: str | None, now: datetime) -> Finding:
    """Judge our clock by the Date header of a gateway's answer (its resolution is a second)."""
    cure = "set the clock: timedatectl set-ntp true (Linux), or Date & Time → set automatically (macOS)"
    if date is None:
        return Finding(name="gateway", state=OK, seen=seen)
    off_s = (now - parsedate_to_datetime(date)).total_seconds()
    seen = f"{seen}; our clock is {abs(off_s):.0f} s {'ahead' if off_s > 0 else 'behind'}"
    state = BAD if abs(off_s) > CLOCK_BAD_S else WARN if abs(off_s) > CLOCK_WARN_S else OK
    return Finding(name="gateway", state=state, seen=seen, cure="" if state == OK else cure)


def _ports() -> Iterator[tuple[str, int]]:
    yield from (("desk", DESK_PORT), ("dashboard", DASHBOARD_PORT), ("simulator", SIMULATOR_PORT), ("lab", LAB_PORT))


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


Check = Callable[[Home], Finding]
CHECKS: tuple[Any, ...] = (
    check_python,
    check_packages,
    check_kernelspec,
    check_kernels,
    check_home,
    check_disk,
    check_time_zones,
    check_ports,
    check_browser,
    check_desk,
    check_stop,
    check_credentials,
    check_gateway,
)
