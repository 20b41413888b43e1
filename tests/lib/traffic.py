# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What workloads do: functions that a Worker runs in its own process, and the witness of what
arrived.

Senders return what the kernel told the program ("sent", "connected", "timeout" or the errno's
name); that is never the proof of anything. The proof is a Witness: it sees every frame that reaches
a device of the receiving side, also where nobody listens.
"""
import collections
import contextlib
import ctypes
import errno
import mmap
import os
import pathlib
import select
import signal
import socket
import struct
import threading
import time

import cgroup
import netns
import packet

SO_RCVBUFFORCE = 33
IP_TRANSPARENT, IPV6_TRANSPARENT, IPV6_FREEBIND = 19, 75, 78
IPV6_RECVPKTINFO = 49
MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, how a dual-stack socket shows IPv4
ETH_P_ALL = 3
SOCK_PACKET = 10
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_VERSION, PACKET_TX_RING, PACKET_QDISC_BYPASS = 263, 10, 13, 20
BURST = 10  # datagrams of a flood between two short sleeps

sockets: dict[str, socket.socket] = {}  # of this worker, by the name the test gave them


def family_of(address: str) -> int:
    return socket.AF_INET6 if packet.is_v6(address) else socket.AF_INET


def attempt(function, *arguments) -> str | None:
    try:
        function(*arguments)
        return None
    except TimeoutError:
        return "timeout"
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def tcp_connect(address: str, port: int, timeout: float = 3.0, name: str = "",
                source: str = "") -> str:
    """With a name the connection stays open under it."""
    connection = socket.socket(family_of(address), socket.SOCK_STREAM)
    connection.settimeout(timeout)
    if source:
        connection.bind((source, 0))
    failure = attempt(connection.connect, (address, port))
    if failure or not name:
        connection.close()
    else:
        sockets[name] = connection
    return failure or "connected"


def udp_send(address: str, port: int, payload: bytes = b"podfence", source_port: int = 0) -> str:
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as datagram:
        if source_port:
            datagram.bind(("", source_port))
        return attempt(datagram.sendto, payload, (address, port)) or "sent"


def udp_reject(address: str, port: int) -> str:
    """What a connected datagram socket learns after it sent: an error, or nothing for two
    seconds."""
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as datagram:
        datagram.settimeout(2.0)
        datagram.connect((address, port))
        return attempt(datagram.send, b"podfence") or attempt(datagram.recv, 1) or "answered"


def icmp_send(address: str) -> str:
    protocol = socket.IPPROTO_ICMPV6 if packet.is_v6(address) else socket.IPPROTO_ICMP
    message = packet.icmp_echo(address, address)[40 if packet.is_v6(address) else 20:]
    with socket.socket(family_of(address), socket.SOCK_RAW, protocol) as raw:
        return attempt(raw.sendto, message, (address, 0)) or "sent"


def raw_send(data: bytes, address: str) -> str:
    """A whole IP packet through the routing of the sender's namespace."""
    with socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        return attempt(raw.sendto, data, (address, 0)) or "sent"


def frame_send(device: str, *frames: bytes) -> str:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, 0))
        for data in frames:
            raw.send(data)
    return "sent"


def frame_send_as(device: str, data: bytes, protocol: int = 0, bypass: bool = False) -> str:
    """One frame as the sender describes it: `protocol` need not be what stands in its header;
    `bypass`: past the queueing discipline."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        if bypass:
            raw.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        return attempt(raw.sendto, data, (device, protocol)) or "sent"


def frame_flood(device: str, data: bytes, times: int) -> None:
    """The same again and again, whatever the kernel says."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((device, 0))
        for _ in range(times):
            attempt(raw.send, data)


def open_frames(name: str, device: str, owner: int = 0) -> None:
    """A packet socket that stays open; `owner`: whose it says it is."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.bind((device, 0))
    os.fchown(raw.fileno(), owner, owner)
    sockets[name] = raw


def frame_send_by(name: str, device: str, data: bytes) -> str:
    """By whatever device, though it is bound to another."""
    return attempt(sockets[name].sendto, data, (device, packet.ETH_IP4)) or "sent"


def old_send(device: str, data: bytes) -> str:
    """As before Linux 2.1 (packet_sendmsg_spkt())."""
    with socket.socket(socket.AF_INET, SOCK_PACKET, socket.htons(ETH_P_ALL)) as raw:
        return attempt(packet_sendto, raw, device, data) or "sent"


def packet_sendto(raw: socket.socket, device: str, data: bytes) -> None:
    """Python knows no struct sockaddr_pkt."""
    libc = ctypes.CDLL(None, use_errno=True)
    name = struct.pack("=H14sH", socket.AF_INET, device.encode(), socket.htons(packet.ETH_IP4))
    if libc.sendto(raw.fileno(), data, len(data), 0, name, len(name)) < 0:
        raise OSError(ctypes.get_errno(), "sendto")


def cooked_send(device: str, destination_mac: bytes, data: bytes, bypass: bool = False) -> str:
    """An IP packet, the kernel makes the Ethernet header (SOCK_DGRAM)."""
    protocol = packet.ETH_IP6 if data[0] >> 4 == 6 else packet.ETH_IP4
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as cooked:
        if bypass:
            cooked.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
        return attempt(cooked.sendto, data, (device, protocol, 0, 0, destination_mac)) or "sent"


def ring_send(device: str, data: bytes) -> str:
    """By a ring in memory (PACKET_TX_RING of version 2), as dumpcap's friends do."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.setsockopt(SOL_PACKET, PACKET_VERSION, 1)
        raw.setsockopt(SOL_PACKET, PACKET_TX_RING, struct.pack("IIII", 4096, 1, 2048, 2))
        raw.bind((device, packet.ETH_IP4))
        with mmap.mmap(raw.fileno(), 4096) as ring:
            ring[32:32 + len(data)] = data  # behind struct tpacket2_hdr
            ring[0:8] = struct.pack("II", 1, len(data))  # TP_STATUS_SEND_REQUEST
            return attempt(raw.send, b"") or "sent"


def open_datagram(name: str, address: str, port: int, foreign: bool = False) -> str:
    """A bound datagram socket; `foreign`: the address is not the machine's."""
    datagram = socket.socket(family_of(address), socket.SOCK_DGRAM)
    failure = attempt(claim, datagram, address, port, foreign)
    sockets[name] = datagram
    return failure or "bound"


def claim(any_socket: socket.socket, address: str, port: int, foreign: bool) -> None:
    if foreign and packet.is_v6(address):
        any_socket.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    elif foreign:
        any_socket.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    any_socket.bind((address, port))


def connect_from(source: str, source_port: int, address: str, port: int) -> str:
    """A TCP connection whose source address is not the machine's."""
    connection = socket.socket(family_of(address), socket.SOCK_STREAM)
    connection.settimeout(0.2)
    failure = attempt(claim, connection, source, source_port, True) or \
        attempt(connection.connect, (address, port))
    connection.close()
    return failure or "connected"


def hand_on(name: str, path: str) -> str:
    """Gives the socket to whoever asks for it at this path, once, and closes its own."""
    with socket.socket(socket.AF_UNIX) as meeting:
        meeting.connect(path)
        socket.send_fds(meeting, [b"x"], [sockets[name].fileno()])
    sockets.pop(name).close()
    return "handed on"


def wait_for_socket(path: str) -> None:
    """Begins to listen for hand_on()."""
    sockets[path] = socket.socket(socket.AF_UNIX)
    sockets[path].bind(path)
    sockets[path].listen(1)


def take_over(name: str, path: str, family: int = socket.AF_INET) -> str:
    meeting, _ = sockets[path].accept()
    with meeting:
        _, (descriptor, *_), _, _ = socket.recv_fds(meeting, 1, 1)
    sockets[name] = socket.socket(family, socket.SOCK_DGRAM, fileno=descriptor)
    sockets.pop(path).close()
    return "taken over"


def move(directory: str) -> None:
    """This process goes to another cgroup; its sockets stay what they are."""
    cgroup.attach(pathlib.Path(directory))


def send_to(name: str, address: str, port: int, payload: bytes) -> str:
    return attempt(sockets[name].sendto, payload, (address, port)) or "sent"


def send_on(name: str, payload: bytes) -> str:
    return attempt(sockets[name].sendall, payload) or "sent"


def abort(name: str) -> None:
    """Ends a connection with a reset: nothing of it is sent again."""
    one = sockets.pop(name)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def receive_on(name: str, timeout: float = 3.0) -> tuple[bytes, str]:
    """Data, and "" or why there is none."""
    sockets[name].settimeout(timeout)
    try:
        return sockets[name].recv(65536), ""
    except TimeoutError:
        return b"", "timeout"
    except OSError as error:
        return b"", errno.errorcode.get(error.errno, str(error.errno))


def receive_exactly(name: str, length: int, timeout: float) -> bytes:
    """That many bytes of a stream, or what there was when time was up."""
    data, end = b"", time.monotonic() + timeout
    while len(data) < length and (left := end - time.monotonic()) > 0:
        more, failure = receive_on(name, left)
        data += more
        if failure or not more:
            break
    return data


def answer_datagram(name: str, payload: bytes, timeout: float = 3.0) -> str:
    """Waits for one datagram and answers it."""
    sockets[name].settimeout(timeout)
    try:
        _, sender = sockets[name].recvfrom(65536)
    except TimeoutError:
        return "timeout"
    return attempt(sockets[name].sendto, payload, sender) or "sent"


def listen(name: str, port: int, backlog: int = 1024) -> None:
    """On every address of both families."""
    listener = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True,
                                    backlog=backlog)
    sockets[name] = listener


def accept(listener: str, name: str, timeout: float = 3.0) -> str:
    sockets[listener].settimeout(timeout)
    try:
        sockets[name], _ = sockets[listener].accept()
        return "connected"
    except TimeoutError:
        return "timeout"


def relay(port: int, address: str, target: int) -> None:
    """Carries connections to 127.0.0.1:port on to another server, until this process ends."""
    listener = socket.create_server(("127.0.0.1", port))

    def carry(here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := here.recv(65536):
                there.sendall(data)
        for one in (here, there):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        try:
            server = socket.create_connection((address, target), 5)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        threading.Thread(target=carry, args=(server, client), daemon=True).start()
        carry(client, server)

    def accept_all() -> None:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept_all, daemon=True).start()


def close(name: str) -> None:
    sockets.pop(name).close()


def sprint(sends: list[tuple[str, int, bytes]], seconds: float) -> int:
    """Sends these datagrams over and over for a while, whatever the kernel says; how many it
    took."""
    taken = 0
    with contextlib.ExitStack() as stack:
        by_family = {family: stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                     for family in (socket.AF_INET, socket.AF_INET6)}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for address, port, payload in sends:
                with contextlib.suppress(OSError):
                    by_family[family_of(address)].sendto(payload, (address, port))
                    taken += 1
    return taken


def volley(destinations: list[tuple[str, int]], rounds: int) -> int:
    """Datagrams to all of them, so many times, each of which reaches the rules: one that the kernel
    had no room for is sent again. How many there were."""
    with contextlib.ExitStack() as stack:
        by_family = {family: stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
                     for family in (socket.AF_INET, socket.AF_INET6)}
        for _ in range(rounds):
            for address, port in destinations:
                while attempt(by_family[family_of(address)].sendto, b"podfence", (address, port)) \
                        in ("ENOBUFS", "EAGAIN"):
                    time.sleep(0.001)
    return rounds * len(destinations)


def forge(packets: list[bytes], address: str, rounds: int) -> int:
    """Whole IP packets, so many times, each of which reaches the rules. How many there were."""
    with socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for _ in range(rounds):
            for data in packets:
                while attempt(raw.sendto, data, (address, 0)) in ("ENOBUFS", "EAGAIN"):
                    time.sleep(0.001)
    return rounds * len(packets)


class Flag:
    """SIGUSR1 ends what a worker does until further notice."""

    def __init__(self) -> None:
        self.is_raised = False
        signal.signal(signal.SIGUSR1, self.take)

    def take(self, *_: object) -> None:
        self.is_raised = True


def flood(destinations: list[tuple[str, int]], sender: int) -> dict[str, int]:
    """Numbered datagrams to all of them until SIGUSR1: how many rounds, and how often the kernel
    refused one, by "ADDRESS ERRNO". A round in which one was refused counts all the same."""
    flag, refused, number = Flag(), collections.Counter(), 0
    open_sockets = [socket.socket(family_of(address), socket.SOCK_DGRAM)
                    for address, _ in destinations]
    while not flag.is_raised:
        payload = struct.pack("!IQ", sender, number)
        for datagram, destination in zip(open_sockets, destinations):
            failure = attempt(datagram.sendto, payload, destination)
            if failure:
                refused[f"{destination[0]} {failure}"] += 1
        number += 1
        if number % BURST == 0:
            time.sleep(0.006)  # what watches has to keep up
    return {"rounds": number, **refused}


def collect(port: int) -> dict[tuple[int, int], list[int]]:
    """Receives what flood() sends until SIGUSR1: the numbers seen, by sender and IP version."""
    flag, seen = Flag(), collections.defaultdict(list)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as datagrams:
        datagrams.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        datagrams.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        datagrams.bind(("", port))
        datagrams.settimeout(0.1)
        while True:
            try:
                data, extra, _, _ = datagrams.recvmsg(64, 256)
            except TimeoutError:
                if flag.is_raised:
                    return dict(seen)
                continue
            sender, number = struct.unpack("!IQ", data)
            version = 4 if extra[0][2].startswith(MAPPED) else 6
            seen[sender, version].append(number)


class Witness:
    """Every IP packet that reaches a device of a namespace, in order, from the moment it is
    made."""

    def __init__(self, namespace: str, device: str) -> None:
        with netns.inside(namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((device, ETH_P_ALL))
        self.lock = threading.Lock()
        self.caught: list[packet.Caught] = []
        self.is_stopping = False
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def watch(self) -> None:
        while not self.is_stopping:
            if not select.select([self.socket], [], [], 0.2)[0]:
                continue
            data, address = self.socket.recvfrom(65536)
            one = packet.parse(data) if address[2] != PACKET_OUTGOING else None
            if one:
                with self.lock:
                    self.caught.append(one)

    def mark(self) -> int:
        with self.lock:
            return len(self.caught)

    def since(self, mark: int = 0, **facts) -> list[packet.Caught]:
        """What came after the mark and has these facts: since(mark, dport=53)."""
        with self.lock:
            return [one for one in self.caught[mark:]
                    if all(getattr(one, fact) == value for fact, value in facts.items())]

    def lost(self) -> int:
        """Frames the kernel could not show us: a test that relies on the witness wants 0."""
        statistics = self.socket.getsockopt(263, 6, 8)  # SOL_PACKET, PACKET_STATISTICS
        return struct.unpack("II", statistics)[1]

    def stop(self) -> None:
        self.is_stopping = True
        self.thread.join()
        self.socket.close()
