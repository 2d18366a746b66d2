"""The description of the machine, and the git commit of the harness."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.results.paths import ROOT
from bench.results.version import commit
from bench.server import machine
from tests.servers import POSIX

GOVERNOR = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
GIT = shutil.which("git") or "git"


def put(root: Path, name: str, text: str) -> None:
    """Write a file below a folder that stands for the root of a file system."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def a_command(folder: Path, name: str, script: str) -> None:
    """Write an executable into a folder of PATH."""
    folder.mkdir(exist_ok=True)
    command = folder / name
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)


@pytest.fixture
def no_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


# --- the machine


def test_this_machine_is_described() -> None:
    """Architecture, governor and virtualisation are those of this machine."""
    found = machine.describe_machine()
    assert found.architecture == platform.machine() != ""
    assert found.governor == (Path("/", GOVERNOR).read_text().strip() if Path("/", GOVERNOR).exists() else "")
    if command := shutil.which("systemd-detect-virt"):
        told = subprocess.run([command], capture_output=True, text=True, check=False)
        assert found.virtualisation == told.stdout.strip() != ""


def test_the_governor_is_read_where_there_is_one(tmp_path: Path) -> None:
    """The governor is the content of its file; without the file, as on most virtual machines, it is unknown."""
    assert machine._governor(tmp_path) == ""
    put(tmp_path, GOVERNOR, "powersave\n")
    assert machine._governor(tmp_path) == "powersave"


@pytest.mark.parametrize(("script", "told"), [("echo kvm", "kvm"), ("echo none; exit 1", "none")])
@POSIX
def test_systemd_is_believed_first(tmp_path: Path, no_commands: Path, script: str, told: str) -> None:
    """The output of systemd-detect-virt counts, whatever its exit code: on bare metal it prints `none` and fails."""
    put(tmp_path, ".dockerenv", "")
    a_command(no_commands, "systemd-detect-virt", script)
    assert machine._virtualisation(tmp_path) == told


@pytest.mark.usefixtures("no_commands")
def test_without_systemd_marks_are_read(tmp_path: Path) -> None:
    """A container's file takes precedence over the hypervisor's flag; without both, the answer is unknown."""
    assert machine._virtualisation(tmp_path) == ""
    put(tmp_path, "proc/cpuinfo", "model name\t: A processor of no hypervisor\nflags\t\t: fpu sse avx\n")
    assert machine._virtualisation(tmp_path) == ""
    put(tmp_path, "proc/cpuinfo", "model name\t: A processor\nflags\t\t: fpu hypervisor avx\n")
    assert machine._virtualisation(tmp_path) == "vm-other"
    put(tmp_path, ".dockerenv", "")
    assert machine._virtualisation(tmp_path) == "docker"
    put(tmp_path, "run/.containerenv", "")
    assert machine._virtualisation(tmp_path) == "podman"


@POSIX
def test_a_systemd_that_says_nothing_is_no_answer(tmp_path: Path, no_commands: Path) -> None:
    """If the command fails without output, files and flags are checked."""
    a_command(no_commands, "systemd-detect-virt", "echo 'no bus' >&2; exit 1")
    put(tmp_path, ".dockerenv", "")
    assert machine._virtualisation(tmp_path) == "docker"


# --- the commit


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without the user's configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
    completed = subprocess.run(
        [GIT, *identity, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return completed.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout with one commit of one file, and a tag, which must not matter."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    put(folder, "tracked.txt", "one\n")
    git(folder, "add", ".")
    git(folder, "commit", "--message=First")
    git(folder, "tag", "--annotate", "v1", "--message=A tag")
    return folder


def test_the_commit_is_that_of_the_checkout(checkout: Path) -> None:
    """A clean checkout gives the whole hash, despite tags and untracked files."""
    head = git(checkout, "rev-parse", "HEAD")
    assert len(head) == 40
    assert commit(checkout) == head
    put(checkout, "untracked.txt", "two\n")
    assert commit(checkout) == head


def test_changed_files_are_marked(checkout: Path) -> None:
    """A tracked file that differs from the commit gives a `+`, staged or not; a new modification time does not."""
    head = git(checkout, "rev-parse", "HEAD")
    os.utime(checkout / "tracked.txt", (1, 1))
    assert commit(checkout) == head
    put(checkout, "tracked.txt", "two\n")
    assert commit(checkout) == f"{head}+"
    git(checkout, "add", ".")
    assert commit(checkout) == f"{head}+"


def test_a_linked_worktree_is_a_checkout(checkout: Path, tmp_path: Path) -> None:
    """A worktree, where `.git` is a file, has its own commit."""
    git(checkout, "worktree", "add", "--detach", str(tmp_path / "linked"))
    git(tmp_path / "linked", "commit", "--allow-empty", "--message=Second")
    assert commit(tmp_path / "linked") == git(tmp_path / "linked", "rev-parse", "HEAD") != commit(checkout)


def test_a_copy_inside_another_repository_has_no_commit(checkout: Path) -> None:
    """A copy of the harness inside another repository has no commit."""
    inner = checkout / "inner"
    put(inner, "pyproject.toml", "")
    git(checkout, "add", ".")
    git(checkout, "commit", "--message=Second")
    assert commit(inner) == ""


def test_a_hooks_variables_do_not_lead_astray(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git sets GIT_DIR for hooks; a harness started by a hook of another repository still finds its own commit."""
    monkeypatch.setenv("GIT_DIR", str(checkout / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(checkout))
    other = tmp_path / "other"
    put(other, "only_here.txt", "one\n")
    git(other, "init")
    git(other, "add", ".")
    git(other, "commit", "--message=Other")
    assert commit(other) == git(other, "rev-parse", "HEAD")


@POSIX
def test_without_git_or_checkout_or_commit_there_is_none(checkout: Path, tmp_path: Path, no_commands: Path) -> None:
    """Without git, without a repository, or without a commit the answer is empty."""
    assert commit(checkout) == ""
    (no_commands / "git").symlink_to(GIT)
    assert commit(tmp_path) == ""
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init")
    assert commit(empty) == ""
    assert commit(checkout) != ""


def test_the_harness_knows_its_own(tmp_path: Path) -> None:
    """By default it is the checkout of the harness; an unpacked archive has none."""
    if (ROOT / ".git").exists():
        assert commit().removesuffix("+") == git(ROOT, "rev-parse", "HEAD")
    else:
        assert commit() == ""
    assert commit(tmp_path) == ""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system that is known is Linux's")
def test_filesystem_of_a_folder(tmp_path: Path) -> None:
    """The file system of a folder is that of its mount, and every folder has one."""
    assert machine.filesystem_of(Path("/proc/self/fd")) == "proc"
    assert machine.filesystem_of(tmp_path) != ""


def test_nearest_mount_counts() -> None:
    """The innermost mount counts, and a name that only begins alike does not."""
    mounts = {"/": "ext4", "/data": "tmpfs", "/data/deep": "xfs"}
    assert machine.nearest_mount(Path("/data/here"), mounts) == "tmpfs"
    assert machine.nearest_mount(Path("/data/deep"), mounts) == "xfs"
    assert machine.nearest_mount(Path("/database"), mounts) == "ext4"
    assert machine.nearest_mount(Path("/database"), {}) == ""
