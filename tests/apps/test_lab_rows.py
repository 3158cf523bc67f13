"""What the lab says of results: numbers with their reasons, curves, comparisons, heat maps, windows."""

from __future__ import annotations

from tests.apps.lab_samples import CONTRACT, backtest_result, job, sweep_result, trade
from workbench.apps import lab_heat, lab_rows
from workbench.apps.frame import shifted

NAMES = {"sma_cross": "sma_cross", "0ce6001b9065e92b": "sma_cross"}


def test_key_numbers_are_shown_and_what_is_undefined_has_its_reason() -> None:
    told = lab_rows.sheet(job(1, result=backtest_result()), None, NAMES)
    tiles = {tile["label"]: tile for tile in told["tiles"]}
    assert (tiles["Net profit"]["value"], tiles["Net profit"]["tone"]) == ("−5,577.99", "down")
    assert (tiles["Win rate"]["value"], tiles["Win rate"]["unit"]) == ("24.4", "%")
    assert (tiles["Sharpe ratio"]["value"], tiles["Sharpe ratio"]["note"]) == ("–", "15 trading dates; it takes 20")
    assert tiles["Costs of gross"]["note"] == "no profit before costs"
    assert told["title"] == "sma_cross · MES H22 · fast 5, slow 15"
    assert told["alarms"] == ["one side: the market's drift"] and "slippage 1 ticks" in told["sub"]
    assert "choose a strategy" in lab_rows.sheet(None, None, NAMES)["empty"]


def test_two_runs_stand_side_by_side_with_what_differs_first() -> None:
    other = job(2, result=backtest_result(net_usd=-5000.0, sharpe=1.0))
    other["result"]["provenance"]["parameters"] = {"fast": 9, "slow": 15}
    rows = lab_rows.comparison(job(1, result=backtest_result()), other)
    assert rows[0].cells[:3] == [("◆ fast", "info"), "5", "9"], "slow is the same in both"
    net = next(row for row in rows if row.id == "net_usd")
    assert net.cells == ["Net profit", "−5,577.99 USD", "−5,000.00 USD", ("−577.99 USD", "down")]
    sharpe = next(row for row in rows if row.id == "sharpe")
    assert sharpe.cells[1:] == ["–", "1.00", (None, "")]
    tiles = {tile["label"]: tile for tile in lab_rows.sheet(job(1, result=backtest_result()), other, NAMES)["tiles"]}
    assert tiles["Net profit"]["other"] == "−5,000.00 USD"


def test_the_curve_is_ascending_in_chicago_time() -> None:
    result = backtest_result()
    result["equity"] = result["equity"][::-1] + result["equity"][:1]
    drawn = lab_rows.curve(job(1, result=result), None)
    at = 1_641_254_400  # 4 January 2022, 00:00 UTC
    assert drawn["equity"] == [{"time": shifted(at), "value": 0.0}, {"time": shifted(at + 3600), "value": -10.0}]
    assert drawn["drawdown"][-1]["value"] == -10.0 and drawn["other"] == []


def test_a_run_can_be_cancelled_while_it_goes_and_shown_when_it_is_done() -> None:
    jobs = [
        job(4, state="queued"), job(3, state="running", progress=0.4), job(2, state="failed", error="no bars"), job(1),
        job(9, kind="report"),
    ]  # fmt: skip
    rows = lab_rows.run_rows(jobs, NAMES, jobs[3]["id"], None)
    assert [[act.verb for act in row.acts] for row in rows] == [["cancel"], ["cancel"], [], ["show", "beside"]]
    assert rows[1].cells[-1] == ("● running 40 %", "info") and "no bars" in str(rows[2].cells[-2])
    assert rows[3].acts[0].why_not == "it is shown"
    of_sweep = lab_rows.run_rows([job(7, "sweep"), jobs[3]], NAMES, job(7)["id"], None)
    assert of_sweep[1].acts[1].why_not == "show a backtest first"
    going = lab_rows.going(jobs)
    assert going == {"id": jobs[1]["id"], "text": "Backtest: running · 1 more in line", "progress": 0.4}
    assert lab_rows.going(jobs[2:]) is None


def test_a_trade_that_is_open_says_so() -> None:
    (row,) = lab_rows.trade_rows([trade(-3.5)], CONTRACT, 50)
    assert row.id == "50" and row.cells[0] == "2022-01-13 00:47:00" and row.cells[1] == ("open", "warn")
    assert row.cells[2] == ("▲ long", "up") and row.cells[6] == ("−3.50", "down") and row.cells[8] == "−7.50"


def test_a_heat_map_takes_the_median_over_the_other_parameters_and_marks_the_best_and_its_neighbours() -> None:
    drawn = lab_heat.heat(sweep_result())
    assert (drawn["x"], drawn["y"]) == (
        {"name": "fast", "ticks": ["5", "10", "15"]}, {"name": "slow", "ticks": ["20", "40"]},
    )  # fmt: skip
    assert drawn["values"]["sharpe_daily"] == [-1.0, 1.0, None, 0.5, 2.0, 1.5], "row by row, the lowest slow first"
    assert drawn["best"] == 4 and drawn["near"] == [0, 1, 2, 3, 5]
    assert drawn["note"] == "12 combinations; the median over stop"
    other = lab_heat.heat(sweep_result(), x="stop", y="fast", metric="max_drawdown_usd")
    assert other["smaller"] and other["best"] == 0, "of drawdowns the smallest is the best"
    assert len(other["values"]["net_usd"]) == 2 * 3


def test_a_sweep_of_one_parameter_is_one_row() -> None:
    result = sweep_result()
    result["grid"]["parameters"] = ["fast"]
    drawn = lab_heat.heat(result)
    assert drawn["y"] == {"name": "", "ticks": [""]} and len(drawn["values"]["net_usd"]) == 3


def test_the_line_about_luck_is_told_as_it_is() -> None:
    told = lab_heat.verdict(sweep_result())
    assert (told["verdict"], told["verdict_tone"]) == ("This looks like luck: …", "alarm")
    tiles = {tile["label"]: tile for tile in told["tiles"]}
    assert tiles["Deflated Sharpe"]["value"] == "0.31" and "12 trials" in tiles["Deflated Sharpe"]["note"]
    assert (tiles["Reality check p"]["value"], tiles["Reality check p"]["note"]) == (
        "–", "15 trading dates are too few",
    )  # fmt: skip
    assert told["title"] == "Best of 12: fast 10, slow 40, stop 3"
    (best,) = lab_heat.top_rows(sweep_result())
    assert best.cells[:3] == ["10", "40", "3"] and best.acts[0].verb == "run"


def test_five_thousand_cells_are_one_small_message() -> None:
    import json

    columns = {
        "fast": [i % 100 for i in range(5_000)], "slow": [i // 100 for i in range(5_000)],
        "sharpe_daily": [i / 7 for i in range(5_000)], "net_usd": [1.0 * i for i in range(5_000)],
    }  # fmt: skip
    grid = {"parameters": ["fast", "slow"], "metric": "sharpe_daily", "sign": 1, "columns": columns, "left_out": 0}
    drawn = lab_heat.heat({"grid": grid})
    assert drawn["values"]["net_usd"] == columns["net_usd"] and drawn["best"] == 4_999
    assert drawn["near"] == [4_898, 4_899, 4_998] and len(json.dumps(drawn)) < 300_000
