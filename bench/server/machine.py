"""What is known of the machine and the packages, for the fingerprint of a run."""

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePath

import psutil

from bench.results.records import Machine


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
        architecture=platform.machine(),
        governor=_governor(),
        virtualisation=_virtualisation(),
    )


def filesystem_of(folder: Path) -> str:
    """Return the name of the file system that a folder is on, such as `ext4`; empty where it cannot be known."""
    mounts = {partition.mountpoint: partition.fstype for partition in psutil.disk_partitions(all=True)}
    return nearest_mount(folder.resolve(), mounts)


def nearest_mount(folder: PurePath, mounts: Mapping[str, str]) -> str:
    """Return what is mounted on a folder, or on the nearest of those that it is in; empty where nothing is."""
    return next((mounts[str(place)] for place in (folder, *folder.parents) if str(place) in mounts), "")


def _governor(root: Path = Path("/")) -> str:
    """Return who sets the clock of the first processor; all have the same one unless somebody took pains."""
    try:
        return (root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").read_text().strip()
    except OSError:
        return ""


def _virtualisation(root: Path = Path("/")) -> str:
    """
    Return the innermost hypervisor or container, in the words of systemd-detect-virt.

    An image of a container seldom has that command, so the marks that the container's maker left come next. Without
    any mark nothing is known: few architectures tell of a hypervisor, and not all containers of themselves.
    """
    if told := _detect_virt():
        return told
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
    """Ask systemd-detect-virt; it says `none` with exit code 1. Empty where it is not installed or does not answer."""
    try:
        answer = subprocess.run(["systemd-detect-virt"], capture_output=True, text=True, check=False, timeout=10)  # noqa: S607 - found on PATH, as a shell would
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()


def _cpu() -> str:
    """Return the processor's name; Linux alone keeps it from the platform module."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
