"""How long `import workbench` takes in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys

from tests.benchmarks.harness import Row, against_limit

CODE = "import time; start = time.perf_counter(); import workbench; print(time.perf_counter() - start)"


def rows() -> list[Row]:
    """Return the median of seven fresh processes against the limit of half a second."""
    taken = [
        float(subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True).stdout) for _ in range(7)
    ]
    return [against_limit("import workbench", statistics.median(taken), at_most=0.5)]
