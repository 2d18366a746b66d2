"""Distinguishes a process from a later one with the same pid, so that only our own processes are killed."""

import contextlib

import psutil


def identity(process: psutil.Process) -> dict[str, float]:
    """Return what identifies a process."""
    return {"pid": process.pid, "created": process.create_time()}


def known(written: dict[str, float]) -> psutil.Process | None:
    """Return the process with an identity if it still runs."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(int(written["pid"]))
        if identity(process) == written:
            return process
    return None
