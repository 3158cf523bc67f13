"""Both databases for the tests of state: SQLite always, PostgreSQL where there is one or one can be started."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.storage.database import URL_VARIABLE

TOOLS = ("initdb", "pg_ctl")


def tool(name: str) -> str | None:
    """A program of PostgreSQL: on the path, or where Debian puts it."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(found[-1]) if found else None)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Address of a PostgreSQL server: one of our own for these tests, else WORKBENCH_TEST_DATABASE_URL."""
    tools = {name: tool(name) for name in TOOLS}
    given = os.environ.get("WORKBENCH_TEST_DATABASE_URL")
    if given:
        yield given
        return
    if None in tools.values():
        pytest.skip("needs PostgreSQL: initdb and pg_ctl, or WORKBENCH_TEST_DATABASE_URL")
    folder = Path(tempfile.mkdtemp(prefix="workbench-pg-", dir="/tmp"))  # short: the name of a socket has a limit
    user: dict[str, str] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "postgres")
        user = {"user": "postgres"}

    def run(name: str, *arguments: str) -> int:
        command = [str(tools[name]), *arguments]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)  # type: ignore[call-overload]
        return int(done.returncode)

    try:
        made = run("initdb", "-D", f"{folder}/data", "-U", "workbench", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses='' -k {folder} -c fsync=off"
        if made or run("pg_ctl", "-D", f"{folder}/data", "-w", "-t", "30", "-o", options, "start"):
            pytest.skip("PostgreSQL is installed and does not start here")
        yield f"postgresql://workbench@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def address(server: str) -> Iterator[str]:
    """A new database on the server."""
    psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")
    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield server.replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs on SQLite, and again on PostgreSQL; which one it is."""
    if request.param == "postgresql":
        monkeypatch.setenv(URL_VARIABLE, request.getfixturevalue("address"))
    else:
        monkeypatch.delenv(URL_VARIABLE, raising=False)
    return str(request.param)
