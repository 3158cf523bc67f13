"""The command line: `workbench …`. Exit codes: 0 done, 1 refused or failed with a reason, 2 wrong usage."""

from __future__ import annotations

import sys

from workbench.commands.output import fail
from workbench.domain.errors import WorkbenchError


def main() -> None:
    """Run the command line; an error of ours is one clear message."""
    try:
        sys.exit(_run(sys.argv[1:]))
    except WorkbenchError as error:
        sys.exit(fail(error, as_json="--json" in sys.argv))
    except OSError as error:  # a folder that cannot be written, a full disk: what and where is in it
        sys.exit(fail(WorkbenchError(f"the system refused: {error}"), as_json="--json" in sys.argv))
    except KeyboardInterrupt:
        sys.exit(130)


def _run(words: list[str]) -> int:
    if words[:1] == ["stop"]:  # while an open position waits, nothing is loaded that it does not need
        from workbench.commands.stop import typed

        code = typed(words[1:])
        if code is not None:
            return code
    from workbench.commands.tree import run

    run(words)
    return 0


if __name__ == "__main__":
    main()
