"""A person releases the halts that nothing else ends, on a clean reading; everything else stays as it is."""

from __future__ import annotations

import copy
from decimal import Decimal

import msgspec
import pytest

from tests.execution.fake_broker import ACCOUNT, MES, START, Ride
from tests.execution.limit_scenes import holding, manual, price
from tests.execution.test_stray import STRANGE, position, reading, working
from workbench.domain import events as e
from workbench.domain.clock import SECOND
from workbench.domain.order import Status
from workbench.execution.release import CLOCK_JUMPED, is_for_person
from workbench.execution.stray import halt_of
from workbench.storage.snapshot import dump, load

OTHERS = [
    "stop latch",
    "the journal cannot be written",
    "the lease of the global limits has run out",
    "the desk is another program than this runner",
    "user hub is down",
    "the user hub is back, the broker has not been read since",
    "record 7 of /x/journal decides differently now than when it was written (another program version?): no entries",
    "daily loss of 1000 USD reached",
    "the clock has jumped by +7200 s",
]


def jumped() -> Ride:
    """The clock has jumped, and the broker has been read since."""
    ride = Ride().start()
    ride.feed(e.ClockJumped(at=ride.now, by_s=7200.0))
    ride.settle()
    return ride


def wish(ride: Ride, request: str = "r1", **fields: str) -> str:
    """Ask for the release as ann; return why it was refused, "" when it was not."""
    given = {"person": "ann", "why": "the laptop slept", **fields}
    ride.feed(e.Released(at=ride.now, request=request, **given))
    return ride.state.refused.get(request, "")


def enters(ride: Ride) -> bool:
    ride.outgoing.clear()
    ride.feed(manual(ride))
    return bool(ride.outgoing)


@pytest.mark.statement(53)
def test_a_person_releases_the_clock_jump_by_the_command_that_the_alarm_names() -> None:
    ride = jumped()
    assert ride.said(f"workbench account release {ACCOUNT} --reason") and not enters(ride)
    assert wish(ride) == "" and CLOCK_JUMPED not in ride.state.halted and enters(ride)
    assert ride.said("released by ann (the laptop slept): the clock has jumped")


@pytest.mark.parametrize("fields", [{"person": ""}, {"person": " "}, {"why": "ab"}, {"why": "     "}])
def test_a_release_needs_a_name_and_a_reason(fields: dict[str, str]) -> None:
    ride = jumped()
    assert "a release needs" in wish(ride, **fields) and CLOCK_JUMPED in ride.state.halted
    assert wish(ride, "r2") == ""


def test_nothing_is_released_before_the_broker_was_read_after_the_jump() -> None:
    ride = Ride().start()
    before = ride.broker.read()
    ride.wait(5)
    ride.feed(e.ClockJumped(at=ride.now, by_s=7200.0))
    assert "has not been read since" in wish(ride, "r1")
    ride.feed(before)  # it began before the jump
    assert "has not been read since" in wish(ride, "r2")
    ride.feed(ride.broker.read())
    assert wish(ride, "r3") == ""


def test_a_second_jump_needs_a_reading_of_its_own() -> None:
    ride = jumped()
    assert wish(ride) == ""
    ride.wait(5)
    ride.feed(e.ClockJumped(at=ride.now, by_s=-60.0))
    assert "has not been read since" in wish(ride, "r2")


def test_nothing_is_released_before_a_new_runner_has_read_the_broker() -> None:
    ride = jumped()
    ride.feed(e.RunnerStarted(at=ride.now, epoch=2, uid="new"))
    assert "has not been read since the runner started" in wish(ride, "r1")
    ride.settle()
    assert wish(ride, "r2") == ""


def test_a_jump_stamped_by_a_clock_in_the_future_is_released_after_the_next_start() -> None:
    ride = jumped()
    ride.state.halted[CLOCK_JUMPED] = ride.now + 7200 * SECOND
    ride.state.read_halts.clear()
    ride.feed(ride.broker.read())
    assert "has not been read since this began" in wish(ride, "r1")
    ride.feed(e.RunnerStarted(at=ride.now, epoch=2, uid="new"))
    ride.settle()
    assert wish(ride, "r2") == ""


@pytest.mark.parametrize("how", ["differs", "uncounted", "locked"])
def test_nothing_is_released_while_a_position_is_not_sure(how: str) -> None:
    ride = jumped()
    book = ride.state.book(MES)
    if how == "differs":
        ride.feed(e.PositionReported(at=ride.now, account=ACCOUNT, contract=MES, qty=1, average_price=6000.0))
    elif how == "uncounted":
        book.uncounted[9] = 1
    else:
        book.locked = "own position +1, broker +0"
    assert f"the position in {MES} is not known for sure" in wish(ride) and CLOCK_JUMPED in ride.state.halted


@pytest.mark.parametrize("halt", OTHERS)
def test_every_other_halt_stays_alone_or_beside_a_clock_jump(halt: str) -> None:
    ride = jumped()
    ride.feed(e.Halted(at=ride.now, reason=halt))
    ride.settle()
    assert wish(ride, "r1") == "" and list(ride.state.halted) == [halt]
    assert "a person cannot release this" in wish(ride, "r2") and halt in wish(ride, "r2")
    assert list(ride.state.halted) == [halt] and not enters(ride) and not is_for_person(halt)


def test_an_account_that_is_not_halted_says_so() -> None:
    ride = Ride().start()
    assert wish(ride) == f"account {ACCOUNT} is not halted"


def test_the_same_key_twice_is_one_release() -> None:
    ride = jumped()
    assert wish(ride, "once") == ""
    ride.feed(e.ClockJumped(at=ride.now, by_s=-60.0))
    ride.settle()
    alerts = len(ride.alerts)
    assert wish(ride, "once") == "" and CLOCK_JUMPED in ride.state.halted and len(ride.alerts) == alerts


@pytest.mark.statement(35)
def test_a_breach_its_halt_and_the_limits_stay_as_they_are() -> None:
    ride = holding(2, daily_loss_usd=Decimal(50), on_breach="account")
    price(ride, START - 60, times=3)
    ride.settle()
    breached = dict(ride.state.halted)
    assert ride.state.risk.breaches and breached
    ride.feed(e.ClockJumped(at=ride.now, by_s=60.0))
    ride.settle()
    before = (ride.state.limits, ride.state.risk, ride.state.day_baseline, ride.state.baseline)
    kept = copy.deepcopy(before)
    assert wish(ride) == "" and ride.state.halted == breached
    assert before == kept and ride.state.limits == kept[0]
    assert "a person cannot release this" in wish(ride, "r2") and not enters(ride)


# --- products that the table lacks ------------------------------------------------------------------------------------


def strange_and_read(qty: int = 2, *orders: object) -> Ride:
    ride = Ride().start()
    ride.feed(reading(ride, qty, *orders))  # type: ignore[arg-type]
    ride.outgoing.clear()
    assert halt_of(STRANGE) in ride.state.halted
    return ride


def test_an_unknown_product_is_released_once_a_reading_shows_that_it_is_gone() -> None:
    ride = strange_and_read()
    assert ride.said(f"workbench account release {ACCOUNT} --reason")
    assert f"nothing of {STRANGE} is held or works" in wish(ride, "r1") and not enters(ride)
    ride.wait(5)
    ride.feed(position(ride, 0))
    assert "no reading shows yet" in wish(ride, "r2"), "the hub alone does not tell"
    ride.feed(reading(ride, 0))
    assert wish(ride, "r3") == "" and enters(ride)


def test_an_unknown_product_whose_order_works_is_not_released() -> None:
    ride = strange_and_read(0, working())
    ride.wait(5)
    ride.feed(reading(ride, 0, working()))
    assert "close it, then ask again" in wish(ride, "r1")
    ride.wait(5)
    ride.feed(reading(ride, 0))
    assert wish(ride, "r2") == ""


def test_a_reading_from_before_it_was_heard_of_shows_nothing() -> None:
    ride = Ride().start()
    early = reading(ride, 0)
    ride.wait(5)
    ride.feed(position(ride, 2))
    ride.feed(early)
    assert "no reading shows yet" in wish(ride)


def test_what_was_over_at_the_release_does_not_halt_again_and_a_new_order_does() -> None:
    over = working(status=Status.FILLED)
    ride = strange_and_read(0, over)
    ride.wait(5)
    ride.feed(reading(ride, 0, over))  # a reading shows all orders of the date
    assert wish(ride) == ""
    ride.wait(15)
    ride.feed(reading(ride, 0, over))
    assert not ride.state.halted
    ride.feed(e.OrderReported(at=ride.now, order=working(8)))
    assert halt_of(STRANGE) in ride.state.halted


def test_one_halt_is_released_beside_another_that_is_not_ready() -> None:
    ride = strange_and_read()
    ride.feed(e.ClockJumped(at=ride.now, by_s=60.0))
    ride.feed(reading(ride, 2))
    assert wish(ride) == "" and list(ride.state.halted) == [halt_of(STRANGE)]


# --- the journal ------------------------------------------------------------------------------------------------------


def test_a_journal_with_a_release_replays_to_the_same_state() -> None:
    ride = jumped()
    assert wish(ride, "r1") == "" and "is not halted" in wish(ride, "r2")
    strange = halt_of(STRANGE)
    ride.feed(position(ride, 1))
    ride.feed(e.SessionEnded(at=ride.now, session="s1", reason="over"))  # its script cannot be kept
    ride.settle()
    live = dump(ride.state)
    kept = ride.state
    ride.state = ride.fresh()
    encoded = [msgspec.json.encode(event) for event, _ in ride.log]
    log, ride.log = ride.log, []
    for text, (_, out) in zip(encoded, log, strict=True):
        assert ride.feed(msgspec.json.decode(text, type=e.AnyEvent)) == out
    assert dump(ride.state) == live and list(ride.state.halted) == list(kept.halted) == [strange]
    again = ride.fresh()
    load(live, again)
    assert dump(again) == live
