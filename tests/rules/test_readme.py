"""`strategies/README.md` names every key and every word there is, and its example is a strategy."""

from __future__ import annotations

import re
from pathlib import Path

from workbench.rules import parse_strategy
from workbench.rules.functions import FUNCTIONS, SERIES
from workbench.rules.model import StrategyFile

README = Path(__file__).resolve().parents[2] / "strategies" / "README.md"


def test_the_example_is_a_strategy_that_uses_every_key() -> None:
    example = re.search(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    strategy = parse_strategy(example[1], where=str(README))
    assert strategy.name == "my_idea" and strategy.warmup > 100
    for key in StrategyFile.model_fields:
        assert re.search(rf"^{key}:", example[1], re.MULTILINE), key


def test_every_word_is_explained() -> None:
    text = README.read_text(encoding="utf-8")
    for word in (*FUNCTIONS, *SERIES):
        assert re.search(rf"\b{word}\b", text), word


def test_every_shipped_file_is_listed() -> None:
    text = README.read_text(encoding="utf-8")
    for path in README.parent.glob("*.yaml"):
        assert f"`{path.name}`" in text, path.name
