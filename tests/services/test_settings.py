"""Where the gateway is and who we are: complete or refused, and never shown."""

from __future__ import annotations

import pytest

from workbench.domain.errors import InputError, UnknownName
from workbench.services.settings import load_profile


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORKBENCH_PROFILE", "WORKBENCH_SIMULATOR_URL", "PROJECTX_USERNAME", "PROJECTX_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_the_simulator_is_the_default() -> None:
    assert load_profile().is_simulator
    assert load_profile(simulator_url="http://localhost:9/").rest_url == "http://localhost:9"


@pytest.mark.parametrize("url", ["localhost:8430", "http://", "http://x:99999", "http://[::1", "ftp://x", "http://x/y"])
def test_an_address_that_is_none_is_refused_before_anything_starts(url: str) -> None:
    with pytest.raises(InputError, match="not the address of a simulator"):
        load_profile(simulator_url=url)


def test_a_real_gateway_without_a_key_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECTX_USERNAME", "somebody")
    monkeypatch.setenv("PROJECTX_API_KEY", "  ")
    with pytest.raises(InputError, match="needs PROJECTX_API_KEY in the environment"):
        load_profile("topstepx")


def test_login_and_key_are_never_shown_and_lose_their_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJECTX_USERNAME", "somebody")
    monkeypatch.setenv("PROJECTX_API_KEY", "the-secret-key\n")
    profile = load_profile("topstepx")
    assert profile.api_key == "the-secret-key"
    assert "secret" not in repr(profile) and "somebody" not in repr(profile)


def test_an_unknown_profile_has_a_hint() -> None:
    with pytest.raises(UnknownName, match="did you mean topstepx"):
        load_profile("topstep")
