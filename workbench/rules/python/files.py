"""From a file on the disk, or a class in a notebook, to a bundle: the one moment in which the working tree is read."""

from __future__ import annotations

import ast
import builtins
import linecache
from pathlib import Path
from types import FunctionType, ModuleType

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.python.authoring import Strategy
from workbench.rules.python.bundle import MAX_CHARACTERS, Bundle
from workbench.rules.python.closure import closure
from workbench.rules.python.strategy import PythonStrategy, of_bundle


def load_python(path: Path) -> PythonStrategy:
    """Return the strategy in a ``.py`` file, with the modules of its folder that it imports.

    Raises
    ------
    InputError
        The file cannot be read, holds no strategy or a wrong one: with the line.
    """
    text = _read(path)
    files = closure(path.name, text, lambda name: _beside(path.parent, name), str(path))
    return of_bundle(Bundle(main=path.name, files=files), str(path))


def of_class(strategy: type[Strategy] | Strategy) -> PythonStrategy:
    """Return the strategy of a class, or of an instance with its values, that was written in a notebook or a module.

    Its cell (or file) is the source: what stands in other cells and is used here must come along, so imports are added
    and anything else is refused with its name.

    Raises
    ------
    InputError
        The source cannot be found, or uses names that stand elsewhere.
    """
    made = strategy if isinstance(strategy, type) else type(strategy)
    if made is Strategy:
        raise InputError("wb.Strategy is the base class; pass a class that derives from it")
    code = next((f.__code__ for f in vars(made).values() if isinstance(f, FunctionType)), None)
    if code is None:
        raise InputError(f"{made.__name__} needs a method on_bar(self, bar)")
    path = Path(code.co_filename)
    if path.suffix == ".py" and path.is_file() and not path.name.startswith("<") and not _is_cell(path):
        loaded = load_python(path)
    else:
        text = "".join(linecache.getlines(code.co_filename))
        if not text:
            raise InputError(f"the source of {made.__name__} cannot be found; write it to a file strategies/….py")
        prelude = _imports(text, made)
        bundle = Bundle(main="notebook.py", files={"notebook.py": text}, strategy=made.__name__, prelude=prelude)
        loaded = of_bundle(bundle, "notebook.py")
    return loaded if isinstance(strategy, type) else loaded.with_parameters(**strategy.values)


def _is_cell(path: Path) -> bool:
    return "ipykernel" in str(path.parent)  # kernels name cells after files that do not exist, unless debugged


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > 4 * MAX_CHARACTERS:
            raise InputError(f"{path} has {path.stat().st_size:,} bytes; a strategy has at most {MAX_CHARACTERS:,}")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        names = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise (
            UnknownName("strategy file", path.name, names, where=str(path.parent))
            if names
            else InputError(f"no file {path}")
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file; a strategy is Python in UTF-8") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{path} has {len(text):,} characters; a strategy has at most {MAX_CHARACTERS:,}")
    return text


def _beside(folder: Path, name: str) -> str | None:
    path = folder / name
    return _read(path) if path.is_file() else None


def _imports(text: str, made: type[Strategy]) -> str:
    # A cell leans on earlier cells: imports can be repeated, everything else would silently be another version.
    try:
        tree = ast.parse(text)
    except SyntaxError as error:  # magics such as %time are no Python
        raise InputError(
            f"the cell of {made.__name__} is not plain Python ({error.msg}, line {error.lineno}); give it its own cell"
        ) from None
    module = _namespace(made)
    added, missing = [], []
    for name in sorted(_unbound(tree)):
        value = module.get(name)
        if isinstance(value, ModuleType):
            plain = value.__name__
            added.append(f"import {plain} as {name}" if plain != name else f"import {plain}")
        elif value is Strategy:
            added.append(f"from workbench import Strategy as {name}")
        elif name in module:
            missing.append(name)
    if missing:
        raise InputError(
            f"the cell of {made.__name__} uses {', '.join(missing)} of another cell; what the class needs belongs into "
            "its cell, so that it is part of its version, and what uses the class (wb.backtest …) into another"
        )
    return "".join(f"{line}\n" for line in added)


def _namespace(made: type[Strategy]) -> dict[str, object]:
    function = next(f for f in vars(made).values() if isinstance(f, FunctionType))
    return function.__globals__


def _unbound(tree: ast.Module) -> set[str]:
    used, bound = set(), set(dir(builtins))
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                bound.add(name)
            case ast.arg(arg=name):
                bound.add(name)
            case ast.alias(name=name, asname=as_name):
                bound.add(as_name or name.split(".")[0])
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
    return used - bound
