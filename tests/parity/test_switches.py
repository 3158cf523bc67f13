"""Every rule, limit and cost matters: left out in one engine the engines differ, in both the written fills change.

The list is made from the code: the flags of `Without`, the fields of `Limits`, `Costs` and `AccountProgramme`.
`python -m tests.parity.switches_table` prints it with what came of each.
"""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.parity import switches as s
from tests.parity.switches import ENGINES, Switch, case_of, shows, switches, with_it, without_it
from workbench.backtest.costs import Costs
from workbench.backtest.switches import Without
from workbench.domain.account import AccountProgramme
from workbench.risk.limits import Limits

ALL = switches()
ACTING = [switch for switch in ALL if switch.scene is not None]
SILENT = [switch for switch in ALL if switch.scene is None]


def test_the_list_is_every_flag_and_field_of_the_code() -> None:
    count = sum(1 for flag in Without if flag) + len(Limits.__struct_fields__)
    assert len(ALL) == count + len(fields(Costs)) + len(fields(AccountProgramme))
    live_alone = set(Limits.__struct_fields__[7:])  # tests/backtest/test_live_limits.py: a compiled run refuses them
    assert {switch.name for switch in SILENT} == {"protect_within_s", "name", "valid_from", *live_alone}
    assert all(switch.reason for switch in SILENT)


@pytest.mark.parametrize("group", ["LIMITS", "COSTS", "FIRM", "FILL_RULES"])
def test_a_field_without_a_scene_is_named(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(getattr(s.scenes, group))
    known.pop(next(iter(known)))
    monkeypatch.setattr(s.scenes, group, known)
    with pytest.raises(KeyError, match="has no scene"):
        switches()


@pytest.mark.parametrize("switch", ACTING, ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_written_outcome_comes_out_with_it_and_changes_without_it(switch: Switch, engine: str) -> None:
    scene = switch.scene
    assert scene is not None and scene.on != scene.off
    assert with_it(switch, engine) == scene.on
    assert without_it(switch, engine) == scene.off


@pytest.mark.parametrize("switch", ACTING, ids=str)
def test_without_it_in_one_engine_the_engines_differ(switch: Switch) -> None:
    assert shows(switch) is not None


@pytest.mark.parametrize("switch", SILENT, ids=str)
def test_what_cannot_act_changes_no_fill_and_no_order(switch: Switch) -> None:
    for seed in range(15):
        case = case_of(seed)
        off = switch.off(case.prepared)
        for engine in ("kernel", "event") if off is not None else ():
            with_it, without = case.prepared.run(case.strategy, engine), off.run(case.strategy, engine)
            assert not with_it.fills.difference(without.fills) and not with_it.orders.difference(without.orders)
