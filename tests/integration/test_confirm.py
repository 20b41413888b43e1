# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The API server is outside, behind a proxy that is a host pod of this node. A change that cuts the
proxy off is taken back, a change of policies and one of the configuration alike; one that does not
stays; and one that did nothing wrong comes back into force where the server is just gone."""
import pathlib
import time

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, wait_until
from api_server import ApiServer
from lab import EXTERNAL4, OTHER_EXTERNAL4, Lab
from pods import Pod
from test_policy import Policies, cluster_policy, rule

RELAY_PORT = 16443
SECONDS = 4
PORT = 5300


def leaves(lab: Lab, pod: Pod) -> bool:
    mark = lab.outside.mark()
    pod.call(traffic.udp_send, OTHER_EXTERNAL4, PORT, b"out")
    return bool(lab.left(mark, dport=PORT, destination=OTHER_EXTERNAL4))


def wait_good(agent: Agent, times: int) -> None:
    agent.wait_for(lambda: agent.said().count("list complete, watching") >= times,
                   "the API server to be reached")


def wait_said(agent: Agent, what: str, times: int) -> None:
    agent.wait_for(lambda: agent.said().count(what) >= times, what)


def test_policies(check: tap.Tap, lab: Lab, agent: Agent, policies: Policies) -> None:
    pod = lab.pods[1]
    check.check(leaves(lab, pod), "everything leaves")
    policies.write(cluster_policy("cut", [rule("Deny", "0.0.0.0/0", "::/0")]))
    check.check(not leaves(lab, pod), "a policy that denies everything is in force at once")
    wait_said(agent, "what was before is in force again", 1)
    check.check("after a change of policies" in agent.said(), "it is said why", agent.said()[-600:])
    wait_until(lambda: leaves(lab, pod), "the policies before")
    check.check(True, "what was before is in force again, on packets")
    event = [one for one in agent.events() if one["event"]["action"] == "policies-rolled-back"]
    check.check(event, "an event tells of it")
    status = agent.podfence("status", "-o", "json")[1]
    check.check("cut the agent off" in status, "podfence status says so", status)
    # It stays refused while it is the same, and another one is tried.
    agent.reread()
    check.check(leaves(lab, pod) and
                "cut the agent off" in agent.podfence("status", "-o", "json")[1],
                "reading the same again changes nothing")
    narrow = cluster_policy("cut", [rule("Deny", f"{OTHER_EXTERNAL4}/32")])
    policies.write(narrow)
    check.check(not leaves(lab, pod), "another policy, which leaves the way open")
    wait_until(lambda: "cut the agent off" not in agent.podfence("status", "-o", "json")[1],
               "nothing to be wrong")
    time.sleep(SECONDS + 1)
    check.check(not leaves(lab, pod), "it stays in force")
    check.equal(agent.said().count("is in force again"), 1, "nothing else was taken back")
    policies.write()
    check.check(leaves(lab, pod), "and goes with its file")


def test_config(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    pod = lab.pods[1]
    agent.configure(default={"mode": "deny", "allow": [f"{EXTERNAL4}/32"]})
    agent.reload()
    check.check(not leaves(lab, pod), "default deny with the way to the server allowed")
    time.sleep(SECONDS)  # it is sure of it long before
    agent.configure(default={"mode": "deny", "allow": []})
    agent.reload()
    wait_said(agent, "after a change of the configuration", 1)
    agent.wait_for(lambda: agent.podfence("why", "shop/routed", EXTERNAL4)[0] == 0,
                   "the configuration before")
    check.check(True, "the allow list is as before")
    check.check(not leaves(lab, pod), "and so is the rest of it")


def test_innocent(check: tap.Tap, lab: Lab, agent: Agent, api: ApiServer,
                  policies: Policies) -> None:
    """The server stops to answer in the moment of the change."""
    pod = lab.pods[1]
    agent.configure(default={"mode": "off", "allow": []})
    agent.reload()
    wait_until(lambda: leaves(lab, pod), "everything to leave again")
    time.sleep(SECONDS)
    api.is_mute = True
    policies.write(cluster_policy("good", [rule("Deny", f"{OTHER_EXTERNAL4}/32")]))
    wait_said(agent, "the change is in force again", 1)
    wait_until(lambda: not leaves(lab, pod), "the change that did nothing wrong")
    check.check(True, "a change that did nothing wrong is in force without the server")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        directory = pathlib.Path(lab.directory / "api")
        directory.mkdir()
        api = ApiServer(directory)
        api.address = EXTERNAL4
        with netns.inside("ext"):
            api.start()
        relay, routed = lab.add_pod("relay", is_host_network=True), lab.add_pod("routed")
        relay.call(traffic.relay, RELAY_PORT, EXTERNAL4, api.port)
        for pod in (relay, routed):
            api.put(pod.api_object())
        config = api.kubeconfig(server=f"https://127.0.0.1:{RELAY_PORT}")
        agent = lab.agent(kubernetes={"source": "kubeconfig", "kubeconfig": str(config)},
                          default={"mode": "off"}, policies={"confirmSeconds": SECONDS})
        policies = Policies(lab, agent)
        agent.start()
        agent.wait_endpoints(2)
        wait_good(agent, 1)
        try:
            test_policies(check, lab, agent, policies)
            test_config(check, lab, agent)
            test_innocent(check, lab, agent, api, policies)
            check.check(agent.stop() == 0, "ends well", agent.said()[-1500:])
        finally:
            api.stop()


tap.main(test)
