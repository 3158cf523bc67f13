"""The process that judges, promotes and explains for the desk: a JSON line in, a JSON line out, until input ends."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from workbench.domain.errors import WorkbenchError
from workbench.storage.plain import plain

Json = dict[str, Any]
NICE = 10  # what trades goes first


def main() -> None:
    """Answer questions until there are no more."""
    os.nice(NICE)
    out, sys.stdout = sys.stdout, sys.stderr  # whatever a library prints stays out of the answer
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            told = {"answer": plain(ASKED[asked["read"]](asked))}
        except WorkbenchError as error:
            told = {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - the desk reads what it was; the next question gets its answer
            told = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(told) + "\n")
        out.flush()


def run(strategy: Any, /, *, start: Any = None) -> Any:
    """Backtest a version on the stored bars."""
    from workbench import research

    return research.backtest(strategy, start=start)


def judge(asked: Json) -> list[Json]:
    """Return the verdicts of the gates on the way to a state; no state changes."""
    from workbench.services.promotion import trial
    from workbench.services.verdicts import Verdict

    found = trial(asked["version"], to=asked["to"], session=asked["session"], backtest=run)
    return [{name: getattr(v, name) for name in Verdict.__slots__} for v in found]


def promote(asked: Json) -> Json:
    """Promote a version; a refusal is an answer, too."""
    from workbench.services.promoted import NotPromoted
    from workbench.services.promotion import promote as carry_out

    named = {name: asked[name] for name in ("to", "session", "reason", "person")}
    try:
        return carry_out(asked["version"], backtest=run, **named).facts()
    except NotPromoted as refused:
        return refused.promotion.facts()


def explain(asked: Json) -> Json:
    """Return what a text's conditions came to at the close of one of the given bars."""
    import pandas as pd

    from workbench.rules.explain import explain as explained
    from workbench.rules.load import parse_strategy

    strategy = parse_strategy(asked["source"])
    frame = pd.DataFrame(asked["bars"])
    frame.index = pd.to_datetime(frame.pop("time"), unit="s", utc=True).astype("datetime64[ns, UTC]")
    made = explained(strategy, frame, int(asked["at"]) * 10**9, contract=asked["contract"])
    return {**made.as_dict(), "bars": len(frame)}


ASKED = {"judge": judge, "promote": promote, "explain": explain}


if __name__ == "__main__":
    main()
