"""Runs untimed work for each strategy, several strategies at a time."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from bench.strategy.loaded import LoadedStrategy

_T = TypeVar("_T")


def each_strategy(
    strategies: Sequence[LoadedStrategy],
    work: Callable[[int, LoadedStrategy, threading.Event], _T],
    at_a_time: int,
    done: Callable[[_T], None],
) -> None:
    """
    Call `work` with each strategy, in threads, and `done` with each result as it comes, in this thread.

    :param work: gets the strategy's number, the strategy, and an event; once that is set, it should end soon.
    :raises Exception: the first error of `work` or `done`, after the other calls have ended.
    """
    stopped = threading.Event()
    with ThreadPoolExecutor(at_a_time) as pool:
        try:
            jobs = [pool.submit(work, number, strategy, stopped) for number, strategy in enumerate(strategies)]
            for job in as_completed(jobs):
                done(job.result())
        except BaseException:
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise
