"""Linear inequalities over named quantities: can they all hold at once? Exact, by Fourier and Motzkin's elimination."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

MAX_ROWS = 400


@dataclass(frozen=True, slots=True)
class Linear:
    """A sum of quantities with factors, and a number.

    >>> (Linear.of("x") * 2 - Linear.of("x") - 3).terms, (Linear.of("x") - Linear.of("x")).terms
    ({'x': Fraction(1, 1)}, {})
    """

    terms: Mapping[Hashable, Fraction]
    number: Fraction = Fraction(0)

    @staticmethod
    def of(name: Hashable) -> Linear:
        """Return a quantity as it is."""
        return Linear({name: Fraction(1)})

    @staticmethod
    def fixed(value: float) -> Linear:
        """Return a number."""
        return Linear({}, Fraction(value))

    def __add__(self, other: Linear | float) -> Linear:
        if not isinstance(other, Linear):
            return Linear(self.terms, self.number + Fraction(other))
        terms = dict(self.terms)
        for name, factor in other.terms.items():
            terms[name] = terms.get(name, Fraction(0)) + factor
        return Linear({name: factor for name, factor in terms.items() if factor}, self.number + other.number)

    def __sub__(self, other: Linear | float) -> Linear:
        return self + (other * -1 if isinstance(other, Linear) else -other)

    def __mul__(self, factor: float | Fraction) -> Linear:
        by = Fraction(factor)
        return Linear({name: f * by for name, f in self.terms.items() if by}, self.number * by)


@dataclass(frozen=True, slots=True)
class Above:
    """`form` is above zero, or at least zero when not `strict`."""

    form: Linear
    strict: bool = False


def contradict(rows: Iterable[Above]) -> bool:
    """Return True if the inequalities cannot all hold; False if they can, or if it would take too long to tell.

    >>> x, y = Linear.of("x"), Linear.of("y")
    >>> contradict([Above(x - y), Above(y - x, strict=True)]), contradict([Above(x - y), Above(y - x)])
    (True, False)
    """
    left = _reduced(rows)
    while left is not None:
        names = {name for terms, _ in left for name, _ in terms}
        if not names:
            return False
        left = _reduced(_without(_cheapest(names, left), left))
    return True


_Row = tuple[tuple[tuple[Hashable, Fraction], ...], bool]  # factors scaled, strict → the number


def _reduced(rows: Iterable[Above]) -> dict[_Row, Fraction] | None:
    # Of rows with the same left side the tightest; None when one of them says that a number is what it is not.
    made: dict[_Row, Fraction] = {}
    for row in rows:
        form = row.form
        if not form.terms:
            if form.number < 0 or (row.strict and form.number == 0):
                return None
            continue
        terms = sorted(form.terms.items(), key=lambda item: repr(item[0]))
        scale = abs(terms[0][1])
        key = (tuple((name, factor / scale) for name, factor in terms), row.strict)
        number = form.number / scale
        made[key] = min(made.get(key, number), number)
    return made


def _cheapest(names: set[Hashable], rows: Mapping[_Row, Fraction]) -> Hashable:
    def cost(name: Hashable) -> tuple[int, str]:
        signs = [factor > 0 for terms, _ in rows for other, factor in terms if other == name]
        return sum(signs) * (len(signs) - sum(signs)), repr(name)

    return min(names, key=cost)


def _without(name: Hashable, rows: Mapping[_Row, Fraction]) -> list[Above]:
    over: list[Above] = []
    under: list[Above] = []
    made: list[Above] = []
    for (terms, strict), number in rows.items():
        factors = dict(terms)
        factor = factors.get(name)
        row = Above(Linear(factors, number), strict)
        if factor is None:
            made.append(row)
        else:
            (over if factor > 0 else under).append(Above(row.form * (1 / abs(factor)), strict))
    if len(made) + len(over) * len(under) > MAX_ROWS:
        return made  # fewer rows say less: what they cannot refute is left open
    made += [Above(a.form + b.form, a.strict or b.strict) for a in over for b in under]
    return made
