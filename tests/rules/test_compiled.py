"""The array form of an operation is its live step, bit for bit, and is compiled once on a machine."""

from __future__ import annotations

import math
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.rules import op_data
from workbench import _numba_cache
from workbench.domain.errors import InputError
from workbench.rules import compiled
from workbench.rules.indicators import INDICATORS, Indicator, over

OPS = {f"{op.step.__module__.rpartition('.')[2]}:{op.name}": op for table in compiled.tables() for op in table.values()}
SMA = INDICATORS["sma"]


def bits(values: Any) -> NDArray[np.int64]:
    """The bits of each float; every NaN alike, since the sign of a NaN says nothing."""
    floats = np.array(values, dtype=np.float64)
    return np.where(np.isnan(floats), np.nan, floats).view(np.int64)


@pytest.mark.parametrize("name", OPS)
@settings(max_examples=40)
@given(data=st.data())
def test_the_compiled_loop_gives_the_bits_of_the_live_step(name: str, data: st.DataObject) -> None:
    op = OPS[name]
    columns = op_data.of(op, data.draw(op_data.bars()))
    constants = data.draw(op_data.constants(op))
    live = over(op, *(c.tolist() for c in columns), constants=constants)
    assert bits(compiled.column(op, columns, constants)).tolist() == bits(live).tolist()


@pytest.mark.parametrize("name", OPS)
@settings(max_examples=15)
@given(data=st.data())
def test_no_number_makes_a_step_raise(name: str, data: st.DataObject) -> None:
    op = OPS[name]
    n = data.draw(st.integers(1, 25))
    values = st.lists(st.floats(), min_size=n, max_size=n).map(np.array)
    columns = [data.draw(values) for _ in op.inputs]
    constants = data.draw(op_data.constants(op))
    live = over(op, *(c.tolist() for c in columns), constants=constants)
    assert bits(compiled.column(op, columns, constants)).tolist() == bits(live).tolist()


def test_division_by_zero_raises_in_the_compiled_form_as_it_does_live() -> None:
    import numba

    inner = compiled._compilable(_half_of)
    outer = numba.njit(**compiled.OPTIONS)(lambda state, x: inner(state, x) + 0.0)
    for function in (_half_of, outer):
        assert function(np.zeros(1), 4.0) == 2.0
        with pytest.raises(ZeroDivisionError):
            function(np.zeros(1), 0.0)


def _half_of(state: Any, x: float) -> float:
    return _ratio(x, 2.0) if x else _ratio(1.0, x)


def _ratio(a: float, b: float) -> float:
    return a / b


def test_columns_may_be_read_only_strided_or_a_plain_number() -> None:
    values = np.arange(20.0)
    expected = compiled.column(SMA, [values[::2].copy()], [3]).tolist()
    values.flags.writeable = False
    assert compiled.column(SMA, [values[::2]], [3])[2:].tolist() == expected[2:] == list(np.arange(2.0, 17.0, 2.0))
    highs = compiled.column(INDICATORS["tr"], [np.array([3.0, 5.0]), 1.0, 2.0]) if "tr" in INDICATORS else None
    assert highs is None or highs[1] == 4.0


def test_no_bars_give_no_values() -> None:
    assert compiled.column(SMA, [np.empty(0)], [3]).shape == (0,)


@pytest.mark.parametrize(
    ("inputs", "constants", "says"),
    [
        ([np.ones(3), np.ones(3)], [2], "sma takes 1 columns"),
        ([1.0], [2], "sma takes 1 columns"),
        ([np.ones(3)], [], "sma takes the constants (length), got 0"),
        ([np.ones(3)], [2, 3], "sma takes the constants (length), got 2"),
        ([np.ones(3)], [2.5], "length 2.5 must be a whole number from 1 to 5000"),
        ([np.ones(3)], [0], "length 0 must be a whole number from 1 to 5000"),
    ],
)
def test_wrong_arguments_are_named(inputs: list[Any], constants: list[float], says: str) -> None:
    with pytest.raises(InputError) as caught:
        compiled.column(SMA, inputs, constants)
    assert says in str(caught.value)


def test_an_operation_that_is_not_shipped_runs_as_a_plain_loop() -> None:
    seen: list[float] = []
    spy = replace(SMA, step=lambda state, x, length: seen.append(x) or x * length)  # type: ignore[func-returns-value]
    assert compiled.column(spy, [np.array([1.0, 2.0])], [3]).tolist() == [3.0, 6.0]
    assert seen == [1.0, 2.0]


def test_names_in_the_cache_are_unique_and_plain() -> None:
    names = [compiled._cache_name(op) for op in OPS.values()]
    assert len(set(names)) == len(names)
    assert all(name.replace("_", "").isalnum() for name in names)


# --- the cache on disk ----------------------------------------------------------------------------------------------

PROGRAM = """
import numpy as np
from workbench.rules import compiled
from workbench.rules.indicators import INDICATORS
op = INDICATORS["ema"]
print(compiled.column(op, [np.arange(9.0)], [3]).tolist()[-1])
stats = compiled._loop(op).stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name != _numba_cache.VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", code], env=kept | environment, capture_output=True, text=True, check=True
    )


def test_a_second_process_compiles_nothing_and_says_nothing(tmp_path: Path) -> None:
    first, second = (run(PROGRAM, XDG_CACHE_HOME=str(tmp_path)) for _ in range(2))
    assert first.stdout.split() == ["7.0", "0", "1"]
    assert second.stdout.split() == ["7.0", "1", "0"]
    assert "compiling" in first.stderr and str(tmp_path) in first.stderr
    assert second.stderr == ""


def test_the_module_run_as_a_program_fills_the_cache_that_calls_use(tmp_path: Path) -> None:
    code = "import runpy, workbench.rules.indicators as i, workbench.rules.compiled as c; "
    code += "c.tables = lambda: ({'ema': i.INDICATORS['ema']},); "
    code += "runpy.run_module('workbench.rules.compiled', run_name='__main__')"
    shown = run(code, XDG_CACHE_HOME=str(tmp_path)).stderr
    assert "compiling 0/1 ema" in shown and "1 compiled, 0 were there" in shown
    assert run(PROGRAM, XDG_CACHE_HOME=str(tmp_path)).stdout.split() == ["7.0", "1", "0"]


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root may write anywhere")
def test_a_read_only_home_still_keeps_what_was_compiled(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir(), temporary.mkdir(mode=0o700)
    home.chmod(stat.S_IRUSR | stat.S_IXUSR)
    first, second = (run(PROGRAM, XDG_CACHE_HOME=str(home), TMPDIR=str(temporary)) for _ in range(2))
    assert first.stdout.split()[1:] == ["0", "1"]
    assert second.stdout.split()[1:] == ["1", "0"]


def test_a_home_that_cannot_hold_a_folder_still_keeps_what_was_compiled(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.write_text("not a folder")
    temporary.mkdir(mode=0o700)
    first, second = (run(PROGRAM, XDG_CACHE_HOME=str(home), TMPDIR=str(temporary)) for _ in range(2))
    assert first.stdout.split()[1:] == ["0", "1"]
    assert second.stdout.split()[1:] == ["1", "0"]


def test_a_new_length_compiles_nothing() -> None:
    compiled.column(SMA, [np.arange(9.0)], [3])
    loop = compiled._loop(SMA)
    before = len(loop.overloads), sum(loop.stats.cache_misses.values())
    compiled.column(SMA, [np.arange(90.0)], [70])
    assert (len(loop.overloads), sum(loop.stats.cache_misses.values())) == before
    assert compiled._loop(SMA) is loop


def test_reading_the_modules_of_the_rules_loads_no_compiler() -> None:
    code = "import sys, workbench.rules.indicators, workbench.rules.compiled; print('numba' in sys.modules)"
    assert run(code).stdout.strip() == "False"


def test_a_changed_step_changes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "rules" / "indicators"
    folder.mkdir(parents=True)
    (folder / "averages.py").write_text("X = 1\n")
    before = _numba_cache.cache_key(tmp_path)
    (folder / "averages.py").write_text("X = 2\n")
    assert _numba_cache.cache_key(tmp_path) != before


def test_a_changed_module_that_a_kernel_imports_changes_the_folder(tmp_path: Path) -> None:
    (tmp_path / "domain").mkdir()
    (tmp_path / "kernel.py").write_text("import numba as nb\nfrom workbench.domain import rule\n")
    (tmp_path / "domain" / "rule.py").write_text("from workbench.domain.deep import (\n    X,\n)\n")
    (tmp_path / "domain" / "deep.py").write_text("X = 1\n")
    (tmp_path / "domain" / "other.py").write_text("# numba is only spoken of\nX = 1\n")
    names = {path.name for path in _numba_cache.kernel_sources(tmp_path)}
    assert names == {"kernel.py", "rule.py", "deep.py"}
    before = _numba_cache.cache_key(tmp_path)
    (tmp_path / "domain" / "deep.py").write_text("X = 2\n")
    assert _numba_cache.cache_key(tmp_path) != before


def test_every_step_lies_in_a_source_that_keys_the_folder() -> None:
    keyed = {path.resolve() for path in _numba_cache.kernel_sources()}
    for op in OPS.values():
        assert Path(op.step.__code__.co_filename).resolve() in keyed, op.name
        for name in op.step.__code__.co_names:
            helper = op.step.__globals__.get(name)
            if hasattr(helper, "__code__"):
                assert Path(helper.__code__.co_filename).resolve() in keyed, (op.name, name)


def test_warm_up_tells_how_far_it_is() -> None:
    told: list[tuple[int, int, str]] = []
    compiled.warm_up(lambda *step: told.append(step), [SMA, INDICATORS["ema"]])
    assert told == [(0, 2, "sma"), (1, 2, "ema"), (2, 2, "")]


def test_the_types_of_constants_are_what_the_step_gets() -> None:
    op = Indicator(**{f: getattr(SMA, f) for f in SMA.__dataclass_fields__})
    assert [type(v) for v in op.typed([20.0])] == [int]
    assert math.isnan(over(op, [1.0], constants=(2.0,))[0])
