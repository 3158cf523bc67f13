"""Where the choices of a case come from: hypothesis in the suite, a seeded generator in a long run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Pick(Protocol):
    """Choices of a case."""

    def one(self, of: Sequence[T]) -> T: ...

    def whole(self, least: int, most: int) -> int: ...

    def chance(self, percent: int) -> bool: ...


class Drawn:
    """Choices by hypothesis."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self.draw = draw

    def one(self, of: Sequence[T]) -> T:
        return of[self.draw(st.integers(0, len(of) - 1))]

    def whole(self, least: int, most: int) -> int:
        made: int = self.draw(st.integers(least, most))
        return made

    def chance(self, percent: int) -> bool:
        return self.whole(1, 100) > 100 - percent


class Seeded:
    """Choices by a seeded generator: the same seed is the same case."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def one(self, of: Sequence[T]) -> T:
        return of[self.random.randrange(len(of))]

    def whole(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def chance(self, percent: int) -> bool:
        return self.whole(1, 100) > 100 - percent
