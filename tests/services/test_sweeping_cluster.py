"""The same sweep on dask.distributed: equal to the local one, also when a worker dies in the middle."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import pytest

from tests.services.test_sweeping import cross, job, same  # noqa: F401 — a fixture
from workbench.backtest.sweep import MemoryLedger
from workbench.services.sweep_job import Job
from workbench.services.sweeping import Where, sweep
from workbench.storage.home import Home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
GRID = {"fast": "2:51:1", "slow": "60:159:1"}  # 5,000 combinations


@pytest.fixture
def client() -> Iterator[object]:
    distributed = pytest.importorskip("distributed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ports in use, and what its own dependencies deprecate
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        )
        client = distributed.Client(cluster, set_as_default=False)
        yield client
        client.close()
        cluster.close()


def kill_one(client: object, store: Path) -> list[int]:
    """Kill a worker as soon as a few chunks are kept; return what was killed."""
    killed: list[int] = []
    pids = list(client.run(os.getpid).values())  # type: ignore[attr-defined]

    def wait_and_kill() -> None:
        until = monotonic() + 120
        while monotonic() < until:
            if len(list(store.glob("sweeps/*/chunk-*.npz"))) >= 10:
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])
                return
            sleep(0.01)

    Thread(target=wait_and_kill, daemon=True).start()
    return killed


@pytest.mark.filterwarnings("ignore")
def test_five_thousand_combinations_equal_the_local_ones_though_a_worker_is_killed(
    job: Job,  # noqa: F811 — the fixture
    client: object,
    tmp_path: Path,
):
    where = Where(home=Home(tmp_path / "local"), ledger=MemoryLedger(), progress=False)
    local = sweep(cross(), job, GRID, where=where)
    assert len(local) == 5000
    away = replace(where, home=Home(tmp_path / "away"), ledger=MemoryLedger(), cluster=client)
    killed = kill_one(client, tmp_path / "away")
    made = sweep(cross(), job, GRID, where=away)
    assert killed, "no worker was killed: the test says nothing"
    chunks = list((tmp_path / "away").glob("sweeps/*/chunk-*.npz"))
    assert same(local, made)
    assert made.best == local.best
    assert away.ledger.count("cross") == 5000
    assert len(chunks) == 157  # of 32


@pytest.mark.filterwarnings("ignore")
def test_an_address_is_enough(job: Job, client: object, tmp_path: Path):  # noqa: F811 — the fixture
    where = Where(home=Home(tmp_path / "a"), ledger=MemoryLedger(), progress=False)
    given = {"fast": [5, 6, 7], "slow": [20, 30]}
    local = sweep(cross(), job, given, where=where)
    address = client.scheduler_info()["address"]  # type: ignore[attr-defined]
    assert same(local, sweep(cross(), job, given, where=replace(where, cluster=address)))
