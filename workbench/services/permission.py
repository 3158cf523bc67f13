"""May this version start a session on this account? On a firm's account only a live one, with the values it has there.

The simulator asks nothing. A practice account takes any version and says when it was never promoted. A session that
runs is never asked: the database may be gone by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.domain.account import AccountKind
from workbench.domain.errors import InputError, StorageError
from workbench.domain.lifecycle import State
from workbench.storage.home import Home
from workbench.storage.versions import Versions

if TYPE_CHECKING:
    from workbench.rules.strategy import Strategy

IN_PAPER = (State.PAPER, State.LIVE)


def require_permission(home: Home, kind: AccountKind, strategy: Strategy) -> str:
    """Return a warning, "" for none; raise InputError where the version may not start.

    Parameters
    ----------
    kind : AccountKind
        Of the account that is linked.
    strategy : Strategy
        With the parameter values it would trade with.

    Raises
    ------
    InputError
        A firm's account, and the version is not live or has other values there.
    StorageError
        A firm's account, and the database cannot be read.
    """
    versions, name = Versions(home), f"{strategy.name}@{strategy.version}"
    try:
        standing = versions.standing()
    except StorageError as error:
        if kind is AccountKind.PRACTICE:
            return f"{name} starts on a practice account; its state is not known: {error}"
        raise
    state, seats = standing.state(strategy.version), standing.sessions(strategy.version)
    if kind is AccountKind.PRACTICE:
        return "" if state in IN_PAPER else f"{name} is {state} and starts on a practice account; promote it to paper"
    if not seats:
        raise InputError(
            f"{name} is {state}: on this account only a live version trades. "
            f"workbench strategy promote {strategy.version} --to live --reason …"
        )
    judged = [versions.judged(strategy.version, State.LIVE, seat) for seat in seats]
    allowed = [attempt.parameters for attempt in judged if attempt is not None]
    if dict(strategy.values) not in allowed:
        values = " or ".join(", ".join(f"{k}={v}" for k, v in each.items()) or "no parameters" for each in allowed)
        raise InputError(f"{name} is live with {values}; start it with these values, or promote a version with others")
    return ""
