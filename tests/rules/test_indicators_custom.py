"""A person's own indicators: known to rules, held to what they declare, and part of the version by their source."""

from __future__ import annotations

import importlib.util
import math
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.rules.build import strategy_text
from workbench.domain.errors import InputError
from workbench.rules import compiled, functions, parse_strategy
from workbench.rules.graph import Graph
from workbench.rules.indicators import INDICATORS, over
from workbench.rules.indicators.custom import indicator, unregister
from workbench.rules.indicators.table import indicator_markdown, indicator_table
from workbench.rules.parser import parse

FACTOR = 2.0
DRIFTS = [1.0]


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    before = dict(INDICATORS)
    yield
    for name in set(INDICATORS) - set(before):
        unregister(name)
    assert before == INDICATORS


def doubled(state: Any, x: float) -> float:
    return FACTOR * x


def test_an_own_indicator_is_a_function_of_the_rules_with_its_arguments() -> None:
    @indicator("stretch", inputs=("x", "high", "low"), constants={"length": 3, "width": 1.5}, size=2, first=4)
    def stretch(state: Any, x: float, high: float, low: float, length: int, width: float) -> float:
        """Tell how far the bar is stretched."""
        state[0] += 1.0
        return x + width * (high - low) / length if state[0] > 3.0 else math.nan

    assert stretch([0.0, 0.0], 1.0, 2.0, 1.0, 1, 1.0) != stretch
    known = functions.known("stretch")
    assert known is not None and known.usage == "stretch(x, length, width)" and known.optional == 2
    op = INDICATORS["stretch"]
    assert op.summary == "Tell how far the bar is stretched."
    assert (op.first(3, 1.5), op.warmup(3, 1.5), op.size(3, 1.5)) == (4, 4, 2)
    arrays = [np.arange(5.0), np.arange(5.0) + 3, np.arange(5.0)]
    assert compiled.column(op, arrays)[3:].tolist() == [4.5, 5.5] == over(op, *(a.tolist() for a in arrays))[3:]
    unregister("stretch")
    assert functions.known("stretch") is None


def test_the_first_bar_and_the_size_may_follow_the_constants() -> None:
    indicator("steps", constants=("length",), size=lambda length: length + 1, first=lambda length: 2 * length)(
        lambda_free_step
    )
    op = INDICATORS["steps"]
    assert (op.size(5), op.first(5), op.warmup(5)) == (6, 10, 10)


def lambda_free_step(state: Any, x: float, length: int) -> float:
    return x - length


@pytest.mark.parametrize(
    ("arguments", "step", "says"),
    [
        ({"name": "sma"}, doubled, "'sma' is a name that rules know already"),
        ({"name": "cross_above"}, doubled, "'cross_above' is a name that rules know already"),
        ({"name": "close"}, doubled, "'close' is a name that rules know already"),
        ({"name": "tf"}, doubled, "'tf' is a name that rules know already"),
        ({"name": "my average"}, doubled, "a word of lower-case letters"),
        ({"name": "mine", "inputs": ("price",)}, doubled, "inputs ['price'] must be some of x, y, open"),
        ({"name": "mine", "inputs": ()}, doubled, "inputs [] must be some of"),
        ({"name": "mine", "constants": ("length",)}, doubled, "the step must take (state, x, length)"),
        ({"name": "mine"}, abs, "must be a plain function"),
        ({"name": "mine"}, lambda state, x: x, "must be written with def"),
    ],
)
def test_what_cannot_be_an_indicator_is_refused_with_a_reason(arguments: Any, step: Any, says: str) -> None:
    with pytest.raises(InputError) as caught:
        indicator(**arguments)(step)
    assert says in str(caught.value)


def test_two_different_own_indicators_cannot_share_a_name_but_a_cell_may_run_again() -> None:
    indicator("mine")(doubled)
    indicator("mine")(doubled)
    with pytest.raises(InputError, match="'mine' is already the indicator"):
        indicator("mine", constants=("length",))(lambda_free_step)


def test_a_step_that_reads_what_may_change_is_refused() -> None:
    def leaky(state: Any, x: float) -> float:
        return x * DRIFTS[0]

    with pytest.raises(InputError, match="the step reads DRIFTS, a list, which may change between bars"):
        indicator("leaky")(leaky)


def test_a_step_that_reads_a_module_or_class_of_ones_own_is_refused(tmp_path: Path) -> None:
    # what stands in it could change, and the version would stay the same
    (tmp_path / "ownmodule.py").write_text("def twice(x):\n    return 2 * x\n")
    spec = importlib.util.spec_from_file_location("ownmodule", tmp_path / "ownmodule.py")
    assert spec is not None and spec.loader is not None
    ownmodule = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ownmodule)

    class Own:
        @staticmethod
        def twice(x: float) -> float:
            return 2 * x

    def by_module(state: Any, x: float) -> float:
        return ownmodule.twice(x)

    def by_class(state: Any, x: float) -> float:
        return Own.twice(x)

    for step, word in ((by_module, "ownmodule"), (by_class, "Own")):
        with pytest.raises(InputError, match=f"the step reads {word}, whose source no version could name"):
            indicator("mine")(step)

    @indicator("logged")
    def logged(state: Any, x: float) -> float:
        return math.log(x)


def test_a_step_without_source_is_refused() -> None:
    made: dict[str, Any] = {}
    exec("def step(state, x):\n    return x", made)
    with pytest.raises(InputError, match="the source of 'step' cannot be read"):
        indicator("hidden")(made["step"])


def test_a_step_that_fails_is_named_with_its_bar() -> None:
    @indicator("inverse")
    def inverse(state: Any, x: float) -> float:
        return 1.0 / x

    with pytest.raises(InputError, match="indicator inverse: at bar 2 its step raised ZeroDivisionError"):
        compiled.column(INDICATORS["inverse"], [np.array([1.0, 2.0, 0.0])])


# --- the source belongs to the version ------------------------------------------------------------------------------


def source_hash(tmp_path: Path, body: str, before: str = "", declared: str = "", forget: bool = True) -> str:
    """The hash of ``step(state, x)`` with this body, written to a module of its own."""
    text = "from math import sqrt\nfrom workbench.rules.indicators.custom import indicator\n"
    text += f"{before}\n@indicator('mine'{declared})\ndef step(state, x):\n{textwrap.indent(body, '    ')}\n"
    file = tmp_path / f"mine_{len(list(tmp_path.iterdir()))}.py"
    file.write_text(text)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    made = INDICATORS["mine"].source_hash
    if forget:
        unregister("mine")
    return made


def test_the_hash_follows_meaning_and_not_spelling(tmp_path: Path) -> None:
    plain = source_hash(tmp_path, "return SCALE * half(x)", "SCALE = 3\ndef half(v):\n    return v / 2")
    spelled = "SCALE = 0x3  # three\ndef half( v ):\n    '''Half of it.'''\n    return (v / 2)"
    assert source_hash(tmp_path, "# comment\nreturn SCALE*half( x )", spelled) == plain
    others = {
        plain,
        source_hash(tmp_path, "return SCALE * half(x)", "SCALE = 4\ndef half(v):\n    return v / 2"),
        source_hash(tmp_path, "return SCALE * half(x)", "SCALE = 3\ndef half(v):\n    return v / 3"),
        source_hash(tmp_path, "return SCALE + half(x)", "SCALE = 3\ndef half(v):\n    return v / 2"),
        source_hash(tmp_path, "return SCALE * half(x)", "SCALE = 3\ndef half(v):\n    return v / 2", ", first=2"),
    }
    assert len(others) == 5


def test_shipped_indicators_have_no_hash_of_their_own() -> None:
    assert {op.source_hash for op in INDICATORS.values()} == {""}
    indicator("mine")(doubled)
    assert len(INDICATORS["mine"].source_hash) == 16


# --- the table ------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_indicator_also_for_an_own_one() -> None:
    indicator("mine", constants={"gain": 2.0}, summary="doubles")(lambda_free_step_of_two)
    rows = {str(row["call"]).partition("(")[0]: row for row in indicator_table()}
    assert set(rows) == set(INDICATORS)
    assert rows["macd"]["call"] == "macd(x, fast=12, slow=26)" and rows["macd"]["first bar"] == 26
    assert rows["vwap_anchored"]["call"] == 'vwap_anchored(opens="HH:MM")'
    assert rows["ema"]["warm-up"] == 20 + 93
    assert rows["mine"]["call"] == "mine(x, gain=2)" and rows["mine"]["gives"] == "doubles"
    assert indicator_markdown().count("\n") == len(INDICATORS) + 1


def test_an_input_may_have_the_name_of_something_outside_of_the_step() -> None:
    # in a notebook `open` is a function of IPython's, and a parameters cell has numbers of the usual names
    space: dict[str, Any] = {"open": lambda: None, "length": 20.0}
    versions = []
    for space["length"] in (20.0, 30.0):
        step = type(lambda: None)(shadowing.__code__, space, "shadowing")
        indicator("mine", inputs=("open", "close"), constants={"length": 2})(step)
        versions.append(INDICATORS["mine"].source_hash)
    assert versions[0] == versions[1]


def shadowing(state: Any, open: float, close: float, length: int) -> float:
    return (close - open) / length


def lambda_free_step_of_two(state: Any, x: float, gain: float) -> float:
    return x * gain


def test_a_changed_own_indicator_is_another_sub_expression(tmp_path: Path) -> None:
    keys = []
    for body in ("return x", "return 2 * x"):
        source_hash(tmp_path, body, forget=False)
        graph = Graph({})
        keys.append(graph.keys[graph.add(parse("mine(close)", {}))])
        unregister("mine")
    assert keys[0] != keys[1]


def test_a_strategy_that_uses_one_has_its_source_in_the_version(tmp_path: Path) -> None:
    uses = strategy_text(entry="{long: 'close > tf(\"4h\").mine(close)'}", timeframe="1h", secondary="[4h]")
    versions = []
    for body in ("return x", "return  (x)", "return 2 * x"):
        source_hash(tmp_path, body, forget=False)
        versions.append(parse_strategy(uses).version)
        unregister("mine")
    assert versions[0] == versions[1] != versions[2]
    with pytest.raises(InputError, match="mine"):
        parse_strategy(uses)
    assert "indicators" not in parse_strategy(strategy_text()).normal()
