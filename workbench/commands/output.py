"""What every command prints: a table or JSON, and errors as one message that says what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from workbench.domain.errors import WorkbenchError


def fail(error: WorkbenchError, *, as_json: bool = False) -> int:
    """Print `error` and return the exit code 1."""
    if as_json:
        print(json.dumps({"error": str(error), "kind": type(error).__name__}))
    else:
        print(f"workbench: {error}", file=sys.stderr)
    return 1


def show(value: Any, *, as_json: bool) -> None:
    """Print a value: as JSON, or plainly."""
    if as_json:
        print(json.dumps(value, default=str, indent=2))
    else:
        print(value)


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """Print rows as a table; `empty` is said when there are none."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        print(empty)
        return
    out = Table(*columns)
    for row in rows:
        out.add_row(*(escape("–" if row.get(c) is None else str(row.get(c))) for c in columns))
    console = Console()
    if not console.is_terminal:  # in a pipe nothing is cut: what is printed there is read by programs
        console = Console(width=10_000)
    console.print(out)
