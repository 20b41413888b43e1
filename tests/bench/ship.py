# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence-ship: CPU of an event from the seam into the store and out to a receiver, bytes on disk,
and memory while the receiver is away.

The lines are golden ones with changing pods, destinations and ids, as podfenced writes them. CPU is
the process's own time on a processor (schedstat). The receiver is a process of its own that reads
requests and answers that all is well.

	sudo PODFENCE_BUILD=build-release python3 tests/bench/ship.py [EVENTS [AWAY]]
"""
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).parents[1] / name) for name in ("lib", "golden")]
import worker  # noqa: E402
from agent import wait_until  # noqa: E402
from shipper import GOLDEN, Seam, Shipper  # noqa: E402

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
AWAY = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000_000
CHUNK = 2000
ROUNDS = 5

RECEIVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0)); print(listener.getsockname()[1], flush=True)
REPLY = b'{"errors":false}'
HEAD = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(REPLY)
while True:
    client, _ = listener.accept()
    data = b""
    while True:
        while b"\\r\\n\\r\\n" not in data:
            more = client.recv(1 << 18)
            if not more: break
            data += more
        if b"\\r\\n\\r\\n" not in data: break
        head, data = data.split(b"\\r\\n\\r\\n", 1)
        [length] = [int(line.split(b":")[1]) for line in head.lower().split(b"\\r\\n")
                    if line.startswith(b"content-length:")]
        if b"100-continue" in head.lower(): client.sendall(b"HTTP/1.1 100 Continue\\r\\n\\r\\n")
        left = length - len(data)
        data = data[length:] if left < 0 else b""
        while left > 0:
            left -= len(client.recv(min(left, 1 << 20)))
        client.sendall(HEAD + REPLY)
"""


def lines(first: int, count: int) -> bytes:
    """As podfenced would: 50 pods, 5,000 destinations."""
    made = []
    for number in range(first, first + count):
        pod, destination = number % 50, number % 5000
        made.append(TEMPLATE.replace("@ID@", f"{number:032x}").replace("@SEQ@", str(number))
                    .replace("@POD@", f"web-{pod}")
                    .replace("@IP@", f"203.0.{destination >> 8}.{destination & 255}"))
    return ("\n".join(made) + "\n").encode()


def make_template() -> str:
    event = json.loads(GOLDEN.read_text())
    event["event"]["id"] = "@ID@"
    event["kubernetes"]["pod"]["name"] = event["orchestrator"]["resource"]["name"] = "@POD@"
    event["destination"]["ip"] = event["destination"]["address"] = "@IP@"
    event["@timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    text = json.dumps(event, separators=(",", ":"))
    return text.replace(f'"sequence":{event["event"]["sequence"]}', '"sequence":@SEQ@')


TEMPLATE = make_template()


class Bench:
    def __init__(self, directory: pathlib.Path, outputs: list[dict], mebibytes: int) -> None:
        self.seam = Seam(directory / "seam.sock")
        self.shipper = Shipper(directory, outputs, store={"maxMebibytes": mebibytes})
        self.shipper.start()
        self.seam.accept()
        self.sent = 0
        self.pid = self.shipper.process.pid

    def cpu(self) -> float:
        return int(pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def anonymous(self) -> int:
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", text).group(1))

    def send(self, count: int, cached: list[bytes]) -> None:
        for block in cached[:count // CHUNK]:
            self.seam.socket.sendall(block)
        self.sent += count

    def taken(self) -> int:
        return sum(self.shipper.lines(outcome) for outcome in ("stored", "lost-store", "refused"))

    def wait(self) -> None:
        wait_until(lambda: time.sleep(0.2) or self.taken() >= self.sent, "all", 600)


def bench_store(directory: pathlib.Path) -> None:
    bench = Bench(directory, [], 4096)
    rounds = []
    for number in range(ROUNDS):
        cached = [lines(number * EVENTS + start, CHUNK) for start in range(0, EVENTS, CHUNK)]
        cpu, begun = bench.cpu(), time.monotonic()
        bench.send(EVENTS, cached)
        bench.wait()
        rounds.append((bench.cpu() - cpu) / EVENTS * 1e6)
        seconds = time.monotonic() - begun
    per_event = statistics.median(rounds)
    size = bench.shipper.metric("podfence_store_bytes") / bench.sent
    print(f"into the store: {per_event:.1f} us [{min(rounds):.1f}-{max(rounds):.1f}] of CPU an "
          f"event, {1e6 / per_event:,.0f} a second on one core ({EVENTS / seconds:,.0f} by the "
          f"clock); {len(TEMPLATE)} bytes a line, {size:.0f} on disk")
    bench.shipper.stop()


def bench_delivery(directory: pathlib.Path) -> None:
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True,
                                preexec_fn=worker.die_with_parent)
    port = receiver.stdout.readline().strip()
    bench = Bench(directory, [{"name": "es", "kind": "elasticsearch",
                               "urls": [f"http://127.0.0.1:{port}"]}], 4096)
    rounds, rates = [], []
    for number in range(ROUNDS):
        cached = [lines(number * EVENTS + start, CHUNK) for start in range(0, EVENTS, CHUNK)]
        cpu, begun = bench.cpu(), time.monotonic()
        bench.send(EVENTS, cached)
        wait_until(lambda: time.sleep(0.2) or
                   bench.shipper.output("es")["delivered"] >= bench.sent, "all delivered", 600)
        rounds.append((bench.cpu() - cpu) / EVENTS * 1e6)
        rates.append(EVENTS / (time.monotonic() - begun))
    print(f"in and out with gzip: {statistics.median(rounds):.1f} us of CPU an event, "
          f"{statistics.median(rates):,.0f} events a second by the clock "
          f"[{min(rates):,.0f}-{max(rates):,.0f}]")
    bench.shipper.stop()
    receiver.kill()


def bench_away(directory: pathlib.Path) -> None:
    """The receiver refuses connections; the store is bounded to 256 MiB."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    bench = Bench(directory, [{"name": "es", "kind": "elasticsearch",
                               "urls": [f"http://127.0.0.1:{port}"]}], 256)
    cached = [lines(start, CHUNK) for start in range(0, 100_000, CHUNK)]
    bench.send(100_000, cached)
    bench.wait()
    before = highest = bench.anonymous()
    largest = 0.0
    while bench.sent < AWAY:
        bench.send(100_000, cached)
        highest = max(highest, bench.anonymous())
        largest = max(largest, bench.shipper.metric("podfence_store_bytes"))
    bench.wait()
    books = bench.shipper.output("es")
    lag = bench.shipper.metric('podfence_output_lag_events{output="es"}')
    print(f"receiver away for {bench.sent:,} events: RssAnon {before} to {highest} KiB at most, "
          f"store {largest / (1 << 20):.0f} MiB at most of 256, {books['dropped']:,} dropped and "
          f"counted, {lag:,.0f} wait")
    bench.shipper.stop()


if __name__ == "__main__":
    for step in (bench_store, bench_delivery, bench_away):
        with tempfile.TemporaryDirectory() as name:
            step(pathlib.Path(name))
