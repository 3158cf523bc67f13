"""How clients find the desk: one small file in the home, readable by its owner only."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

from workbench.domain.errors import InputError, StorageError
from workbench.services.logs import hide
from workbench.storage.home import Home, write_durably

TOKEN_ENV = "WORKBENCH_API_TOKEN"  # noqa: S105 - a name, not a secret


def desk_token(home: Home) -> str:
    """The desk's token: from the environment, else one made once and kept (0600), so that a new desk finds old runners.

    Raises
    ------
    InputError
        The token in the environment is too short to be one.
    StorageError
        The kept token cannot be read.
    """
    given = os.environ.get(TOKEN_ENV, "")
    if given:
        if len(given) < 16:
            raise InputError(f"{TOKEN_ENV} has {len(given)} characters; a token needs at least 16")
        hide(given)
        return given
    path = home.desk / "token"
    try:
        token = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        token = secrets.token_urlsafe(32)
        write_durably(path, token.encode(), mode=0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {path}: {error}; remove it to have a new one made") from error
    hide(token)
    return token


def write_desk_file(home: Home, **values: Any) -> None:
    """Tell clients where the desk is: url, pid, token, dashboard_url, lab_url."""
    write_durably(home.desk / "desk.json", json.dumps(values).encode(), mode=0o600)


def remove_desk_file(home: Home) -> None:
    """The desk has ended."""
    (home.desk / "desk.json").unlink(missing_ok=True)
