"""The counter of what was sent for each intent: independent of orders, fills and tags, and asked last.

A signal or a person's request wishes for so many contracts. Whatever repeats, restarts or mistakes lie between the wish
and the wire, the contracts sent for it never exceed it. Decision and sender keep a count of their own.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from workbench.domain.commands import PlaceOrder


def count_intent(sent: MutableMapping[str, int], command: PlaceOrder) -> str:
    """Count `command` under its intent and return why it must not be sent, "" when it may.

    Parameters
    ----------
    sent : mapping of str to int
        Contracts sent so far by intent and by tag; changed in place, unless the answer is a refusal.
    command : PlaceOrder
        An order without an intent is an intent of its own, under its tag.

    Examples
    --------
    >>> from workbench.domain.order import OrderType, Side
    >>> order = PlaceOrder(
    ...     account=1,
    ...     contract="c",
    ...     tag="t1",
    ...     side=Side.BUY,
    ...     type=OrderType.MARKET,
    ...     qty=2,
    ...     intent="s1@900",
    ...     intent_qty=2,
    ... )
    >>> sent = {}
    >>> count_intent(sent, order)
    ''
    >>> count_intent(sent, order)
    'tag t1 was sent before'
    """
    if command.tag in sent:
        return f"tag {command.tag} was sent before"
    intent, most = (command.intent, command.intent_qty) if command.intent else (command.tag, command.qty)
    total = sent.get(intent, 0) + command.qty
    if total > most:
        return f"{total} contracts would be sent for the intent {intent}, which is for {most}"
    sent[intent] = total
    sent[command.tag] = command.qty
    return ""
