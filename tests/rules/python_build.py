"""Python strategies for tests: a small valid one with parts replaced."""

from __future__ import annotations

from textwrap import dedent, indent

from workbench.rules.python import PythonStrategy, read_python

HEAD = """\
import workbench as wb


class Probe(wb.Strategy):
    name = "probe"
    roots = ("MES",)
    timeframe = "1m"
"""


def source(body: str = "", *, on_bar: str = "pass", start: str = "pass", head: str = HEAD) -> str:
    """A strategy with class attributes `body`, and the bodies of `start` and `on_bar`."""
    made = head + indent(dedent(body).strip(), "    ") + "\n"
    made += "\n    def start(self):\n" + indent(dedent(start).strip(), "        ") + "\n"
    return made + "\n    def on_bar(self, bar):\n" + indent(dedent(on_bar).strip(), "        ") + "\n"


def probe(body: str = "", **parts: str) -> PythonStrategy:
    """The loaded strategy of `source`."""
    return read_python(source(body, **parts), "probe.py")
