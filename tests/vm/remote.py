# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The node's end of these tests: python3 and iproute2 are all it needs.

It is handed to `python3 -c` over ssh and serves calls, a JSON line each, until its input ends. It
makes the outside world (a network namespace behind a veth pair) and watches what gets there, with
the kernel's time stamps.
"""
import base64
import contextlib
import ctypes
import json
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback

NAMESPACE, DEVICE = "podfence-ext", "pfext0"
ADDRESSES = ("203.0.113.129/25", "2001:db8:0:1::1/64", "10.99.0.1/24")  # of the node
OUTSIDE = ("203.0.113.137/25", "2001:db8:0:1::9/64", "10.99.0.2/24")
PORTS = range(40000, 40100)  # of the probes; nothing else is of interest
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
ETH_P_ALL, PACKET_OUTGOING = 3, 4

caught: dict[str, list[int]] = {}  # "udp 203.0.113.137 40001": times in ns of CLOCK_REALTIME
rounds: dict[str, list[int]] = {}  # of datagrams: which of the sender's each was
lock = threading.Lock()


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def remove_outside():
    for arguments in (["netns", "delete", NAMESPACE], ["link", "delete", DEVICE]):
        subprocess.run(["ip", *arguments], capture_output=True)


def parse(data):
    """"udp 203.0.113.137 40001" of an IP packet and its round; "" for whatever is not of
    the probes."""
    if data[0] >> 4 == 4:
        protocol, at, address = data[9], (data[0] & 15) * 4, data[16:20]
    else:
        protocol, at, address = data[6], 40, data[24:40]
    if protocol not in (6, 17) or len(data) < at + 14:
        return "", 0
    port = struct.unpack_from("!H", data, at + 2)[0]
    if port not in PORTS or (protocol == 6 and data[at + 13] & 0x12 != 2):  # SYN alone
        return "", 0
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    number = data[at + 8:].rpartition(b" ")[2] if protocol == 17 else b"0"
    name = f"{'tcp' if protocol == 6 else 'udp'} {socket.inet_ntop(family, address)} {port}"
    return name, int(number) if number.isdigit() else 0


def watch(arrivals):
    while True:
        select.select([arrivals], [], [])
        try:
            data, ancillary, _, sender = arrivals.recvmsg(256, 64)
        except OSError:  # the device is gone: it is over
            return
        if sender[2] == PACKET_OUTGOING or len(data) < 20:
            continue
        seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
        name, number = parse(data)
        if name:
            with lock:
                caught.setdefault(name, []).append(seconds * 10**9 + nanoseconds)
                rounds.setdefault(name, []).append(number)


def open_in_namespace():
    """A packet socket in the outside world; this thread comes back home."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{NAMESPACE}") as away:
        if libc.setns(away.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        arrivals = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        if libc.setns(home.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    arrivals.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    arrivals.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    arrivals.bind(("eth0", ETH_P_ALL))
    return arrivals


def make_outside():
    remove_outside()
    ip("netns", "add", NAMESPACE)
    ip("link", "add", DEVICE, "type", "veth", "peer", "name", "eth0", "netns", NAMESPACE)
    for address, outside in zip(ADDRESSES, OUTSIDE):
        nodad = ["nodad"] if ":" in address else []
        ip("addr", "add", address, "dev", DEVICE, *nodad)
        ip("-n", NAMESPACE, "addr", "add", outside, "dev", "eth0", *nodad)
    ip("link", "set", DEVICE, "up")
    ip("-n", NAMESPACE, "link", "set", "eth0", "up")
    ip("-n", NAMESPACE, "link", "set", "lo", "up")
    for address in ADDRESSES[:2]:
        family = "-6" if ":" in address else "-4"
        ip("-n", NAMESPACE, family, "route", "add", "default", "via", address.split("/")[0])
    threading.Thread(target=watch, args=(open_in_namespace(),), daemon=True).start()
    return [outside.split("/")[0] for outside in OUTSIDE[:2]]


def uplinks():
    """The outside world is behind one more."""
    routes = [route for family in ("-4", "-6") for route in json.loads(subprocess.run(
        ["ip", family, "-j", "route", "show", "default"], check=True, capture_output=True,
        text=True).stdout or "[]")]
    return sorted({DEVICE, *(route["dev"] for route in routes if "dev" in route)})


def now():
    return time.clock_gettime_ns(time.CLOCK_REALTIME)


def arrived(since):
    """What arrived after that time: name -> how often, first, last."""
    with lock:
        times = {name: [one for one in all_of_it if one > since]
                 for name, all_of_it in caught.items()}
    return {name: [len(some), min(some), max(some)] for name, some in times.items() if some}


def pause(name, since):
    """The longest time without one of these since then, in nanoseconds."""
    with lock:
        times = [since, *(one for one in caught.get(name, []) if one > since), now()]
    return max(after - before for before, after in zip(times, times[1:]))


def lost(name, since):
    """How many datagrams were sent but never arrived, between two that did since then."""
    with lock:
        some = [number for number, one in zip(rounds.get(name, []), caught.get(name, []))
                if one > since]
    return sum(max(after - before - 1, 0) for before, after in zip(some, some[1:]))


def run(command, text=""):
    done = subprocess.run(command, input=text, capture_output=True, text=True, shell=True)
    return [done.returncode, done.stdout, done.stderr]


def put(path, data, mode):
    """Beside it first: what stands there may be running."""
    fresh = pathlib.Path(path + ".new")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_bytes(base64.b64decode(data))
    fresh.chmod(mode)
    fresh.rename(path)


def read(path, offset):
    """The whole lines of a file from there on, and where the next one begins."""
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        file.seek(offset)
        data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        return [data.decode(), offset + len(data)]
    return ["", offset]


CALLS = {one.__name__: one
         for one in (make_outside, uplinks, now, arrived, pause, lost, run, put, read)}


def serve():
    for line in sys.stdin:
        try:
            name, arguments = json.loads(line)
            reply = {"value": CALLS[name](*arguments)}
        except Exception:
            reply = {"error": traceback.format_exc()}
        print(json.dumps(reply), flush=True)


try:
    serve()
finally:
    remove_outside()
    os._exit(0)
