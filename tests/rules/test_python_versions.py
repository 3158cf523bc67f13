"""What makes a Python strategy another version, and what does not: formatting, comments, the Python that reads it."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import workbench.rules.python.normal as normal_module
from tests.rules.build import bars
from tests.rules.python_build import source
from workbench.domain.errors import InputError
from workbench.rules import parse_strategy
from workbench.rules.python import load_python, read_python
from workbench.rules.python.bundle import unpack
from workbench.rules.python.closure import uncertain
from workbench.rules.python.normal import normal

ENTER = "self.enter_long(stop=helper.far(bar.close))"
EVERYTHING = '''
"""Docstring."""
from __future__ import annotations
import math as m
type_name: "int" = 0x10
def f(a, /, b: int = 1, *c, d=2.5, e, **g) -> "str":
    """Doc."""
    x = f"{a!r:>{b}} and {b=} {'n' + 'm'}" "tail" f"{a}"
    y = [*c, {**g}, {1, 2}, (3,), ..., None, True, b"x\\xff", 1j, 1e400, -0.0, 10**5]
    with open("p") as h, h: pass
    try: del y[0]
    except* (ValueError, TypeError) as error: raise error from None
    else: pass
    finally: assert x, "no"
    match a:
        case {"k": [1, *rest], **more} if rest: return lambda q, *, r=1: q if r else (z := 3)
        case C(x=0) | None | "s" as w: global t
    async def inner(): return [i async for i in a if i]
    while a < b <= 3 != 4 and not b or a @ b: a //= 2; continue
    for i, (j, k) in enumerate(y): break
    else: print(x[1:2, ::3], sep="")
class K(Base, metaclass=M):
    z: int
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "helper.py").write_text("from deep.inner import HALF\n\ndef far(x):\n    return x * HALF\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "__init__.py").write_text("")
    (tmp_path / "deep" / "inner.py").write_text("from . import other\nHALF = other.ONE / 2\n")
    (tmp_path / "deep" / "other.py").write_text("ONE = 1\n")
    (tmp_path / "unrelated.py").write_text("raise RuntimeError\n")
    (tmp_path / "mine.py").write_text("import helper\n" + source(on_bar=ENTER))
    return tmp_path


def test_the_closure_holds_every_module_of_the_folder_that_is_imported_and_no_other(folder: Path) -> None:
    made = load_python(folder / "mine.py")
    assert set(made.bundle.files) == {"mine.py", "helper.py", "deep/__init__.py", "deep/inner.py", "deep/other.py"}


def test_the_stored_closure_runs_when_the_working_tree_is_gone(folder: Path) -> None:
    made = load_python(folder / "mine.py")
    stored = made.source
    shutil.rmtree(folder)
    again = parse_strategy(stored, where="version.yaml")
    assert again.version == made.version
    (first,) = bars([4.0])
    assert again.start().on_bar(first).stop_ticks == -8  # half of 4 points


def test_an_edited_helper_is_another_version_and_the_loaded_one_stays_as_it_was(folder: Path) -> None:
    made = load_python(folder / "mine.py")
    (folder / "deep" / "other.py").write_text("ONE = 2\n")
    changed = load_python(folder / "mine.py")
    (first,) = bars([4.0])
    assert made.version != changed.version
    assert (made.start().on_bar(first).stop_ticks, changed.start().on_bar(first).stop_ticks) == (-8, -16)


def test_formatting_comments_docstrings_descriptions_and_the_file_name_do_not_count(folder: Path) -> None:
    plain = load_python(folder / "mine.py").version
    text = (folder / "mine.py").read_text()
    dressed = '"""What it is."""\n# by hand\n' + text.replace("(self, bar):\n", "( self ,bar ):\n\n        # now\n")
    dressed = dressed.replace(
        '    name = "probe"', "    '''Sentence.'''\n\n    description = 'x'\n    name = ('probe')"
    )
    (folder / "renamed.py").write_text(dressed)
    (folder / "helper.py").write_text((folder / "helper.py").read_text().replace("\n\n", "\n") + "# end\n")
    assert load_python(folder / "renamed.py").version == plain


def test_a_description_in_a_function_is_a_variable_like_any_other() -> None:
    text = "def side(x):\n    description = 'long'\n    return description == 'long'\n"
    assert normal(text) != normal(text.replace("description = 'long'", "description = 'none'"))
    assert normal("class A:\n    description = 'x'\n    b = 1\n") == normal("class A:\n    b = 1\n")


@pytest.mark.parametrize(
    "loads", ["importlib.import_module('bands')", "__import__('bands')", "runpy.run_path('bands.py')"]
)
def test_a_module_that_no_version_would_hold_is_found(loads: str) -> None:
    text = f"import {loads.split('.')[0]}\n" if "." in loads.split("(")[0] else ""
    assert any("not part of the version" in what for _, what in uncertain(f"{text}def f():\n    {loads}\n", "mine.py"))


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("far(bar.close)", "far(bar.high)"),
        ('"1m"', '"5m"'),
        ('("MES",)', '("MES", "ES")'),
        ('"probe"', '"prober"'),
        ("    pass\n", "    self.x = 1\n"),
    ],
)
def test_what_could_change_a_trade_does(folder: Path, was: str, becomes: str) -> None:
    plain, text = load_python(folder / "mine.py").version, (folder / "mine.py").read_text()
    assert was in text
    (folder / "mine.py").write_text(text.replace(was, becomes))
    assert load_python(folder / "mine.py").version != plain


def test_the_declaration_of_a_parameter_counts_and_its_value_does_not() -> None:
    one = read_python(source("n = wb.Strategy.parameter(3, min=1, max=9)"))
    assert one.with_parameters(n=5).version == one.version
    assert read_python(source("n = wb.Strategy.parameter(3, min=1, max=8)")).version != one.version


def test_packing_keeps_the_text_to_the_letter() -> None:
    text = "# ümlaut\t\r\n" + source()
    assert unpack(read_python(text, "a.py").source).text == text


@pytest.mark.parametrize("damage", ["{", '{"workbench_python": 1}', '{"workbench_python": 1, "main": "a", "files": 3}'])
def test_a_damaged_stored_copy_is_refused(damage: str) -> None:
    with pytest.raises(InputError):
        read_python('{"workbench_python"' + damage if damage == "{" else damage)


def test_a_stored_copy_of_a_later_format_says_so() -> None:
    body = json.loads(read_python(source()).source) | {"workbench_python": 9}
    with pytest.raises(InputError, match="format 9; this program knows format 1"):
        read_python(json.dumps(body))


def test_a_helper_that_hides_a_known_module_is_refused(folder: Path) -> None:
    (folder / "random.py").write_text("x = 1\n")
    (folder / "mine.py").write_text("import random\n" + source())
    with pytest.raises(InputError, match=r"random.py beside the strategy hides random; rename it .*line 1"):
        load_python(folder / "mine.py")


def test_a_helper_that_cannot_be_parsed_is_named(folder: Path) -> None:
    (folder / "deep" / "other.py").write_text("ONE = \n")
    with pytest.raises(InputError, match=r"other.py, line 1"):
        load_python(folder / "mine.py")


# --- one normal form in every Python version --------------------------------------------------------------------------


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_the_normal_form_has_not_changed() -> None:
    # The number was written down when the form was made: whoever changes the form changes every version there is.
    assert digest(normal(EVERYTHING)) == "db26c63f5e262f31"


def test_different_trees_have_different_normal_forms() -> None:
    pairs = [
        ("a + b", "a - b"),
        ("a", "'a'"),
        ("f(a, b)", "f(a, *b)"),
        ("1", "True"),
        ("1", "1.0"),
        ("{**a}", "{a: b}"),
    ]
    pairs += [
        ("x[1:]", "x[:1]"),
        ("f'{a}'", "f'{a!r}'"),
        ("b'a'", "'a'"),
        ("[a]", "(a,)"),
        ("-0.0", "0.0"),
        ("(), a", "a,"),
    ]
    for left, right in pairs:
        assert normal(left) != normal(right), (left, right)


def test_fields_that_later_versions_add_and_leave_empty_change_nothing() -> None:
    tree = ast.parse("def f(): pass")
    tree.body[0]._fields = (*tree.body[0]._fields, "brand_new")
    tree.body[0].brand_new = []
    assert "".join(normal_module._write(tree)) == normal("def f(): pass")


def other_pythons() -> list[str]:
    found = [shutil.which(f"python3.{minor}") for minor in (12, 13, 14)]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found += [str(p) for minor in (12, 13, 14) for p in sorted(versions.glob(f"3.{minor}.*/bin/python"))]
    return [path for path in found if path and "shims" not in path]


@pytest.mark.parametrize(
    "python", other_pythons() or [pytest.param("", marks=pytest.mark.skip("only this Python here"))]
)
def test_another_python_reads_the_same_normal_form(python: str) -> None:
    read = "import json, sys; sys.path.insert(0, sys.argv[1]); import normal; "
    script = read + "print(json.dumps(normal.normal(sys.stdin.read())))"
    files = [EVERYTHING, *(p.read_text() for p in sorted(Path(normal_module.__file__).parent.glob("*.py")))]
    for text in files:
        ran = subprocess.run(
            [python, "-I", "-c", script, str(Path(normal_module.__file__).parent)],
            input=text,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        assert json.loads(ran.stdout) == normal(text)
