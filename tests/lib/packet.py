# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Packets made by hand, and the few facts a test wants of a packet it caught."""
import dataclasses
import ipaddress
import socket
import struct

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"}
ETH_IP4, ETH_ARP, ETH_IP6 = 0x0800, 0x0806, 0x86DD
SYN, ACK, PSH = 0x02, 0x10, 0x08
LOOSE_SOURCE_ROUTE, STRICT_SOURCE_ROUTE = 131, 137


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def is_v6(address: str) -> bool:
    return ":" in address


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def with_pseudo_header(source: str, destination: str, protocol: int, segment: bytes) -> int:
    addresses = packed(source) + packed(destination)
    tail = struct.pack("!II", len(segment), protocol) if is_v6(source) else \
        struct.pack("!BBH", 0, protocol, len(segment))
    return checksum(addresses + tail + segment)


def ip_packet(source: str, destination: str, protocol: int, segment: bytes,
              options: bytes = b"") -> bytes:
    """`options`: of IPv4, a multiple of four bytes."""
    if is_v6(source):
        header = struct.pack("!IHBB", 6 << 28, len(segment), protocol, 64)
        return header + packed(source) + packed(destination) + segment
    length = 20 + len(options)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | length // 4, 0, length + len(segment), 1, 0, 64,
                         protocol, 0, packed(source), packed(destination)) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + segment


def udp(source: str, sport: int, destination: str, dport: int, payload: bytes) -> bytes:
    segment = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
    value = with_pseudo_header(source, destination, 17, segment) or 0xFFFF
    return ip_packet(source, destination, 17, segment[:6] + struct.pack("!H", value) + segment[8:])


def source_routed(option: int, through: str, data: bytes) -> bytes:
    """An IPv4 packet without options that goes `through` another address first (RFC 791)."""
    source, destination = (socket.inet_ntoa(data[at:at + 4]) for at in (12, 16))
    options = bytes([option, 7, 4]) + packed(destination) + b"\0"
    return ip_packet(source, through, data[9], data[20:], options)


def tcp(source: str, sport: int, destination: str, dport: int, flags: int = SYN, seq: int = 1000,
        ack: int = 0, payload: bytes = b"") -> bytes:
    header = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 64240, 0, 0)
    segment = header + payload
    value = with_pseudo_header(source, destination, 6, segment)
    return ip_packet(source, destination, 6, segment[:16] + struct.pack("!H", value) + segment[18:])


def icmp_echo(source: str, destination: str) -> bytes:
    kind, protocol = (128, 58) if is_v6(source) else (8, 1)
    message = struct.pack("!BBHHH", kind, 0, 0, 7, 1) + b"podfence"
    value = with_pseudo_header(source, destination, 58, message) if protocol == 58 else \
        checksum(message)
    return ip_packet(source, destination, protocol, message[:2] + struct.pack("!H", value) +
                     message[4:])


def mac(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def frame(source_mac: str, destination_mac: str, packet: bytes) -> bytes:
    kind = ETH_IP6 if packet[0] >> 4 == 6 else ETH_IP4
    return mac(destination_mac) + mac(source_mac) + struct.pack("!H", kind) + packet


def arp_claim(claimed: str, source_mac: str) -> bytes:
    """A gratuitous ARP reply to everybody: `claimed` is at source_mac."""
    body = struct.pack("!HHBBH", 1, ETH_IP4, 6, 4, 2) + mac(source_mac) + packed(claimed) + \
        mac(source_mac) + packed(claimed)
    return b"\xff" * 6 + mac(source_mac) + struct.pack("!H", ETH_ARP) + body


def neighbour_claim(claimed: str, source: str, source_mac: str, destination: str,
                    destination_mac: str) -> bytes:
    """A neighbour advertisement with the override flag: `claimed` is at source_mac."""
    message = struct.pack("!BBHI", 136, 0, 0, 0x20000000) + packed(claimed) + b"\x02\x01" + \
        mac(source_mac)
    value = with_pseudo_header(source, destination, 58, message)
    header = struct.pack("!IHBB", 6 << 28, len(message), 58, 255)
    return mac(destination_mac) + mac(source_mac) + struct.pack("!H", ETH_IP6) + header + \
        packed(source) + packed(destination) + message[:2] + struct.pack("!H", value) + message[4:]


def vxlan(vni: int, inner_frame: bytes) -> bytes:
    """What stands in the UDP payload of an encapsulated frame."""
    return struct.pack("!II", 0x08 << 24, vni << 8) + inner_frame


@dataclasses.dataclass(frozen=True)
class Caught:
    """A packet that arrived."""
    source: str
    destination: str
    transport: str  # "tcp", "udp", "icmp" or the protocol's number
    sport: int
    dport: int
    payload: bytes


def parse(data: bytes) -> Caught | None:
    """An IP packet; None for what is none, is multicast or neighbour discovery."""
    if len(data) >= 20 and data[0] >> 4 == 4:
        header, protocol = (data[0] & 15) * 4, data[9]
        source, destination = socket.inet_ntoa(data[12:16]), socket.inet_ntoa(data[16:20])
    elif len(data) >= 40 and data[0] >> 4 == 6:
        header, protocol = 40, data[6]
        source = socket.inet_ntop(socket.AF_INET6, data[8:24])
        destination = socket.inet_ntop(socket.AF_INET6, data[24:40])
    else:
        return None
    segment = data[header:]
    is_discovery = protocol == 58 and segment and 130 <= segment[0] <= 143
    if is_discovery or ipaddress.ip_address(destination).is_multicast:
        return None
    sport = dport = 0
    payload = segment
    if protocol in (6, 17) and len(segment) >= 8:
        sport, dport = struct.unpack("!HH", segment[:4])
        start = 8 if protocol == 17 else (segment[12] >> 4) * 4 if len(segment) > 12 else 20
        payload = segment[start:]
    transport = PROTOCOLS.get(protocol, str(protocol))
    return Caught(source, destination, transport, sport, dport, payload)
