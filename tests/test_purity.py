"""What import contracts cannot see: calls to clocks, files and the like inside the pure rooms."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "workbench"
PURE_ROOMS = ("domain", "rules", "risk", "ingestion", "execution", "backtest")

# Calls that read a clock, touch a file, the environment or a random source, or wait.
BARRED = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep"),
    *("asyncio.sleep", "asyncio.run", "asyncio.create_task", "os.getenv", "open", "input", "print"),
    *("np.random.seed", "np.random.rand", "np.random.randn", "Path.cwd", "Path.home"),
}
BARRED_METHODS = {"read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir"}
# Each exception carries its reason.
ALLOWED = {
    ("rules/load.py", "read_text"),  # reads the one strategy file that a person names
    ("rules/load.py", "read_bytes"),  # the same
    ("rules/python/files.py", "read_text"),  # the same for Python, with the modules beside it that it imports
}


def calls(tree: ast.AST) -> list[tuple[str, int]]:
    """Return the dotted names that are called, with their lines."""
    return [(ast.unparse(node.func), node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def breaches(source: str, where: str) -> list[str]:
    tree = ast.parse(source)
    found = [
        f"{where}:{node.lineno} waits (async)"
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await)
    ]
    for name, line in calls(tree):
        method = name.rsplit(".", 1)[-1]
        short = ".".join(name.split(".")[-2:])
        barred = name in BARRED or short in BARRED or (method in BARRED_METHODS and "." in name)
        if barred and (where, method) not in ALLOWED:
            found.append(f"{where}:{line} calls {name}")
    return found


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_a_pure_room_reads_no_clock_file_or_environment(room: str) -> None:
    found = []
    for path in sorted((PACKAGE / room).rglob("*.py")):
        found += breaches(path.read_text(encoding="utf-8"), path.relative_to(PACKAGE).as_posix())
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "async def f():\n    pass",
        "open('x')",
        "from pathlib import Path\nPath('x').read_text()",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert breaches(source, "x.py")


def test_the_search_leaves_innocent_calls_alone() -> None:
    assert breaches("reopen('x'); broker.is_open(3); hours.next_open(3); at.time()", "x.py") == []
