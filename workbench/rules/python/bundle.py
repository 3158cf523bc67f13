"""A Python strategy as one text: its file and the local modules it imports, packed so that the registry can keep them.

The packed text is what a version stands for and what runs; the working tree is read once, when the strategy is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from workbench.domain.errors import InputError

MAX_CHARACTERS = 1_000_000
FORMAT = 1

_MARK = re.compile(r'\s*\{\s*"workbench_python"')
_CLASS = re.compile(r"(?m)^class[ \t]+\w+[ \t]*\([^)]*\bStrategy\b[^)]*\)[ \t]*:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The source closure of one strategy.

    Parameters
    ----------
    main : str
        Name of the file that holds the class, such as ``volatility_breakout.py``.
    files : mapping
        Text by file name, relative to the strategy's folder (``helpers.py``, ``lib/__init__.py``); `main` is in it.
    strategy : str
        Name of the class; "" means the only one in the file.
    timeframe : str
        Runs the class on other bars than it is written for; "" means its own.
    prelude : str
        Imports of other notebook cells that the main file leans on; kept apart so that its lines keep their numbers.
    """

    main: str
    files: Mapping[str, str] = field(repr=False)
    strategy: str = ""
    timeframe: str = ""
    prelude: str = ""

    @property
    def text(self) -> str:
        """The text of the main file."""
        return self.files[self.main]

    def pack(self) -> str:
        """Return everything as one text, the same for the same content.

        >>> bundle = Bundle(main="a.py", files={"a.py": "x = 1"})
        >>> unpack(bundle.pack()) == bundle
        True
        """
        body = {
            "workbench_python": FORMAT,
            "main": self.main,
            "class": self.strategy,
            "timeframe": self.timeframe,
            "prelude": self.prelude,
            "files": dict(sorted(self.files.items())),
        }
        return json.dumps(body, indent=1, ensure_ascii=False) + "\n"

    def on(self, timeframe: str) -> Bundle:
        """Return the same source for bars of another timeframe."""
        return replace(self, timeframe=timeframe)


def is_python(text: str) -> bool:
    """Say whether `text` is a packed bundle, or Python source with a strategy class, rather than YAML.

    >>> is_python("class Mine(wb.Strategy):"), is_python("name: mine")
    (True, False)
    """
    return bool(_MARK.match(text) or _CLASS.search(text))


def unpack(text: str, where: str = "strategy") -> Bundle:
    """Return the bundle that `text` packs; plain Python source is a bundle of one file.

    Raises
    ------
    InputError
        A packed text that is damaged or of a format that this program does not know.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{where} has {len(text):,} characters; a strategy has at most {MAX_CHARACTERS:,}")
    if not _MARK.match(text):
        name = PurePosixPath(where.replace("\\", "/")).name
        main = name if name.endswith(".py") else "strategy.py"
        return Bundle(main=main, files={main: text})
    try:
        body = json.loads(text)
        form, main, files = body["workbench_python"], body["main"], body["files"]
        made = Bundle(
            main=main, files=files, strategy=body["class"], timeframe=body["timeframe"], prelude=body["prelude"]
        )
        whole = main in files and all(isinstance(part, str) for part in (main, *files, *files.values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
        form = None
    if form is not None and form != FORMAT:
        raise InputError(f"{where} is a strategy of format {form}; this program knows format {FORMAT}: update it")
    if not whole:
        raise InputError(f"{where} is a damaged Python strategy; register it again from its file")
    return made
