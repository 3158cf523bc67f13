"""What reports are made of, and the page around it: texts are escaped, numbers right, nothing comes from elsewhere."""

from __future__ import annotations

import math
import re

import nbformat
import pandas as pd

from workbench.domain.hours import at_local
from workbench.services.report_page import PROVENANCE, page, told_provenance
from workbench.services.report_parts import Tile, bar_chart, frame_table, line_chart, signed, table, tiles

MINUTE = 60_000_000_000


def test_money_has_its_sign_and_its_tone_and_no_minus_zero() -> None:
    assert signed(1234.5) == ("+1,234.50", "up")
    assert signed(-3) == ("-3.00", "down")
    assert signed(-0.001) == ("0.00", "")
    assert signed(None) == ("–", "") and signed(math.nan) == ("–", "")


def test_a_table_puts_numbers_right_texts_left_and_escapes_what_it_shows() -> None:
    made = table(["~Who", "USD"], [["<b>x</b>", 1234.5], ["y", (-2.0, "down")], ["z", None]])
    assert "<td class='t'>&lt;b&gt;x&lt;/b&gt;</td><td>1,234.50</td>" in made
    assert "<td class='down'>-2.00</td>" in made and "<td>–</td>" in made
    assert table(["~Who"], [], empty="Nobody.") == "<p class='dim'>Nobody.</p>"
    assert "The first 2 of 3." in table(["~n"], [["1"], ["2"], ["3"]], most=2)


def test_a_line_keeps_its_extremes_whatever_it_leaves_out() -> None:
    start = at_local(pd.Timestamp("2026-11-23").date(), "08:30")
    values = [0.0] * 5_000
    values[1_234], values[3_456] = 80.0, -40.0
    made = line_chart([start + n * MINUTE for n in range(5_000)], values, title="Day", unit="USD", height=250)
    drawn = re.search(r"polyline points='([^']+)'", made)
    assert drawn is not None
    heights = [float(point.split(",")[1]) for point in drawn[1].split()]
    assert len(heights) <= 1_000
    # marks at -50, 0, 50, 100: one USD is (250 - 24 - 10) / 150 = 1.44 px, and 0 USD stands at 226 - 72 = 154
    assert (min(heights), max(heights), heights[0]) == (38.8, 211.6, 154.0)  # 154 - 80 x 1.44, 154 + 40 x 1.44
    assert "Day (USD, Chicago time)" in made and "Mon 23 Nov 08:30" in made
    assert "not enough to draw" in line_chart([1], [1.0], title="Day", unit="USD")


def test_bars_stand_on_the_zero_line_and_carry_their_numbers() -> None:
    made = bar_chart(["Mon", "Tue"], [30.0, -12.4], title="By day", unit="USD")
    assert ">30</text>" in made and ">-12</text>" in made and "Tue: -12.40 USD" in made
    assert "#0b7a4b" in made and "#b3261e" in made
    assert "#b3261e" not in bar_chart(["Mon"], [-1.0], title="x", unit="bars", colour="#b7791f")


def test_a_frame_is_shown_in_chicago_time_with_what_is_missing_as_a_dash() -> None:
    at = pd.to_datetime(["2026-11-23 14:30", None], utc=True)
    made = frame_table(pd.DataFrame({"entry_at": at, "net_usd": [5.0, None], "win_rate": [0.344, 1.0]}))
    assert "2026-11-23 08:30" in made and "<td class='up'>+5.00</td>" in made and "34%" in made
    assert made.count("–") == 2


def test_tiles_name_their_unit_and_escape_their_words() -> None:
    made = tiles([Tile("Net", "+5.00", "USD", "a < b", "up")])
    assert "<b class='up'>+5.00 <small>USD</small></b>" in made and "a &lt; b" in made


def executed(*cells: tuple[str, object]) -> nbformat.NotebookNode:
    made = nbformat.v4.new_notebook()
    made.cells.append(nbformat.v4.new_markdown_cell("# What was it?\nA word.\n\n*Reads* a thing. *Writes* none."))
    for source, shown in cells:
        cell = nbformat.v4.new_code_cell(source)
        cell.outputs = [shown]
        made.cells.append(cell)
    return made


def shows(**data: object) -> nbformat.NotebookNode:
    named = {name.replace("__", "/"): value for name, value in data.items()}
    return nbformat.v4.new_output("display_data", data=named)


def test_a_page_shows_results_without_code_and_nothing_from_another_host() -> None:
    evil = "<script src='https://cdn.example/x.js'></script><link href='https://fonts.example/a.css'><i>kept</i>"
    book = executed(("secret()", shows(text__html=evil)), ("more()", shows(text__plain="a<b")))
    made = page(book, {"title": "What was it?", "error": "", "provenance": {"data": {"MES": "abc", "none": None}}})
    assert "<i>kept</i>" in made and "a&lt;b" in made and "secret()" not in made
    assert "example/" not in made and "Reads" not in made and "A word." in made
    assert "MES = abc" in made and "none =" not in made
    assert made.count("What was it?") == 2  # the tab and the heading, not once more in the text
    assert "@media print" in made and not re.search(r"<script|(src|href)='http", made)


def test_a_failed_page_says_so_first_shows_the_cell_and_folds_away_what_had_come_before() -> None:
    error = nbformat.v4.new_output(
        "error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: no"]
    )
    book = executed(("first()", shows(text__plain="came here")), ("boom(1 < 2)", error), ("never()", shows()))
    made = page(book, {"title": "x", "error": "ValueError: no (cell 3)", "cell": 2, "provenance": {}})
    assert made.index("This report failed") < made.index("boom(1 &lt; 2)") < made.index("ValueError: no</pre>")
    assert made.index("<details>") < made.index("came here") and "never()" not in made and "\x1b" not in made


def test_what_a_notebook_says_of_its_origin_is_taken_up_and_not_shown_twice() -> None:
    first = nbformat.v4.new_output(
        "execute_result", data={PROVENANCE: {"data": "v1", "session": "s"}, "text/plain": "data"}
    )
    later = nbformat.v4.new_output("execute_result", data={PROVENANCE: {"data": "v2"}, "text/plain": "data"})
    book = executed(("a", first), ("b", later))
    assert told_provenance(book) == {"data": "v2", "session": "s"}
    assert "<pre>" not in page(book, {"title": "x", "error": "", "provenance": {}})
