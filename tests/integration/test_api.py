# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Pods heard of from an API server, which comes, goes, forgets and talks nonsense.

What is enforced is tested with packets: a pod that is denied stays denied, through every fault, and
a pod the server named once is named in the events of a start without it.
"""
import dataclasses
import signal
import time
from typing import Any

import common  # noqa: F401
import tap
import traffic
from agent import GENERATION, Agent, wait_until
from api_server import ApiServer
from lab import EXTERNAL4, INTERNAL4, OPEN_PORT, OTHER_EXTERNAL4, Lab
from pods import Pod

FAULTS = (("cut", "cut", "cut"), ("no list",), ("bad item",), (None, "ends", "ends"))


@dataclasses.dataclass
class Fault:
    """The same in each place: instead of a list, of the answer to a watch, in its stream."""
    name: str
    lists: Any
    opens: Any
    streams: Any
    is_failure: bool = True


def of_status(code: int, reason: str, headers: dict[str, str] | None = None) -> Fault:
    one = ("status", code, reason, f"it is {reason}", headers)
    return Fault(str(code), one, one, one)


EVERYWHERE = (
    of_status(401, "Unauthorized"), of_status(403, "Forbidden"), of_status(410, "Expired"),
    of_status(500, "InternalError"), of_status(429, "TooManyRequests", {"Retry-After": "1"}),
    Fault("slow", "slow body", ("bookmark", "slow"), "slow", is_failure=False),
    Fault("cut", "cut body", "cut", "cut"),
    Fault("garbage", "garbage", "no HTTP", "garbage"),
    Fault("gzip", "gzip", "gzip", "gzip", is_failure=False),
    Fault("bad gzip", "bad gzip", "bad gzip", "bad gzip"),
)


def at_every_step(fault: Fault) -> list[tuple[str, Any]]:
    """The first list; the list after a watch was told 410; a page of such a one; the beginning of a
    watch; its first bookmark; an event. Between them a watch that works, or waiting would grow."""
    good = ("watch", ("bookmark", "ends"))
    expired = ("watch", ("bookmark", ("status", 410, "Expired", "too old")))
    return [("list", fault.lists), good, expired, ("list", fault.lists), good, expired,
            ("page", fault.lists), good, ("watch", fault.opens), good,
            ("watch", ("bookmark", fault.streams)), good, ("watch", ("event", fault.streams)), good]


def denied(check: tap.Tap, lab: Lab, pod: Pod, when: str) -> None:
    mark = lab.outside.mark()
    pod.call(traffic.udp_send, EXTERNAL4, 5300, b"out")
    check.check(not lab.left(mark, dport=5300), f"{pod.name}: nothing leaves, {when}")
    check.check(pod.call(traffic.tcp_connect, INTERNAL4, OPEN_PORT) == "connected",
                f"{pod.name}: reaches what is internal, {when}")


def named(check: tap.Tap, agent: Agent, pod: Pod, port: int, when: str) -> None:
    pod.call(traffic.udp_send, EXTERNAL4, port, b"name me")
    event = agent.wait_event(destination__port=port, kubernetes__pod__name=pod.name)
    check.check(event is not None, f"{pod.name}: an event names it, {when}", agent.said()[-600:])


def make_agent(lab: Lab, api: ApiServer, **sections: dict[str, Any]) -> Agent:
    state = str(lab.directory / "state")
    agent = lab.agent(kubernetes={"source": "kubeconfig", "kubeconfig": str(api.kubeconfig())},
                      state={"directory": state}, **sections)
    return agent


def n_lists(api: ApiServer) -> int:
    return sum("/pods?" in one and "watch=1" not in one for one in api.requests)


def test_life(check: tap.Tap, lab: Lab, api: ApiServer) -> None:
    routed, host = lab.add_pod("routed"), lab.add_pod("host", is_host_network=True)
    for pod in (routed, host):
        api.put(pod.api_object())
    elsewhere = routed.api_object()
    elsewhere["metadata"] |= {"name": "elsewhere", "uid": "0" * 36}
    elsewhere["spec"]["nodeName"] = "another-node"
    api.put(elsewhere)
    agent = make_agent(lab, api)
    agent.start()
    agent.wait_endpoints(2)
    asked = [one for one in api.requests if one.startswith("/api/v1/pods")]
    check.check(all("fieldSelector=spec.nodeName%3Dlab-node" in one for one in asked),
                "only this node's pods are asked for", "\n".join(asked))
    for pod in (routed, host):
        denied(check, lab, pod, "after the list")
        named(check, agent, pod, 5301, "after the list")

    late = lab.add_pod("late")
    denied(check, lab, late, "before the API knows it")
    api.put(late.api_object())
    agent.wait_endpoints(3)
    named(check, agent, late, 5302, "after the watch told")
    api.delete(late.api_object())
    agent.wait_endpoints(2)
    denied(check, lab, late, "after the API forgot it")

    api.forget()
    api.cut()
    wait_until(lambda: n_lists(api) >= 2, "a list after 410")
    api.put(late.api_object())
    agent.wait_endpoints(3)

    api.stop()
    agent.wait_for(lambda: "known stays in force" in agent.said(), "a word about the server")
    denied(check, lab, routed, "with the server gone")
    wait_until(lambda: (lab.directory / "state/last-known-good.json").exists(), "the state")
    agent.stop()
    unseen = lab.add_pod("unseen")
    denied(check, lab, unseen, "made while the agent is down")
    agent.start()
    agent.wait_endpoints(3)
    denied(check, lab, host, "after a start without the server")
    named(check, agent, host, 5303, "after a start without the server")
    denied(check, lab, unseen, "that nobody has told of")
    api.put(unseen.api_object())
    api.start()
    agent.wait_endpoints(4)
    named(check, agent, unseen, 5304, "once the server is back")

    agent.stop(signal.SIGKILL)
    (lab.directory / "state/last-known-good.json").write_text("{}\n")
    api.stop()
    agent.start()
    check.check("damaged" in agent.said(), "a damaged state is said and set aside")
    denied(check, lab, host, "with a damaged state and no server")
    api.start()
    agent.wait_endpoints(4)
    agent.stop()


def test_faults(check: tap.Tap, lab: Lab, api: ApiServer) -> None:
    agent = make_agent(lab, api)
    pod = lab.pods[0]
    for faults in FAULTS:
        api.script = list(faults)
        agent.start()
        agent.wait_endpoints(len(api.pods) - 1)
        wait_until(lambda: not api.script, "all faults")
        denied(check, lab, pod, f"after {faults}")
        extra = lab.new_pod(f"extra-{abs(hash(str(faults))) % 1000}", is_host_network=True)
        extra.run(lab.cgroups)
        api.put(extra.api_object())
        agent.wait_endpoints(len(api.pods) - 1)
        check.check(True, f"a pod is heard of after {faults}")
        api.delete(extra.api_object())
        agent.wait_endpoints(len(api.pods) - 1)
        check.check(agent.stop() == 0, f"ends well after {faults}", agent.said()[-2000:])
        (lab.directory / "state/last-known-good.json").unlink(missing_ok=True)  # not all was heard
        extra.stop()
        lab.pods.remove(extra)


def test_everywhere(check: tap.Tap, lab: Lab, api: ApiServer) -> None:
    """Each fault at each step of one life."""
    agent = make_agent(lab, api)
    known = len(api.pods) - 1
    for fault in EVERYWHERE:
        (lab.directory / "state/last-known-good.json").unlink(missing_ok=True)
        api.script = at_every_step(fault)
        said = len(agent.said())
        agent.start()
        end = time.monotonic() + 90
        while api.script and time.monotonic() < end:
            time.sleep(0.3)
            if not fault.is_failure:
                api.cut()  # a watch that goes on keeps the next step waiting
        check.equal(api.script, [], f"{fault.name}: every step is reached", agent.said()[said:])
        agent.wait_endpoints(known)
        counts = [int(one[1]) for one in GENERATION.findall(agent.said()[said:])]
        check.equal(counts, sorted(counts), f"{fault.name}: no pod is forgotten meanwhile")
        denied(check, lab, lab.pods[0], f"with {fault.name} at every step")
        extra = lab.new_pod("everywhere", is_host_network=True)
        extra.run(lab.cgroups)
        api.put(extra.api_object())
        agent.wait_endpoints(known + 1)
        api.delete(extra.api_object())
        agent.wait_endpoints(known)
        check.equal(agent.stop(), 0, f"{fault.name}: a pod comes and goes, and the agent ends well")
        extra.stop()
        lab.pods.remove(extra)


def test_refusals(check: tap.Tap, lab: Lab, api: ApiServer) -> None:
    agent = make_agent(lab, api)
    api.kubeconfig(token="wrong")
    agent.start()
    agent.wait_for(lambda: "Unauthorized" in agent.said(), "a word about the token")
    denied(check, lab, lab.pods[1], "with a wrong token")
    agent.stop()
    api.kubeconfig(server=f"https://localhost:{api.port}")
    agent.start()
    agent.wait_for(lambda: "certificate" in agent.said(), "a word about the certificate")
    check.check("alternative certificate subject name" in agent.said(),
                "a certificate of another name is refused", agent.said())
    agent.stop()
    path = api.kubeconfig()
    path.write_text(path.read_text().replace("lab-token", "lab-token, exec: {command: sh}"))
    try:
        agent.start()
        check.check(False, "a kubeconfig it cannot use ends the start")
    except RuntimeError as error:
        check.check("exec" in str(error) and str(path) in str(error),
                    "a kubeconfig it cannot use ends the start, and is named", str(error))


def derived(kind: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name}, **body}


def test_networks(check: tap.Tap, lab: Lab, api: ApiServer) -> None:
    """What the cluster says is internal, and what nobody is believed."""
    resolvers = lab.directory / "resolv.conf"
    resolvers.write_text(f"nameserver 127.0.0.53\nnameserver {OTHER_EXTERNAL4}\n")
    agent = make_agent(lab, api, network={"derive": "on", "resolvConf": str(resolvers)})
    agent.start()
    agent.wait_endpoints(len(api.pods) - 1)
    pods = lab.pods[0], lab.pods[1]

    def leaves(pod: Pod, address: str, port: int) -> bool:
        mark = lab.outside.mark()
        pod.call(traffic.udp_send, address, port, b"derived?")
        return bool(lab.left(mark, dport=port))

    for pod in pods:
        check.check(leaves(pod, OTHER_EXTERNAL4, 53), f"{pod.name}: asks the resolver")
        check.check(not leaves(pod, OTHER_EXTERNAL4, 54), f"{pod.name}: and nothing else of it")
        denied(check, lab, pod, "with resolvers alone")
    objects = (
        derived("Node", "lab-node", {"spec": {"podCIDRs": [f"{EXTERNAL4}/32"]}}),
        derived("Node", "lab-node", {"status": {"addresses": [
            {"type": "InternalIP", "address": EXTERNAL4}, {"type": "Hostname", "address": "n"}]}}),
        derived("ServiceCIDR", "kubernetes", {"spec": {"cidrs": [f"{EXTERNAL4}/32"]}}),
        derived("EndpointSlice", "kubernetes", {"endpoints": [{"addresses": [EXTERNAL4]}]}),
    )
    for thing in objects:
        generation = agent.generations()
        api.put(thing)
        agent.wait_for(lambda: agent.generations() > generation, "what is derived")
        for pod in pods:
            check.check(leaves(pod, EXTERNAL4, 5310), f"{pod.name}: {thing['kind']} is believed")
        generation = agent.generations()
        api.delete(thing)
        agent.wait_for(lambda: agent.generations() > generation, "what is derived no more")
        for pod in pods:
            denied(check, lab, pod, f"after {thing['kind']} is gone")
    api.put(derived("ServiceCIDR", "evil", {"spec": {"cidrs": ["0.0.0.0/0", "::/0", "1.2.3"]}}))
    agent.wait_for(lambda: "0.0.0.0/0 (ServiceCIDR evil) is not internal" in agent.said(),
                   "a word about the network")
    check.check('"1.2.3" is no address' in agent.said(), "what is no network is named")
    for pod in pods:
        denied(check, lab, pod, "whatever a ServiceCIDR says")
    agent.stop()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        api = ApiServer(lab.directory)
        api.page_limit = 2
        api.start()
        lab.stack.callback(api.stop)
        test_life(check, lab, api)
        test_faults(check, lab, api)
        test_everywhere(check, lab, api)
        test_networks(check, lab, api)
        test_refusals(check, lab, api)


tap.main(test)
