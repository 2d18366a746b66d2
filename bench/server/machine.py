"""Describes the machine and its packages for the record of a run."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePath

import psutil

from bench.results.records import Machine


def describe_machine() -> Machine:
    """Return the properties of this machine."""
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
        architecture=platform.machine(),
        governor=_governor(),
        virtualisation=_virtualisation(),
    )


def filesystem_of(folder: Path) -> str:
    """Return the file system of a folder, such as `ext4`; empty if unknown."""
    mounts = {partition.mountpoint: partition.fstype for partition in psutil.disk_partitions(all=True)}
    return nearest_mount(folder.resolve(), mounts)


def nearest_mount(folder: PurePath, mounts: Mapping[str, str]) -> str:
    """Return what is mounted on a folder or on the nearest parent of it; empty if nothing is."""
    return next((mounts[str(place)] for place in (folder, *folder.parents) if str(place) in mounts), "")


def _governor(root: Path = Path("/")) -> str:
    """Return the governor of the first processor; normally all have the same one."""
    try:
        return (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return ""


def _virtualisation(root: Path = Path("/")) -> str:
    """
    Return the innermost hypervisor or container, with the names of systemd-detect-virt.

    Container images seldom have that command, so the next step looks for files that container engines create. Without
    any sign, the answer is unknown: not every architecture and container can be recognised.
    """
    if name := _detect_virt():
        return name
    for mark, name in (("run/.containerenv", "podman"), (".dockerenv", "docker")):
        if (root / mark).exists():
            return name
    try:
        cpuinfo = (root / "proc/cpuinfo").read_text()
    except OSError:
        return ""
    flags = (line.split() for line in cpuinfo.splitlines() if line.startswith("flags"))
    return "vm-other" if "hypervisor" in next(flags, []) else ""


def _detect_virt() -> str:
    """Ask systemd-detect-virt, which prints `none` with exit code 1; empty if it is not installed or fails."""
    try:
        answer = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True, check=False, timeout=10)  # noqa: S607 - found on PATH, as a shell would
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _cpu() -> str:
    """Return the processor's name, which on Linux the platform module does not know."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
