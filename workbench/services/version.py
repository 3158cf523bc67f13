"""The version of the program, for results, orders and screens."""

from __future__ import annotations

from importlib import metadata

PACKAGE = "futures-workbench"


def program_version() -> str:
    """Return the version of the installed package; PackageNotFoundError says that it is not installed."""
    return metadata.version(PACKAGE)
