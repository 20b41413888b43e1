# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""From an NFLOG message to a written event line: CPU of podfenced against ulogd2 with JSON output.

The same pod sends the same packets, at a rate neither loses at; podfenced denies them in one half
of a round, a rule in front of it logs them for ulogd2 and drops them in the other. Both write files
on one tmpfs, in memory that was written before: the first touch of a virtual machine's page costs
more than all else. ulogd2 has the stack that its shipped configuration shows for JSON. CPU is the
process's own time on a processor (schedstat), divided by the lines it wrote; ours are longer.
Behind it podfenced once more, with the look-up of processes.

	sudo PODFENCE_BUILD=build-release python3 tests/bench/events.py
"""
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import netns  # noqa: E402
import worker  # noqa: E402
from agent import wait_until  # noqa: E402
from lab import Lab  # noqa: E402

ROUNDS = 6
PACKETS = 10_000
PER_MILLISECOND = 20
WARM_BYTES = 512 << 20
PLUGINS = pathlib.Path("/usr/lib/x86_64-linux-gnu/ulogd")

ULOGD = """[global]
logfile="{directory}/ulogd.log"
loglevel=3
plugin="{plugins}/ulogd_inppkt_NFLOG.so"
plugin="{plugins}/ulogd_raw2packet_BASE.so"
plugin="{plugins}/ulogd_filter_IFINDEX.so"
plugin="{plugins}/ulogd_filter_IP2STR.so"
plugin="{plugins}/ulogd_filter_HWHDR.so"
plugin="{plugins}/ulogd_output_JSON.so"
stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,mac2str1:HWHDR,json1:JSON
[log1]
group=5
netlink_socket_buffer_size=8388608
netlink_socket_buffer_maxsize=67108864
netlink_qthreshold=100
netlink_qtimeout=1
[json1]
sync=0
file="{directory}/ulogd.json"
"""

# In front of podfence's forward chain (-10); empty while podfence is measured.
TABLE = "table inet bench {\n\tchain before {\n\t\ttype filter hook forward priority -20\n\t}\n}\n"
RULE = "inet bench before ip daddr 203.0.113.0/24 log group 5 snaplen 128 prefix bench drop"


def burst(address: str, packets: int) -> None:
    """Datagrams to changing ports, so many a millisecond: each is a new flow."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        begun = time.monotonic()
        for number in range(packets):
            sender.sendto(b"x" * 18, (address, 1024 + number % 60000))
            if number % PER_MILLISECOND == 0:
                ahead = begun + number / PER_MILLISECOND / 1000 - time.monotonic()
                if ahead > 0:
                    time.sleep(ahead)


class Consumer:
    def __init__(self, name: str, pid: int, output: pathlib.Path) -> None:
        self.name, self.pid, self.output = name, pid, output
        self.per_line: list[float] = []
        self.lines = self.bytes = self.sent = 0

    def cpu(self) -> int:
        return int(pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])

    def size(self) -> int:
        return self.output.stat().st_size if self.output.exists() else 0

    def wait_until_quiet(self) -> None:
        """Two looks a tenth of a second apart that see the same."""
        last = (-1, -1)
        while (now := (self.size(), self.cpu())) != last:
            last = now
            time.sleep(0.1)

    def measure(self, pod, number: int) -> None:
        self.wait_until_quiet()
        cpu, size = self.cpu(), self.size()
        pod.call(burst, f"203.0.113.{10 + number}", PACKETS)
        self.wait_until_quiet()
        with self.output.open("rb") as stream:
            stream.seek(size)
            lines = sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(1 << 20), b""))
        self.per_line.append((self.cpu() - cpu) / 1000 / max(lines, 1))
        self.lines += lines
        self.bytes += self.size() - size
        self.sent += PACKETS

    def report(self) -> str:
        median, low, high = (statistics.median(self.per_line), min(self.per_line),
                             max(self.per_line))
        loss = 100 * (1 - self.lines / self.sent)
        return (f"  {self.name:10} {median:6.2f} [{low:.2f}-{high:.2f}]  "
                f"{self.bytes / max(self.lines, 1):5.0f} bytes a line, {loss:.1f} % lost")


def bench(lab: Lab, sink: pathlib.Path) -> None:
    pod = lab.add_pod("web")
    lab.write_pods()
    warm = sink / "warm"
    warm.write_bytes(b"x" * WARM_BYTES)
    warm.unlink()
    agent = lab.agent(ledger={"newFlows": 100000, "idleSeconds": 86400, "flows": 131072},
                      process={"lookup": "off"})
    agent.output = sink / "events.jsonl"
    agent.output.touch()
    agent.start()
    agent.wait_endpoints(1)
    (sink / "ulogd.conf").write_text(ULOGD.format(directory=sink, plugins=PLUGINS))
    ulogd = subprocess.Popen(["ulogd", "-c", str(sink / "ulogd.conf")], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, preexec_fn=worker.die_with_parent)
    netns.nft(None, TABLE)
    ours = Consumer("podfenced", agent.process.pid, agent.output)
    theirs = Consumer("ulogd2", ulogd.pid, sink / "ulogd.json")
    wait_until(lambda: ulogd.poll() is None and
               "5" in pathlib.Path("/proc/net/netfilter/nfnetlink_log").read_text().split()[::8],
               "ulogd2's group")
    for number in range(ROUNDS):
        for consumer in (ours, theirs) if number % 2 else (theirs, ours):
            if consumer is theirs:
                netns.run("nft", *f"add rule {RULE}".split())
            consumer.measure(pod, number)
            netns.run("nft", "flush", "chain", "inet", "bench", "before")
    ulogd.terminate()
    agent.configure(process={"lookup": "on"})
    agent.reread()
    looking = Consumer("look-ups", agent.process.pid, agent.output)
    for number in range(ROUNDS, 2 * ROUNDS):
        looking.measure(pod, number)
    agent.stop()
    print(f"an NFLOG message to an event line, CPU in microseconds, {ROUNDS} interleaved rounds of "
          f"{PACKETS:,} packets at {PER_MILLISECOND} a millisecond: median [min-max]")
    print(ours.report(), theirs.report(), sep="\n")
    ratio = statistics.median(theirs.per_line) / statistics.median(ours.per_line)
    per_byte = ratio * (ours.bytes / ours.lines) / (theirs.bytes / theirs.lines)
    print(f"  podfenced takes 1/{ratio:.1f} of ulogd2's CPU a line, 1/{per_byte:.1f} a byte")
    print(looking.report())


if __name__ == "__main__":
    if not shutil.which("ulogd"):
        sys.exit("ulogd2 is missing: apt-get install ulogd2 ulogd2-json")
    with Lab() as laboratory:
        tmpfs = laboratory.directory / "sink"
        tmpfs.mkdir()
        netns.run("mount", "-t", "tmpfs", "tmpfs", str(tmpfs))
        try:
            bench(laboratory, tmpfs)
        finally:
            netns.run("umount", "--lazy", str(tmpfs))
