"""`limits.yaml` and `news.yaml`: what a person may write, what is refused and how, which entry holds."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from workbench.domain.clock import MINUTE
from workbench.domain.errors import InputError, UnknownName
from workbench.domain.hours import at_local
from workbench.risk.limits import Limits
from workbench.storage.home import Home
from workbench.storage.limits_file import LimitsEntry, entry_on, load_limits, parse_limits, save_limits
from workbench.storage.news_file import load_news, parse_news

WRITTEN = """
- from: 2026-11-20
  by: ann
  reason: the first month
  global: {daily_loss_usd: 1500.5, max_micros: 40}
  accounts:
    1001: {max_position: 3, on_breach: account, flat_by: "15:05"}
  markets:
    ES: {max_order_qty: 2}
  strategies:
    sma-cross: {daily_loss_usd: 300}
- {from: 2026-12-01, by: bob, reason: quieter, global: {max_position: 1}}
"""


def test_the_newest_entry_that_has_come_holds_as_a_whole() -> None:
    entries = parse_limits(WRITTEN)
    assert entry_on(entries, date(2026, 11, 19)).body(1001, Limits()) | {"markets": {}} == {
        **entry_on([], date(2026, 11, 19)).body(1001, Limits()),
        "markets": {},
    }
    first = entry_on(entries, date(2026, 11, 30))
    assert (first.by, first.markets) == ("ann", {"EP": {"max_order_qty": 2}})
    later = entry_on(entries, date(2026, 12, 1))
    assert (later.by, later.everywhere, later.accounts) == ("bob", {"max_position": 1}, {})


def test_of_one_date_the_later_written_holds() -> None:
    twice = "- {from: 2026-11-20, global: {max_position: 3}}\n- {from: 2026-11-20, global: {max_position: 2}}"
    assert entry_on(parse_limits(twice), date(2026, 11, 20)).everywhere == {"max_position": 2}


def test_an_accounts_own_values_stand_instead_of_its_links_and_the_global_ones_only_tighten() -> None:
    entry = parse_limits(WRITTEN)[0]
    linked = Limits(max_position=2, daily_loss_usd=Decimal(900))
    own = entry.of_account(1001, linked)
    assert (own.max_position, own.on_breach, own.daily_loss_usd, own.max_micros) == (3, "account", 900, 40)
    other = entry.of_account(1002, Limits(daily_loss_usd=Decimal(5000)))
    assert (other.max_position, other.daily_loss_usd, other.flat_by) == (5, Decimal("1500.5"), None)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    home, entries = Home(tmp_path), parse_limits(WRITTEN)
    assert load_limits(home) == []
    save_limits(home, entries)
    assert load_limits(home) == entries
    assert "daily_loss_usd: 1500.5" in (tmp_path / "limits.yaml").read_text(encoding="utf-8")


@pytest.mark.statement(29)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("global: {}", "must be a list of dated entries"),
        ("- {globl: {}}", "unknown key 'globl' .*did you mean global"),
        ("- {global: {max_position: 2}}", "from=None is no date; write 2026-11-22"),
        ("- {from: soon}", "from='soon' is no date"),
        (
            "- {from: 2026-11-20, global: {daily_los_usd: 3}}",
            "unknown limit 'daily_los_usd' .*did you mean daily_loss_usd",
        ),
        ("- {from: 2026-11-20, global: {daily_loss_usd: .nan}}", "daily_loss_usd must be a positive amount"),
        ("- {from: 2026-11-20, global: {max_position: 0}}", "entry 1, global: limit max_position"),
        ("- {from: 2026-11-20, global: {max_position: '2 contracts'}}", "max_position='2 contracts'"),
        ("- {from: 2026-11-20, global: 7}", r"must be a mapping such as \{max_position: 2\}"),
        ("- {from: 2026-11-20, accounts: {main: {}}}", "accounts go by their number, not 'main'"),
        ("- {from: 2026-11-20, markets: {MEX: {}}}", "unknown contract 'MEX'"),
        ("- {from: 2026-11-20, global: {products: [MEX]}}", "unknown contract 'MEX'"),
        ("- {from: 2026-11-20, global: {on_breach: never}}", "unknown answer 'never'"),
        ("- [", "not readable as YAML"),
        ("- x", "entry 1 must be a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_limits(text)


def test_products_go_by_either_root() -> None:
    entry = parse_limits("- {from: 2026-11-20, global: {products: [ES, MES]}}")[0]
    assert entry.everywhere["products"] == ("EP", "MES")


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean markets"):
        LimitsEntry(since=date(2026, 1, 1)).level("market")


# --- news -------------------------------------------------------------------------------------------------------------


def test_a_news_window_is_in_chicago_time_and_opens_before_the_release(tmp_path: Path) -> None:
    assert load_news(Home(tmp_path)) == []
    (tmp_path / "news.yaml").write_text(
        '- {at: "2026-12-16 13:00", name: FOMC, before: 10, after: 30}\n- at: 2026-12-04 07:30:00\n', encoding="utf-8"
    )
    fomc, jobs = at_local(date(2026, 12, 16), "13:00"), at_local(date(2026, 12, 4), "07:30")
    assert load_news(Home(tmp_path)) == [
        (jobs - 5 * MINUTE, jobs + 5 * MINUTE, "news"),
        (fomc - 10 * MINUTE, fomc + 30 * MINUTE, "FOMC"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("at: now", "must be a list"),
        ("- {at: soon}", "at='soon' is no time"),
        ('- {at: "2026-12-16 13:00+01:00"}', "without a zone"),
        ('- {at: "2026-12-16 13:00", befor: 3}', "unknown key 'befor' .*did you mean before"),
        ('- {at: "2026-12-16 13:00", before: -1}', "before=-1 must be a number of minutes"),
        ('- {at: "2026-12-16 13:00", after: .nan}', "after=nan must be a number of minutes"),
        ("- 3", "must be a mapping"),
        ("- {", "not readable as YAML"),
    ],
)
def test_a_news_entry_that_cannot_be_meant_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_news(text)
