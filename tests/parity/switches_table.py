"""Print every switch with what came of leaving it out: ``python -m tests.parity.switches_table``."""

from __future__ import annotations

import sys

from tests.parity.switches import ENGINES, Switch, shows, switches, with_it, without_it


def row(switch: Switch) -> tuple[str, str, str, str, bool]:
    """Return name, scene with and without, what one engine alone shows, and whether all is as it should be."""
    if switch.scene is None:
        return str(switch), "cannot act in a backtest", switch.reason, "", True
    on, off = ({each(switch, engine) for engine in ENGINES} for each in (with_it, without_it))
    found = shows(switch)
    good = on == {switch.scene.on} and off == {switch.scene.off} and on != off and found is not None
    alone = "nothing shows" if found is None else f"case {found[0]}: {found[1].splitlines()[0]}"
    return str(switch), " | ".join(map(str, on)), " | ".join(map(str, off)), alone, good


def main() -> int:
    """Print the table; 1 when a switch went unnoticed."""
    write, failed = sys.stdout.write, 0
    write("switch · scene with it (all three engines) → off in both · off in one engine: first case that fails\n")
    for switch in switches():
        name, on, off, alone, good = row(switch)
        failed += not good
        write(f"{'ok  ' if good else 'MISS'} {name:28} {on} → {off} · {alone[:90]}\n")
    write(f"{failed} unnoticed\n")
    return min(failed, 1)


if __name__ == "__main__":
    raise SystemExit(main())
