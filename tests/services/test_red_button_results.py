"""What the red button says of several accounts and of several presses: no FLAT that is older than the press."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.services.test_red_button import CONTRACT, Broker, button, following, place, until
from workbench.domain.errors import StorageError
from workbench.domain.events import PositionReported
from workbench.services import red_button, stop, sweep
from workbench.services.red_button import RedButton
from workbench.storage import latch
from workbench.storage.home import Home, write_durably

__all__ = ["place"]


class Slow(Broker):
    """Account 1 is flat; from its second reading on, what was read at the question is told when `told` is set."""

    def __init__(self) -> None:
        super().__init__(a1=0, a2=0)
        self.asked, self.told = 0, asyncio.Event()

    async def positions(self, account: int) -> list[PositionReported]:
        read = await super().positions(account)
        self.asked += 1
        if self.asked > 1:  # the first one only tells what may be cancelled
            await self.told.wait()
        return read


# --- two presses -----------------------------------------------------------------------------------------------------


@pytest.mark.statement(38)
async def test_an_account_that_was_flat_before_the_press_is_closed_again_though_the_stop_of_another_still_runs(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "GIVE_UP_S", 5.0)
    broker = Broker(a1=1, a2=1)
    broker.stuck.add(2)
    pressed = button(place, broker)
    first = asyncio.create_task(pressed.stop("all", None, "ann", [1, 2]))
    kept = place.account(1) / "stop_result.json"  # written when the account is done with
    await until(kept.exists)
    broker.qty[1] = 5  # somebody has opened in the platform
    second = await pressed.stop("I see +5", 1, "bob", [1])
    assert not first.done(), "account 2 keeps account 1 from nothing"
    assert [(row["account"], row["result"]) for row in second["accounts"]] == [(1, "FLAT")]
    assert second["result"] == "FLAT" and second["latched"]
    assert broker.closes.count(1) == 2 and broker.qty[1] == 0
    broker.stuck.clear()
    assert (await first)["result"] == "FLAT"


@pytest.mark.statement(38)
async def test_a_reading_that_was_asked_for_before_the_press_proves_nothing_to_it(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "BETWEEN_CLEAN_READS_S", 0.0)
    broker = Slow()
    pressed = button(place, broker)
    first = asyncio.create_task(pressed.stop("first", 1, "ann", [1]))
    await until(lambda: broker.asked == 2)
    broker.qty[1] = 5  # after the question, before the answer
    second = asyncio.create_task(pressed.stop("second", 1, "bob", [1]))
    await asyncio.sleep(0.05)
    broker.told.set()
    assert (await first)["result"] == (await second)["result"] == "FLAT"
    assert broker.closes == [1] and broker.qty[1] == 0


@pytest.mark.statement(38)
async def test_a_press_that_finds_a_flat_account_open_and_stuck_is_followed_until_it_is_flat(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(red_button, "RETRY_STOP_S", 0.05)
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.1)
    monkeypatch.setattr(sweep, "CLOSE_SETTLES_S", 0.05)
    broker = Broker(a1=1, a2=0)
    pressed = button(place, broker)
    async with following(pressed):
        assert (await pressed.stop("first", 1, "ann", [1]))["result"] == "FLAT"
        broker.qty[1] = 5
        broker.stuck.add(1)
        assert (await pressed.stop("second", 1, "bob", [1]))["result"] == "NOT_FLAT"
        broker.stuck.clear()
        await until(lambda: broker.qty[1] == 0)


async def test_a_press_for_everything_closes_the_rest_and_waits_for_what_is_being_closed(place: Home) -> None:
    broker = Broker(a1=1, a2=1)
    pressed = button(place, broker)
    one = asyncio.create_task(pressed.stop("one", 1, "ann", [1]))
    await until(lambda: 1 in broker.closes)
    everything = await pressed.stop("all", None, "bob", [1, 2])
    assert [(row["account"], row["result"]) for row in everything["accounts"]] == [(1, "FLAT"), (2, "FLAT")]
    assert sorted(broker.closes) == [1, 2] and (await one)["result"] == "FLAT"


async def second_press_while_the_disk(
    place: Home, monkeypatch: pytest.MonkeyPatch, writes: Callable[[Path, bytes], None]
) -> tuple[Awaitable[red_button.Json], Awaitable[red_button.Json]]:
    """Press for account 1, then for everything, which has to write a latch of its own."""
    broker = Broker(a1=1, a2=0)
    pressed = button(place, broker)
    first = asyncio.create_task(pressed.stop("first", 1, "ann", [1]))
    await until(lambda: 1 in broker.closes)
    monkeypatch.setattr(latch, "write_durably", writes)
    return first, asyncio.create_task(pressed.stop("second", None, "bob", [1]))


@pytest.mark.statement(12)
async def test_a_second_press_on_a_full_disk_is_answered(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise StorageError(f"cannot write {path}: No space left on device")

    _, second = await second_press_while_the_disk(place, monkeypatch, full)
    answer = await second
    assert answer["result"] == "FLAT" and not answer["latched"]


@pytest.mark.statement(12)
async def test_a_second_press_on_a_disk_that_hangs_does_not_hold_up_the_closing_under_way(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, written = threading.Event(), list[Path]()

    def hangs(path: Path, data: bytes) -> None:
        goes_on.wait(10.0)
        write_durably(path, data)
        written.append(path)

    monkeypatch.setattr(stop, "DISK_WITHIN_S", 0.05)
    first, second = await second_press_while_the_disk(place, monkeypatch, hangs)
    try:
        assert (await first)["result"] == (await second)["result"] == "FLAT"
        assert written == []
    finally:
        goes_on.set()
    await until(lambda: len(written) > 0)  # the latch is still made when the disk comes back


# --- several accounts ------------------------------------------------------------------------------------------------


def told(pressed: RedButton) -> tuple[str, list[str]] | None:
    return None if pressed.result is None else (pressed.result["result"], pressed.result["remaining"])


async def stop_two_with_the_second_stuck(place: Home, monkeypatch: pytest.MonkeyPatch) -> tuple[Broker, RedButton]:
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.2)
    monkeypatch.setattr(sweep, "CLOSE_SETTLES_S", 0.05)
    broker = Broker(a1=1, a2=1)
    broker.stuck.add(2)
    pressed = button(place, broker)
    await pressed.stop("two", 2, "ann", [2])
    await pressed.stop("one", 1, "ann", [1])
    return broker, pressed


@pytest.mark.statement(38)
async def test_an_account_that_is_flat_does_not_hide_another_that_is_latched_and_open(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, pressed = await stop_two_with_the_second_stuck(place, monkeypatch)
    assert told(pressed) == ("NOT_FLAT", [f"+1 {CONTRACT}"])
    assert pressed.result is not None and pressed.result["latched"]
    assert [(row["account"], row["result"]) for row in pressed.result["accounts"]] == [(1, "FLAT"), (2, "NOT_FLAT")]
    broker.stuck.clear()
    await pressed.stop("two again", 2, "ann", [2])
    assert told(pressed) == ("FLAT", [])


@pytest.mark.statement(38)
async def test_what_remains_stays_told_while_it_is_tried_again(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    broker, pressed = await stop_two_with_the_second_stuck(place, monkeypatch)
    closes = len(broker.closes)
    again = asyncio.create_task(pressed.stop("two again", 2, "ann", [2]))
    await until(lambda: len(broker.closes) > closes)
    assert told(pressed) == ("NOT_FLAT", [f"+1 {CONTRACT}"])
    await again
    other = asyncio.create_task(pressed.stop("one again", 1, "ann", [1]))
    await asyncio.sleep(0.01)
    assert not other.done() and told(pressed) == ("NOT_FLAT", [f"+1 {CONTRACT}"])
    await other


async def test_an_account_whose_latch_is_cleared_leaves_the_result_and_the_other_stays_in_it(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, pressed = await stop_two_with_the_second_stuck(place, monkeypatch)
    await pressed.clear("looked", "ann", 1)
    assert told(pressed) == ("NOT_FLAT", [f"+1 {CONTRACT}"])
    broker.stuck.clear()
    broker.qty[2] = 0
    await pressed.clear("looked", "ann", 2)
    assert told(pressed) is None


async def test_a_latch_that_the_command_line_clears_leaves_the_result(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, pressed = await stop_two_with_the_second_stuck(place, monkeypatch)
    async with following(pressed):
        await asyncio.sleep(3 * red_button.LOOK_EVERY_S)
        broker.qty[2] = 0
        latch.clear_latch(place, reason="looked", person="ann", account=2, at=1)
        await until(lambda: told(pressed) == ("FLAT", []))
        latch.clear_latch(place, reason="looked", person="ann", account=1, at=2)
        await until(lambda: told(pressed) is None)


async def test_what_the_disk_could_not_latch_stays_told_until_something_better_is_known(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise StorageError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(latch, "write_durably", full)
    _, pressed = await stop_two_with_the_second_stuck(place, monkeypatch)
    async with following(pressed):
        await asyncio.sleep(3 * red_button.LOOK_EVERY_S)
        assert told(pressed) == ("NOT_FLAT", [f"+1 {CONTRACT}"])
        assert pressed.result is not None and not pressed.result["latched"]


async def test_an_older_stop_that_ends_later_does_not_overwrite_what_a_newer_one_has_found(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.6)
    broker = Broker(a1=1, a2=1)
    broker.stuck.add(2)
    pressed = button(place, broker)
    first = asyncio.create_task(pressed.stop("all", None, "ann", [1, 2]))
    await until((place.account(1) / "stop_result.json").exists)
    monkeypatch.setattr(stop, "GIVE_UP_S", 0.1)
    broker.qty[1] = 5
    broker.stuck.add(1)
    assert (await pressed.stop("I see +5", 1, "bob", [1]))["result"] == "NOT_FLAT"
    assert not first.done()
    await first
    assert told(pressed) == ("NOT_FLAT", [f"+5 {CONTRACT}", f"+1 {CONTRACT}"])


async def test_a_stop_of_no_account_is_told_as_such(place: Home) -> None:
    pressed = button(place, Broker())
    await pressed.stop("x", None, "ann", [])
    assert told(pressed) == ("NOT_FLAT", ["no account is known here: nothing was closed and nothing was read"])


async def test_a_first_stop_that_has_failed_hides_no_later_result(place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    pressed = button(place, Broker(a1=1, a2=0))

    async def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(red_button, "emergency_stop", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            await pressed.stop("first", 2, "ann", [2])
    await pressed.stop("second", 1, "ann", [1])
    assert told(pressed) == ("FLAT", [])


async def test_who_has_joined_a_stop_that_fails_is_told_and_does_not_wait_for_ever(
    place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = asyncio.Event()

    async def fail(*_: object, **__: object) -> None:
        await broken.wait()
        raise OSError("the disk is gone")

    monkeypatch.setattr(red_button, "emergency_stop", fail)
    pressed = button(place, Broker(a1=1, a2=0))
    first = asyncio.create_task(pressed.stop("first", 1, "me", [1]))
    await asyncio.sleep(0)
    second = asyncio.create_task(pressed.stop("second", 1, "you", [1]))
    await asyncio.sleep(0.05)
    broken.set()
    async with asyncio.timeout(5):
        answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [str(answer) for answer in answers] == ["the disk is gone"] * 2
