# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Quarantine on packets: nothing comes from an endpoint that is cut off and nothing reaches it, on
any way a packet can take, established connections included; and everything again when it is over.
What is not cut is told by the receiver, what is cut by the kernel's count of it."""
import dataclasses
import json
import re
import time

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, wait_until
from lab import EXTERNAL, INTERNAL, NODE, OPEN_PORT, Lab
from pods import Pod
from worker import Worker

PORT = 6000
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


@dataclasses.dataclass
class Path:
    """One way for a datagram."""
    name: str
    sender: Worker
    receiver: Worker
    address: str

    @property
    def socket(self) -> str:
        return f"at {self.address}"

    def open(self) -> None:
        self.receiver.call(traffic.open_datagram, self.socket, self.address, PORT)

    def close(self) -> None:
        self.receiver.call(traffic.close, self.socket)

    def send(self, payload: bytes) -> None:
        self.sender.call(traffic.udp_send, self.address, PORT, payload)

    def received(self, timeout: float) -> bytes:
        return self.receiver.call(traffic.receive_on, self.socket, timeout)[0]

    def works(self) -> bool:
        self.send(b"through")
        return self.received(3.0) == b"through"

    def is_cut(self) -> bool:
        before = counted()
        self.send(b"cut")
        wait_until(lambda: counted() > before, f"{self.name} to be counted", 5.0)
        return self.received(0.01) == b""


def counted() -> int:
    """All packets that quarantines have stopped."""
    text = netns.run("nft", "list", "counters")
    return sum(int(number) for number in
               re.findall(r"counter quarantined \{\s*packets (\d+)", text))


def paths_of(lab: Lab, victim: Pod, others: list[Pod], version: int) -> list[Path]:
    mine = victim.address(version)
    paths = [
        Path("from it to the internal service", victim.worker, lab.service, INTERNAL[version]),
        Path("from it to the node", victim.worker, lab.host, NODE[version]),
        Path("from the node to it", lab.host, victim.worker, mine),
        Path("from the internal service to it", lab.service, victim.worker, mine),
    ]
    if victim.is_host_network:
        paths[1:3] = [
            Path("from it over lo", victim.worker, lab.host, LOOPBACK[version]),
            Path("from the node over lo to it", lab.host, victim.worker, LOOPBACK[version]),
        ]
    for other in others:
        if other is not victim and not other.is_host_network:
            paths += [Path(f"from it to {other.name}", victim.worker, other.worker,
                           other.address(version)),
                      Path(f"from {other.name} to it", other.worker, victim.worker, mine)]
    return paths


def check_paths(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod, others: list[Pod]) -> None:
    """Each way works, is cut, and works again."""
    for version in (4, 6):
        for path in paths_of(lab, victim, others, version):
            where = f"{victim.name} v{version}: {path.name}"
            path.open()
            check.check(path.works(), f"{where}: before")
            order(check, agent, "quarantine", f"shop/{victim.name}")
            check.check(path.is_cut(), f"{where}: cut")
            order(check, agent, "release", f"shop/{victim.name}")
            check.check(path.works(), f"{where}: after")
            path.close()


def order(check: tap.Tap, agent: Agent, *arguments: str) -> str:
    status, said, wrong = agent.podfence(*arguments)
    if status:
        check.check(False, f"podfence {' '.join(arguments)}", status, wrong)
    return said


def check_established(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod, version: int) -> None:
    """TCP connections that are open, in both directions, stop at once; released, they go on."""
    where = f"{victim.name} v{version}"
    out, back = f"out-{where}", f"in-{where}"
    check.equal(victim.call(traffic.tcp_connect, INTERNAL[version], OPEN_PORT, 3.0, out),
                "connected", f"{where}: it connects")
    lab.service.call(traffic.accept, "open", out)
    port = 7000 + version
    victim.call(traffic.listen, back, port)
    check.equal(lab.service.call(traffic.tcp_connect, victim.address(version), port, 3.0, back),
                "connected", f"{where}: it is connected to")
    victim.call(traffic.accept, back, back + " accepted")
    victim.call(traffic.send_on, out, b"first")
    check.equal(lab.service.call(traffic.receive_exactly, out, 5, 3.0), b"first",
                f"{where}: data passes")
    order(check, agent, "quarantine", f"shop/{victim.name}")
    mark, before = lab.inside.mark(), counted()
    victim.call(traffic.send_on, out, b"second")
    victim.call(traffic.send_on, back + " accepted", b"answer")
    wait_until(lambda: counted() >= before + 2, "both to be counted")
    sent = [one for one in lab.inside.since(mark, source=victim.address(version)) if one.payload]
    check.equal(sent, [], f"{where}: nothing of either connection leaves")
    before = counted()
    lab.service.call(traffic.send_on, back, b"request")
    wait_until(lambda: counted() > before, "what comes to be counted")
    check.equal(victim.call(traffic.receive_on, back + " accepted", 0.01)[0], b"",
                f"{where}: nothing reaches it")
    order(check, agent, "release", f"shop/{victim.name}")
    check.equal(lab.service.call(traffic.receive_exactly, out, 6, 20.0), b"second",
                f"{where}: released, the connection goes on")
    check.equal(victim.call(traffic.receive_exactly, back + " accepted", 7, 20.0), b"request",
                f"{where}: the other one too")
    for one in (out, back + " accepted", back):
        victim.call(traffic.close, one)
    for one in (out, back):
        lab.service.call(traffic.close, one)


def check_kill(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod, other: Worker) -> None:
    """With --kill-sockets its processes hear of it at once, and nobody else's do."""
    where = victim.name
    for version in (4, 6):
        for who, name in ((victim.worker, "mine"), (other, "other")):
            check.equal(who.call(traffic.tcp_connect, INTERNAL[version], OPEN_PORT, 3.0,
                                 f"{name}-{version}"), "connected", f"{where}: {name} v{version}")
            lab.service.call(traffic.accept, "open", f"{name}-{version}")
    victim.call(traffic.listen, "listening", 7100)
    status, said, wrong = agent.podfence("quarantine", f"shop/{where}", "--kill-sockets")
    ended = re.fullmatch(r"(\d+) connections ended\n", wrong)  # some may linger from before
    check.check(status == 0 and ended and int(ended[1]) >= 2, f"{where}: connections end", wrong)
    for version in (4, 6):
        check.equal(victim.call(traffic.receive_on, f"mine-{version}", 3.0),
                    (b"", "ECONNABORTED"), f"{where}: v{version} is aborted")
        check.equal(other.call(traffic.receive_on, f"other-{version}", 0.01), (b"", "timeout"),
                    f"{where}: another's v{version} is not")
        for who, name in ((victim.worker, "mine"), (other, "other")):
            who.call(traffic.close, f"{name}-{version}")
            lab.service.call(traffic.close, f"{name}-{version}")
    order(check, agent, "release", f"shop/{where}")
    check.equal(lab.host.call(traffic.tcp_connect, victim.address(4), 7100), "connected",
                f"{where}: a listener stays, and is reached again")
    victim.call(traffic.close, "listening")


def check_events(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod) -> None:
    seen = len(agent.events())
    order(check, agent, "quarantine", f"shop/{victim.name}", "--reason", "case 17", "--for", "2h")
    mark = lab.outside.mark()
    victim.call(traffic.udp_send, EXTERNAL[4], 53)
    lab.host.call(traffic.udp_send, victim.address(4), PORT + 1)
    out = agent.wait_event(rule__category="quarantine", kubernetes__pod__name=victim.name,
                           destination__ip=EXTERNAL[4], destination__port=53)
    check.check(out and (out["rule"]["name"], out["event"]["action"], out["network"]["direction"])
                == ("quarantine", "dropped", "egress"), f"{victim.name}: an event of what it sent",
                out)
    check.equal(lab.left(mark, source=victim.address(4)), [], f"{victim.name}: nothing left")
    if not victim.is_host_network:  # of a host pod's address a socket says who would get it
        back = agent.wait_event(rule__category="quarantine", kubernetes__pod__name=victim.name,
                                destination__port=PORT + 1)
        check.check(back and back["network"]["direction"] == "ingress",
                    f"{victim.name}: an event of what was sent to it", back)
    order(check, agent, "release", f"shop/{victim.name}")
    changes = [event for event in agent.events()[seen:]
               if event["event"].get("dataset") == "podfence.agent"]
    check.equal([event["event"]["action"] for event in changes],
                ["quarantine-set", "quarantine-released"], f"{victim.name}: events of the changes")
    check.equal([(event["user"]["id"], event["process"]["name"], event["event"].get("reason"),
                  event["kubernetes"]["pod"]["uid"]) for event in changes],
                [("0", "podfence", "case 17", victim.uid)] * 2,
                f"{victim.name}: with who did it, and why")


def check_forged(check: tap.Tap, lab: Lab, agent: Agent, bridged: Pod, neighbour: Pod) -> None:
    """In audit the bridge's guard lets forged sources pass; quarantine does not."""
    agent.configure(default={"mode": "audit"})
    agent.reload()
    order(check, agent, "quarantine", f"shop/{bridged.name}")
    netns.ip(bridged.netns, "addr add 10.244.9.99/24 dev eth0")
    bridged.call(traffic.open_datagram, "forged", "10.244.9.99", 6999)
    for name, receiver, address in (("the node", lab.host, "10.244.9.1"),
                                    ("a neighbour", neighbour.worker, neighbour.address(4))):
        receiver.call(traffic.open_datagram, "from forged", address, PORT)
        before = counted()
        bridged.call(traffic.send_to, "forged", address, PORT, b"forged")
        wait_until(lambda: counted() > before, "the forged packet to be counted")
        check.equal(receiver.call(traffic.receive_on, "from forged", 0.01)[0], b"",
                    f"a forged source does not reach {name}")
        receiver.call(traffic.close, "from forged")
    netns.ip(bridged.netns, "addr del 10.244.9.99/24 dev eth0")
    order(check, agent, "release", f"shop/{bridged.name}")
    agent.configure(default={"mode": "deny"})
    agent.reload()


def check_probes(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod) -> None:
    """The kubelet's connections pass, and nothing else does."""
    order(check, agent, "quarantine", f"shop/{victim.name}", "--keep-probes")
    for version in (4, 6):
        where = f"{victim.name} v{version}, probes kept"
        port = 8000 + version
        victim.call(traffic.listen, "probed", port)
        check.equal(lab.host.call(traffic.tcp_connect, victim.address(version), port, 3.0),
                    "connected", f"{where}: the node connects to it")
        victim.call(traffic.close, "probed")
        for name, sender, receiver, address in (
                ("from it to the node", victim.worker, lab.host, NODE[version]),
                ("from it to the internal service", victim.worker, lab.service, INTERNAL[version]),
                ("from the internal service to it", lab.service, victim.worker,
                 victim.address(version))):
            path = Path(name, sender, receiver, address)
            path.open()
            check.check(path.is_cut(), f"{where}: {name} is cut")
            path.close()
    order(check, agent, "release", f"shop/{victim.name}")


def check_allow(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod, other: Pod) -> None:
    """Both addresses of the internal service, and a neighbour's."""
    networks = f"{INTERNAL[4]}/32,fd00:99::/64,10.0.0.3,fd00:10::3,{other.address(4)}"
    order(check, agent, "quarantine", f"shop/{victim.name}", "--allow", networks)
    for version in (4, 6):
        there = Path("there", victim.worker, lab.service, INTERNAL[version])
        back = Path("back", lab.service, victim.worker, victim.address(version))
        node = Path("node", victim.worker, lab.host, NODE[version])
        for path, is_open in ((there, True), (back, True), (node, False)):
            path.open()
            check.check(path.works() if is_open else path.is_cut(),
                        f"{victim.name} v{version}, --allow: {path.name} is "
                        f"{'open' if is_open else 'cut'}")
            path.close()
    beside = Path("beside", victim.worker, other.worker, other.address(4))
    beside.open()
    check.check(beside.works(), f"{victim.name}, --allow: {other.name} is reached")
    beside.close()
    order(check, agent, "release", f"shop/{victim.name}")


def listed(agent: Agent) -> dict[str, dict]:
    _, said, _ = agent.podfence("quarantine", "list", "-o", "jsonl")
    return {item["name"]: item for item in map(json.loads, said.splitlines())}


def check_life(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod) -> None:
    """Through the agent's death, another boot and a damaged file; until its time is over."""
    path = Path("to the internal service", victim.worker, lab.service, INTERNAL[4])
    path.open()
    order(check, agent, "quarantine", f"shop/{victim.name}", "--reason", "r")
    agent.stop(9)
    check.check(path.is_cut(), "an agent that is killed leaves the quarantine")
    agent.start()
    check.check(path.is_cut(), "the next one has it too")
    check.equal(listed(agent)[victim.name]["state"], "in-force", "and lists it")
    agent.stop()
    netns.run("nft", "flush", "ruleset")
    file = agent.state / "quarantine.json"
    text = file.read_text()
    boot = re.search(r'"boot":"([^"]*)"', text).group(1)
    file.write_text(text.replace(boot, "another-boot"))
    agent.start()
    check.check(path.is_cut(), "so does one after a boot, which finds no rules")
    lab.write_pods(*[pod for pod in lab.pods if pod is not victim])
    agent.wait_for(lambda: listed(agent)[victim.name]["state"] == "absent", "it to be absent")
    lab.write_pods()
    agent.wait_for(lambda: listed(agent)[victim.name]["state"] == "in-force", "it to be back")
    check.check(path.is_cut(), "a pod that comes back under its name is in quarantine")
    order(check, agent, "quarantine", f"shop/{victim.name}", "--for", "1s")
    agent.wait_event(event__action="quarantine-expired", kubernetes__pod__name=victim.name)
    agent.wait_for(lambda: victim.name not in listed(agent), "its end")
    agent.wait_for(lambda: "chain quarantine" not in netns.run("nft", "list", "ruleset"),
                   "its rules to go")
    check.check(path.works(), "it ends with its time")
    order(check, agent, "quarantine", f"shop/{victim.name}", "--for", "1s")
    agent.stop()
    time.sleep(1.1)
    agent.start()
    check.equal((listed(agent), path.works()), ({}, True), "its time runs while no agent does")
    order(check, agent, "quarantine", f"shop/{victim.name}")
    agent.stop()
    file.write_text(file.read_text().replace("shop", "ship"))
    agent.start()
    check.check("checksum differs" in agent.said() and
                (agent.state / "quarantine.json.damaged").exists(),
                "a damaged file is said and set aside")
    path.close()


def check_label(check: tap.Tap, lab: Lab, agent: Agent, victim: Pod) -> None:
    path = Path("to the internal service", victim.worker, lab.service, INTERNAL[4])
    path.open()

    def label(value: str | None) -> None:
        victim.labels = {"podfence.io/quarantine": value} if value is not None else {}
        lab.write_pods()

    label("true")
    agent.wait_for(lambda: listed(agent).get(victim.name, {}).get("origin") == "label", "the label")
    check.check(path.is_cut(), "a label puts a pod into quarantine")
    status, _, wrong = agent.podfence("release", f"shop/{victim.name}")
    check.check(status == 1 and "label" in wrong, "release says that the label holds it", wrong)
    order(check, agent, "quarantine", f"shop/{victim.name}")
    label(None)
    agent.wait_event(event__action="quarantine-released", kubernetes__pod__name=victim.name,
                     event__reason="label podfence.io/quarantine")
    check.check(path.is_cut(), "without its label one set by hand stays")
    order(check, agent, "release", f"shop/{victim.name}")
    check.check(path.works(), "until it is released")
    path.close()


def check_command(check: tap.Tap, agent: Agent) -> None:
    cases: list[tuple[list[str], int, str]] = [
        (["quarantine", "shop/nobody"], 1, "no endpoint shop/nobody"),
        (["quarantine", "shop/routed", "--for", "soon"], 2, "--for soon"),
        (["quarantine", "shop/routed", "--allow", "10.0.0.0/33"], 2, "no network"),
        (["quarantine", "shop/routed", "--allow", "0.0.0.0/0"], 2, "that is everything"),
        (["quarantine", "shop/routed", "--allow", ",".join(["10.0.0.1"] * 9)], 2, "allow"),
        (["quarantine", "shop/routed", "--reason", "x" * 300], 2, "reason"),
        (["release", "shop/routed"], 1, "it is in no quarantine"),
        (["release", "shop/nobody"], 1, "no endpoint shop/nobody"),
        (["quarantine"], 2, "Usage"),
    ]
    for arguments, expected, text in cases:
        status, _, wrong = agent.podfence(*arguments)
        check.check(status == expected and text in wrong,
                    f"podfence {' '.join(arguments)[:50]} ends with {expected}", status, wrong)


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        lab.add_pod("neighbour", bridge="cni0")
        lab.write_pods()
        routed, bridged, host, neighbour = lab.pods
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        check_command(check, agent)
        for victim in (routed, bridged, host):
            check_paths(check, lab, agent, victim, [routed, bridged, neighbour])
            for version in (4, 6):
                check_established(check, lab, agent, victim, version)
            check_kill(check, lab, agent, victim, lab.host if victim is host else host.worker)
            check_events(check, lab, agent, victim)
            check_allow(check, lab, agent, victim, neighbour)
        check_probes(check, lab, agent, routed)
        check_probes(check, lab, agent, bridged)
        check_forged(check, lab, agent, bridged, neighbour)
        check_label(check, lab, agent, routed)
        check_life(check, lab, agent, routed)


tap.main(test)
