"""What is known of the machine and the packages, for the fingerprint of a run."""

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil

from bench.results import Machine


def describe_machine() -> Machine:
    """Look at the machine that this process runs on."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 0,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        packages={
            name: distribution.version
            for distribution in sorted(importlib.metadata.distributions(), key=lambda found: found.name.lower())
            if (name := distribution.name)
        },
    )


def _cpu() -> str:
    """Return the processor's name; Linux alone keeps it from the platform module."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
