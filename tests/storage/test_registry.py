"""Stored strategy versions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.rules.build import strategy_text
from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.rules import load_strategy, parse_strategy
from workbench.storage.home import Home
from workbench.storage.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Home(tmp_path))


def test_what_is_registered_runs_from_its_copy_whatever_happens_to_the_file(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "probe.yaml"
    file.write_text(strategy_text())
    entry = registry.register(load_strategy(file), at=5)
    file.write_text(strategy_text(entry="{long: 'close < open'}"))
    stored = registry.get(entry.version)
    assert stored.version == entry.version
    assert stored.source == strategy_text()
    assert (entry.name, entry.origin, entry.at) == ("probe", "probe.yaml", 5)


def test_registering_again_changes_nothing(registry: Registry) -> None:
    first = registry.register(parse_strategy(strategy_text()), at=1)
    files = {path: path.read_bytes() for path in registry.folder.iterdir()}
    again = registry.register(parse_strategy("# a comment\n" + strategy_text()), at=2)
    assert again == first
    assert {path: path.read_bytes() for path in registry.folder.iterdir()} == files


def test_a_name_means_its_newest_version_and_digits_may_be_cut(registry: Registry) -> None:
    old = registry.register(parse_strategy(strategy_text()), at=1)
    new = registry.register(parse_strategy(strategy_text(stop="{ticks: 9}")), at=2)
    assert registry.get("probe").version == new.version
    assert registry.get(old.version[:6]).version == old.version
    assert registry.get(f"probe@{old.version[:8]}").version == old.version
    assert [e.version for e in registry.list()] == [old.version, new.version]


def test_what_is_not_there_is_named_with_what_is(registry: Registry) -> None:
    assert registry.list() == []
    with pytest.raises(UnknownName):
        registry.get("probe")
    registry.register(parse_strategy(strategy_text()))
    with pytest.raises(UnknownName, match="did you mean probe"):
        registry.get("prob")
    with pytest.raises(UnknownName):
        registry.get("other@" + registry.list()[0].version)


def test_a_changed_or_lost_copy_does_not_run(registry: Registry) -> None:
    entry = registry.register(parse_strategy(strategy_text()))
    copy = registry.folder / f"{entry.version}.yaml"
    copy.write_text(strategy_text(stop="{ticks: 4}"))
    with pytest.raises(StorageError, match="it was changed; it will not run"):
        registry.get(entry.version)
    copy.write_text("nonsense")
    with pytest.raises(StorageError, match="damaged"):
        registry.get(entry.version)
    registry.register(parse_strategy(strategy_text()))  # registering heals it
    assert registry.get(entry.version).version == entry.version
    copy.unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        registry.get(entry.version)
    registry.register(parse_strategy(strategy_text()))
    assert registry.get(entry.version).version == entry.version


def test_an_ambiguous_beginning_asks_for_more(registry: Registry) -> None:
    entries = [registry.register(parse_strategy(strategy_text(stop=f"{{ticks: {n}}}"))) for n in range(4, 7)]
    shared = registry.folder / (entries[0].version[:8] + "00000000.json")
    shared.write_bytes((registry.folder / f"{entries[0].version}.json").read_bytes().replace(
        entries[0].version.encode(), shared.stem.encode()))  # fmt: skip
    with pytest.raises(InputError, match="write more digits"):
        registry.get(entries[0].version[:8])


def test_a_strategy_without_its_own_text_is_not_stored(registry: Registry) -> None:
    strategy = parse_strategy(strategy_text())
    with pytest.raises(InputError):
        registry.register(replace(strategy, timeframe="5m"))


PYTHON = '''
import workbench as wb
from helper import level


class Breakout(wb.Strategy):
    """Buys above a level."""

    name = "breakout"
    roots = ("MES",)
    timeframe = "5m"

    def on_bar(self, bar):
        if bar.close > level(bar):
            return self.buy()
'''


def test_a_python_strategy_is_stored_with_all_it_imports_and_comes_back_from_there(
    registry: Registry, tmp_path: Path
) -> None:
    from workbench.rules.python import load_python

    (tmp_path / "breakout.py").write_text(PYTHON)
    (tmp_path / "helper.py").write_text("def level(bar):\n    return bar.open\n")
    loaded = load_python(tmp_path / "breakout.py")
    entry = registry.register(loaded, at=3)  # type: ignore[arg-type]
    assert (entry.kind, entry.name, entry.origin) == ("python", "breakout", "breakout.py")
    for name in ("breakout.py", "helper.py"):
        (tmp_path / name).unlink()
    stored = registry.get("breakout")
    assert stored.version == loaded.version and stored.source == loaded.source
    assert registry.register(stored, at=4) == entry
    copy = registry.folder / f"{entry.version}.bundle"
    copy.write_text(copy.read_text().replace("bar.open", "bar.high"))
    with pytest.raises(StorageError, match="it was changed; it will not run"):
        registry.get(entry.version)


def test_entries_of_an_earlier_program_are_read(registry: Registry) -> None:
    entry = registry.register(parse_strategy(strategy_text()), at=5)
    path = registry.folder / f"{entry.version}.json"
    old = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("kind", "semantics")}
    path.write_text(json.dumps(old))
    assert registry.list() == [replace(entry, kind="yaml", semantics=1)]
