"""All that travels between us and a gateway, in one import: REST messages, hub payloads, code enums, endpoints.

`encode` and `decode` are the only way to and from JSON text: Decimals travel as JSON numbers, whatever cannot be read
raises RemoteProtocolError.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from workbench.domain.errors import RemoteProtocolError
from workbench.gateway.codes import *  # noqa: F403 - this module is the collected view of the three
from workbench.gateway.endpoints import *  # noqa: F403
from workbench.gateway.wire_hub import *  # noqa: F403
from workbench.gateway.wire_rest import *  # noqa: F403

T = TypeVar("T")
_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(message: Any) -> bytes:
    """Return `message` as JSON bytes."""
    return _encoder.encode(message)


def decode(data: bytes, kind: type[T]) -> T:
    """Return the `kind` that JSON `data` holds; RemoteProtocolError says where it does not fit."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"unreadable {getattr(kind, '__name__', kind)}: {error}") from error
