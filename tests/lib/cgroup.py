# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Real cgroup v2 directories for tests, below one directory named after the test's process.

They are the only thing of a test that is not private to its namespaces: remove() kills what is left
in them and takes them away, and remove_stale() does so for tests that were killed.
"""
import contextlib
import os
import pathlib
import time

PREFIX = "podfence-lab-"


def mount_point() -> pathlib.Path | None:
    """Where the cgroup2 hierarchy is mounted: /sys/fs/cgroup, or .../unified on hybrid systems."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split()[0] == "cgroup2":
            return pathlib.Path(fields.split()[4])
    return None


class CgroupTree:
    def __init__(self) -> None:
        mount = mount_point()
        if mount is None:
            raise RuntimeError("no cgroup2 mount")
        self.mount = mount
        remove_stale(mount)
        self.root = mount / f"{PREFIX}{os.getpid()}"
        self.root.mkdir()

    def make(self, path: str) -> pathlib.Path:
        directory = self.root / path
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def from_mount(self, path: str) -> str:
        """A path of make() as seen from the cgroup root."""
        return str((self.root / path).relative_to(self.mount))

    def remove(self) -> None:
        remove(self.root)


def attach(directory: pathlib.Path, pid: int = 0) -> None:
    """Moves a process (0: the caller). Sockets it makes afterwards belong to that cgroup."""
    (directory / "cgroup.procs").write_text(str(pid))


def remove(directory: pathlib.Path) -> None:
    """Kills every process below the directory and removes it with all below."""
    if not directory.exists():
        return
    with contextlib.suppress(OSError):
        (directory / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + 10
    for path, _, _ in os.walk(directory, topdown=False):
        while True:
            try:
                os.rmdir(path)
                break
            except FileNotFoundError:
                break
            except OSError:  # the killed are not all gone yet
                if time.monotonic() > deadline:
                    raise
                reap()
                time.sleep(0.005)


def reap() -> None:
    """Collects children that have ended, without waiting: a zombie keeps no cgroup, but
    clutters."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def remove_stale(mount: pathlib.Path) -> None:
    for directory in mount.glob(f"{PREFIX}*"):
        pid = directory.name.removeprefix(PREFIX)
        if pid.isdigit() and not pathlib.Path("/proc", pid).exists():
            remove(directory)
