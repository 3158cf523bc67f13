"""Which modules a strategy imports: those of its own folder belong to its version, a few packages are known, no others.

Imports are the only thing that is checked before a strategy runs. What its code does with the standard library (files,
network, environment) cannot be prevented in Python; `uncertain` names what makes a run differ from the next one.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from workbench.domain.errors import InputError

PACKAGES = ("numpy", "pandas", "polars", "workbench")
# Modules whose answers change from run to run: a strategy that asks them does not trade what was tested.
UNCERTAIN = {
    "time": "reads the clock of the machine, which is not the market's: use bar.end or bar.at",
    "random": "is different in each run",
    "secrets": "is different in each run",
    "uuid": "is different in each run",
    "socket": "asks the network",
    "urllib": "asks the network",
    "http": "asks the network",
    "subprocess": "starts other programs",
    "threading": "runs beside the decision",
    "multiprocessing": "runs beside the decision",
    "asyncio": "runs beside the decision",
    "importlib": "loads modules that are not part of the version: use import",
    "runpy": "runs files that are not part of the version",
}
_CALLS = {
    "datetime.now": "reads the clock of the machine: use bar.at",
    "datetime.utcnow": "reads the clock of the machine: use bar.at",
    "datetime.today": "reads the clock of the machine: use bar.at",
    "date.today": "reads the clock of the machine: use bar.trading_date",
    "Timestamp.now": "reads the clock of the machine: use bar.at",
    "np.random": "is different in each run unless its generator is seeded",
    "numpy.random": "is different in each run unless its generator is seeded",
    "os.environ": "depends on the environment of the process",
    "os.getenv": "depends on the environment of the process",
    "__import__": "loads modules that are not part of the version: use import",
    "open": "reads or writes a file, which is not part of the version",
    "read_csv": "reads a file, which is not part of the version",
    "read_parquet": "reads a file, which is not part of the version",
}


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement: `module` with its leading dots, the names taken `from` it, its line."""

    module: str
    names: tuple[str, ...]
    line: int
    within: str = ""  # package of the importing file

    @property
    def candidates(self) -> list[str]:
        """Dotted names that this statement may load from the strategy's folder, the shortest first."""
        plain = self.module.lstrip(".")
        level = len(self.module) - len(plain)
        base = self.within.split(".") if level and self.within else []
        parts = base[: len(base) - level + 1] if level > 1 else base
        parts = [*parts, *plain.split(".")] if plain else parts
        made = [".".join(parts[: i + 1]) for i in range(len(parts))]
        return [*made, *(".".join([*parts, name]) for name in self.names if name != "*")]


def imports(tree: ast.AST, within: str = "") -> Iterator[Import]:
    """Yield every import of a module, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, (), node.lineno, within)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import("." * node.level + (node.module or ""), names, node.lineno, within)


def closure(main: str, text: str, read: Callable[[str], str | None], where: str) -> dict[str, str]:
    """Return `main` and every module of its folder that it imports, directly or not.

    Parameters
    ----------
    main, text : str
        File name and text of the strategy.
    read : callable
        File name relative to the folder → its text, or None when there is no such file.
    where : str
        The strategy's path, for messages.

    Raises
    ------
    InputError
        A module that is neither local nor allowed, a local one that hides a known one, or one that cannot be parsed.
    """
    files = {main: text}
    waiting = [main]
    while waiting:
        name = waiting.pop()
        shown = where if name == main else f"{where.removesuffix(main)}{name}"
        for found in imports(tree_of(files[name], shown), package_of(name)):
            for local, body in _local(found, read, shown):
                if local not in files:
                    files[local] = body
                    waiting.append(local)
    return files


def tree_of(text: str, where: str) -> ast.Module:
    """Return the syntax tree; raise InputError with the line where it is no Python."""
    try:
        return ast.parse(text)
    except SyntaxError as error:
        written = (error.text or "").strip()
        code = f" in `{written[:60]}`" if written else ""
        raise InputError(f"{error.msg}{code} ({where}, line {error.lineno})") from None
    except (RecursionError, MemoryError, ValueError):
        raise InputError(f"{where} cannot be read: nested too deeply, or not text") from None


def package_of(file: str) -> str:
    """Return the package in which a file's relative imports start.

    >>> package_of("lib/__init__.py"), package_of("lib/bands.py"), package_of("bands.py")
    ('lib', 'lib', '')
    """
    return ".".join(file.split("/")[:-1])


def _local(found: Import, read: Callable[[str], str | None], where: str) -> Iterator[tuple[str, str]]:
    top = found.module.split(".")[0]
    known = top in PACKAGES or top in sys.stdlib_module_names
    any_local = False
    for name in found.candidates:
        for file in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
            text = read(file)
            if text is None:
                continue
            if known:
                raise InputError(f"{file} beside the strategy hides {top}; rename it ({where}, line {found.line})")
            any_local = True
            yield file, text
    if not any_local and not known:
        raise InputError(
            f"imports {found.module or '.'}: a strategy may import the standard library, {', '.join(PACKAGES)} and "
            f"files of its own folder ({where}, line {found.line})"
        )


def uncertain(text: str, where: str) -> list[tuple[int, str]]:
    """Return (line, what) of everything that can make one run differ from the next."""
    tree = tree_of(text, where)
    made = [
        (found.line, f"{found.module} {UNCERTAIN[top]}")
        for found in imports(tree)
        if (top := found.module.split(".")[0]) in UNCERTAIN
    ]
    for node in ast.walk(tree):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ",):
            name = "os.environ"
        for call, why in _CALLS.items():
            if name == call or name.endswith(f".{call}") or (call.endswith("random") and name.startswith(f"{call}.")):
                made.append((getattr(node, "lineno", 0), f"{call} {why}"))
    return sorted(set(made))
