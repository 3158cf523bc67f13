"""Which files a request over the API may name: those in the strategies folders and in the home, and no others."""

from __future__ import annotations

from pathlib import Path

from workbench.domain.errors import InputError
from workbench.services.strategies import KINDS, shipped_folder
from workbench.storage.home import Home


def strategy_of_request(written: str, home: Home) -> str:
    """Return what a request calls a strategy, when it is a name or a version, or a file inside the store.

    Raises
    ------
    InputError
        A path that leads out of the store: absolute, with ``..`` or through a link. It is not opened.
    """
    if "\0" in written:
        raise InputError("a strategy's name holds no zero byte")
    folders = (shipped_folder(), Path("strategies"), home.path / "strategies")
    named = not (written.endswith(KINDS) or "/" in written or "\\" in written)
    try:
        roots = [folder.resolve() for folder in folders]
        if named:
            files = [f / f"{written}{kind}" for f in folders for kind in KINDS if (f / f"{written}{kind}").is_symlink()]
            if all(any(file.resolve().is_relative_to(root) for root in roots) for file in files):
                return written
        found = (files[0] if named else Path(written).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"strategy {written[:100]!r} is no path: {error}") from error
    if found.suffix not in KINDS or not any(found.is_relative_to(root) for root in roots):
        raise InputError(
            f"strategy {written[:200]!r} lies outside the store; the API opens files of the strategies folders only: "
            "send the text to POST /api/strategies, or register the file with workbench strategy register"
        )
    return str(found)
