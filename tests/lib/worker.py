# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A process of a workload: forked, moved into a cgroup and a network namespace, then told what to
do.

The order is the one a container runtime keeps: cgroup first, then namespace and user, then sockets,
because the kernel remembers the cgroup of a socket's creator. call() runs a function of module
traffic (or any importable one) in that process and returns its value; sockets live on between
calls.
"""
import os
import pathlib
import pickle
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any

import cgroup
import netns

PR_SET_PDEATHSIG = 1
NOBODY = 65534


class Worker:
    def __init__(self, namespace: str | None = None, directory: pathlib.Path | None = None,
                 user: int = 0) -> None:
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                leave_sockets_behind(theirs.fileno())
                settle_in(namespace, directory, user)
                serve(theirs)
            finally:
                os._exit(1)
        theirs.close()
        self.pipe = ours

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Begins a call; result() waits for it."""
        send(self.pipe, (function, arguments))

    def result(self) -> Any:
        is_good, value = receive(self.pipe)
        if not is_good:
            raise RuntimeError(f"in the workload: {value}")
        return value

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        self.start(function, *arguments)
        return self.result()

    def finish(self) -> Any:
        """Ends a call that goes on until SIGUSR1, and returns its value."""
        os.kill(self.pid, signal.SIGUSR1)
        return self.result()

    def stop(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pipe.close()
            self.pid = 0


def leave_sockets_behind(kept: int) -> None:
    """A container's process has none of whoever made it, which were made in another cgroup. Their
    numbers stay taken, because objects of this process may still close them."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            is_socket = os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
        except OSError:  # the one that lists them
            continue
        if is_socket and fd > 2 and fd != kept:
            os.dup2(null, fd, inheritable=False)
    os.close(null)


def settle_in(namespace: str | None, directory: pathlib.Path | None, user: int) -> None:
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # one that comes before its call begins
    if directory is not None:
        cgroup.attach(directory)
    if namespace is not None:
        netns.enter(namespace)
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    die_with_parent()  # after setuid, which would clear it
    if os.getppid() != parent:
        os._exit(1)


def die_with_parent() -> None:
    netns.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(pipe: socket.socket) -> None:
    while True:
        function, arguments = receive(pipe)
        try:
            answer = (True, function(*arguments))
        except Exception as error:  # travels to the caller
            answer = (False, f"{function.__name__}{arguments}: {error!r}")
        send(pipe, answer)


def send(pipe: socket.socket, value: Any) -> None:
    data = pickle.dumps(value)
    pipe.sendall(struct.pack("!I", len(data)) + data)


def receive(pipe: socket.socket) -> Any:
    return pickle.loads(receive_exactly(pipe, struct.unpack("!I", receive_exactly(pipe, 4))[0]))


def receive_exactly(pipe: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        more = pipe.recv(length - len(data))
        if not more:
            raise EOFError("the workload's process is gone")
        data += more
    return data
