"""Paths that lead out of the store: refused, recorded, and never opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import FULL
from tests.fakes.desk import FakeDesk
from workbench.services.audit import Audit
from workbench.services.strategies import shipped_folder

OUTSIDE = [
    "../../etc/passwd",
    "/etc/passwd",
    "/etc/passwd.yaml",
    "strategies/../../../../etc/passwd.yaml",
    "~/.ssh/id_rsa",
    "~root/x.yaml",
    "..\\..\\secret.yaml",
    "file:///etc/passwd",
    "strategies/../pyproject.toml",
    "\0.yaml",
    "strategies/\0/../x.yaml",
    "/proc/self/environ",
]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_a_path_outside_the_store_is_refused(knock: Callable[..., Any], desk: FakeDesk, path: str) -> None:
    async with knock() as client:
        for route, body in (
            ("/api/sessions", {"strategy": path, "account": 1001}),
            ("/api/backtests", {"strategy": path}),
            ("/api/sweeps", {"strategy": path, "values": {"fast": [1]}}),
        ):
            refused = await client.post(route, headers=FULL, json=body)
            assert refused.status_code == 422, route
            assert "root:" not in refused.text
        assert (await client.get("/api/jobs", headers=FULL)).json() == []
    assert desk.calls == []
    assert {line["details"]["status"] for line in Audit(desk.home).read(9)} == {422}


async def test_a_link_inside_the_store_that_leads_out_is_refused(
    knock: Callable[..., Any], desk: FakeDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "strategies").mkdir()
    secret = tmp_path / "secret.yaml"
    secret.write_text("name: secret")
    os.symlink(secret, tmp_path / "strategies" / "link.yaml")
    os.symlink("/etc", tmp_path / "strategies" / "etc")
    async with knock() as client:
        for path in ("strategies/link.yaml", "link", "strategies/etc/passwd.yaml"):
            refused = await client.post("/api/sessions", headers=FULL, json={"strategy": path, "account": 1001})
            assert refused.status_code == 422, path
    assert desk.calls == []


async def test_a_file_of_the_strategies_folder_a_name_and_a_version_are_taken(
    knock: Callable[..., Any], desk: FakeDesk
) -> None:
    async with knock() as client:
        for path in (str(shipped_folder() / "sma_cross.yaml"), "sma_cross", "3f9c2a1", "sma_cross@3f9c2a1"):
            assert (
                await client.post("/api/sessions", headers=FULL, json={"strategy": path, "account": 1001})
            ).status_code == 201
    assert len(desk.calls) == 4


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fetc", "a%00b", ".hidden", "%2fetc%2fpasswd"])
async def test_a_report_or_strategy_name_leads_nowhere(knock: Callable[..., Any], desk: FakeDesk, name: str) -> None:
    (desk.home.path / "report.html").parent.mkdir(parents=True, exist_ok=True)
    (desk.home.path / "report.html").write_text("secret")
    desk.home.reports.mkdir()
    async with knock() as client:
        for path in (f"/api/reports/{name}/page", f"/api/strategies/{name}", f"/api/jobs/{name}"):
            refused = await client.get(path, headers=FULL)
            assert refused.status_code in (404, 422), path
            assert "secret" not in refused.text


async def test_a_report_template_is_a_name(knock: Callable[..., Any], desk: FakeDesk) -> None:
    async with knock() as client:
        for template in ("../../x", "/tmp/evil.ipynb", "a/b", ""):
            refused = await client.post("/api/reports", headers=FULL, json={"template": template})
            assert refused.status_code == 422
