"""Reports: a notebook template run with parameters, kept as an executed notebook and as one HTML page without code.

A report that fails says so and names the cell that failed; a run appears under its final name only when it is complete.
The page is made by `services.report_page`, the list of all of them by `services.report_index`.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.domain.errors import StorageError
from workbench.services.report_index import rebuild_index
from workbench.services.report_page import page, title_of, told_provenance
from workbench.services.report_templates import find_template, require_template
from workbench.services.version import program_version
from workbench.storage.home import Home, remove_leftover

__all__ = ["Report", "find_template", "run_report"]
KERNEL = "workbench-report"
CELL_MAY_TAKE_S = 600
HALF_STAYS_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run of a template. `status` is ``ok``, ``failed`` (a cell raised) or ``error`` (it could not run at all)."""

    folder: Path
    template: str
    status: str
    error: str
    parameters: dict[str, Any]
    started: str
    seconds: float
    title: str = ""
    about: str = ""  # session, dates or strategy, as the notebook's provenance says
    schedule: str = ""  # that asked for it
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def html(self) -> Path:
        return self.folder / "report.html"

    @property
    def notebook(self) -> Path:
        return self.folder / "run.ipynb"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "folder": str(self.folder), "html": str(self.html), "notebook": str(self.notebook)}


def run_report(
    template: str | Path,
    parameters: Mapping[str, Any],
    out_dir: Path,
    *,
    kernel_name: str | None = None,
    home: Home | None = None,
    schedule: str = "",
) -> Report:
    """Run a template and write `run.ipynb`, `report.html` and `meta.json` into a new folder of `out_dir`.

    Parameters
    ----------
    template : str or Path
        A notebook file, or the name of one in ``notebooks/reports``.
    parameters : mapping
        Values for names of its `parameters` cell.
    out_dir : Path
        Where the folder of this run is made.
    kernel_name : str, optional
        A Jupyter kernel; left out, one of the Python that runs this.
    home : Home, optional
        The home that the notebook sees.
    schedule : str
        The schedule that asked for it, if one did.

    Raises
    ------
    InputError
        No such template, or a parameter it does not have. A cell that raises is a failed report, not an exception.
    """
    source = require_template(template, parameters)
    started = datetime.now(UTC)
    name = f"{started:%Y%m%dT%H%M%SZ}_{source.stem}_{secrets.token_hex(2)}"
    try:
        Path(out_dir).mkdir(parents=True, exist_ok=True)
        _tidy(Path(out_dir))
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=out_dir))
    except OSError as error:
        raise StorageError(f"cannot write reports to {out_dir}: {error.strerror or error}") from error
    try:
        ended = _execute(source, work / "run.ipynb", parameters, kernel_name, home)
        report = _report(source, work, Path(out_dir) / name, ended, dict(parameters), started, schedule)
        (work / "meta.json").write_text(json.dumps(report.to_dict(), default=str, indent=1), encoding="utf-8")
        work.rename(report.folder)
        rebuild_index(Path(out_dir))
    except OSError as error:
        raise StorageError(f"cannot write the report to {out_dir}: {error.strerror or error}") from error
    finally:
        remove_leftover(work)
    return report


def _tidy(folder: Path) -> None:
    # A run that was cancelled was killed: its half report lies under a hidden name.
    for half in folder.glob(".*_*.*"):
        if half.is_dir() and time.time() - half.stat().st_mtime > HALF_STAYS_S:
            remove_leftover(half)


@dataclass(frozen=True, slots=True)
class _Ended:
    status: str = "ok"
    error: str = ""
    cell: int | None = None


def _report(
    source: Path, work: Path, folder: Path, ended: _Ended, parameters: dict[str, Any], started: datetime, schedule: str
) -> Report:
    # The notebook that papermill left behind becomes the page; what it says of its own provenance is kept beside it.
    import nbformat

    notebook = nbformat.read(str(work / "run.ipynb"), as_version=4) if (work / "run.ipynb").is_file() else None
    title = (title_of(notebook) if notebook is not None else "") or source.stem
    seconds = round((datetime.now(UTC) - started).total_seconds(), 2)
    told = {} if notebook is None else told_provenance(notebook)
    about = str(told.pop("about", ""))
    provenance = {
        **told,
        "template": f"{source.stem} ({hashlib.sha256(source.read_bytes()).hexdigest()[:12]})",
        "asked for": parameters or "what the template says",
        "program": program_version(),
        "created": f"{started:%Y-%m-%d %H:%M:%S} UTC, {seconds:.0f} s",
        "report": folder.name,
    }
    facts = {"title": title, "about": about, "error": ended.error, "cell": ended.cell, "provenance": provenance}
    (work / "report.html").write_text(page(notebook, facts), encoding="utf-8")
    return Report(
        folder=folder,
        template=str(source),
        status=ended.status,
        error=ended.error,
        parameters=parameters,
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        title=title,
        about=about,
        schedule=schedule,
        provenance=told,
    )


def _execute(
    source: Path, target: Path, parameters: Mapping[str, Any], kernel_name: str | None, home: Home | None
) -> _Ended:
    import papermill

    with _environment(home) as kernels:
        try:
            papermill.execute_notebook(
                str(source),
                str(target),
                parameters=dict(parameters),
                kernel_name=kernel_name or kernels,
                cwd=str(Path.cwd()),
                progress_bar=False,
                log_output=False,
                execution_timeout=CELL_MAY_TAKE_S,
                start_timeout=120,
            )
        except papermill.PapermillExecutionError as error:
            first = next((line for line in error.source.splitlines() if line.strip()), "")
            said = f"{error.ename}: {error.evalue} (cell {error.cell_index + 1}, `{first.strip()[:60]}`)"
            return _Ended("failed", said, _cell_of(target, error.source))
        except Exception as error:  # no kernel, a dead one, a time-out: the report says so
            return _Ended("error", f"{type(error).__name__}: {str(error)[:300]}")
    return _Ended()


def _cell_of(notebook: Path, source: str) -> int | None:
    # Its place in the file: papermill puts cells of its own (parameters, a banner) before it.
    import nbformat

    cells = nbformat.read(str(notebook), as_version=4).cells
    return next((n for n, c in enumerate(cells) if c.cell_type == "code" and c.source == source and _raised(c)), None)


def _raised(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


@contextmanager
def _environment(home: Home | None) -> Iterator[str]:
    # A kernel of this very Python, whatever kernels are installed elsewhere; and the home, wherever the kernel starts.
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Workbench",
        "language": "python",
    }
    changed = {"JUPYTER_PATH"} | ({"WORKBENCH_HOME"} if home is not None else set())
    before = {name: os.environ.get(name) for name in changed}
    with tempfile.TemporaryDirectory(prefix="workbench-kernel-") as folder:
        place = Path(folder) / "kernels" / KERNEL
        place.mkdir(parents=True)
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (folder, before["JUPYTER_PATH"])))
        if home is not None:
            os.environ["WORKBENCH_HOME"] = str(home.path)
        try:
            yield KERNEL
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
