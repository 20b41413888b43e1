# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What is stopped wherever it goes: forged sources, tunnel transport, quarantine. Each packet is
counted, a flood of one sender costs a few messages a second, and hides nobody else's first packet.
"""
import time
from typing import Any

import common  # noqa: F401
import packet
import tap
import traffic
from agent import Agent, field
from books import QUICK, check_balance, check_told, told
from lab import EXTERNAL4, INTERNAL, INTERNAL4, NODEB, OTHER_EXTERNAL4, Lab
from pods import Pod

PACE, BURST = 10, 20  # messages of one sender: a second, and at once
FORGED = "198.51.100.77"
VXLAN_PORT = 8472


def forged(version: int = 4) -> bytes:
    source = FORGED if version == 4 else "2001:db8:77::7"
    return packet.udp(source, 1, INTERNAL[version], 2, b"forged")


def check_cost(check: tap.Tap, before: dict, after: dict, seconds: float, others: int,
               what: str) -> None:
    """Messages: as many as the pace of one sender allows, and those of others."""
    messages = after["sent"] - before["sent"]
    bound = BURST + PACE * (seconds + 1) + others
    check.check(messages <= bound, f"{what}: {messages} messages in {seconds:.1f} s, at most "
                f"{bound:.0f}")


def add_pods(lab: Lab) -> list[Pod]:
    """Three that flood, and three others of the same kinds."""
    lab.add_three_pods()
    flooding = list(lab.pods)
    lab.add_pod("routed2")
    lab.add_pod("bridged2", bridge="cni0")
    lab.add_pod("host2", is_host_network=True)
    lab.write_pods()
    return flooding


def other_of(lab: Lab, pod: Pod) -> Pod:
    return next(other for other in lab.pods if other.name == pod.name + "2")


def forge_flood(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod, rounds: int,
                action: str = "dropped") -> None:
    """One forges as fast as it can; another of its kind forges once, and sends once."""
    what, other = f"{action}: {rounds} forged by {pod.name}", other_of(lab, pod)
    facts = {"rule__category": "spoof", "event__action": action}
    guards = 1
    if action != "dropped" and pod.bridge:  # what the bridge's lets pass meets the node's too
        guards, facts["rule__name"] = 2, "spoofed-source-bridge-audit"
    before, mark = check_balance(check, agent, f"{what}: before"), lab.inside.mark()
    begun, sender = time.monotonic(), pod.another_worker()
    sender.start(traffic.forge, [forged()], INTERNAL4, rounds)
    event = agent.wait_event(5, kubernetes__pod__name=pod.name, **facts)
    check.check(event and field(event, "source.ip") == FORGED and
                field(event, "destination.ip") == INTERNAL4, f"{what}: the first is told whole",
                event)
    other.call(traffic.udp_send, OTHER_EXTERNAL4, 6001)
    event = agent.wait_event(5, kubernetes__pod__name=other.name, destination__port=6001)
    check.check(event and field(event, "podfence.flow.detail"),
                f"{what}: what {other.name} is denied is told whole", event)
    other.call(traffic.forge, [forged(6)], INTERNAL[6], 1)
    event = agent.wait_event(5, kubernetes__pod__name=other.name, source__ip="2001:db8:77::7",
                             **facts)
    check.check(event, f"{what}: the one of {other.name} is told")
    sent = sender.result()
    sender.stop()
    seconds = time.monotonic() - begun
    after = check_balance(check, agent, what)
    check.equal(after["spoofed"] - before["spoofed"], guards * (sent + 1),
                f"{what}: all are counted")
    check.equal(after["spoofed_unkept"], 0, f"{what}: each for its sender")
    check_cost(check, before, after, guards * seconds, 4 + (guards - 1) * (BURST + PACE), what)
    check_told(check, agent, pod, sent, f"{what}: all are told", **facts)
    check_told(check, agent, other, 1, f"{what}: and the one of {other.name}", **facts)
    lab.settle()
    arrived = len(lab.inside.since(mark, source=FORGED))
    check.check(arrived == (0 if action == "dropped" else sent), f"{what}: {arrived} arrived")


def tunnel_flood(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod, rounds: int,
                 action: str = "dropped") -> None:
    what, other = f"{action}: {rounds} tunneled by {pod.name}", other_of(lab, pod)
    facts = {"rule__category": "tunnel", "event__action": action}
    before, begun = check_balance(check, agent, f"{what}: before"), time.monotonic()
    sender = pod.another_worker()
    sender.start(traffic.volley, [(NODEB[4], VXLAN_PORT), (NODEB[6], VXLAN_PORT)], rounds // 2)
    for one in (pod, other):
        if one is other:
            other.call(traffic.udp_send, NODEB[4], VXLAN_PORT)
        event = agent.wait_event(5, kubernetes__pod__name=one.name, destination__port=VXLAN_PORT,
                                 **facts)
        check.check(event and field(event, "source.ip"), f"{what}: {one.name}'s is told whole",
                    event)
    sent = sender.result()
    sender.stop()
    after = check_balance(check, agent, what)
    check.equal(after["tunneled"] - before["tunneled"], sent + 1, f"{what}: all are counted")
    check_cost(check, before, after, 2 * (time.monotonic() - begun), 2 + BURST, what)
    check_told(check, agent, pod, sent, f"{what}: all are told", **facts)


def check_about(check: tap.Tap, found: int, sent: int, what: str) -> None:
    """Neighbour discovery, which nobody here sends, is stopped too."""
    check.check(sent <= found <= sent + 20, f"{what}: all are counted ({found})", sent)


def quarantine_flood(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod, rounds: int) -> None:
    what, before = f"{pod.name} in quarantine", check_balance(check, agent, "quarantine: before")
    check.equal(agent.podfence("quarantine", f"shop/{pod.name}")[0], 0, f"{what}: it is")
    begun = time.monotonic()
    sent = pod.call(traffic.volley, [(INTERNAL4, 7001), (EXTERNAL4, 7002)], rounds // 2)
    seconds = time.monotonic() - begun
    after = check_balance(check, agent, f"{what}: {sent} packets")
    check_about(check, after["quarantined"] - before["quarantined"], sent, what)
    check_cost(check, before, after, seconds, 20, what)
    if not pod.is_host_network:
        back = lab.host.call(traffic.volley, [(pod.address(4), 7003)], 200)
        event = agent.wait_event(5, kubernetes__pod__name=pod.name, rule__name="quarantine-inbound")
        check.check(event and field(event, "network.direction") == "ingress",
                    f"{what}: what is sent to it is told whole", event)
        last = check_balance(check, agent, f"{what}: {back} to it")
        check_about(check, last["quarantined"] - after["quarantined"], back, f"{what}: to it")
    check.equal(agent.podfence("release", f"shop/{pod.name}")[0], 0, f"{what}: released")
    last = check_balance(check, agent, f"{what}: afterwards")
    check_told(check, agent, pod, last["quarantined"] - before["quarantined"],
               f"{what}: all are told, after its release too", rule__category="quarantine")


def restart(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """What one agent told the next one does not tell again, and what came meanwhile it does."""
    facts = {"rule__category": "spoof"}
    mine = told(agent, pod, **facts)
    mine += pod.call(traffic.forge, [forged()], INTERNAL4, 1000)
    check.equal(agent.stop(), 0, "restart: it ends well")
    check.equal(told(agent, pod, **facts), mine, "restart: all is told when it ends")
    mine += pod.call(traffic.forge, [forged()], INTERNAL4, 500)
    agent.start()
    check_told(check, agent, pod, mine, "restart: and what came meanwhile by the next", **facts)
    check_balance(check, agent, "restart")


def numbers(check: tap.Tap, agent: Agent, said: dict[str, Any]) -> None:
    status, text, _ = agent.podfence("status")
    words = (f"{said['spoofed']} with a forged source, {said['tunneled']} of tunnels, "
             f"{said['quarantined']} in quarantine")
    check.check(status == 0 and words in text, f"podfence status: {words}", text)


def deny(check: tap.Tap) -> None:
    with Lab() as lab:
        flooding = add_pods(lab)
        agent = lab.agent(ledger=QUICK)
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for pod in flooding:
            forge_flood(check, lab, agent, pod, 100000)
            tunnel_flood(check, lab, agent, pod, 20000)
            quarantine_flood(check, lab, agent, pod, 20000)
        restart(check, agent, flooding[0])
        numbers(check, agent, check_balance(check, agent, "numbers"))


def audit(check: tap.Tap) -> None:
    """Recorded by the same count, and let pass."""
    with Lab() as lab:
        flooding = add_pods(lab)
        agent = lab.agent(default={"mode": "audit"}, ledger=QUICK)
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        for pod in flooding:
            forge_flood(check, lab, agent, pod, 2000, "would-drop")
            tunnel_flood(check, lab, agent, pod, 2000, "would-drop")


def test(check: tap.Tap) -> None:
    deny(check)
    audit(check)


tap.main(test)
