"""Runs the stored source of a strategy in modules of its own: fresh for each start, never from the working tree."""

from __future__ import annotations

import builtins
import hashlib
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import CodeType, ModuleType
from typing import Any

from workbench.rules.python.authoring import Strategy
from workbench.rules.python.bundle import Bundle
from workbench.rules.python.closure import package_of
from workbench.rules.python.errors import StrategyFault, fault_of


@lru_cache(maxsize=64)
def _compiled(text: str, file: str) -> CodeType:
    return compile(text, file, "exec", dont_inherit=True)


class Modules:
    """The modules of one bundle; imports of its own files come from the bundle, all others from Python.

    Parameters
    ----------
    bundle : Bundle
    where : str
        Path of the main file, for tracebacks.
    """

    def __init__(self, bundle: Bundle, where: str) -> None:
        self.bundle, self.where = bundle, where
        digest = hashlib.sha256(bundle.pack().encode("utf-8", "replace")).hexdigest()[:12]
        self._prefix = f"_strategy_{digest}"
        self._files = {_dotted(name): name for name in bundle.files}
        self._made: dict[str, ModuleType] = {}

    @property
    def files(self) -> Mapping[str, str]:
        """Text by the file name that tracebacks show."""
        return {self._shown(name): text for name, text in self.bundle.files.items()}

    def strategy(self, name: str) -> type[Strategy]:
        """Run the main file and return its class `name`; raise StrategyFault if it fails."""
        try:
            found = vars(self._load(_dotted(self.bundle.main))).get(name)
        except Exception as error:  # whatever a person's module raises is told with its line
            raise fault_of(error, self.files) from error
        if not (isinstance(found, type) and issubclass(found, Strategy)):
            raise StrategyFault(f"{name} is no strategy class any more once the file has run", where=self.where)
        return found

    def _shown(self, file: str) -> str:
        return self.where if file == self.bundle.main else f"{self.where.removesuffix(self.bundle.main)}{file}"

    def _load(self, name: str) -> ModuleType:
        if name in self._made:
            return self._made[name]
        file = self._files[name]
        module = ModuleType(f"{self._prefix}.{name}")
        own = vars(builtins) | {"__import__": self._import}
        vars(module).update({"__builtins__": own, "__package__": package_of(file), "__file__": self._shown(file)})
        if file.endswith("__init__.py"):
            vars(module)["__path__"] = []
        self._made[name] = module
        sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up there
        if file == self.bundle.main and self.bundle.prelude:
            exec(_compiled(self.bundle.prelude, "imports of other cells"), vars(module))  # noqa: S102  as below
        exec(_compiled(self.bundle.files[file], self._shown(file)), vars(module))  # noqa: S102  this is its purpose
        parent, _, last = name.rpartition(".")
        if parent in self._made:
            setattr(self._made[parent], last, module)
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        wanted = name
        if level:
            within = str((globals or {}).get("__package__") or "").split(".")
            base = [part for part in within if part][: len(within) - level + 1]
            wanted = ".".join([*base, name] if name else base)
        top = wanted.split(".")[0]
        if not level and top not in self._files:
            return __import__(name, globals, locals, fromlist or (), 0)
        parts = wanted.split(".") if wanted else []
        module: ModuleType | None = None
        for i in range(len(parts)):
            dotted = ".".join(parts[: i + 1])
            if dotted not in self._files:
                raise ModuleNotFoundError(f"no module {dotted} in the stored source of {self.bundle.main}")
            module = self._load(dotted)
        for item in fromlist or ():
            inner = f"{wanted}.{item}" if wanted else item
            if inner in self._files:
                loaded = self._load(inner)
                module = module or ModuleType(self._prefix)
                setattr(module, item, loaded)
        if module is None:
            raise ImportError(f"no {', '.join(fromlist or ())} in the stored source of {self.bundle.main}")
        return module if fromlist else self._made[top]


def _dotted(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
