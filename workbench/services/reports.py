"""Reports: a notebook template run with parameters, kept as an executed notebook and as one HTML page without code.

The page needs no network: what nbconvert and Plotly would fetch from elsewhere is taken out or put in. A report that
fails is a report too: the page shows how far it came, and names the cell that failed. A run appears under its final
name only when it is complete.
"""

from __future__ import annotations

import html
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.domain.errors import InputError, StorageError, UnknownName
from workbench.storage.home import Home

TEMPLATES = Path("notebooks") / "reports"
KERNEL = "workbench-report"
CELL_MAY_TAKE_S = 600
HIDDEN_TAGS = {"hide", "parameters", "injected-parameters"}
_OUTSIDE = re.compile(r"<script[^>]+src=[\"']https?://[^>]*>\s*</script>|<link[^>]+href=[\"']https?://[^>]*>")


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

    Raises
    ------
    InputError
        No such template, or a parameter it does not have. A cell that raises is a failed report, not an exception.
    """
    source = find_template(template)
    _require_known(source, parameters)
    begun, started = time.monotonic(), datetime.now(UTC)
    name = f"{started:%Y%m%dT%H%M%SZ}_{source.stem}_{secrets.token_hex(2)}"
    try:
        Path(out_dir).mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=out_dir))
    except OSError as error:
        raise StorageError(f"cannot write reports to {out_dir}: {error.strerror or error}") from error
    try:
        status, error_text = _execute(source, work / "run.ipynb", parameters, kernel_name, home)
        (work / "report.html").write_text(_page(work / "run.ipynb", error_text), encoding="utf-8")
        report = Report(
            folder=Path(out_dir) / name,
            template=str(source),
            status=status,
            error=error_text,
            parameters=dict(parameters),
            started=started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - begun, 2),
        )
        (work / "meta.json").write_text(json.dumps(report.to_dict(), default=str, indent=1), encoding="utf-8")
        work.rename(report.folder)
    except OSError as error:
        raise StorageError(f"cannot write the report to {out_dir}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return report


def find_template(template: str | Path) -> Path:
    """Return the notebook behind a path or a name of ``notebooks/reports``; raise UnknownName with what there is."""
    path = Path(template)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    folders = [TEMPLATES, Path(__file__).resolve().parents[2] / TEMPLATES]
    for folder in folders:
        if (folder / f"{path.stem}.ipynb").is_file() and path.parent == Path():
            return folder / f"{path.stem}.ipynb"
    names = {p.stem for folder in folders if folder.is_dir() for p in folder.glob("*.ipynb")}
    raise UnknownName("report template", str(template), names, where="notebooks/reports")


def _require_known(source: Path, parameters: Mapping[str, Any]) -> None:
    import papermill

    try:
        known = papermill.inspect_notebook(str(source))
    except Exception as error:  # whatever nbformat and json make of a file that is no notebook
        raise InputError(f"{source} is not a notebook: {error}") from error
    for name in parameters:
        if name not in known:
            raise UnknownName("parameter", name, known, where=str(source))


def _execute(
    source: Path, target: Path, parameters: Mapping[str, Any], kernel_name: str | None, home: Home | None
) -> tuple[str, str]:
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
            return "failed", f"{error.ename}: {error.evalue} (cell {error.cell_index + 1}, `{first.strip()[:60]}`)"
        except Exception as error:  # no kernel, a dead one, a time-out: the report says so
            return "error", f"{type(error).__name__}: {str(error)[:300]}"
    return "ok", ""


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


def _page(notebook: Path, error: str) -> str:
    if not notebook.is_file():
        return (
            f"<!doctype html><meta charset='utf-8'><title>Report</title><p>This report failed: {html.escape(error)}</p>"
        )
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config()
    config.HTMLExporter.exclude_input = True
    config.HTMLExporter.exclude_output_prompt = True
    config.HTMLExporter.preprocessors = ["nbconvert.preprocessors.TagRemovePreprocessor"]
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = HIDDEN_TAGS
    exporter = HTMLExporter(config=config, mathjax_url="", require_js_url="", mermaid_js_url="", jquery_url="")
    body, _ = exporter.from_notebook_node(nbformat.read(str(notebook), as_version=4))
    banner = f"<p style='margin:1em;color:#b00020'><b>This report failed:</b> {html.escape(error)}</p>" if error else ""
    return re.sub(r"(<body[^>]*>)", lambda tag: tag[1] + banner, _OUTSIDE.sub("", body), count=1)
