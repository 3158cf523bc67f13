"""Ports, options and the program itself."""

from __future__ import annotations

import pytest

from tests.simulator.client import MORNING
from workbench.commands.simulator import sentence
from workbench.domain.errors import InputError
from workbench.simulator.config import SimulatorSettings
from workbench.simulator.main import Options, configure, describe
from workbench.simulator.server import serve


async def test_a_used_port_ends_in_a_sentence_that_says_what_to_do():
    async with serve(SimulatorSettings(start=MORNING)) as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(InputError, match=r"cannot listen on 127.0.0.1:\d+: .* --port"):
            async with serve(SimulatorSettings(start=MORNING), port=port):
                pass


async def test_the_ready_lines_name_url_key_accounts_and_contracts():
    async with serve(SimulatorSettings(start=MORNING, roots=("MES",))) as simulator:
        text = sentence(describe(simulator))
    for part in (
        simulator.url,
        "simulator-key",
        "50KTC-V2-10001-2 (1002)",
        "CON.F.US.MES.Z26",
        "2026-11-20T15:00:00",
        "×1",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rate": -1.0}, "--rate"),
        ({"start": "yesterday"}, "--start: .*ISO-8601"),
        ({"accounts_file": "nowhere.yaml"}, "accounts file nowhere.yaml"),
    ],
)
def test_a_wrong_option_is_named(options, words, tmp_path):
    from pathlib import Path

    fixed = {key: Path(value) if key.endswith("file") else value for key, value in options.items()}
    with pytest.raises(InputError, match=words):
        configure(Options(**fixed))


def test_accounts_come_from_a_file(tmp_path):
    path = tmp_path / "accounts.yaml"
    path.write_text("- {id: 7, name: 150KTC-V2-7, programme: topstep-150k, daily_loss: true}\n")
    assert configure(Options(accounts_file=path)).accounts[0].programme == "topstep-150k"
    path.write_text("- {id: 7, name: x, colour: red}\n")
    with pytest.raises(InputError, match="wrong at colour"):
        configure(Options(accounts_file=path))
