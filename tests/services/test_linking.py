"""Linking: followers refused, resets recognised, every account by id, name and kind, caps as the programme has them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from workbench.domain.commands import Accepted, Outcome, Rejected, Unknown
from workbench.domain.errors import InputError
from workbench.domain.hours import at_local
from workbench.services import limits as service
from workbench.services.limits import limits_body
from workbench.services.linking import called, gap, make_link, require_own, reset_of
from workbench.storage.home import Home
from workbench.storage.links import AccountLink, save_link

NAME = "50KTC-V2-77-1"


class Gateway:
    """Answers every cancel in the same way, and keeps what it was asked."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome, self.asked = outcome, list[tuple[int, int]]()

    async def cancel(self, account_id: int, order_id: int) -> Outcome:
        self.asked.append((account_id, order_id))
        return self.outcome


def ask(outcome: Outcome) -> Gateway:
    gateway = Gateway(outcome)
    asyncio.run(require_own(gateway, 1001, NAME))
    return gateway


def link(account: int = 1001, name: str = NAME, **more: object) -> AccountLink:
    said = {"balance": Decimal(50_000), "max_loss_level": Decimal(48_000), "by": "ann", **more}
    return make_link(account=account, name=name, **said)  # type: ignore[arg-type]


def test_an_account_of_ones_own_answers_that_there_is_no_such_order() -> None:
    assert ask(Rejected(code=2, name="OrderNotFound", reason="")).asked == [(1001, 0)]


@pytest.mark.parametrize("text", ["Follower accounts cannot cancel orders", "Live accounts not supported"])
def test_an_account_whose_orders_cannot_be_cancelled_is_refused_by_id_name_and_kind(text: str) -> None:
    with pytest.raises(
        InputError, match=rf"account 1001 \(50KTC-V2-77-1, combine\) cannot be traded from here: {text}"
    ):
        ask(Rejected(code=6, name="AccountRejected", reason=text))


@pytest.mark.parametrize("outcome", [Unknown(reason="time-out"), Accepted()])
def test_an_answer_that_says_nothing_is_not_taken_for_a_yes(outcome: Outcome) -> None:
    with pytest.raises(InputError, match="did not say whether"):
        ask(outcome)


def test_a_new_id_of_the_same_user_and_plan_is_the_reset_of_one_that_has_gone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    save_link(home, link())
    new = "50KTC-V2-77-2"
    assert reset_of(home, 2002, new, {2002: new}) == 1001
    assert reset_of(home, 2002, new, {2002: new, 1001: NAME}) is None  # both are there: two accounts of one user
    assert reset_of(home, 2002, "100KTC-V2-77-2", {2002: new}) is None
    assert reset_of(home, 1001, NAME, {1001: NAME}) is None


@pytest.mark.parametrize(("start", "minis"), [(0, 2), (1499, 2), (1500, 3), (2000, 5), (-400, 2)])
def test_an_express_account_holds_what_its_scaling_has_reached(start: int, minis: int) -> None:
    made = link(
        name="EXPRESS-V2-77-1", balance=Decimal(start), programme="topstep-50k", max_loss_level=Decimal(-2000),
        max_position=50,
    )  # fmt: skip
    assert made.programme == "topstep-50k-express"
    assert (made.limits.max_position, made.limits.max_order_qty) == (minis, min(5, minis))


def test_the_limits_of_a_link_act_and_come_before_the_firms_own() -> None:
    limits = link().limits
    assert (limits.on_breach, limits.flat_by, limits.market_hours, limits.floor_buffer_usd) == (
        "account",
        "15:05",
        True,
        50,
    )
    practice = link(name="PRAC-V2-77-1", max_loss_level=None).limits
    assert (practice.on_breach, practice.flat_by, practice.market_hours) == ("account", None, False)


def test_a_strategy_on_several_accounts_meets_the_limits_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import date

    at = at_local(date(2026, 11, 23), "09:00")
    monkeypatch.setattr(service, "wall_ns", lambda: at)
    (tmp_path / "limits.yaml").write_text(
        "- {from: 2026-11-20, accounts: {1002: {max_position: 1}}, strategies: {sma-cross: {max_order_qty: 1}}}",
        encoding="utf-8",
    )
    first, second = link(max_position=4), link(account=1002, max_position=4)
    bodies = [limits_body(Home(tmp_path), made.account, made.limits, at) for made in (first, second)]
    assert [body["max_position"] for body in bodies] == [4, 1]
    assert all(body["strategies"] == {"sma-cross": {"max_order_qty": 1}} for body in bodies)


def test_an_account_is_named_by_id_name_and_kind() -> None:
    assert called(7, "PRAC-V2-7", "practice") == "account 7 (PRAC-V2-7, practice)"


@pytest.mark.parametrize(("name", "kind"), [("EXPRESS-V2-77-1", None), ("MINE-1", "combine"), ("MINE-1", "express")])
def test_a_firms_account_whose_name_has_no_plan_is_not_linked_without_its_loss_rules(name: str, kind: str) -> None:
    with pytest.raises(InputError, match="--programme") as caught:
        link(name=name, kind=kind, balance=Decimal(0), max_loss_level=None)
    for said in ("topstep-50k, topstep-100k, topstep-150k", "--max-loss-level", "maximum-loss level", "--programme ''"):
        assert said in str(caught.value)
    assert gap(link(name="PRAC-V2-77-1", max_loss_level=None)) is None


def test_an_express_account_with_a_plan_still_needs_its_level() -> None:
    with pytest.raises(InputError, match="--max-loss-level"):
        link(name="EXPRESS-V2-77-1", programme="topstep-50k", balance=Decimal(0), max_loss_level=None)
    made = link(name="EXPRESS-V2-77-1", programme="topstep-50k", balance=Decimal(0), max_loss_level=Decimal(-2000))
    assert (made.max_loss_level_usd, made.limits.flat_by, gap(made)) == (Decimal(-2000), "15:05", None)


def test_who_leaves_the_programme_out_on_purpose_is_told_what_is_not_guarded() -> None:
    told = gap(link(name="EXPRESS-V2-77-1", programme="", max_loss_level=None, max_position=3))
    for said in ("maximum-loss level", "contract and product caps", "market hours", "flat by 15:05"):
        assert said in str(told)
    assert "1000 USD" in str(told) and "3 contracts" in str(told)


def test_a_level_that_nothing_would_watch_is_refused() -> None:
    with pytest.raises(InputError, match="nothing watches --max-loss-level"):
        link(name="EXPRESS-V2-77-1", programme="", max_loss_level=Decimal(-2000))


@pytest.mark.parametrize(
    ("name", "level", "is_odd"),
    [
        (NAME, 48_000, False), (NAME, 50_000, False), (NAME, 2_000, True), (NAME, 47_999, True), (NAME, 50_001, True),
        ("EXPRESS-V2-77-1", 0, False), ("EXPRESS-V2-77-1", -2000, False), ("EXPRESS-V2-77-1", 48_000, True),
    ],
)  # fmt: skip
def test_a_level_that_the_plan_cannot_have_is_asked_about(name: str, level: int, is_odd: bool) -> None:
    found = gap(link(name=name, programme="topstep-50k", max_loss_level=Decimal(level)))
    assert bool(found) == is_odd
    assert not found or f"level of {level} USD cannot be one of" in found
