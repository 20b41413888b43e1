# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Bad input: refused with its place at start, and without effect on what is in force later."""
import contextlib
import itertools
import signal

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, run_program, yaml
from lab import EXTERNAL, INTERNAL, Lab
from worker import Worker

BROKEN = [  # what is wrong, the file, the line and the words of the message
    ("unknown key", "default:\n  mode: deny\n  mood: sad\n", 3, "mood"),
    ("wrong value", "default:\n  mode: perhaps\n", 2, "default.mode"),
    ("not a network", "network:\n  internal:\n    - 10.0.0.0/8\n    - 10.0.0.1/8\n", 4,
     "network.internal"),
    ("number out of range", "nflog:\n  group: 0\n", 2, "nflog.group"),
    ("key given twice", "default:\n  mode: deny\n  mode: audit\n", 3, "mode"),
    ("no YAML", "default: [\n", 0, ""),
    ("a list for a mapping", "default:\n  - deny\n", 2, "default"),
]

ports = itertools.count(6000)

PODLISTS = [
    ("no JSON", "{"),
    ("truncated", '{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "x"'),
    ("another kind", '{"apiVersion": "v1", "kind": "ServiceList", "items": []}'),
    ("empty", ""),
    ("no items", '{"apiVersion": "v1", "kind": "PodList"}'),
]


def refused(lab: Lab, check: tap.Tap) -> None:
    path = lab.directory / "broken.yaml"
    for what, text, line, words in BROKEN:
        path.write_text(text)
        for arguments in (("--config", str(path)), ("--config", str(path), "--check")):
            status, output, complaint = run_program("podfenced", *arguments)
            how = " ".join(arguments[2:]) or "start"
            check.equal(status, 2, f"{what}: {how} exits 2", complaint)
            place = f"{path}:{line}:" if line else f"{path}:"
            check.check(place in complaint and words in complaint,
                        f"{what}: {how} names line and key", f"wanted {place} ... {words}",
                        complaint)
            check.equal(output, "", f"{what}: {how}: nothing on stdout")
    status, _, complaint = run_program("podfenced", "--config", str(lab.directory / "none.yaml"))
    check.equal(status, 2, "no such file: start exits 2", complaint)
    path.write_text(yaml(lab.settings()))
    status, _, complaint = run_program("podfenced", "--config", str(path), "--check")
    check.equal((status, complaint), (0, ""), "a good file passes --check")
    status, sample, complaint = run_program("podfence", "config")
    check.equal((status, complaint), (0, ""), "podfence config prints a file")
    path.write_text(sample)
    status, _, complaint = run_program("podfenced", "--config", str(path), "--check")
    check.equal((status, complaint), (0, ""), "which is good")
    check.check("default:\n" in sample and "mode: audit" in sample, "and says what counts", sample)
    check.equal(run_program("podfence", "config", "now")[::2], (2, "Usage: podfence config\n"),
                "podfence config takes no argument")


def still_enforced(lab: Lab, check: tap.Tap, when: str) -> None:
    mark, inside = lab.outside.mark(), lab.inside.mark()
    for pod in lab.pods:
        for version in (4, 6):
            pod.call(traffic.udp_send, EXTERNAL[version], 5000)
            pod.call(traffic.udp_send, INTERNAL[version], 5000)
    check.equal(lab.left(mark), [], f"{when}: nothing external leaves")
    came = {(one.source, one.destination) for one in lab.inside.since(inside, dport=5000)}
    sent = {(pod.address(version), INTERNAL[version]) for pod in lab.pods for version in (4, 6)}
    check.equal(came, sent, f"{when}: everything internal arrives")


def wait_complaint(agent: Agent, already: int) -> str:
    agent.wait_for(lambda: len(agent.said()) > already, "a complaint")
    return agent.said()[already:]


def event_comes(lab: Lab, agent: Agent, check: tap.Tap, when: str) -> None:
    port = next(ports)
    for pod in lab.pods:
        pod.call(traffic.udp_send, EXTERNAL[4], port)
        check.check(agent.wait_event(5, kubernetes__pod__name=pod.name, destination__port=port),
                    f"{when}: an event names {pod.name}", *agent.events()[-2:])


def group_in_rules(group: int) -> bool:
    return f"group {group}" in netns.run("nft", "list", "table", "inet", "podfence")


def held_group(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    """All of a configuration comes into force or nothing: neither its pod roots nor its group."""
    when = "SIGHUP, the new NFLOG group is held"
    generations, already = agent.generations(), len(agent.said())
    roots = agent.settings["node"]["podRoots"]
    with netns.hold_nflog_group(1790):
        agent.configure(nflog={"group": 1790}, node={"podRoots": ["nobody.slice"]})
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_for(lambda: "what was in force stays" in agent.said()[already:], when)
        check.check("NFLOG group 1790 is held by another process" in agent.said()[already:],
                    f"{when}: the agent says so", agent.said()[already:])
        check.check(group_in_rules(1789) and not group_in_rules(1790), f"{when}: the rules stay")
        check.equal(agent.generations(), generations, f"{when}: no generation")
        event_comes(lab, agent, check, when)
        still_enforced(lab, check, when)
    lab.add_pod("host-late", is_host_network=True)
    lab.write_pods()
    agent.wait_endpoints(len(lab.pods))
    event_comes(lab, agent, check, f"{when}, a host pod more")
    still_enforced(lab, check, f"{when}, a host pod more")
    agent.configure(node={"podRoots": roots})
    agent.reload()
    check.check(group_in_rules(1790) and not group_in_rules(1789),
                "SIGHUP, the group is free: the rules use it")
    event_comes(lab, agent, check, "SIGHUP, the group is free")
    already = len(agent.said())
    agent.configure(nflog={"copyBytes": 256})
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for(lambda: "read again" in agent.said()[already:], "the configuration to be read")
    event_comes(lab, agent, check, "SIGHUP, the same group with other options")


held = []


def grab(group: int) -> None:
    """Holds an NFLOG group from the first moment on that it is free."""
    while not held:
        with contextlib.suppress(OSError):
            held.append(netns.hold_nflog_group(group))


def lost_group(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    """A group is given up before it can be had with other options: somebody else may come in
    between, and then the agent goes on without events until it can have it back."""
    agent.configure(nflog={"group": 1791})
    agent.reload()
    robber, loss = Worker(), "no NFLOG group is open: the rules work, no event is written"
    robber.start(grab, 1791)
    for attempt in range(1000):
        already = len(agent.said())
        agent.configure(nflog={"copyBytes": 128 + attempt % 2})
        agent.process.send_signal(signal.SIGHUP)
        agent.wait_for(lambda: "read again" in agent.said()[already:] or
                       "what was in force stays" in agent.said()[already:], "an answer")
        if "what was in force stays" in agent.said()[already:]:
            break
    agent.wait_for(lambda: loss in agent.said(), "the agent to say that it lost the group")
    still_enforced(lab, check, "the NFLOG group was taken away")
    robber.stop()
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for(lambda: "read again" in agent.said()[already:], "the configuration to be read")
    event_comes(lab, agent, check, "the NFLOG group is free again")


def missing_uplink(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    said = "late0 of network.uplinks is no device of this node"
    agent.configure(network={"uplinks": ["up0", "late0"]})
    agent.process.send_signal(signal.SIGHUP)
    agent.wait_for(lambda: said in agent.said(), "the missing uplink to be named")
    lab.add_pod("after")
    lab.write_pods()
    agent.wait_endpoints(len(lab.pods))
    check.equal(agent.said().count(said), 1, "a missing uplink is named once", agent.said())
    check.check("up0 of network.uplinks" not in agent.said(), "an uplink that is there is not")
    before = agent.generations()
    netns.ip(None, "link add late0 type veth peer name late1")
    agent.wait_for(lambda: agent.generations() > before, "the uplink to count when it appears")
    netns.ip(None, "link delete late0")
    agent.wait_for(lambda: agent.said().count(said) == 2, "the uplink to be missed again")
    still_enforced(lab, check, "uplinks by name")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        refused(lab, check)
        lab.add_pod("routed")
        lab.add_pod("host", is_host_network=True)
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        still_enforced(lab, check, "good configuration")

        for what, text, _, _ in BROKEN:
            already, generations = len(agent.said()), agent.generations()
            agent.write_config(text)
            agent.process.send_signal(signal.SIGHUP)
            complaint = wait_complaint(agent, already)
            check.check(str(agent.config) in complaint, f"SIGHUP, {what}: the file is named",
                        complaint)
            still_enforced(lab, check, f"SIGHUP, {what}")
            check.equal(agent.generations(), generations, f"SIGHUP, {what}: the ruleset stays")
        agent.configure(network={"internal": ["10.99.0.0/24", "fd00:99::/64", "192.0.2.0/24"]})
        agent.reload()
        still_enforced(lab, check, "mended configuration")

        for what, text in PODLISTS:
            already = len(agent.said())
            lab.write_pod_list(text)
            wait_complaint(agent, already)
            still_enforced(lab, check, f"PodList, {what}")
        agent.output.write_text("")
        lab.pods[0].call(traffic.udp_send, EXTERNAL[4], 5001)
        check.check(agent.wait_event(kubernetes__pod__name="routed", destination__port=5001),
                    "the pods of the last good PodList are still named", *agent.events())
        late = lab.add_pod("late")
        lab.write_pods()
        agent.wait_endpoints(len(lab.pods))
        late.call(traffic.udp_send, EXTERNAL[4], 5002)
        check.check(agent.wait_event(kubernetes__pod__name="late", destination__port=5002),
                    "a good PodList counts again", *agent.events())
        held_group(lab, agent, check)
        lost_group(lab, agent, check)
        missing_uplink(lab, agent, check)


tap.main(test)
