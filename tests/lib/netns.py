# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Network namespaces for tests: enter a private one, make more below it, open sockets in them.

The calling process becomes "the node": enter_private() moves it into a network and a mount
namespace of its own with an empty /run/netns, so that nothing a test does is seen by the machine,
and everything is gone when the last process of the test ends. Other namespaces are named ones (`ip
netns`), so that `ip -n NAME` and `nft` reach them.
"""
import contextlib
import ctypes
import os
import pathlib
import socket
import struct
import subprocess
from collections.abc import Iterator

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def enter_private() -> None:
    """Raises PermissionError or another OSError where this is not allowed."""
    checked(libc.unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare")
    checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
    pathlib.Path("/run/netns").mkdir(parents=True, exist_ok=True)
    checked(libc.mount(b"tmpfs", b"/run/netns", b"tmpfs", 0, None), "tmpfs on /run/netns")
    settle()
    ip(None, "link set lo up")


def run(*command: str, text: str | None = None) -> str:
    """Runs a command; raises with what it said where it failed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}\n{text or ''}")
    return done.stdout


def ip(namespace: str | None, *lines: str) -> None:
    """Runs lines of `ip` in a namespace (None: the node's), as one batch."""
    where = ["-n", namespace] if namespace else []
    run("ip", *where, "-batch", "-", text="\n".join(lines) + "\n")


def nft(namespace: str | None, text: str) -> str:
    with inside(namespace):
        return run("nft", "-f", "-", text=text)


@contextlib.contextmanager
def inside(namespace: str | None) -> Iterator[None]:
    """The calling thread is in that namespace meanwhile: what it opens and starts belongs there."""
    if namespace is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(namespace)
        try:
            yield
        finally:
            checked(libc.setns(home, CLONE_NEWNET), "setns back")
    finally:
        os.close(home)


def enter(namespace: str) -> None:
    target = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        checked(libc.setns(target, CLONE_NEWNET), f"setns {namespace}")
    finally:
        os.close(target)


def sysctl(**settings: int | str) -> None:
    """net__ipv4__ip_forward=1 in the namespace of the calling thread."""
    for key, value in settings.items():
        path = pathlib.Path("/proc/sys") / key.replace("__", "/")
        if path.exists():  # some depend on how the kernel was built
            path.write_text(f"{value}\n")


def settle() -> None:
    """Takes out what makes a namespace slow or talkative at first: duplicate address detection,
    router solicitations, and bridges that filter what only passes through them."""
    sysctl(net__ipv6__conf__all__accept_dad=0, net__ipv6__conf__default__accept_dad=0,
           net__ipv6__conf__all__router_solicitations=0,
           net__ipv6__conf__default__router_solicitations=0)


def add(namespace: str) -> None:
    run("ip", "netns", "add", namespace)
    with inside(namespace):
        settle()
    ip(namespace, "link set lo up")


def delete(namespace: str) -> None:
    run("ip", "netns", "delete", namespace)


def ask_netfilter(netlink: socket.socket, kind: int, body: bytes, what: str) -> None:
    """One request to nfnetlink, and its answer."""
    request_ack = 0x05
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, request_ack, 1, 0) + body)
    error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    if error:
        raise OSError(-error, f"{what}: {os.strerror(-error)}")


def open_netfilter() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)


def has_owners() -> bool:
    """Whether this kernel has tables that outlive their owner, asked as the agent does: by a
    transaction that is never ended."""
    newtable, owner_persist = 0x0a00, 6

    def attribute(number: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)

    def message(kind: int, flags: int, body: bytes) -> bytes:
        return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body

    with open_netfilter() as netlink:
        table = struct.pack("!BBH", 1, 0, 0) + attribute(1, b"podfence-probe\0") + \
            attribute(2, struct.pack("!I", owner_persist))
        netlink.send(message(16, 1, struct.pack("!BBH", 0, 0, 10)) +
                     message(newtable, 0x405, table))
        return struct.unpack_from("=i", netlink.recv(4096), 16)[0] == 0


def flush_conntrack() -> None:
    """Forgets every connection of the calling thread's namespace, as `conntrack -F` does."""
    ctnetlink_delete = 0x0102
    with open_netfilter() as netlink:
        ask_netfilter(netlink, ctnetlink_delete, struct.pack("!BBH", 0, 0, 0), "flush of conntrack")


def hold_nflog_group(group: int) -> socket.socket:
    """Binds an NFLOG group, as any program that logs does, until the socket is closed."""
    config, command, bind = 0x0401, 1, b"\x01"
    netlink = open_netfilter()
    ask_netfilter(netlink, config, struct.pack("!BBH", 0, 0, group) +
                  struct.pack("=HH", 5, command) + bind + bytes(3), f"NFLOG group {group}")
    return netlink
