# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A file of the state directory as podfenced writes it (agent/base/state_file.c)."""
import json
import struct

KEY = b"podfence state 1"
MASK = (1 << 64) - 1


def rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & MASK


def rounds(v: list[int], count: int) -> None:
    for _ in range(count):
        v[0], v[2] = (v[0] + v[1]) & MASK, (v[2] + v[3]) & MASK
        v[1], v[3] = rotate(v[1], 13) ^ v[0], rotate(v[3], 16) ^ v[2]
        v[0] = rotate(v[0], 32)
        v[2], v[0] = (v[2] + v[1]) & MASK, (v[0] + v[3]) & MASK
        v[1], v[3] = rotate(v[1], 17) ^ v[2], rotate(v[3], 21) ^ v[0]
        v[2] = rotate(v[2], 32)


def checksum(body: bytes) -> str:
    """SipHash-2-4-128."""
    k0, k1 = struct.unpack("<QQ", KEY)
    v = [k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d ^ 0xee, k0 ^ 0x6c7967656e657261,
         k1 ^ 0x7465646279746573]
    padded = body + bytes(7 - len(body) % 8) + bytes([len(body) & 0xff])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(v, 2)
        v[0] ^= word
    halves = []
    for place, value in ((2, 0xee), (1, 0xdd)):
        v[place] ^= value
        rounds(v, 4)
        halves.append(v[0] ^ v[1] ^ v[2] ^ v[3])
    return struct.pack("<QQ", *halves).hex()


def state_file(magic: str, node: str, lines: list[dict]) -> str:
    body = "".join(json.dumps(line) + "\n" for line in lines)
    head = {"podfence": magic, "version": 1, "node": node, "boot": "a boot",
            "bytes": len(body.encode()), "checksum": checksum(body.encode())}
    return json.dumps(head) + "\n" + body
