# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Processes that send one packet in one particular way, for tests that ask who did it. Like those
of module traffic these functions run in a Worker; what they open stays open under its name."""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import time

import packet
from traffic import attempt, family_of, sockets

ECHO, ECHO6 = 8, 128
children: list[subprocess.Popen[bytes]] = []


def udp_connected(name: str, address: str, port: int) -> int:
    datagram = socket.socket(family_of(address), socket.SOCK_DGRAM)
    datagram.connect((address, port))
    attempt(datagram.send, b"podfence")
    sockets[name] = datagram
    return os.getpid()


def udp_bound(name: str, address: str, port: int, local_port: int = 0, is_dual: bool = False,
              shares: bool = False) -> int:
    """Connected to nobody; `is_dual`: IPv4 by a socket of both families."""
    datagram = socket.socket(socket.AF_INET6 if is_dual else family_of(address), socket.SOCK_DGRAM)
    if is_dual:
        datagram.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        address = f"::ffff:{address}"
    if shares:
        datagram.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    datagram.bind(("", local_port))
    attempt(datagram.sendto, b"podfence", (address, port))
    sockets[name] = datagram
    return os.getpid()


def tcp_begun(name: str, address: str, port: int) -> int:
    """A connection that is still being tried."""
    connection = socket.socket(family_of(address), socket.SOCK_STREAM)
    connection.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        connection.connect((address, port))
    sockets[name] = connection
    return os.getpid()


def ping_socket(name: str, address: str, identifier: int) -> int:
    is_v6 = packet.is_v6(address)
    echo = socket.socket(family_of(address), socket.SOCK_DGRAM,
                         socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP)
    echo.bind(("", identifier))
    attempt(echo.sendto, struct.pack("!BBHHH", ECHO6 if is_v6 else ECHO, 0, 0, 0, 1), (address, 0))
    sockets[name] = echo
    return os.getpid()


def raw_socket(name: str, address: str, protocol: int, is_idle: bool = False) -> int:
    raw = socket.socket(family_of(address), socket.SOCK_RAW, protocol)
    if not is_idle:
        attempt(raw.sendto, b"podfence", (address, 0))
    sockets[name] = raw
    return os.getpid()


def heir(name: str, address: str, port: int, keeps: bool) -> int:
    """A child sends by a socket it inherited, and stays; the parent has closed it before, or
    keeps."""
    wait, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(wait, 1)
        attempt(sockets[name].sendto, b"podfence", (address, port))
        signal.pause()
        os._exit(0)
    if not keeps:
        sockets.pop(name).close()
    os.write(go, b"x")
    os.close(wait)
    os.close(go)
    return pid


def bystander() -> int:
    """A child that has open whatever this process has, and does nothing."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    return pid


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def send_and_end(address: str, port: int) -> int:
    """A child sends and has ended when this returns."""
    pid = os.fork()
    if pid == 0:
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as datagram:
            attempt(datagram.sendto, b"podfence", (address, port))
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def many(address: str, first_port: int, n: int) -> dict[int, int]:
    """So many children, each with a port of its own; every second one lives on for a moment. Pid by
    port."""
    pids = {}
    for port in range(first_port, first_port + n):
        pid = os.fork()
        if pid == 0:
            datagram = socket.socket(family_of(address), socket.SOCK_DGRAM)
            attempt(datagram.sendto, b"podfence", (address, port))
            time.sleep(0.3 if port % 2 else 0)
            os._exit(0)
        pids[port] = pid
    for pid in pids.values():
        os.waitpid(pid, 0)
    return pids


def hand_over(name: str, path: str, keeps: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.connect(path)
        socket.send_fds(way, [b"x"], [sockets[name].fileno()])
    if not keeps:
        sockets.pop(name).close()


def take_over(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
        way.bind(path)
        sockets["way"] = way.dup()


def taken_send(name: str, address: str, port: int) -> int:
    _, descriptors, _, _ = socket.recv_fds(sockets.pop("way"), 1, 1)
    sockets[name] = socket.socket(fileno=descriptors[0])
    attempt(sockets[name].sendto, b"podfence", (address, port))
    return os.getpid()


def close(name: str) -> None:
    sockets.pop(name).close()


def run(*command: str) -> int:
    """A program that goes on until it is ended."""
    children.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, env={}))
    return children[-1].pid


def go_on() -> None:
    """A line to the program that was begun last."""
    pipe = children[-1].stdin
    assert pipe
    pipe.write(b"\n")
    pipe.flush()


def burst(name: str, address: str, first_port: int, n: int) -> int:
    """To so many ports at once."""
    datagram = socket.socket(family_of(address), socket.SOCK_DGRAM)
    for port in range(first_port, first_port + n):
        attempt(datagram.sendto, b"podfence", (address, port))
    sockets[name] = datagram
    return os.getpid()


def end_programs() -> None:
    while children:
        one = children.pop()
        one.kill()
        one.communicate()
