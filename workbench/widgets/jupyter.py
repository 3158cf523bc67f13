"""The Jupyter server that has started this kernel: pages of it show the controls."""

from __future__ import annotations

import json
import os
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost")


def origins_of_this_kernel() -> list[str]:
    """Return the origins on this machine of the server that started this kernel; none outside of Jupyter.

    A server that is reached through another name (a hub, a tunnel, VS Code) has an origin that nobody here knows.
    """
    parent = os.environ.get("JPY_PARENT_PID", "")
    if not parent.isdecimal():
        return []
    from jupyter_core.paths import jupyter_runtime_dir

    file = Path(jupyter_runtime_dir()) / f"jpserver-{parent}.json"
    try:
        info = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []  # the parent is nbclient, papermill or a test; where it matters the panel says what it cannot reach
    if info.get("secure") or str(info.get("pid")) != parent:
        return []
    return [f"http://{host}:{int(info['port'])}" for host in LOOPBACK]
