"""Tells a process from a later one of the same number, so that only what is ours is ever ended."""

import contextlib

import psutil


def identity(process: psutil.Process) -> dict[str, float]:
    """Return what is written down of a process, to know it again."""
    return {"pid": process.pid, "created": process.create_time()}


def known(written: dict[str, float]) -> psutil.Process | None:
    """Return the process that was written down if it still runs."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(written["pid"]))
        if identity(process) == written:
            return process
    return None
