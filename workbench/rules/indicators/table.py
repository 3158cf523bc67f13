"""The table of indicators as a person reads it: arguments, defaults, first bar, warm-up, source."""

from __future__ import annotations

from workbench.rules.indicators import INDICATORS
from workbench.rules.indicators.base import Constant, Indicator

HEADINGS = ("call", "gives", "first bar", "warm-up", "forgets", "source")


def indicator_table(length: int = 20) -> list[dict[str, str | int]]:
    """Return one row for each indicator that rules may use; ``pandas.DataFrame(indicator_table())`` shows it.

    Parameters
    ----------
    length : int
        Stands for a length without a default in ``first bar`` and ``warm-up`` (both in bars).

    Examples
    --------
    >>> [row for row in indicator_table() if row["call"].startswith("bollinger_upper")][0]["call"]
    'bollinger_upper(x, length=20, width=2)'
    """
    return [_row(op, length) for op in INDICATORS.values()]


def indicator_markdown(length: int = 20) -> str:
    """Return the table in Markdown."""
    lines = [" | ".join(HEADINGS), " | ".join("---" for _ in HEADINGS)]
    lines += [
        " | ".join(f"`{row[h]}`" if h == "call" else str(row[h]).replace("|", "\\|") for h in HEADINGS)
        for row in indicator_table(length)
    ]
    return "\n".join(f"| {line} |" for line in lines)


def _row(op: Indicator, length: int) -> dict[str, str | int]:
    tried = [max(length, c.least) if c.default is None else c.default for c in op.constants]
    tried = [0 if c.clock else value for c, value in zip(op.constants, tried, strict=True)]
    arguments = [name for name in ("x", "y") if name in op.inputs] + [_written(c) for c in op.constants]
    typed = op.typed(tried)
    cells = (
        f"{op.name}({', '.join(arguments)})" if arguments else f"{op.name}()",
        op.summary,
        op.first(*typed),
        op.warmup(*typed),
        str(op.memory),
        op.source,
    )
    return dict(zip(HEADINGS, cells, strict=True))


def _written(constant: Constant) -> str:
    if constant.clock:
        return 'opens="HH:MM"'
    return constant.name if constant.default is None else f"{constant.name}={constant.default:g}"
