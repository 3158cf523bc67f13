"""Values as a JSON column can hold them, on every database: no NaN, no numpy, no Decimal."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return `value` out of dict, list, str, int, float, bool and None; what is not finite becomes None.

    >>> plain({"sharpe": float("nan"), "bars": (1, 2), 3: True})
    {'sharpe': None, 'bars': [1, 2], '3': True}
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value)


def run_key(version: str, kind: str, provenance: Mapping[str, Any]) -> str:
    """Return a name for one run of a version: equal when version, data, program, parameters and costs are."""
    packed = json.dumps([version, kind, plain(provenance)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(packed.encode()).hexdigest()
