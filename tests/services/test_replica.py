"""The desk's picture of a runner, whatever the channel loses, repeats or brings late."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workbench.services.replica import Outgoing, Replica

PARTS = st.fixed_dictionaries({name: st.integers(0, 3) for name in "abc"})


@given(st.lists(st.tuples(PARTS, st.sampled_from(["arrives", "lost", "twice", "late"])), max_size=30), PARTS)
def test_after_whatever_was_lost_repeated_or_late_one_more_message_or_two_make_it_equal(
    history: list[tuple[dict[str, int], str]], last: dict[str, int]
) -> None:
    out, replica = Outgoing(), Replica()
    held: list[dict[str, Any]] = []

    def arrives(message: dict[str, Any]) -> None:
        if not replica.take(message):
            out.want_whole()

    for parts, fate in history:
        message = out.next(parts)
        if fate == "late":
            held.append(message)
            continue
        for _ in range({"arrives": 1, "lost": 0, "twice": 2}[fate]):
            arrives(message)
        for late in held:
            arrives(late)
        held.clear()
    arrives(out.next(last))
    arrives(out.next(last))  # the whole one, where a gap was noticed
    assert replica.value == last


def test_an_older_message_changes_nothing() -> None:
    out, replica = Outgoing(), Replica()
    old, new = out.next({"a": 1}), out.next({"a": 2})
    assert replica.take(old) and replica.take(new) and replica.take(old)
    assert (replica.value, replica.seq, replica.gaps) == ({"a": 2}, 2, 0)
