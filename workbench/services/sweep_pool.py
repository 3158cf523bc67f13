"""Where chunks run: in threads here (the kernels do without the interpreter's lock), or on dask.distributed.

Both run the same function on the same chunks, so their results are equal, whatever worker dies in between.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING, Any

from workbench.backtest.search import Space
from workbench.backtest.sweep import Chunk
from workbench.domain.errors import InputError
from workbench.services.sweep_job import Bounds, Job, pack, run_packed

if TYPE_CHECKING:
    from distributed import Client

    from workbench.backtest.sweep import Float64Array

_LOOK_S = 0.2
_CONNECT_S = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A chunk to run: its number, its combinations, and the trading dates if not all."""

    number: int
    table: Float64Array
    dates: Bounds | None = None


Done = Callable[[Task, Chunk], None]
Pool = Callable[[Job, Space, Sequence[Task], Done], None]


@contextmanager
def pool(jobs: int | None = None, cluster: Any = None) -> Iterator[Pool]:
    """Give a function that runs tasks and tells of each when it is done, in any order.

    Parameters
    ----------
    jobs : int, optional
        Threads here; as many as there are processors when left out.
    cluster : str or distributed.Client, optional
        Run there instead.

    Raises
    ------
    InputError
        No such cluster, or dask.distributed is not installed.
    """
    if cluster is not None:
        with _client(cluster) as client:
            yield lambda job, of, tasks, done: _on_cluster(client, job, of, tasks, done)
        return
    count = _jobs(jobs)
    yield lambda job, of, tasks, done: _in_threads(count, job, of, tasks, done)


def _jobs(jobs: int | None) -> int:
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(jobs, bool) or jobs != int(jobs) or jobs < 1:
        raise InputError(f"jobs={jobs!r} must be a whole number of threads, at least 1")
    return int(jobs)


def _in_threads(count: int, job: Job, of: Space, tasks: Sequence[Task], done: Done) -> None:
    _ = job.prepared, job.cache  # once, before the threads look for them
    stop = Event()
    with ThreadPoolExecutor(count, thread_name_prefix="sweep") as threads:
        running: dict[Future[Chunk | None], Task] = {}
        try:
            for task in tasks:
                running[threads.submit(job.run, of, task.table, task.dates, stop.is_set)] = task
            while running:
                finished, _ = wait(running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                for future in finished:
                    _tell(future.result(), running.pop(future), done)
        except BaseException:  # Ctrl-C among others: what is whole is kept, the rest ends at its next combination
            stop.set()
            for future in running:
                future.cancel()
            wait(running)
            for future, task in running.items():
                if not future.cancelled() and future.exception() is None:
                    _tell(future.result(), task, done)
            raise


def _tell(chunk: Chunk | None, task: Task, done: Done) -> None:
    if chunk is not None:
        done(task, chunk)


def _on_cluster(client: Client, job: Job, of: Space, tasks: Sequence[Task], done: Done) -> None:
    from distributed import as_completed

    key = job.key(of)
    packed = client.submit(bytes, pack(job, of), key=f"sweep-job-{key}-{os.getpid()}-{id(tasks)}")
    futures = {
        client.submit(run_packed, packed, key, task.table, task.dates, pure=False, retries=3): task for task in tasks
    }
    try:
        for future, chunk in as_completed(list(futures), loop=client.loop, with_results=True):
            done(futures[future], chunk)
            future.release()
    except BaseException:
        client.cancel(list(futures))
        raise


@contextmanager
def _client(cluster: Any) -> Iterator[Client]:
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise InputError("cluster= needs dask.distributed: pip install 'futures-workbench[cluster]'") from None
    if isinstance(cluster, Client):
        yield cluster
        return
    try:
        client = Client(cluster, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise InputError(f"no dask scheduler answers at {cluster!r}: {error}; start one with dask scheduler") from None
    try:
        yield client
    finally:
        client.close()
