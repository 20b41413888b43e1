# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""podfence doctor on a node that is well, and on one where something is wrong: what is wrong is
found, by name, and nothing is changed by looking."""
import json
import os
import subprocess

import common  # noqa: F401
import netns
import tap
from agent import Agent, program
from lab import Lab, rules
from worker import NOBODY

JUDGED = "are judged (host pods and units cannot be tried from outside)"


def examine(agent: Agent, **environment: str) -> tuple[int, dict[str, list[dict]]]:
    status, said, wrong = agent.podfence("doctor", "-o", "json", "--config", str(agent.config),
                                         PODFENCE_STORE="/nonexistent", **environment)
    findings: dict[str, list[dict]] = {}
    for item in json.loads(said)["items"]:
        findings.setdefault(item["check"], []).append(item)
    return status, findings


def healths(findings: dict[str, list[dict]]) -> dict[str, str]:
    return {check: items[0]["health"] for check, items in findings.items()}


def check_well(check: tap.Tap, agent: Agent) -> None:
    before = rules()
    status, findings = examine(agent)
    found = healths(findings)
    found.pop("clock")  # of the machine
    check.equal(found.pop("owner") in ("ok", "warning"), True, "the owner is tried")
    check.equal((status, found),
                (0, {"permissions": "ok", "kernel": "ok", "nflog": "ok", "uplinks": "ok",
                     "cgroups": "ok", "conflicts": "ok", "state": "ok", "store": "warning",
                     "rules": "ok", "events": "ok", "shipper": "warning", "backstop": "ok",
                     "coverage": "ok"}),
                "a node that is well")
    check.equal(findings["uplinks"][0]["finding"], "up0", "its uplink")
    check.equal(rules(), before, "nothing is changed by looking")
    status, said, _ = agent.podfence("doctor", "--config", str(agent.config))
    check.check(status == 0 and "\nshipper: systemctl" in said, "advice for a person", said)


def check_probe(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """A packet out of every ordinary pod is judged; where it is not, because a program takes it
    before, that is found."""
    def probe() -> tuple[int, list[tuple[str, str]]]:
        status, said, _ = agent.podfence("doctor", "--probe", "-o", "jsonl", "--config",
                                         str(agent.config), PODFENCE_STORE="/nonexistent")
        return status, [(item["health"], item["finding"]) for item in
                        map(json.loads, said.splitlines()) if item["check"] == "probe"]

    mark = lab.outside.mark()
    check.equal(probe(), (0, [("ok", "packets of 2 pods " + JUDGED)]), "both pods are probed")
    check.equal(lab.left(mark), [], "nothing got out")
    routed = next(pod for pod in lab.pods if pod.name == "routed")
    agent.wait_for(lambda: not json.loads(agent.podfence("flows", "-o", "json")[1])["items"],
                   "the flows of the probe to end")
    netns.run("tc", "qdisc", "add", "dev", routed.link, "clsact")
    netns.run("tc", "filter", "add", "dev", routed.link, "ingress", "bpf", "bytecode",
              "1,6 0 0 2,", "direct-action")  # TC_ACT_SHOT
    check.equal(probe(), (1, [("problem", "a packet of shop/routed to 192.0.2.1 was not judged"),
                              ("ok", "packets of 1 pods " + JUDGED)]), "one is not judged")
    netns.run("tc", "qdisc", "del", "dev", routed.link, "clsact")


def check_ill(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    routed = next(pod for pod in lab.pods if pod.name == "routed")
    netns.run("tc", "qdisc", "add", "dev", routed.link, "clsact")
    netns.run("tc", "filter", "add", "dev", routed.link, "ingress", "bpf", "bytecode",
              "1,6 0 0 4294967295,")
    lab.new_pod("absent", is_host_network=True)
    lab.write_pods()
    agent.wait_for(lambda: "shop/absent is not resolved" in agent.said(), "the absent pod")
    status, findings = examine(agent)
    check.check(routed.link in findings["eBPF"][0]["finding"], "a program at a pod's link",
                findings["eBPF"])
    check.check("conflicts" not in findings, "then nobody says that there is none")
    check.check("shop/absent is pending" in
                [item["finding"].split(":")[0] for item in findings["coverage"]],
                "who is not found on the node", findings["coverage"])
    agent.wait_for(lambda: " routed " in agent.podfence("pods", "--unresolved")[1],
                   "the pod behind the program to be uncovered")
    status, findings = examine(agent)
    check.check(status == 1 and "shop/routed is uncovered" in
                [item["finding"].split(":")[0] for item in findings["coverage"]],
                "whom a program may take past the rules is a problem", findings["coverage"])
    agent.stop(9)
    status, findings = examine(agent)
    check.equal((status, healths(findings)["agent"]), (1, "problem"), "no agent: a problem")


def check_nobody(check: tap.Tap, agent: Agent) -> None:
    """Without root it says what it cannot know, and does not fail."""
    for path in (agent.config, agent.config.parent, agent.config.parent.parent):
        path.chmod(0o755)
    done = subprocess.run([program("podfence"), "doctor", "-o", "json", "--config",
                           str(agent.config)], capture_output=True, text=True, user=NOBODY,
                          group=NOBODY, extra_groups=[], env=os.environ |
                          {"PODFENCE_SOCKET": str(agent.socket), "PODFENCE_STORE": "/nonexistent"})
    found = {item["check"]: item["health"] for item in json.loads(done.stdout)["items"]}
    check.equal((found["permissions"], found["kernel"]), ("unknown", "unknown"),
                "a user hears what is not known", done.stderr)


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(ledger={"reportSeconds": 1, "idleSeconds": 2})
        agent.state.mkdir()
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        check_well(check, agent)
        check_probe(check, lab, agent)
        check_ill(check, lab, agent)
        check_nobody(check, agent)
        agent.write_config("node: {nme: x}\n")
        status, _, wrong = agent.podfence("doctor", "--config", str(agent.config))
        check.check(status == 2 and "nme" in wrong, "a wrong configuration is said", wrong)


tap.main(test)
