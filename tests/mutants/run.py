"""Switch every piece of the safety code off in turn; the suite must fail each time. Resumable.

``python -m tests.mutants.run --file mutants.json [--only text] [--workers 2]`` prints the table of what was noticed and
by which test, and ends with 1 when something was not.
"""
# ruff: noqa: T201

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

from tests.mutants.known import NO_DIFFERENCE
from tests.mutants.making import ROOT, Mutant, mutants

COPIED = ("workbench", "tests", "strategies", "notebooks", "pyproject.toml", "README.md")
LONGEST_S = 300
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc")
# What the tests of the safety code need; the other plugins take longer to load than most mutants take to be noticed.
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout", "_hypothesis_pytestplugin")


class Bench:
    """A copy of the project in which one file at a time is another."""

    def __init__(self, folder: Path, like: Bench | None = None) -> None:
        self.folder = folder
        source, ignored = (ROOT, IGNORED) if like is None else (like.folder, None)
        for name in COPIED:
            place = source / name
            if place.is_dir():
                shutil.copytree(place, folder / name, ignore=ignored)
            else:
                shutil.copy2(place, folder / name)
        if like is None:  # bytecode that is believed by the source's hash: a mutant is never taken for the original
            compile_dir(folder / "workbench", quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)

    def require_green(self, tests: tuple[str, ...]) -> None:
        """Run tests on the project as it is: what fails anyway notices nothing."""
        said, code = self._tests(tests, keep_bytecode=True)  # of the tests, which no mutant changes
        if code != 0:
            raise SystemExit(f"{' '.join(tests)} fail without any mutant:\n{said[-2000:]}")

    def judge(self, mutant: Mutant, first: Sequence[str] = ()) -> dict[str, Any]:
        """Run the mutant's tests, `first` before the others; `noticed` names the one that fails, "" when none does."""
        path = self.folder / mutant.path
        before = path.read_text(encoding="utf-8")
        path.write_text(mutant.text, encoding="utf-8")
        try:
            said, code = self._tests(in_order(self.folder, mutant.tests, first))
        finally:
            path.write_text(before, encoding="utf-8")
        failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
        noticed = failed[0] if failed else "time-out" if code == -1 else "" if code == 0 else f"exit {code}"
        return {"noticed": noticed, "line": mutant.line}

    def _tests(self, tests: tuple[str, ...], *, keep_bytecode: bool = False) -> tuple[str, int]:
        environment = {
            **os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "" if keep_bytecode else "1",
            "HYPOTHESIS_PROFILE": "first-failure", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }  # fmt: skip
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow and not browser",
            "--timeout=60",
            *(word for plugin in PLUGINS for word in ("-p", plugin)),
            "-W",
            "default",
        ]
        command = [sys.executable, "-m", "pytest", *options, *tests]
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "", -1
        return done.stdout, done.returncode


def in_order(folder: Path, tests: Iterable[str], first: Sequence[str]) -> tuple[str, ...]:
    """Return the test files that `tests` (files and folders) hold, those named in `first` before the others."""
    places = [folder / each for each in tests]
    files = [f for p in places for f in (sorted(p.rglob("test_*.py")) if p.is_dir() else [p])]
    names = dict.fromkeys(f.relative_to(folder).as_posix() for f in files)
    return (*[name for name in first if name in names], *[name for name in names if name not in first])


def noticed_before(path: str, done: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the test files that have noticed mutants of this source, the one that noticed most of them first."""
    counts = Counter(v["noticed"].partition("::")[0] for k, v in done.items() if k.startswith(f"{path}: "))
    return [name for name, _ in counts.most_common() if name.startswith("tests/")]


def key(mutant: Mutant) -> str:
    """A result counts as long as the mutated source is the same."""
    return f"{mutant.name} {hashlib.sha256(mutant.text.encode()).hexdigest()[:12]}"


def main() -> int:
    """Judge what has not been judged yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", type=Path, default=Path("mutants.json"))
    parser.add_argument("--only", default="", help="Judge mutants whose name holds this text.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="Show the mutants and judge none.")
    options = parser.parse_args()
    found = [m for m in mutants() if options.only in m.name]
    if options.list:
        print(*(f"{m.line:4d} {m.name}" for m in found), f"{len(found)} mutants", sep="\n")
        return 0
    done: dict[str, Any] = json.loads(options.file.read_text()) if options.file.exists() else {}
    left = [m for m in found if key(m) not in done]
    lock, benches = threading.Lock(), threading.local()

    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        first = Bench(Path(tempfile.mkdtemp(dir=place)))
        for tests in dict.fromkeys(m.tests for m in left):
            first.require_green(tests)

        def judge(mutant: Mutant) -> None:
            if not hasattr(benches, "mine"):
                benches.mine = Bench(Path(tempfile.mkdtemp(dir=place)), first)
            with lock:
                likely = noticed_before(mutant.path, done)
            verdict = benches.mine.judge(mutant, likely)
            with lock:
                done[key(mutant)] = verdict
                options.file.write_text(json.dumps(done, indent=1))
                print(f"{len(done):4d}  {verdict['noticed'] or 'NOT NOTICED':70.70s} {mutant.name}", flush=True)

        with ThreadPoolExecutor(options.workers) as pool:
            list(pool.map(judge, left))
    return report(found, done)


def report(found: list[Mutant], done: dict[str, Any]) -> int:
    """Print the counts by module and what was not noticed; return the exit code."""
    missed = [m for m in found if not done[key(m)]["noticed"]]
    excused = [m for m in missed if m.name in NO_DIFFERENCE]
    for path in dict.fromkeys(m.path for m in found):
        here = [m for m in found if m.path == path]
        unseen = [m for m in missed if m.path == path]
        print(f"{path:45s} {len(here):4d} mutants, {len(here) - len(unseen):4d} noticed")
    for mutant in missed:
        print(f"not noticed: {mutant.path}:{mutant.line} {mutant.name}; {NO_DIFFERENCE.get(mutant.name, 'WHY?')}")
    print(f"{len(found)} mutants, {len(found) - len(missed)} noticed, {len(excused)} make no difference")
    return int(len(missed) > len(excused))


if __name__ == "__main__":
    sys.exit(main())
