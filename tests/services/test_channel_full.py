"""A child that reads nothing any more: who asks it waits for its time and no longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from workbench.services.link import ChildChannel, ChildSilent


class Full:
    """A socket whose buffers are full."""

    async def send_text(self, text: str) -> None:
        await asyncio.Event().wait()


@pytest.mark.statement(39)
async def test_a_question_that_cannot_even_be_sent_ends_in_time() -> None:
    def on_push(kind: str, body: dict[str, Any]) -> None: ...

    channel = ChildChannel(Full(), on_push)  # type: ignore[arg-type]
    asking = asyncio.create_task(channel.request("lease", {}, 0.05))  # the others wait for theirs behind it
    await asyncio.wait({asking}, timeout=5.0)
    assert asking.done()
    with pytest.raises(ChildSilent, match="no answer to 'lease'"):
        await asking
