"""The doctor: each thing that can be wrong with a machine is named, with what to do; nothing is left out or hidden."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest

from workbench.commands.demo_folder import note_lab
from workbench.services import doctor
from workbench.services.doctor import BAD, OK, WARN, Finding
from workbench.storage.home import Home
from workbench.storage.latch import drop_stop_file


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.mark.parametrize(("running", "state"), [((3, 10), BAD), ((3, 11), OK), ((3, 14), OK), ((3, 15), BAD)])
def test_only_a_python_that_the_project_is_made_for_is_good(home: Home, running: tuple[int, int], state: str) -> None:
    finding = doctor.check_python(home, running)
    assert finding.state == (WARN if state == OK and sys.prefix == sys.base_prefix else state)
    assert bool(finding.cure) == (finding.state != OK)


def test_packages_of_this_environment_are_the_ones_that_are_needed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_packages(home).state == OK
    monkeypatch.setattr(
        doctor, "requires", lambda _: ["msgspec>=999", "no-such-package>=1", 'numpy<0; extra == "bench"']
    )
    finding = doctor.check_packages(home)
    assert finding.state == BAD
    assert "msgspec" in finding.seen and ">=999" in finding.seen and "no-such-package is missing" in finding.seen
    assert "numpy" not in finding.seen, "an extra that was not asked for is not needed"


def test_a_kernel_of_another_python_is_noticed(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(
        json.dumps({"argv": ["/opt/other/bin/python", "-m", "ipykernel_launcher"], "display_name": "Python 3"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    finding = doctor.check_kernelspec(home)
    assert finding.state == WARN
    assert "/opt/other/bin/python" in finding.seen and "ipykernel install" in finding.cure


def test_a_home_that_cannot_be_written_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    finding = doctor.check_home(Home(tmp_path / "file" / "home"))
    assert finding.state == BAD and "WORKBENCH_HOME" in finding.cure


@pytest.mark.parametrize(("free", "state"), [(100 * 2**20, BAD), (2**30, WARN), (50 * 2**30, OK)])
def test_a_disk_that_fills_is_told_before_it_is_full(home: Home, free: int, state: str) -> None:
    assert doctor.check_disk(home, free).state == state


def test_a_port_that_another_program_holds_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(doctor, "_ports", lambda: iter([("desk", port)]))
        finding = doctor.check_ports(home)
        assert finding.state == WARN and f"{port} (desk)" in finding.seen
        home.desk.mkdir(parents=True)
        (home.desk / "desk.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
        assert doctor.check_ports(home).state == OK, "our own desk may hold it"


def test_a_desk_that_does_not_answer_is_told_with_the_way_to_stop(home: Home) -> None:
    home.desk.mkdir(parents=True)
    (home.desk / "desk.json").write_text(json.dumps({"url": "http://127.0.0.1:9"}))
    finding = doctor.check_desk(home)
    assert finding.state == WARN and "workbench stop" in finding.cure


def test_a_stop_in_force_is_told_with_its_reason(home: Home) -> None:
    assert doctor.check_stop(home).state == OK
    drop_stop_file(home, "the news at 13:00")
    finding = doctor.check_stop(home)
    assert finding.state == WARN and "the news at 13:00" in finding.seen and "--clear" in finding.cure


def test_missing_credentials_are_named_and_given_ones_never_shown(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROFILE", "topstepx")
    monkeypatch.delenv("PROJECTX_API_KEY", raising=False)
    monkeypatch.setenv("PROJECTX_USERNAME", "ann-the-trader")
    finding = doctor.check_credentials(home)
    assert finding.state == BAD and "PROJECTX_API_KEY" in finding.seen
    monkeypatch.setenv("PROJECTX_API_KEY", "k3y-0f-ann")
    finding = doctor.check_credentials(home)
    assert finding.state == OK
    assert "ann" not in finding.seen and "k3y" not in finding.seen


@pytest.mark.parametrize(
    ("date", "state"),
    [
        ("Mon, 23 Nov 2026 14:30:01 GMT", OK),
        ("Mon, 23 Nov 2026 14:30:10 GMT", WARN),
        ("Mon, 23 Nov 2026 14:29:00 GMT", BAD),
        (None, OK),
    ],
)
def test_a_clock_that_is_off_is_judged_by_the_gateways(date: str | None, state: str) -> None:
    now = datetime(2026, 11, 23, 14, 30, 0, tzinfo=UTC)
    finding = doctor.clock_finding("answers", date, now)
    assert finding.state == state and bool(finding.cure) == (state != OK)


def test_a_check_that_fails_is_a_finding_and_not_the_end(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_moon(_: Home) -> Finding:
        raise RuntimeError("behind clouds")

    monkeypatch.setattr(doctor, "CHECKS", (check_moon, doctor.check_disk))
    first, second = doctor.examine(home)
    assert (first.name, first.state) == ("moon", BAD) and "behind clouds" in first.seen
    assert second.name == "disk"


def test_the_command_prints_every_finding_and_fails_when_one_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from typer.testing import CliRunner

    from workbench.commands import tree

    tree.mount("doctor")
    given: list[Any] = [
        Finding(name="disk", state=OK, seen="50 GB free"),
        Finding(name="desk", state=BAD, seen="another version", cure="start it again"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda _: given)
    result = CliRunner().invoke(tree.app, ["doctor", "--home", str(tmp_path)])
    assert result.exit_code == 1
    assert "✓ disk" in result.stdout and "✖ desk" in result.stdout and "→ start it again" in result.stdout
    del given[1]
    answer = CliRunner().invoke(tree.app, ["doctor", "--json", "--home", str(tmp_path)])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout)["findings"][0]["name"] == "disk"


class Program(BaseHTTPRequestHandler):
    said: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        body = json.dumps(self.said.get(self.path, {})).encode()
        self.send_response(200 if self.path in self.said else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Any]:
    servers = []

    def start(said: dict[str, Any]) -> int:
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Said", (Program,), {"said": said}))
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


DESK = {"/api/health": {"status": "ok", "service": "workbench desk"}}
BOARD = {"/health": {"status": "ok", "service": "workbench dashboard"}}
SIMULATOR = {"/simulator/status": {"now": 1, "rate": 60.0, "participants": []}}


def test_the_programs_of_a_demo_are_known_with_its_home_and_a_stranger_is_not(
    home: Home, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = Home(home.path / "demo")
    demo.desk.mkdir(parents=True)
    desk, board, simulator, lab = serve(DESK), serve(BOARD), serve(SIMULATOR), serve({})
    (demo.desk / "desk.json").write_text(json.dumps({"url": f"http://127.0.0.1:{desk}"}))
    (demo.desk / "dashboard.json").write_text(json.dumps({"port": board}))
    note_lab(demo, lab)
    ports = [("desk", desk), ("dashboard", board), ("simulator", simulator), ("lab", lab)]
    monkeypatch.setattr(doctor, "_ports", lambda: iter(ports))
    finding = doctor.check_ports(home)
    assert finding.state == OK
    assert finding.seen.split(", ") == [
        f"{desk} by the desk of {demo.path}",
        f"{board} by the dashboard of {demo.path}",
        f"{simulator} by a simulator of ours",
        f"{lab} by the lab of {demo.path}",
    ]
    ports[1] = ("dashboard", serve({}))
    finding = doctor.check_ports(home)
    assert finding.state == WARN and f"{ports[1][1]} (dashboard) is taken by another program" in finding.seen
    assert f"{desk} by the desk of" in finding.seen and f"{desk} (desk)" not in finding.seen


def test_a_file_left_behind_does_not_make_a_stranger_the_desk_of_a_demo(
    home: Home, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = Home(home.path / "demo")
    demo.desk.mkdir(parents=True)
    port = serve({"/api/health": {"service": "something else"}})
    (demo.desk / "desk.json").write_text(json.dumps({"url": f"http://127.0.0.1:{port}"}))
    monkeypatch.setattr(doctor, "_ports", lambda: iter([("desk", port)]))
    assert doctor.check_ports(home).state == WARN
    monkeypatch.setattr(doctor, "_ports", lambda: iter([("desk", serve(DESK))]))
    assert "by a desk of another home" in doctor.check_ports(home).seen
