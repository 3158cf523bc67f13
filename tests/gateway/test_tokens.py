"""The token: got once, refreshed before its end, renewed once however many ask, never shown."""

from __future__ import annotations

import asyncio
import logging

import httpx
import pytest

from tests.gateway.fakes import Host, jwt, refusal, reply
from workbench.domain.errors import AuthenticationError
from workbench.gateway.tokens import FixedToken, LoginTokens, expiry_of
from workbench.gateway.transport import Transport

NOW = 1_795_000_000.0
HOUR = 3600.0
KEY = "kEy-tHaT-mUsT-nOt-LeAk"


class Desk:
    """A host that hands out tokens that end a day after they were asked for."""

    def __init__(self) -> None:
        self.now = NOW
        self.serial = 0
        self.host = Host(Auth__loginKey=self._login, Auth__validate=self._validate)
        self.tokens = LoginTokens(
            Transport("http://gateway", transport=self.host.transport), "someone", KEY, wall=lambda: self.now
        )

    def _fresh(self) -> str:
        self.serial += 1
        return jwt(self.now + 24 * HOUR, self.serial)

    def _login(self, _: httpx.Request) -> httpx.Response:
        return reply(token=self._fresh())

    def _validate(self, _: httpx.Request) -> httpx.Response:
        return reply(newToken=self._fresh())

    @property
    def asked(self) -> list[str]:
        return [r.url.path.rsplit("/", 1)[1] for r in self.host.requests]


async def test_one_login_serves_everybody() -> None:
    desk = Desk()
    tokens = await asyncio.gather(*(desk.tokens.get() for _ in range(20)))
    assert len(set(tokens)) == 1
    assert desk.asked == ["loginKey"]
    assert desk.host.bodies("Auth/loginKey") == [{"userName": "someone", "apiKey": KEY}]


async def test_two_hours_before_its_end_it_is_exchanged_for_a_younger_one() -> None:
    desk = Desk()
    first = await desk.tokens.get()
    desk.now += 22 * HOUR - 1
    assert await desk.tokens.get() == first
    desk.now += 2
    second = await desk.tokens.get()
    assert second != first
    assert desk.asked == ["loginKey", "validate"]
    assert desk.host.requests[1].headers["authorization"] == f"Bearer {first}"
    assert desk.host.requests[1].content == b""


async def test_after_its_end_only_a_login_helps() -> None:
    desk = Desk()
    await desk.tokens.get()
    desk.now += 25 * HOUR
    await desk.tokens.get()
    assert desk.asked == ["loginKey", "loginKey"]


@pytest.mark.parametrize("answer", [refusal(3), httpx.Response(401)])
async def test_a_refused_exchange_becomes_a_login(answer: httpx.Response) -> None:
    desk = Desk()
    await desk.tokens.get()
    desk.host.on("Auth/validate", answer)
    desk.now += 23 * HOUR
    await desk.tokens.get()
    assert desk.asked == ["loginKey", "validate", "loginKey"]


async def test_while_the_exchange_fails_the_old_token_serves() -> None:
    desk = Desk()
    first = await desk.tokens.get()
    desk.host.on("Auth/validate", [httpx.Response(503), reply(newToken=None)])
    desk.now += 23 * HOUR
    assert await desk.tokens.get() == first
    assert await desk.tokens.get() == first  # not asked again at once
    desk.now += 301
    assert await desk.tokens.get() == first  # success without a new token: the old one stays
    assert desk.asked == ["loginKey", "validate", "validate"]


async def test_a_bad_token_is_renewed_once_however_many_meet_it() -> None:
    desk = Desk()
    bad = await desk.tokens.get()
    renewed = await asyncio.gather(*(desk.tokens.renew(bad) for _ in range(10)))
    assert len(set(renewed)) == 1
    assert renewed[0] != bad
    assert desk.asked == ["loginKey", "loginKey"]


async def test_a_refused_login_names_the_code_and_the_lengths_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = Desk()
    desk.host.on("Auth/loginKey", refusal(9))
    with pytest.raises(AuthenticationError, match=r"ApiSubscriptionNotFound \(9\).*7 characters.*22 characters") as it:
        await desk.tokens.get()
    assert KEY not in str(it.value) + repr(it.value) + repr(desk.tokens) + caplog.text


async def test_a_login_without_a_token_is_no_login() -> None:
    desk = Desk()
    desk.host.on("Auth/loginKey", reply(token=None))
    with pytest.raises(AuthenticationError, match="no token"):
        await desk.tokens.get()


async def test_a_fixed_token_cannot_be_renewed_and_is_not_shown() -> None:
    source = FixedToken("secret")
    assert await source.get() == "secret"
    assert await source.renew("older") == "secret"
    with pytest.raises(AuthenticationError, match="log in again"):
        await source.renew("secret")
    assert "secret" not in repr(source)


@pytest.mark.parametrize(
    ("token", "ends"),
    [(jwt(1_795_421_400), 1_795_421_400.0), ("", None), ("a.b.c", None), ("a.e30.c", None), ("no-jwt", None)],
)
def test_the_end_is_read_without_trusting_the_token(token: str, ends: float | None) -> None:
    assert expiry_of(token) == ends


async def test_a_token_that_does_not_tell_its_end_counts_for_a_day() -> None:
    desk = Desk()
    desk.host.on("Auth/loginKey", reply(token="opaque"))
    assert await desk.tokens.get() == "opaque"
    desk.now += 21 * HOUR
    assert await desk.tokens.get() == "opaque"
    assert desk.asked == ["loginKey"]
