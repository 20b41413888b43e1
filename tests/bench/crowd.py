# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Thousands of processes that do nothing, each born into its cgroup (clone3, CLONE_INTO_CGROUP):
moving one there afterwards would wait for a grace period of the kernel's, milliseconds long."""
import ctypes
import os
import pathlib
import signal
import struct

CLONE3 = 435
CLONE_INTO_CGROUP = 1 << 33
# Calls that keep the interpreter's lock: a child has no other thread that could give it back.
libc = ctypes.PyDLL(None, use_errno=True)


def born_into(directory: pathlib.Path) -> int:
    """A child of the caller, for a Worker to call; ended by end()."""
    cgroup = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        arguments = struct.pack("=11Q", CLONE_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0,
                                cgroup)
        pid = libc.syscall(CLONE3, arguments, len(arguments))
        if pid == 0:
            libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
            while True:
                libc.pause()
        if pid < 0:
            raise OSError(ctypes.get_errno(), f"clone3 into {directory}")
        return pid
    finally:
        os.close(cgroup)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
