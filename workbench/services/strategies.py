"""From what a person calls a strategy (a path, a name, a version) to the strategy itself."""

from __future__ import annotations

from pathlib import Path

from workbench.domain.errors import InputError, UnknownName
from workbench.rules.load import load_strategy
from workbench.rules.strategy import Strategy
from workbench.storage.registry import Registry

KINDS = (".yaml", ".yml", ".py")


def shipped_folder() -> Path:
    """The project's own strategies, beside the package."""
    return Path(__file__).resolve().parents[2] / "strategies"


def resolve_strategy(written: str, registry: Registry) -> Strategy:
    """Return the strategy at a path, of a shipped or local name, or of a registered version.

    Raises
    ------
    UnknownName, InputError
        Nothing goes by that name, with the closest that do.
    """
    if written.endswith(KINDS) or "/" in written:
        return load_strategy(written)
    folders = (Path("strategies"), shipped_folder())
    for folder in folders:
        for kind in KINDS:
            if (folder / f"{written}{kind}").is_file():
                return load_strategy(folder / f"{written}{kind}")
    try:
        return registry.get(written)
    except InputError:
        names = {p.stem for folder in folders if folder.is_dir() for p in folder.iterdir() if p.suffix in KINDS}
        raise UnknownName("strategy", written, names, where="a path, a name or a version") from None
