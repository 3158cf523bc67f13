"""Known holes in the pinned packages: what pip-audit finds in requirements.lock, said in a line or two.

``python -m tests.audit`` ends with 1 when a pinned version has a known hole. Where the register of holes cannot be
reached it says that nothing was looked up, which is no failure of the project.
"""
# ruff: noqa: T201

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")


def judged(report: dict[str, Any]) -> tuple[int, list[str]]:
    """Return the exit code and the lines to print."""
    packages = report["dependencies"]
    skipped = [p for p in packages if "skip_reason" in p]
    lines = [
        f"{p['name']} {p['version']}: {v['id']}, fixed in {', '.join(v['fix_versions']) or 'no version yet'}"
        for p in packages
        for v in p.get("vulns", [])
    ]
    looked_up = len(packages) - len(skipped)
    lines.append(f"{looked_up} of {len(packages)} pinned packages were looked up, {len(lines)} known holes")
    if packages and not looked_up:
        lines.append("the register of known holes could not be reached: nothing was audited")
    return int(len(lines) > 1 and looked_up > 0), lines


def main() -> int:
    """Audit the lock file."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), *OPTIONS]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        print("the register of known holes did not answer within 120 s: nothing was audited")
        return 0
    if not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"nothing was audited: {last}")
        return 0
    code, lines = judged(json.loads(done.stdout))
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
