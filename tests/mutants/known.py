"""Mutants that make no difference to what is traded or stopped, each with its reason."""

NO_DIFFERENCE: dict[str, str] = {
    "workbench/execution/readiness.py: note_bar guard 1 (not session.warm_bars)": (
        "with no warm-up asked for, what is counted is compared with nothing: the guard saves the counting"
    ),
    "workbench/execution/limits_watch.py: _heaviest guard 1 (len(held) == 1)": (
        "of one position it is the heaviest: the guard saves working out what it is worth"
    ),
}
