"""Where compiled kernels are kept: one folder per state of the kernel sources, numba and CPU.

numba looks only at the file of the function itself, so a changed callee in another file would go unnoticed; a folder
keyed by all sources cannot serve a stale kernel. `prepare` must run before numba compiles anything::

    from workbench._numba_cache import prepare

    prepare()
    import numba

    watch()
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import stat
import sys
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

VARIABLE = "NUMBA_CACHE_DIR"
PREFIX = "kernels-"

# What is compiled without naming numba: steps are plain Python, rebuilt by `workbench.rules.compiled`.
PLAIN_SOURCES = ("rules/indicators/*.py", "rules/operators*.py", "rules/plan.py", "backtest/kernel*.py")
_IMPORTS_NUMBA = re.compile(rb"^\s*(import|from) numba\b", re.MULTILINE)
_IMPORTS_OURS = re.compile(rb"^from workbench\.?([\w.]*) import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def kernel_sources(root: Path | None = None) -> list[Path]:
    """Return every module below `root` (default: this package) that machine code may be made of, sorted.

    Those are the modules that import numba, those that hold steps, and what they import at their top, to any depth
    (by the module's own name: a package's re-exports are not followed).
    """
    root = root or Path(__file__).parent
    texts = {path: path.read_bytes() for path in root.rglob("*.py")}
    waiting = [path for path, text in texts.items() if _IMPORTS_NUMBA.search(text)]
    waiting += [path for pattern in PLAIN_SOURCES for path in root.glob(pattern)]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in texts and path not in found:
            found.add(path)
            waiting += _imported(texts[path], root)
    return sorted(found)


def _imported(text: bytes, root: Path) -> list[Path]:
    paths = []
    for module, names in _IMPORTS_OURS.findall(text):
        folder = root.joinpath(*module.decode().split(".")) if module else root
        paths.append(folder.with_suffix(".py"))
        paths += [folder / f"{name}.py" for name in re.findall(r"\w+", names.decode())]
    return paths


def cache_key(root: Path | None = None) -> str:
    """Return the key of the folder: kernel sources, numba, llvmlite, Python and CPU in 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    root = root or Path(__file__).parent
    for path in kernel_sources(root):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for name in ("numba", "llvmlite", "numpy"):
        digest.update(_installed(name).encode() + b"\0")
    digest.update(repr((sys.version_info[:3], platform.machine(), platform.node(), _cpu_model())).encode())
    return digest.hexdigest()


@cache
def prepare() -> Path:
    """Point numba's cache at the folder of this program state; safe to call often, also after numba was imported.

    Returns
    -------
    Path
        The folder in use. When no lasting folder can be written (read-only home), a temporary one.
    """
    folder = _usable(_bases(), PREFIX + cache_key())
    os.environ[VARIABLE] = str(folder)
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = str(folder)
    return folder


@cache
def watch() -> None:
    """Say on stderr when numba begins to compile something of this package; call it after numba was imported.

    What is found on disk is not compiled, so most processes say nothing; the others say it once.
    """
    from numba.core import event

    class Teller(event.Listener):  # type: ignore[misc, unused-ignore]
        def on_start(self, event: Any) -> None:
            if event.data["dispatcher"].py_func.__module__.startswith("workbench."):
                announce("what runs compiled, on first use (python -m workbench.warm does all at once)")

        def on_end(self, event: Any) -> None:
            pass

    event.register("numba:compile", Teller())


@cache
def announce(what: str) -> None:
    """Say once per process, on stderr, that something is compiled now and why the call takes longer."""
    say(f"compiling {what}; kept in {prepare()}")


def say(text: str) -> None:
    """Write one line to stderr: the person waits and must see why."""
    sys.stderr.write(f"workbench: {text}\n")
    sys.stderr.flush()


def show_progress(done: int, total: int, name: str) -> None:
    """Show on stderr what is compiled now: one line that moves on a terminal, every tenth step elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[Kworkbench: compiling {done}/{total} {name}" + ("" if name else "\n"))
        sys.stderr.flush()
    elif done % 10 == 0 or not name:
        say(f"compiling {done}/{total} {name}".rstrip())


def _bases() -> list[Path]:
    given = os.environ.get(VARIABLE)
    if given:
        # A child process inherits the parent's choice: its last part is ours, what lies above is the base.
        path = Path(given)
        return [path.parent if path.name.startswith(PREFIX) else path]
    home = os.environ.get("XDG_CACHE_HOME")
    bases = [Path(home) if home else Path(os.path.expanduser("~")) / ".cache"]
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    return [base / "workbench" / "numba" for base in bases] + [Path(tempfile.gettempdir()) / f"workbench-numba-{owner}"]


def _usable(bases: list[Path], name: str) -> Path:
    for base in bases:
        folder = base / name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        if _is_safe(base, shared=True) and _is_safe(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="workbench-numba-"))


def _is_safe(folder: Path, *, shared: bool = False) -> bool:
    # Cached kernels are loaded as code: a folder in which somebody else may put files is not to be trusted. A shared
    # parent is, when its sticky bit (as of /tmp) keeps others from replacing what is ours.
    if not hasattr(os, "getuid"):
        return True
    found = folder.stat()
    closed = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return (closed and found.st_uid == os.getuid()) or (shared and bool(found.st_mode & stat.S_ISVTX))


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            wanted = [line for line in lines if line.startswith(("model name", "flags", "Features"))]
        return "".join(wanted[:2])
    except OSError:
        return platform.processor()
