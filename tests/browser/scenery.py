"""A desk that is worth a picture: runs in the lab, versions on their way, reports made and scheduled."""

from __future__ import annotations

from typing import Any

from tests.browser.harness import wait_until
from workbench.services.strategies import shipped_folder

SHIPPED = (shipped_folder() / "sma_cross.yaml").read_text(encoding="utf-8")
SLOWER = SHIPPED.replace("slow: {default: 15", "slow: {default: 40").replace("fast: {default: 5", "fast: {default: 10")
CALMER = SLOWER.replace("stop: {default: 3.0", "stop: {default: 4.0").replace(
    'flat_by: "15:05"', 'window: ["08:35", "14:30"]\n  flat_by: "15:05"'
)
OVER = ("done", "failed", "cancelled", "interrupted")
PATIENCE_S = 240.0  # of a cold numba cache


def furnish(stack: Any) -> None:
    """Let people have worked at this desk: what they left behind is in the pictures."""
    versions(stack)
    runs(stack)
    reports(stack)


def versions(stack: Any) -> None:
    """Store three versions of one line; the newest is on paper, and refused for live with every reason."""
    for text, person in ((SHIPPED, "ann"), (SLOWER, "ann"), (CALMER, "ben")):
        told = ask(stack, "POST", "/api/strategies", {"source": text, "person": person})
    for to, reason in (
        ("tested", "a calmer stop, no trades in the first minutes"),
        ("paper", "out of sample it holds"),
        ("live", "it made money on Tuesday"),
    ):
        body = {"to": to, "person": "ben", "reason": reason, "session": "sma_cross" if to == "live" else None}
        ask(stack, "POST", f"/api/versions/{told['version']}/promote", body)


def runs(stack: Any) -> None:
    """Run a sweep, a walk-forward, and two backtests of which the better one is the last."""
    on = {"contract": stack.contract}
    grid = {"values": {"fast": "4:26:2", "slow": "30:96:6"}, **on}
    asked = (
        ("sweeps", {"strategy": "sma_cross", **grid}),
        ("walk-forwards", {"strategy": "sma_cross", **grid, "train": 8, "test": 3}),
        ("backtests", {"strategy": "sma_cross", **on}),
        ("backtests", {"strategy": "sma_cross", **on, "parameters": {"fast": 20, "slow": 60, "stop": 4.0}}),
    )
    for path, body in asked:
        finish(stack, f"/api/{path}", body)


def reports(stack: Any) -> None:
    """Make a report of each kind, and have two of them made by the clock."""
    for template in ("data", "week", "backtest", "session"):
        finish(stack, "/api/reports", {"template": template, "parameters": {}})
    for name, template, due in (
        ("after-the-close", "session", "close + 10 min of MES"),
        ("end-of-the-week", "week", "week close + 1 h of MES"),
    ):
        ask(stack, "POST", "/api/reports/schedules", {"name": name, "template": template, "due": due})


def finish(stack: Any, path: str, body: dict[str, Any]) -> None:
    """Start a job and wait for its end, whatever that is: a page shows failures, too."""
    job = ask(stack, "POST", path, body)["id"]
    wait_until(lambda: ask(stack, "GET", f"/api/jobs/{job}")["state"] in OVER, within_s=PATIENCE_S)


def ask(stack: Any, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Ask the desk as a program with its token would."""
    return stack.desk._request(method, path, json=body, read_s=PATIENCE_S)
