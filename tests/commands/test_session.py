"""`workbench session`: parameters as a person types them."""

from __future__ import annotations

import pytest

from workbench.commands.session import parameters
from workbench.domain.errors import InputError


def test_values_take_the_type_that_they_look_like() -> None:
    written = ["fast=5", "factor=1.5", "on=True", "name=abc", "note=a=b"]
    assert parameters(written) == {"fast": 5, "factor": 1.5, "on": True, "name": "abc", "note": "a=b"}


@pytest.mark.parametrize("text", ["fast", "=5", "2x=5", "a b=1"])
def test_what_is_no_parameter_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="must be name=value"):
        parameters([text])
