"""Mutants that make no difference to what is traded or stopped, each with its reason."""

NO_DIFFERENCE: dict[str, str] = {
    "workbench/execution/readiness.py: note_bar guard 1 (not session.warm_bars)": (
        "with no warm-up asked for, what is counted is compared with nothing: the guard saves the counting"
    ),
    "workbench/execution/limits_watch.py: _heaviest guard 1 (len(held) == 1)": (
        "of one position it is the heaviest: the guard saves working out what it is worth"
    ),
    "workbench/execution/limits_fold.py: _set_flat_at guard 1 (by is None or not state.trading_date)": (
        "without a time of day the time worked out is one that never comes, too"
    ),
    "workbench/execution/protect.py: advance_trim guard 1 (trim is None)": (
        "it is called only while there is one; the guard is for the type"
    ),
    "workbench/execution/flatten.py: advance_flatten guard 1 (flatten is None)": (
        "it is called only while there is one; the guard is for the type"
    ),
    "workbench/execution/flatten.py: market_works does nothing": (
        "an order that works holds a second close up in advance_flatten all the same"
    ),
    "workbench/execution/fills.py: hand_over guard 1 (not book.qty)": (
        "of nothing a session is handed nothing: the guard saves an entry of zero"
    ),
    "workbench/services/sender.py: drop_unwanted guard 1 (not self._entries)": (
        "of no waiting entries none is dropped: the guard saves the loop"
    ),
    "workbench/services/budgets.py: lease_once guard 1 (not limits)": (
        "without a limit over all there are no shares either: the guard saves asking"
    ),
}
