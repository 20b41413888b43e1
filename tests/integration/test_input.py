# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Bad input: refused with its place at start, and without effect on what is in force later."""
import signal

import common  # noqa: F401
import tap
import traffic
from agent import Agent, run_program, yaml
from lab import EXTERNAL, INTERNAL, Lab

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


def still_enforced(lab: Lab, check: tap.Tap, when: str) -> None:
    mark, inside = lab.outside.mark(), lab.inside.mark()
    for pod in lab.pods:
        for version in (4, 6):
            pod.call(traffic.udp_send, EXTERNAL[version], 5000)
            pod.call(traffic.udp_send, INTERNAL[version], 5000)
    check.equal(lab.left(mark), [], f"{when}: nothing external leaves")
    came = {(one.source, one.destination) for one in lab.inside.since(inside, dport=5000)}
    check.equal(len(came), 2 * len(lab.pods), f"{when}: everything internal arrives", came)


def wait_complaint(agent: Agent, already: int) -> str:
    agent.wait_for(lambda: len(agent.said()) > already, "a complaint")
    return agent.said()[already:]


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


tap.main(test)
