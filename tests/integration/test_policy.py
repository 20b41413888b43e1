# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Policies of files, on packets: ordinary and host pods alike reach what they are allowed to and
nothing else, at the next packet; events name the policy; and while policies change again and again
under traffic nothing denied arrives and nothing allowed is lost."""
import json
import pathlib
import signal
import time
from typing import Any

import common  # noqa: F401
import tap
import traffic
from agent import Agent
from flood import Flood
from lab import EXTERNAL, OPEN_PORT, OTHER_EXTERNAL4, Lab
from pods import Pod

UDP_PORT = 5353
HOSTS = {4: f"{EXTERNAL[4]}/32", 6: f"{EXTERNAL[6]}/128"}
SHOP = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
EDITS = 150


def cluster_policy(name: str, egress: list[dict[str, Any]], priority: int = 10,
                   tier: str = "Admin", mode: str = "") -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name}
    if mode:
        metadata["annotations"] = {"podfence.io/mode": mode}
    return {"apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": metadata,
            "spec": {"tier": tier, "priority": priority, "subject": SHOP, "egress": egress}}


def network_policy(name: str, egress: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}}


def rule(action: str, *networks: str, tcp: int = 0, name: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"action": action, "to": [{"networks": list(networks)}]}
    if tcp:
        made["protocols"] = [{"tcp": {"destinationPort": {"number": tcp}}}]
    if name:
        made["name"] = name
    return made


class Policies:
    """The directory of policies of one agent."""

    def __init__(self, lab: Lab, agent: Agent) -> None:
        self.lab, self.agent = lab, agent
        self.directory: pathlib.Path = agent.config.parent / "policies.d"
        self.directory.mkdir()
        agent.configure(policies={"directory": str(self.directory)})

    def write(self, *objects: dict[str, Any], is_awaited: bool = True) -> None:
        """One file with these objects and nothing else, in force when this returns."""
        before = self.agent.generations()
        fresh = self.directory / ".new"
        fresh.write_text("---\n".join(json.dumps(one) + "\n" for one in objects) or "\n")
        fresh.rename(self.directory / "policies.yaml")
        if is_awaited:
            self.agent.wait_for(lambda: self.agent.generations() > before, "the next generation")


def tcp(lab: Lab, pod: Pod, address: str) -> bool:
    """Whether a SYN arrives."""
    mark = lab.outside.mark()
    pod.call(traffic.tcp_connect, address, OPEN_PORT, 0.3)
    return bool(lab.left(mark, destination=address, dport=OPEN_PORT))


def udp(lab: Lab, pod: Pod, address: str) -> bool:
    mark = lab.outside.mark()
    pod.call(traffic.udp_send, address, UDP_PORT)
    return bool(lab.left(mark, destination=address, dport=UDP_PORT))


def expect(lab: Lab, check: tap.Tap, when: str, is_tcp: bool, is_udp: bool,
           is_other: bool) -> None:
    for pod in lab.pods:
        for version in (4, 6):
            where = f"{when}: {pod.name} v{version}"
            check.equal(tcp(lab, pod, EXTERNAL[version]), is_tcp, f"{where} tcp")
            check.equal(udp(lab, pod, EXTERNAL[version]), is_udp, f"{where} udp")
        check.equal(tcp(lab, pod, OTHER_EXTERNAL4), is_other, f"{when}: {pod.name} other host")


def named(lab: Lab, check: tap.Tap, agent: Agent, name: str, action: str = "dropped",
          **facts: Any) -> None:
    for pod in lab.pods:
        event = agent.wait_event(5, kubernetes__pod__name=pod.name, rule__name=name,
                                 event__action=action, **facts)
        check.check(event, f"an event of {pod.name} says {action} by {name}",
                    *agent.find_events(kubernetes__pod__name=pod.name)[-2:])


def accepts(lab: Lab, check: tap.Tap, agent: Agent, policies: Policies) -> None:
    expect(lab, check, "no policy", False, False, False)
    policies.write(cluster_policy("edge", [rule("Accept", *HOSTS.values(), tcp=OPEN_PORT)]))
    expect(lab, check, "one port accepted", True, False, False)
    policies.write(
        cluster_policy("first", [rule("Deny", HOSTS[4], HOSTS[6], name="not-that")], priority=1),
        cluster_policy("edge", [rule("Accept", "0.0.0.0/0", "::/0")]))
    expect(lab, check, "denied before all is accepted", False, False, True)
    named(lab, check, agent, "ClusterNetworkPolicy/first/not-that",
          podfence__policy__kind="ClusterNetworkPolicy", podfence__policy__tier="Admin")


def isolates(lab: Lab, check: tap.Tap, agent: Agent, policies: Policies) -> None:
    listed = {"to": [{"ipBlock": {"cidr": one}} for one in HOSTS.values()]}
    policies.write(network_policy("web", [listed]))
    expect(lab, check, "a NetworkPolicy may not widen", False, False, False)
    named(lab, check, agent, "NetworkPolicy/shop/web", podfence__policy__namespace="shop")
    passes = rule("Pass", HOSTS[4], HOSTS[6])
    policies.write(cluster_policy("edge", [passes, rule("Accept", "0.0.0.0/0", "::/0")]),
                   network_policy("web", []))
    expect(lab, check, "passed to NetworkPolicies", False, False, True)


def audits(lab: Lab, check: tap.Tap, agent: Agent, policies: Policies) -> None:
    policies.write(
        cluster_policy("trial", [rule("Deny", *HOSTS.values())], priority=1, mode="audit"),
        cluster_policy("edge", [rule("Accept", "0.0.0.0/0", "::/0")]))
    expect(lab, check, "denied on trial", True, True, True)
    named(lab, check, agent, "ClusterNetworkPolicy/trial/0", "would-drop")


def plans_on_what_is_in_force(lab: Lab, check: tap.Tap, agent: Agent) -> None:
    """The agent's word counts: a refused file does not say what holds."""
    new = agent.config.parent / "new.json"
    new.write_text(json.dumps(cluster_policy("edge", [rule("Deny", "0.0.0.0/0")])))
    status, said, wrong = agent.podfence("plan", "--socket", str(agent.socket), "--config",
                                         str(agent.config), str(new))
    check.check(status == 0 and said.startswith("compared with what podfenced has in force") and
                f"3 of {len(lab.pods)} pods would be decided otherwise" in said and
                said.count("other rules of ClusterNetworkPolicy edge, ClusterNetworkPolicy more") ==
                len(lab.pods), "plan asks the agent what is in force", said, wrong)


def answers_without_the_agent(lab: Lab, check: tap.Tap, agent: Agent) -> None:
    """The files of the node say the same as the agent, last good versions included; but for the
    backstop, which only the agent knows to be there."""
    for pod in lab.pods:
        for address in (EXTERNAL[4], OTHER_EXTERNAL4, "192.0.2.1"):
            question = ("why", f"{pod.namespace_name}/{pod.name}", f"{address}:{OPEN_PORT}")
            status, said, _ = agent.podfence(*question, "--socket", str(agent.socket))
            answer = agent.podfence(*question, "--config", str(agent.config))
            wanted = [line for line in said.splitlines() if "packet sockets" not in line]
            check.equal((answer[0], answer[1].splitlines()), (status, wanted),
                        f"{' '.join(question)}: the files say what the agent says", answer[2])
    check.check("last-good-policies.json: 1 object of refused files counts as good last"
                in answer[2], "and that something is refused", answer[2])


def keeps_what_was_good(lab: Lab, check: tap.Tap, agent: Agent, policies: Policies) -> None:
    good = cluster_policy("edge", [rule("Accept", *HOSTS.values())])
    policies.write(good)
    broken = cluster_policy("edge", [rule("Accept", "203.0.113.9/33")])
    other = cluster_policy("more", [rule("Accept", f"{OTHER_EXTERNAL4}/32")], priority=11)
    policies.write(broken, other)
    expect(lab, check, "a broken edit keeps the last good one, others apply", True, True, True)
    check.check("203.0.113.9/33" in agent.said(), "and is named with its place", agent.said())
    plans_on_what_is_in_force(lab, check, agent)
    answers_without_the_agent(lab, check, agent)
    for name in ("SIGTERM", "SIGKILL"):
        agent.stop(signal.Signals[name])
        said = len(agent.said())
        agent.start()
        expect(lab, check, f"after a start ({name}) it is still the last good one", True, True,
               True)
        check.check("stays as it was good last, before this start" in agent.said()[said:],
                    "and that is said", agent.said()[said:])
    kept = agent.state / "last-good-policies.json"
    agent.stop()
    kept.write_text(kept.read_text().replace("203.0.113", "203.0.114"))
    agent.start()
    check.check("checksum" in agent.said() and kept.with_suffix(".json.damaged").exists(),
                "a damaged file of what was good is said and set aside", agent.said())
    expect(lab, check, "then it is refused like any other", False, False, True)
    policies.write(good, other)
    expect(lab, check, "mended, all of it is in force", True, True, True)


def cuts(lab: Lab, check: tap.Tap, policies: Policies) -> None:
    for pod in lab.pods:
        check.equal(pod.call(traffic.tcp_connect, EXTERNAL[4], OPEN_PORT, 3.0, "open"),
                    "connected", f"{pod.name} connects while it may")
    policies.write()
    for pod in lab.pods:
        mark = lab.outside.mark()
        pod.call(traffic.send_on, "open", b"late")
        late = [one for one in lab.left(mark, source=pod.address(4), dport=OPEN_PORT)
                if one.payload]
        check.equal(late, [], f"{pod.name}: its open connection ends with the policy")


def changes_under_traffic(lab: Lab, check: tap.Tap, agent: Agent, policies: Policies) -> None:
    """What every edition denies and what every edition lets pass, in sets that are others each
    time: the denied one is followed by an Accept of everything."""
    def edition(number: int) -> list[dict[str, Any]]:
        more4 = [f"192.0.{number % 200}.{n}/32" for n in range(0, 240, 8)]
        more6 = [f"2001:db8:{number + 1:x}:{n:x}::/64" for n in range(30)]
        return [
            cluster_policy("deny", [rule("Deny", HOSTS[4], *more4[:20]),
                                    rule("Deny", HOSTS[6], *more6[:20])], priority=1),
            cluster_policy("all", [rule("Accept", "0.0.0.0/0", "::/0")]),
        ]

    policies.write(*edition(0))
    flood = Flood(lab, lab.pods)
    before = agent.generations()
    for number in range(1, EDITS + 1):
        policies.write(*edition(number))
    check.check(agent.generations() - before >= EDITS, f"{EDITS} editions were in force",
                agent.generations() - before)
    time.sleep(0.2)
    flood.end(check, "editions")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent()
        policies = Policies(lab, agent)
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        accepts(lab, check, agent, policies)
        isolates(lab, check, agent, policies)
        audits(lab, check, agent, policies)
        keeps_what_was_good(lab, check, agent, policies)
        cuts(lab, check, policies)
        changes_under_traffic(lab, check, agent, policies)
        check.equal(agent.stop(), 0, "ends well")


if __name__ == "__main__":
    tap.main(test)
