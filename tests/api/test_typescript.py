"""The TypeScript client: its types are those of today's API, and `tsc` agrees with it and with the example page."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from workbench.api.scopes import OPEN, SAFE_METHODS
from workbench.api.type_writer import FOLDER, current

WRONG = {
    "an unknown route": 'desk.call("GET /api/nothing");',
    "a missing body": 'desk.call("POST /api/orders");',
    "a mistyped key": 'desk.call("POST /api/sessions", { body: { strategy: "x", acount: 1 } });',
    "a value that may be null": "desk.call('GET /api/accounts').then(([a]) => a!.equity_usd.toFixed(2));",
}


def test_the_written_files_are_those_of_this_api() -> None:
    for path, text in current().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is old: python -m workbench.api.type_writer"


def test_every_route_of_the_description_names_scope_key_and_refusals() -> None:
    import json

    paths = json.loads((FOLDER / "openapi.json").read_text())["paths"]
    assert len(paths) > 45
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["operationId"], path
            assert {"401", "403", "409", "413", "422", "423", "429"} <= set(operation["responses"])
            headers = [p["name"] for p in operation.get("parameters", []) if p["in"] == "header"]
            assert ("Idempotency-Key" in headers) == (method.upper() not in SAFE_METHODS), path
            assert bool(operation["security"]) == (operation["x-scope"] != OPEN), path


def test_nothing_of_the_client_names_a_registry() -> None:
    for name in ("package.json", "package-lock.json"):
        assert "://" not in (FOLDER / name).read_text(), name


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("npm") is None:
        pytest.skip("needs npm for the TypeScript compiler")
    folder = tmp_path_factory.mktemp("client")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    options = ["--no-audit", "--no-fund", "--ignore-scripts"]
    got = subprocess.run(["npm", "ci", *options], cwd=folder, capture_output=True, text=True, timeout=100)
    if got.returncode:
        if os.environ.get("CI"):
            pytest.fail(f"npm ci failed: {got.stderr[-800:]}")
        pytest.skip(f"npm cannot fetch the compiler here: {got.stderr[-200:]}")
    return folder


def check(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["npm", "run", "--silent", "check"], cwd=project, capture_output=True, text=True, timeout=100)


@pytest.mark.slow
def test_the_compiler_agrees_with_client_and_example(project: Path) -> None:
    done = check(project)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_the_compiler_refuses(project: Path, name: str) -> None:
    wrong = project / "example" / "wrong.ts"
    wrong.write_text(
        f'import {{ Workbench }} from "../src/client";\nconst desk = new Workbench("", "");\n{WRONG[name]}\n'
    )
    try:
        assert "example/wrong.ts(3," in check(project).stdout
    finally:
        wrong.unlink()
