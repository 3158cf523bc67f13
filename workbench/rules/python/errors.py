"""What goes wrong in a person's own code, told with the file, the line and the text of that line."""

from __future__ import annotations

import traceback
from collections.abc import Mapping

from workbench.domain.errors import InputError, WorkbenchError


class StrategyFault(InputError):
    """A Python strategy raised, answered nonsense, or did not answer.

    Parameters
    ----------
    reason : str
        The last line of the traceback, or what it did instead of answering.
    where : str
        File, line and function; "" where no line of the strategy is to blame.
    code : str
        The text of that line.
    """

    def __init__(self, reason: str, *, where: str = "", code: str = "") -> None:
        self.reason, self.where, self.code = reason, where, code
        written = f"  `{code}`" if code else ""
        super().__init__(f"{where}: {reason}{written}" if where else f"{reason}{written}")


def fault_of(error: BaseException, files: Mapping[str, str]) -> StrategyFault:
    """Return `error` as a fault that names the deepest line of the strategy's own `files` (file name → text)."""
    plain = isinstance(error, WorkbenchError)  # ours say it in a sentence
    reason = str(error) if plain else traceback.format_exception_only(error)[-1].strip()
    if isinstance(error, SyntaxError) and error.filename in files:
        return StrategyFault(reason, where=f"{error.filename}, line {error.lineno}")
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in files]
    if not own:
        return StrategyFault(reason)
    frame = own[-1]
    return StrategyFault(
        reason,
        where=f"{frame.filename}, line {frame.lineno}, in {frame.name}",
        code=line_of(files[frame.filename], frame.lineno or 0),
    )


def line_of(text: str, number: int) -> str:
    """Return line `number` (1 = first) of `text` without its indentation; "" beyond the end."""
    lines = text.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
