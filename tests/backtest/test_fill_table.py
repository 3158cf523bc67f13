"""The table of the fill model, cell by cell: cases worked out by hand from its sentences, one a line, for both sides.

Prices are ticks; before each case there is a quiet bar at 100 through which the order has rested, unless it says
otherwise. Slippage is 1. `.` is no level, `-` no fill; `open` and `inside` say where in the bar the fill lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from workbench.backtest import fills as module
from workbench.backtest.fills import BarMatcher
from workbench.backtest.matcher import Resting
from workbench.backtest.switches import Without
from workbench.domain.errors import InputError
from workbench.domain.order import OrderType, Side

QUIET = (100, 100, 100, 100)
START, END = 1_000, 2_000
KINDS = {
    "market": OrderType.MARKET, "limit": OrderType.LIMIT, "new-limit": OrderType.LIMIT, "stop": OrderType.STOP,
    "join-bid": OrderType.JOIN_BID, "join-ask": OrderType.JOIN_ASK,
}  # fmt: skip
Bar = tuple[int, int, int, int]

SINGLE = """
# order    side  cell           level   open high low close   fill when
market     buy   open           .       101 105  99 103       102  open
market     sell  open           .        99 101  95  97        98  open
market     buy   edge           .       101 101  99 100       101  open
market     sell  edge           .        99 101  99 100        99  open
market     buy   no-range       .       103 103 103 103       103  open
market     sell  no-range       .        97  97  97  97        97  open

stop       buy   gap            104     106 108 105 107       107  open
stop       sell  gap             96      94  95  92  93        93  open
stop       buy   gap-at         104     104 108 103 107       105  open
stop       sell  gap-at          96      96  97  92  93        95  open
stop       buy   gap-edge       104     106 106 105 105       106  open
stop       sell  gap-edge        96      94  95  94  95        94  open
stop       buy   touch          104     101 104 100 102       104  inside
stop       sell  touch           96      99 100  96  98        96  inside
stop       buy   through        104     101 106 100 102       105  inside
stop       sell  through         96      99 100  94  98        95  inside
stop       buy   missed         104     101 103 100 102       -    -
stop       sell  missed          96      99 100  97  98       -    -

limit      buy   gap             96      94  97  92  93        96  open
limit      sell  gap            104     106 108 103 107       104  open
limit      buy   gap-edge        96      94  95  92  93        95  open
limit      sell  gap-edge       104     106 108 105 107       105  open
limit      buy   gap-at          96      96  99  96  98       -    -
limit      sell  gap-at         104     104 104 101 102       -    -
limit      buy   gap-at-through  96      96  99  95  98        96  inside
limit      sell  gap-at-through 104     104 105 101 102       104  inside
limit      buy   touch           96      99 100  96  98       -    -
limit      sell  touch          104     101 104 100 102       -    -
limit      buy   through         96      99 100  95  98        96  inside
limit      sell  through        104     101 105 100 102       104  inside
limit      buy   missed          96      99 100  97  98       -    -
limit      sell  missed         104     101 103 100 102       -    -

new-limit  buy   gap             96      94  97  92  93        94  open
new-limit  sell  gap            104     106 108 103 107       106  open
new-limit  buy   gap-at          96      96  99  96  98       -    -
new-limit  sell  gap-at         104     104 104 101 102       -    -
new-limit  buy   touch           96      99 100  96  98       -    -
new-limit  sell  touch          104     101 104 100 102       -    -
new-limit  buy   through         96      99 100  95  98        96  inside
new-limit  sell  through        104     101 105 100 102       104  inside
new-limit  buy   missed          96      99 100  97  98       -    -
new-limit  sell  missed         104     101 103 100 102       -    -

join-bid   buy   gap            .        98 101  96  97       100  open
join-ask   sell  gap            .       102 104  99 103       100  open
join-bid   buy   gap-edge       .        98  99  96  97        99  open
join-ask   sell  gap-edge       .       102 104 101 103       101  open
join-bid   buy   gap-at         .       100 103 100 101       -    -
join-ask   sell  gap-at         .       100 100  97  99       -    -
join-bid   buy   touch          .       102 103 100 101       -    -
join-ask   sell  touch          .        98 100  97  99       -    -
join-bid   buy   through        .       102 103  99 101       100  inside
join-ask   sell  through        .        98 101  97  99       100  inside
join-bid   buy   missed         .       102 103 101 101       -    -
join-ask   sell  missed         .        98  99  97  99       -    -
"""

# with `touch=True`: what the table above says, except where it says touch
TOUCHED = """
limit      buy   gap-at          96      96  99  96  98        96  open
limit      sell  gap-at         104     104 104 101 102       104  open
limit      buy   gap-at-through  96      96  99  95  98        96  open
limit      sell  gap-at-through 104     104 105 101 102       104  open
limit      buy   touch           96      99 100  96  98        96  inside
limit      sell  touch          104     101 104 100 102       104  inside
new-limit  buy   gap-at          96      96  99  96  98        96  open
new-limit  sell  gap-at         104     104 104 101 102       104  open
new-limit  buy   touch           96      99 100  96  98        96  inside
new-limit  sell  touch          104     101 104 100 102       104  inside
join-bid   buy   gap-at         .       100 103 100 101       100  open
join-ask   sell  gap-at         .       100 100  97  99       100  open
join-bid   buy   touch          .       102 103 100 101       100  inside
join-ask   sell  touch          .        98 100  97  99       100  inside
"""

# stop and target around a position; `stop` or `target` says which leg fills, the other is cancelled
BRACKET = """
# held  cell           stop target  open high low close   leg     fill when
long    both             96  104     100 106  94 105      stop      95  inside
short   both            104   96     100 106  94  95      stop     105  inside
long    both-falling     96  104     100 106  94  95      stop      95  inside
short   both-rising     104   96     100 106  94 105      stop     105  inside
long    both-stop-touch  96  104     100 106  96 105      stop      96  inside
short   both-stop-touch 104   96     100 104  94  95      stop     104  inside
long    both-tgt-touch   96  104     100 104  94 100      stop      95  inside
short   both-tgt-touch  104   96     100 106  96 100      stop     105  inside
long    gap-stop         96  104      95 106  94 105      stop      94  open
short   gap-stop        104   96     105 106  94  95      stop     106  open
long    gap-at-stop      96  104      96 106  94 105      stop      95  open
short   gap-at-stop     104   96     104 106  94  95      stop     105  open
long    gap-target       96  104     105 106  94 105      target   104  open
short   gap-target      104   96      95 106  94  95      target    96  open
long    gap-at-target    96  104     104 106  94 105      stop      95  inside
short   gap-at-target   104   96      96 106  94  95      stop     105  inside
long    target-through   96  104     100 106  97 105      target   104  inside
short   target-through  104   96     100 103  94  95      target    96  inside
long    target-touch     96  104     100 104  97 103      -        -    -
short   target-touch    104   96     100 103  96  97      -        -    -
long    stop-through     96  104     100 103  94  95      stop      95  inside
short   stop-through    104   96     100 106  97 105      stop     105  inside
long    stop-touch       96  104     100 103  96  98      stop      96  inside
short   stop-touch      104   96     100 104  97 102      stop     104  inside
long    neither          96  104     100 103  97  99      -        -    -
short   neither         104   96     100 103  97 101      -        -    -
"""

# entry and exit in one bar: a stop 4 ticks and a target 6 ticks from the entry's fill
ENTRY = """
# entry    side  cell           level   open high low close   entry when     leg    fill when
market     buy   neither        .       100 106  98 103       101   open     -      -    -
market     sell  neither        .       100 102  94  97        99   open     -      -    -
market     buy   target         .       100 108  98 105       101   open     target 107  inside
market     sell  target         .       100 102  92  95        99   open     target  93  inside
market     buy   target-touch   .       100 107  98 105       101   open     -      -    -
market     sell  target-touch   .       100 102  93  95        99   open     -      -    -
market     buy   stop           .       100 106  96 103       101   open     stop    96  inside
market     sell  stop           .       100 104  94  97        99   open     stop   104  inside
market     buy   stop-touch     .       100 106  97 103       101   open     stop    97  inside
market     sell  stop-touch     .       100 103  94  97        99   open     stop   103  inside
market     buy   both           .       100 108  96 107       101   open     stop    96  inside
market     sell  both           .       100 104  92  93        99   open     stop   104  inside

stop       buy   gap-target     104     106 114 104 110       107   open     target 113  inside
stop       sell  gap-target      96      94  96  86  90        93   open     target  87  inside
stop       buy   target         104     102 112 102 110       105   inside   target 111  inside
stop       sell  target          96      98  98  88  90        95   inside   target  89  inside
stop       buy   stop           104     102 106 100 103       105   inside   stop   100  inside
stop       sell  stop            96      98 100  94  97        95   inside   stop   100  inside
stop       buy   both           104     100 112  99 110       105   inside   stop   100  inside
stop       sell  both            96     100 101  88  90        95   inside   stop   100  inside
stop       buy   neither        104     102 106 102 105       105   inside   -      -    -
stop       sell  neither         96      98  98  94  95        95   inside   -      -    -

limit      buy   gap-target      96      94 103  93 100        96   open     target 102  inside
limit      sell  gap-target     104     106 107  97 100       104   open     target  98  inside
limit      buy   best-before     96      99 103  95 100        96   inside   -      -    -
limit      sell  best-before    104     101 105  97 100       104   inside   -      -    -
limit      buy   target          96      99 104  95 103        96   inside   target 102  inside
limit      sell  target         104     101 105  96  97       104   inside   target  98  inside
limit      buy   stop            96      99  99  91  95        96   inside   stop    91  inside
limit      sell  stop           104     101 109 101 105       104   inside   stop   109  inside
limit      buy   both            96      99 104  91 103        96   inside   stop    91  inside
limit      sell  both           104     101 109  96  97       104   inside   stop   109  inside
limit      buy   stop-beyond     96      99  99  88  95        96   inside   stop    91  inside
limit      sell  stop-beyond    104     101 112 101 105       104   inside   stop   109  inside
"""

# a trailing stop 5 ticks from the last price, 100; bars before the last one are played and closed
TRAIL = """
# side  cell         bars                                                       fill when
sell    gap          94 96 92 95                                                 93  open
buy     gap          106 108 104 105                                            107  open
sell    touch        98 99 95 97                                                 95  inside
buy     touch        102 105 101 103                                            105  inside
sell    through      98 99 93 97                                                 94  inside
buy     through      102 107 101 103                                            106  inside
sell    missed       98 99 96 97                                                -    -
buy     missed       102 104 101 103                                            -    -
sell    within       100 110 96 97                                              -    -
buy     within       100 104 90 103                                             -    -
sell    moved        100 106 99 105 ; 104 105 100 103                           100  inside
buy     moved        100 101 94 95 ; 96 100 95 97                               100  inside
sell    moved-gap    100 106 99 105 ; 100 105 99 103                             99  open
buy     moved-gap    100 101 94 95 ; 100 101 95 97                              101  open
sell    only-closer  100 106 99 105 ; 104 104 102 103 ; 103 104 100 102         100  inside
buy     only-closer  100 101 94 95 ; 96 98 96 97 ; 97 100 96 98                 100  inside
"""


class Case(NamedTuple):
    text: str
    words: tuple[str, ...]


def rows(table: str) -> list[Case]:
    lines = (line.strip() for line in table.strip().splitlines())
    return [Case(" ".join(line.split()), tuple(line.split())) for line in lines if line and not line.startswith("#")]


def each(table: str) -> pytest.MarkDecorator:
    cases = rows(table)
    return pytest.mark.parametrize("words", [case.words for case in cases], ids=[case.text for case in cases])


def level_of(word: str) -> int | None:
    return None if word == "." else int(word)


def bar_of(words: tuple[str, ...]) -> Bar:
    return int(words[0]), int(words[1]), int(words[2]), int(words[3])


def expected(words: tuple[str, ...]) -> list[tuple[int, int]]:
    price, when = words
    return [] if price == "-" else [(int(price), START if when == "open" else END - 1)]


def order(key: int, side: Side, name: str, level: int | None) -> Resting:
    kind = KINDS[name]
    limit, stop = (None, level) if kind is OrderType.STOP else (level, None)
    return Resting(key=key, side=side, type=kind, qty=1, limit=limit, stop=stop)


def rest(matcher: BarMatcher, held: int = 0) -> None:
    assert list(matcher.play(0, START, *QUIET, held)) == []


def arrive(matcher: BarMatcher, entry: Resting, name: str) -> None:
    """Submit an order before the quiet bar, or after it if it must not have seen it."""
    if name in ("limit", "stop"):
        matcher.submit(entry, 0)
        rest(matcher)
    else:
        rest(matcher)
        if name.startswith("join"):  # bars know no quote: what a join order rests at is the last print
            matcher.submit(order(9, Side.BUY, "limit", 1), 0)
            rest(matcher)
            matcher.cancel(9)
        matcher.submit(entry, START)


def single(words: tuple[str, ...], *, touch: bool = False, without: Without = Without.NONE) -> list[tuple[int, int]]:
    name, side, _, level, *rest_ = words
    matcher = BarMatcher(touch=touch, without=without)
    arrive(matcher, order(1, Side[side.upper()], name, level_of(level)), name)
    return [(fill.ticks, fill.at) for fill in matcher.play(START, END, *bar_of(tuple(rest_[:4])), 0)]


@each(SINGLE)
def test_one_order_in_one_bar(words: tuple[str, ...]) -> None:
    assert single(words) == expected(words[-2:])


@each(TOUCHED)
def test_with_touch_a_limit_fills_where_it_is_touched(words: tuple[str, ...]) -> None:
    assert single(words, touch=True) == expected(words[-2:])


@pytest.mark.parametrize("case", rows(SINGLE), ids=lambda case: case.text)
def test_touch_changes_nothing_but_touches(case: Case) -> None:
    touched = {(*row.words[:8],) for row in rows(TOUCHED)}
    if (*case.words[:8],) not in touched:
        assert single(case.words, touch=True) == expected(case.words[-2:])


def bracket(words: tuple[str, ...], without: Without = Without.NONE) -> list[tuple[str, int, int]]:
    held, side = (1, Side.SELL) if words[0] == "long" else (-1, Side.BUY)
    matcher, names = BarMatcher(without=without), {1: "stop", 2: "target"}
    matcher.submit(order(1, side, "stop", int(words[2])), 0)
    matcher.submit(order(2, side, "limit", int(words[3])), 0)
    rest(matcher, held)
    seen = []
    for fill in matcher.play(START, END, *bar_of(words[4:8]), held):
        matcher.cancel(3 - fill.key)  # one cancels the other
        matcher.turn(0)
        seen.append((names[fill.key], fill.ticks, fill.at))
    return seen


@each(BRACKET)
def test_stop_and_target_in_one_bar(words: tuple[str, ...]) -> None:
    assert bracket(words) == [(words[8], *fill) for fill in expected(words[9:])]


def enter(words: tuple[str, ...]) -> list[tuple[str, int, int]]:
    name, side = words[0], Side[words[1].upper()]
    matcher, names = BarMatcher(), {1: "entry", 2: "stop", 3: "target"}
    arrive(matcher, order(1, side, name, level_of(words[3])), name)
    seen = []
    for fill in matcher.play(START, END, *bar_of(words[4:8]), 0):
        seen.append((names[fill.key], fill.ticks, fill.at))
        if fill.key == 1:
            matcher.turn(side.sign)
            matcher.submit(order(2, side.opposite, "stop", fill.ticks - 4 * side.sign), fill.at)
            matcher.submit(order(3, side.opposite, "limit", fill.ticks + 6 * side.sign), fill.at)
        else:
            matcher.turn(0)
            matcher.cancel(5 - fill.key)
    return seen


@each(ENTRY)
def test_entry_and_exit_in_one_bar(words: tuple[str, ...]) -> None:
    entry = [("entry", *fill) for fill in expected(words[8:10])]
    assert enter(words) == entry + [(words[10], *fill) for fill in expected(words[11:])]


def trail(words: tuple[str, ...]) -> list[tuple[int, int]]:
    text = " ".join(words[2:-2])
    bars = [bar_of(tuple(part.split())) for part in text.split(";")]
    side = Side[words[0].upper()]
    matcher = BarMatcher()
    matcher.submit(order(9, Side.BUY, "limit", 1), 0)
    rest(matcher)
    matcher.submit(Resting(key=1, side=side, type=OrderType.TRAILING_STOP, qty=1, distance=5), START)
    found: list[tuple[int, int]] = []
    for bar in bars:
        assert found == []
        found = [(fill.ticks, fill.at) for fill in matcher.play(START, END, *bar, -side.sign)]
        matcher.trail(bar[1], bar[2])
    return found


@each(TRAIL)
def test_a_trailing_stop_moves_when_a_bar_has_closed(words: tuple[str, ...]) -> None:
    assert trail(words) == expected(words[-2:])


@pytest.mark.parametrize(
    ("side", "stop", "to", "first", "then", "fill"),
    [
        (Side.SELL, 95, 99, (100, 104, 97, 103), (98, 100, 96, 99), (97, START)),  # opens beyond the new level
        (Side.BUY, 105, 101, (100, 103, 96, 97), (102, 104, 100, 101), (103, START)),
        (Side.SELL, 95, 99, (100, 104, 97, 103), (101, 102, 98, 99), (98, END - 1)),
        (Side.BUY, 105, 101, (100, 103, 96, 97), (99, 102, 98, 101), (102, END - 1)),
    ],
)
def test_a_stop_that_is_moved_meets_the_next_open_at_its_new_level(
    side: Side, stop: int, to: int, first: Bar, then: Bar, fill: tuple[int, int]
) -> None:
    matcher = BarMatcher()
    matcher.submit(order(1, side, "stop", stop), 0)
    rest(matcher, -side.sign)
    assert list(matcher.play(START, END, *first, -side.sign)) == []  # passes the level it moves to at the close
    assert matcher.modify(1, END, stop=to)
    assert [(f.ticks, f.at) for f in matcher.play(START, END, *then, -side.sign)] == [fill]
    assert not matcher.modify(1, END, stop=to)


def test_a_stop_limit_order_is_refused_and_a_join_order_without_a_price() -> None:
    with pytest.raises(InputError, match="use a stop"):
        BarMatcher().submit(Resting(key=1, side=Side.BUY, type=OrderType.STOP_LIMIT, qty=1, limit=1, stop=1), 0)
    with pytest.raises(InputError, match="no quote is known"):
        BarMatcher().submit(Resting(key=1, side=Side.BUY, type=OrderType.JOIN_BID, qty=1), 0)


# --- the tables themselves ---


def mirrored(words: tuple[str, ...]) -> tuple[str, ...]:
    """The same case on the other side: prices mirrored at 100."""
    swap = {
        "buy": "sell",
        "sell": "buy",
        "join-bid": "join-ask",
        "join-ask": "join-bid",
        "long": "short",
        "short": "long",
    }
    made = [swap.get(word, str(200 - int(word)) if word.isdigit() else word) for word in words]
    return tuple(made)


def cells(table: str, *where: int) -> Iterator[tuple[str, ...]]:
    return (tuple(case.words[i] for i in where) for case in rows(table))


def test_every_cell_is_there_for_both_sides() -> None:
    buys = {(name.replace("bid", "ask"), cell) for name, side, cell in cells(SINGLE, 0, 1, 2) if side == "buy"}
    sells = {(name, cell) for name, side, cell in cells(SINGLE, 0, 1, 2) if side == "sell"}
    assert buys == sells
    wanted = {(name, cell) for name in ("stop", "limit", "new-limit", "join-ask") for cell in
              ("gap", "gap-at", "touch", "through", "missed")} | {("market", "open"), ("market", "edge")}  # fmt: skip
    assert wanted <= sells
    for side in ("buy", "sell"):
        ways = {cell for where, cell in cells(TRAIL, 0, 1) if where == side}
        assert {"gap", "touch", "through", "missed", "within", "moved", "moved-gap", "only-closer"} == ways
        for name in ("market", "stop", "limit"):
            found = {cell for entry, where, cell in cells(ENTRY, 0, 1, 2) if (entry, where) == (name, side)}
            assert {"target", "stop", "both"} <= found
    for held, twin in (("long", "both-falling"), ("short", "both-rising")):
        found = {cell for where, cell in cells(BRACKET, 0, 1) if where == held}
        assert {"both", twin, "gap-stop", "gap-target", "neither", "stop-touch", "target-through"} <= found


@pytest.mark.parametrize("table", [SINGLE, ENTRY], ids=["single", "entry"])
def test_a_case_and_its_mirror_image_are_both_there(table: str) -> None:
    # the bar's high and low change places in the mirror
    def turned(words: tuple[str, ...]) -> tuple[str, ...]:
        made = list(mirrored(words))
        made[5], made[6] = made[6], made[5]
        return tuple(made)

    there = {case.words for case in rows(table)}
    assert {turned(words) for words in there} == there


def test_the_written_table_names_every_order_type() -> None:
    told = module.__doc__ or ""
    for word in ("market", "stop", "limit", "join bid", "join ask", "trailing stop", "stop-limit", "target"):
        assert word in told


# --- rules left out ---


@pytest.mark.parametrize(
    ("rule", "words", "price"),
    [
        (Without.GAP, "stop buy gap 104 106 108 103 107", 105),
        (Without.TRADE_THROUGH, "limit buy touch 96 99 100 96 98", 96),
        (Without.WITHIN_BAR, "stop buy touch 104 101 104 100 102", 105),
    ],
)
def test_leaving_out_a_rule_changes_the_fill(rule: Without, words: str, price: int) -> None:
    case = tuple(words.split())
    assert single(case, without=rule)[0][0] == price
    assert [fill[0] for fill in single(case)] != [price]


def test_leaving_out_the_worst_path_lets_the_target_fill_first() -> None:
    case = "long both 96 104 100 106 94 105".split()
    assert bracket(tuple(case), Without.WORST_PATH) == [("target", 104, END - 1)]


# --- sub-bars, and loss rules that watch ---


def test_a_print_inside_a_bar_pays_slippage_up_to_the_bars_extreme() -> None:
    matcher = BarMatcher()
    matcher.submit(order(1, Side.BUY, "market", None), 0)
    assert [f.ticks for f in matcher.play(5, 6, *QUIET, 0, slippage=3, bounds=(95, 110))] == [103]
    matcher.submit(order(2, Side.BUY, "market", None), 0)
    assert [f.ticks for f in matcher.play(6, 7, *QUIET, 0, slippage=3, bounds=(95, 102))] == [102]
    matcher.submit(order(3, Side.SELL, "market", None), 0)
    assert [f.ticks for f in matcher.play(7, 8, *QUIET, 0)] == [100]


def test_a_watcher_sees_every_print_and_what_it_sends_meets_the_print_it_saw() -> None:
    matcher, seen = BarMatcher(), []

    def watch(at: int, ticks: int) -> None:
        seen.append((ticks, at))
        if ticks == 97 and matcher.level is not None:
            matcher.level = None
            matcher.submit(order(7, Side.SELL, "market", None), at)

    matcher.seen, matcher.level = watch, 97
    assert [(f.key, f.ticks, f.at) for f in matcher.play(START, END, 100, 103, 95, 102, 1)] == [(7, 96, END - 1)]
    assert seen == [(100, START), *[(ticks, END - 1) for ticks in (97, 97, 95, 103, 102)]]
