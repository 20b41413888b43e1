# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What the Kubernetes API costs podfenced: memory, an idle minute, and a million events of pods.

The API server is the tests' own, in threads of this process; a pod is as large as a recorded one.
Pods of the node are whole (namespace, link, address, process) where it idles, and host pods, which
take no more than a cgroup and a process, where there are thousands. CPU is the agent's own time on
a processor (schedstat of all its threads).

        sudo PODFENCE_BUILD=build-release python3 tests/bench/api.py idle
        sudo PODFENCE_BUILD=build-release python3 tests/bench/api.py memory [PODS]
        sudo PODFENCE_BUILD=build-release python3 tests/bench/api.py churn [EVENTS]
"""
import contextlib
import json
import pathlib
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import crowd  # noqa: E402
import netns  # noqa: E402
from agent import Agent, wait_until  # noqa: E402
from api_server import ApiServer  # noqa: E402
from lab import EXTERNAL4, Lab  # noqa: E402
from pods import Pod  # noqa: E402
from worker import Worker  # noqa: E402

RECORDED = pathlib.Path(__file__).parents[1] / "unit/data/pods-list.json"
N_PODS = 250
IDLE_SECONDS = 60
RATE, RATE_SECONDS = 200, 60  # pods a second that come and go
AHEAD = 1000  # events that the watch may be behind
TOGETHER = 20  # events in a burst, as fast as it goes
MARKS = 10
PATIENCE = 120.0
# nft looks for the name of each cgroup in all of them, which takes minutes.
RULESET = "mount -t tmpfs none /sys/fs/cgroup && nft -j list ruleset"
OPEN = {"podfence-bench": "open"}  # the label of pods that a policy lets out


def like_recorded(pod: Pod) -> dict[str, Any]:
    """What the lab says of the pod, with everything else a real one has beside it."""
    [*_, real] = json.loads(RECORDED.read_text())["items"]
    thing = pod.api_object()
    thing["metadata"] = real["metadata"] | thing["metadata"]
    thing["status"] = real["status"] | thing["status"]
    container = real["spec"]["containers"][0]
    thing["spec"]["containers"] = [container | one for one in thing["spec"]["containers"]]
    thing["spec"] = real["spec"] | thing["spec"]
    return thing


def policy() -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "open", "namespace": "shop", "uid": "1-2-3"},
            "spec": {"podSelector": {"matchLabels": OPEN}, "policyTypes": ["Egress"],
                     "egress": [{"to": [{"ipBlock": {"cidr": f"{EXTERNAL4}/32"}}]}]}}


class Bench:
    def __init__(self, lab: Lab) -> None:
        self.crowd = Worker()  # while this process is small: it is copied for each pod
        lab.stack.callback(self.crowd.stop)
        self.lab, self.api = lab, ApiServer(lab.directory)
        self.api.start()
        lab.stack.callback(self.api.stop)
        self.api.put(policy())
        self.numbers = iter(range(1 << 20))
        self.agent = lab.agent(
            network={"podCIDRs": ["10.240.0.0/12"]}, default={"ceiling": "off"},
            kubernetes={"source": "kubeconfig", "kubeconfig": str(self.api.kubeconfig())})

    def start(self) -> Agent:
        self.agent.start()
        wait_until(lambda: "list complete" in self.agent.said(), "the lists", PATIENCE)
        return self.agent

    def process(self, name: str) -> str:
        return pathlib.Path(f"/proc/{self.agent.process.pid}/{name}").read_text()

    def kibibytes(self, name: str) -> int:
        return int(re.search(rf"{name}:\s+(\d+)", self.process("status")).group(1))

    def milliseconds(self) -> float:
        tasks = pathlib.Path(f"/proc/{self.agent.process.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text().split()[0]) for one in tasks) / 1e6

    def pods(self) -> tuple[int, int]:
        """How many it knows, how many of them have rules of their own."""
        status, text, error = self.agent.podfence("status", "-o", "json")
        if status == 3:
            raise RuntimeError(error)
        endpoints = json.loads(text)["endpoints"]
        return sum(endpoints.values()), endpoints["enforced"]

    def descriptors(self) -> tuple[int, int]:
        """How many are open, and how many inotify watches stand behind them."""
        open_now, watches = 0, 0
        for one in pathlib.Path(f"/proc/{self.agent.process.pid}/fdinfo").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                watches += one.read_text().count("inotify wd")
                open_now += 1
        return open_now, watches

    def wait_pods(self, number: int) -> None:
        wait_until(lambda: time.sleep(0.1) or self.pods() == (number, number),
                   f"{number} pods, {self.pods()} there", PATIENCE)

    def add_whole(self, count: int) -> None:
        for _ in range(count):
            pod = self.new_pod()
            pod.wire()
            pod.run(self.lab.cgroups)
            pod.worker.stop()  # one process is enough
            self.api.put(like_recorded(pod))

    def add_host_pods(self, count: int) -> None:
        for _ in range(count):
            pod = self.new_pod(is_host_network=True)
            self.crowd.call(crowd.born_into, self.lab.cgroups.make(pod.container_path()))
            self.api.put(like_recorded(pod))

    def new_pod(self, **facts: Any) -> Pod:
        pod = self.lab.new_pod(f"bench-{next(self.numbers)}", **facts)
        number = len(self.lab.pods)
        if not pod.is_host_network:
            pod.addresses = (f"10.244.{number >> 8}.{number & 255}", f"fd00:244::1:{number:x}")
        return pod


def idle(bench: Bench) -> None:
    bench.add_whole(N_PODS)
    bench.start()
    bench.wait_pods(N_PODS)
    time.sleep(5)  # what it knows is written after two
    before = bench.milliseconds()
    time.sleep(IDLE_SECONDS)
    print(f"{N_PODS} pods, a watch open, nothing happens: "
          f"{bench.milliseconds() - before:.1f} ms of CPU in {IDLE_SECONDS} s; "
          f"RssAnon {bench.kibibytes('RssAnon') / 1024:.1f} MB")


def memory(bench: Bench, count: int) -> None:
    bench.add_host_pods(count)
    size = sum(len(json.dumps(one)) for one in bench.api.pods.values()) / count
    bench.start()
    bench.wait_pods(count)
    peak = bench.kibibytes("VmHWM")
    time.sleep(5)
    print(f"{count:,} host pods of the node, {size:.0f} bytes each in the API: "
          f"RssAnon {bench.kibibytes('RssAnon') / 1024:.1f} MB; at most "
          f"{peak / 1024:.1f} MB resident while it loaded them, of which "
          f"{bench.kibibytes('RssFile') / 1024:.1f} MB of program and libraries")


class Life:
    """One host pod after the other: ADDED, MODIFIED with another policy, MODIFIED back, DELETED.
    One of `every` has a cgroup and a process on this node, which take longer than its events. Lines
    are made of one text, so that making them is not what is measured."""
    EVENTS = 4

    def __init__(self, bench: Bench) -> None:
        self.bench, self.api = bench, bench.api
        pod = Pod("@NAME@", is_host_network=True, addresses=("10.0.0.1",))
        thing = like_recorded(pod)
        thing["metadata"]["uid"], thing["metadata"]["resourceVersion"] = "@UID@", "@VERSION@"
        self.plain = json.dumps(thing)
        thing["metadata"]["labels"] |= OPEN
        self.open = json.dumps(thing)
        self.root = bench.lab.cgroups.make("kubepods.slice/kubepods-burstable.slice")
        self.sent, self.together, self.every = 0, 1, 10  # so many events are told at once

    def happen(self, what: str, text: str, number: int, uid: str) -> None:
        api = self.api
        while api.told.get("Pod", (api.version, 0))[0] < api.version - AHEAD:
            time.sleep(0.001)
        with api.changed:
            api.version += 1
            text = text.replace("@NAME@", f"life-{number}").replace("@UID@", uid)
            line = f'{{"type":"{what}","object":{text.replace("@VERSION@", str(api.version))}}}\n'
            thing = {"kind": "Pod", "metadata": {"name": f"life-{number}", "namespace": "shop"},
                     "spec": {"nodeName": "lab-node"}}
            api.record(thing, line.encode(), self.sent % self.together == 0)
        self.sent += 1

    def live(self) -> Iterator[None]:
        """One pod, and a rest after each event."""
        for number in iter(lambda: next(self.bench.numbers), None):
            uid = f"00000000-0000-0000-0000-{number:012x}"
            directory = self.root / f"kubepods-burstable-pod{uid.replace('-', '_')}.slice"
            is_here = number % self.every == 0
            if is_here:
                directory.mkdir()
                pid = self.bench.crowd.call(crowd.born_into, directory)
            for what, text in (("ADDED", self.plain), ("MODIFIED", self.open),
                               ("MODIFIED", self.plain), ("DELETED", self.plain)):
                self.happen(what, text, number, uid)
                yield
            if is_here:
                self.bench.crowd.call(crowd.end, pid)
                directory.rmdir()


class Marks:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        pod = bench.new_pod(is_host_network=True)
        bench.crowd.call(crowd.born_into, bench.lab.cgroups.make(pod.container_path()))
        self.sentinel = like_recorded(pod)
        self.cpu, self.sent, self.begun = bench.milliseconds(), 0, time.monotonic()

    def mark(self, what: str, sent: int) -> None:
        """Once everything so far is in the rules."""
        bench = self.bench
        bench.api.put(self.sentinel)
        bench.wait_pods(N_PODS + 1)
        seconds, cpu = time.monotonic() - self.begun, bench.milliseconds() - self.cpu
        bench.api.delete(self.sentinel)
        bench.wait_pods(N_PODS)
        descriptors, watches = bench.descriptors()
        rules = json.loads(netns.run("unshare", "-m", "sh", "-c", RULESET))["nftables"]
        elements = sum(len(body.get("elem", [])) for one in rules
                       for kind, body in one.items() if kind in ("set", "map"))
        n_rules = sum("rule" in one for one in rules)
        count = sent - self.sent
        print(f"  {what:24} {sent:9,} events; {descriptors} descriptors, {watches} "
              f"watches, RssAnon {bench.kibibytes('RssAnon') / 1024:.2f} MB, {elements} elements, "
              f"{n_rules} rules; {count / seconds:,.0f} a second, {1000 * cpu / max(count, 1):.0f} "
              f"us of CPU each", flush=True)
        self.cpu, self.sent, self.begun = bench.milliseconds(), sent, time.monotonic()


def churn(bench: Bench, events: int) -> None:
    bench.add_host_pods(N_PODS)
    bench.start()
    bench.wait_pods(N_PODS)
    life, marks = Life(bench), Marks(bench)
    lives = life.live()
    marks.mark("begun", 0)
    begun = time.monotonic()
    for number in range(RATE * RATE_SECONDS):
        for _ in range(Life.EVENTS):
            next(lives)
        begun += 1 / RATE
        time.sleep(max(0, begun - time.monotonic()))
        if number % (RATE * 20) == RATE * 20 - 1:
            marks.mark(f"{RATE} pods a second", life.sent)
            begun = time.monotonic()
    life.together, life.every = TOGETHER, 1000
    step = max(1, (events - life.sent) // MARKS)
    while life.sent < events:
        for _ in range(step // Life.EVENTS * Life.EVENTS):
            next(lives)
        marks.mark("as fast as it goes", life.sent)
    print(f"  {bench.agent.generations():,} rulesets were put in force; "
          f"{sum('/pods?' in one for one in bench.api.requests)} requests for pods")


def main() -> None:
    what, *rest = sys.argv[1:] or ["idle"]
    count = int(rest[0]) if rest else {"memory": 10_000, "churn": 1_000_000}.get(what, 0)
    with Lab() as lab:
        bench = Bench(lab)
        if what == "idle":
            idle(bench)
        elif what == "memory":
            memory(bench, count)
        elif what == "churn":
            churn(bench, count)
        else:
            sys.exit(__doc__)
        bench.agent.stop()


if __name__ == "__main__":
    main()
