"""The gateway token of a child: from the desk, kept when the desk is gone, never shown."""

from __future__ import annotations

import httpx
import pytest

from workbench.domain.errors import AuthenticationError, GatewayError
from workbench.services import tokens as module
from workbench.services.tokens import DeskTokens


class FakeDesk:
    """Answers `POST /internal/token`."""

    def __init__(self) -> None:
        self.stale: list[object] = []
        self.number = 0
        self.answer: httpx.Response | Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        self.stale.append(request.read())
        self.number += 1
        return httpx.Response(200, json={"token": f"gateway-token-{self.number}"})


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> FakeDesk:
    fake = FakeDesk()
    real = httpx.AsyncClient

    def client(**options: object) -> httpx.AsyncClient:
        assert options["trust_env"] is False, "no proxy of the environment may see a token"
        return real(transport=httpx.MockTransport(fake), **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module.httpx, "AsyncClient", client)
    return fake


def tokens() -> DeskTokens:
    return DeskTokens(lambda: ("http://desk", "desk-secret"))


async def test_it_is_asked_once_and_renewed_once(desk: FakeDesk) -> None:
    source = tokens()
    assert await source.get() == await source.get() == "gateway-token-1"
    assert await source.renew("gateway-token-1") == "gateway-token-2"
    assert await source.renew("gateway-token-1") == "gateway-token-2", "somebody has renewed it already"
    assert desk.number == 2


async def test_with_the_desk_dead_the_last_token_serves(desk: FakeDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_AGAIN_BEFORE_S", 10**9)  # as in its last hour
    source = tokens()
    await source.get()
    desk.answer = httpx.ConnectError("refused")
    assert await source.get() == "gateway-token-1"


async def test_a_hung_desk_holds_up_no_cancel_of_a_child_that_has_a_token(
    desk: FakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ASK_AGAIN_BEFORE_S", 10**9)  # as in its last hour
    source = tokens()
    await source.get()
    patience, asked = list[object](), module.httpx.AsyncClient

    def client(**options: object) -> httpx.AsyncClient:
        patience.append(options["timeout"])
        return asked(**options)  # type: ignore[arg-type]

    monkeypatch.setattr(module.httpx, "AsyncClient", client)
    desk.answer = httpx.ReadTimeout("no answer")
    assert [await source.get() for _ in range(5)] == ["gateway-token-1"] * 5
    assert patience == [1.0], "asked once for all of them, and not waited for"
    desk.answer = None
    monkeypatch.setattr(module, "REFUSED_REST_S", 0.0)
    source._not_before = 0.0
    assert await source.get() == "gateway-token-2"


@pytest.mark.parametrize(
    "answer", [httpx.ConnectError("refused"), httpx.Response(200, text="<html>"), httpx.Response(200, json=[1])]
)
async def test_no_token_is_an_error_of_ours(desk: FakeDesk, answer: httpx.Response | Exception) -> None:
    desk.answer = answer
    with pytest.raises(GatewayError, match="the desk gives no gateway token"):
        await tokens().get()


async def test_a_refused_login_is_told_as_the_desk_tells_it(desk: FakeDesk) -> None:
    desk.answer = httpx.Response(502, json={"error": "the gateway refused the login"})
    with pytest.raises(AuthenticationError, match="refused the login"):
        await tokens().get()


async def test_no_secret_is_in_its_text(desk: FakeDesk) -> None:
    source = tokens()
    await source.get()
    assert "secret" not in repr(source) and "gateway-token" not in repr(source)
