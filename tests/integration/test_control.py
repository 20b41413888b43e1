# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The control socket of a running agent: every method as its description says, and clients that are
wrong, rude or strangers. Whatever they do, the next client is answered."""
import grp
import json
import os
import pathlib
import socket
import subprocess

import common  # noqa: F401
import netns
import tap
import traffic
import varlink
from agent import Agent, program, wait_until
from lab import EXTERNAL4, EXTERNAL6, INTERNAL4, Lab
from worker import NOBODY, Worker

AGENT = "io.podfence.Agent."
SERVICE = "org.varlink.service."
N_ABSENT = 120  # pods that are not on the node: more than a piece of the list holds


def client(agent: Agent) -> varlink.Client:
    return varlink.Client(str(agent.socket))


def errors_of(agent: Agent, *calls: tuple[str, dict]) -> list[str]:
    with client(agent) as one:
        refused = [varlink.refusal(one, name, **parameters) for name, parameters in calls]
    return [error.error if error else "no error" for error in refused]


def check_service(check: tap.Tap, agent: Agent) -> None:
    with client(agent) as one:
        info = one.call(SERVICE + "GetInfo")
        check.equal((info["product"], info["interfaces"]),
                    ("podfenced", ["org.varlink.service", "io.podfence.Agent"]),
                    "it says what it is")
        described = {name: set(one.describe(name).methods) for name in info["interfaces"]}
        check.equal(described["org.varlink.service"], {"GetInfo", "GetInterfaceDescription"},
                    "org.varlink.service is described")
        unknown = [name for name in described["io.podfence.Agent"]
                   if (error := varlink.refusal(one, AGENT + name, nonsense=1)) is None
                   or error.error != SERVICE + "InvalidParameter"]
        check.equal(unknown, [], "every described method exists, and takes no strange parameter")


def check_status(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    with client(agent) as one:
        status = one.call(AGENT + "GetStatus")["status"]
    check.equal((status["enforcing"], status["mode"], status["action"]), (True, "deny", "drop"),
                "status: deny is in force")
    check.equal(status["endpoints"], {"enforced": 3, "audit": 0, "pending": N_ABSENT,
                                      "uncovered": 0}, "status: endpoints by coverage")
    check.equal(status["pid"], agent.process.pid, "status: whose it is")
    check.check({"prefix": "10.99.0.0/24", "origin": "configuration",
                 "source": "network.internal"} in status["networks"],
                "status: networks say where they are from", status["networks"])
    check.equal(status["uplinks"], ["up0"], "status: the uplink")


def check_endpoints(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    with client(agent) as one:
        replies = list(one.replies(AGENT + "ListEndpoints"))
        listed = [item for reply in replies for item in reply["endpoints"]]
        check.check(len(replies) > 2, f"a long list comes in pieces ({len(replies)})")
        names = [(item["namespace"], item["name"]) for item in listed]
        check.equal(sorted(names), sorted((pod.namespace_name, pod.name) for pod in lab.pods),
                    "every endpoint once")
        known = one.list(AGENT + "ListKnown", "objects")
        check.equal(sorted(item["metadata"]["name"] for item in known if item["kind"] == "Pod"),
                    sorted(pod.name for pod in lab.pods), "what it is decided on: every pod once")
        check.check("shop" in {item["metadata"]["name"] for item in known
                               if item["kind"] == "Namespace"}, "and the namespaces")
        routed = one.list(AGENT + "ListEndpoints", "endpoints", namespace="shop", name="routed")
        pod = next(pod for pod in lab.pods if pod.name == "routed")
        check.equal([(item["kind"], item["links"], sorted(item["addresses"])) for item in routed],
                    [("pod", [pod.link], sorted(pod.addresses))], "one by its name")
        unresolved = one.list(AGENT + "ListEndpoints", "endpoints", unresolved=True)
        check.equal(len([item for item in unresolved if item["reason"]]), N_ABSENT,
                    "those that are not on the node, each with a reason")
        error = varlink.refusal(one, AGENT + "ListEndpoints", namespace="shop", name="ruoted")
        check.equal(error and (error.error, error.parameters["near"][:1]),
                    (AGENT + "NoSuchEndpoint", ["shop/routed"]), "an unknown one, and what is near")
        one.send_call(AGENT + "ListEndpoints")
        check.equal(one.receive(), {"error": SERVICE + "ExpectedMore", "parameters": {}},
                    "a long list without \"more\" is refused, not cut")


def check_why(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """Asked of the agent: the same words as of files, and what only it knows."""
    cases = [("routed", EXTERNAL4, "denied", 1), ("host", EXTERNAL6, "denied", 1),
             ("routed", INTERNAL4, "internal", 0), ("bridged", "224.0.0.1", "local", 0)]
    for name, address, verdict, expected in cases:
        status, said, wrong = agent.podfence("why", name, address, "-n", "shop", "-o", "json")
        check.equal((status, json.loads(said or "{}").get("verdict"), wrong),
                    (expected, verdict, ""), f"why {name} {address}: {verdict}")
    status, said, _ = agent.podfence("why", "shop/routed", f"[{EXTERNAL6}]:443/tcp")
    check.equal((status, said.splitlines()[0]),
                (1, f"shop/routed (pod) to [{EXTERNAL6}]:443/tcp: denied"), "why, for a person")
    agent.podfence("quarantine", "shop/routed")
    status, said, _ = agent.podfence("why", "shop/routed", INTERNAL4)
    check.equal((status, said.splitlines()[0]),
                (1, f"shop/routed (pod) to {INTERNAL4}: denied: quarantined"),
                "why knows of a quarantine")
    agent.podfence("release", "shop/routed")
    status, said, wrong = agent.podfence("why", "shop/ruoted", EXTERNAL4)
    check.check(status == 2 and "did you mean shop/routed" in wrong, "why, a name that is near",
                wrong)
    status, said, wrong = agent.podfence("why", "--labels", "a=b", "shop/new", EXTERNAL4,
                                         "--config", str(agent.config))
    check.equal((status, said.splitlines()[0]), (1, f"shop/new (pod) to {EXTERNAL4}: denied"),
                "a pod that is not there is asked of the files", wrong)


def check_flows(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """What is denied now, with the packets that were sent."""
    pods = {pod.name: pod for pod in lab.pods}
    routed, host = pods["routed"], pods["host"]
    for number in range(120):  # more than a piece of the list holds
        routed.worker.call(traffic.udp_send, EXTERNAL4, 7000 + number)
    for _ in range(3):
        host.worker.call(traffic.udp_send, EXTERNAL6, 7777)

    def flows(*arguments: str) -> list[dict]:
        status, said, _ = agent.podfence("flows", "-o", "jsonl", *arguments)
        return [json.loads(line) for line in said.splitlines()] if status == 0 else []

    wait_until(lambda: len(flows("routed")) == 120 and
               sum(flow["packets"] for flow in flows("host")) == 3, "the flows to be read")
    found = flows("shop/routed")
    check.equal(sorted(flow["port"] for flow in found), list(range(7000, 7120)),
                "every flow of a pod once")
    check.equal({(flow["verdict"], flow["destination"], flow["transport"], flow["source"],
                  flow["packets"], flow["rule"]) for flow in found},
                {("denied", EXTERNAL4, "udp", routed.addresses[0], 1, "default-deny-external")},
                "and what it is")
    check.equal([(flow["name"], flow["port"], flow["packets"])
                 for flow in flows("--to", "2001:db8::/32")], [("host", 7777, 3)],
                "those to a network")
    check.equal(len(flows("-n", "shop")), 121, "those of a namespace")
    said = agent.podfence("pods", "-o", "jsonl")[1]
    check.equal({item["name"]: item["denied_packets"] for item in
                 map(json.loads, said.splitlines()) if item["coverage"] == "enforced"},
                {"routed": 120, "bridged": 0, "host": 3}, "pods says how much is denied of each")
    status, _, wrong = agent.podfence("flows", "--to", "here")
    check.check(status == 2 and "an address or network" in wrong, "a wrong network", wrong)


def check_wrong_calls(check: tap.Tap, agent: Agent) -> None:
    wrong = [
        ("org.example.Nothing.Do", {}, "InterfaceNotFound"),
        (AGENT + "DoNothing", {}, "MethodNotFound"),
        (SERVICE + "GetInterfaceDescription", {}, "InvalidParameter"),
        (SERVICE + "GetInterfaceDescription", {"interface": "org.example"}, "InterfaceNotFound"),
        (SERVICE + "GetInfo", {"what": 1}, "InvalidParameter"),
        (AGENT + "ListEndpoints", {"namespace": 7}, "InvalidParameter"),
        (AGENT + "ListEndpoints", {"namespace": "x" * 254}, "InvalidParameter"),
        (AGENT + "ListEndpoints", {"name": "a\0b"}, "InvalidParameter"),
        (AGENT + "ListEndpoints", {"unresolved": "yes"}, "InvalidParameter"),
        (AGENT + "Why", {"namespace": "shop", "name": "routed"}, "InvalidParameter"),
        (AGENT + "ListFlows", {"destination": "203.0.113.9/24"}, "InvalidParameter"),
        (AGENT + "Why", {"namespace": "shop", "name": "routed", "destination": "here"},
         "InvalidParameter"),
        (AGENT + "Why", {"namespace": "shop", "name": "routed", "destination": EXTERNAL4,
                         "port": 65536}, "InvalidParameter"),
    ]
    said = errors_of(agent, *[(name, parameters) for name, parameters, _ in wrong])
    check.equal(said, [SERVICE + error for _, _, error in wrong],
                "wrong calls are answered with what is wrong, on one connection")
    with client(agent) as one:
        one.send_call(AGENT + "GetStatus", None, upgrade=True)
        check.equal(one.receive()["error"], SERVICE + "MethodNotImplemented", "no upgrade")
        one.send_call(AGENT + "GetStatus", None, oneway=True)
        one.send_call(SERVICE + "GetInfo")
        check.equal(one.receive()["parameters"]["product"], "podfenced",
                    "a oneway call is not answered, the next one is")
        for _ in range(50):
            one.send_call(SERVICE + "GetInfo")
        check.equal([one.receive()["parameters"]["product"] for _ in range(50)],
                    ["podfenced"] * 50, "calls sent at once are answered in order")


def check_rude(check: tap.Tap, agent: Agent) -> None:
    """What is no call ends the connection."""
    deep = "[" * 40 + "]" * 40
    rude = {
        "no JSON": b"hello\0",
        "nothing": b"\0",
        "an array": b"[]\0",
        "two objects": b"{}{}\0",
        "no method": b'{"parameters": {}}\0',
        "a method that is a number": b'{"method": 7}\0',
        "a method without interface": b'{"method": "GetInfo"}\0',
        "a method with a line break": b'{"method": "io.podfence.Agent.Get\\nStatus"}\0',
        "a strange member": b'{"method": "org.varlink.service.GetInfo", "and": 1}\0',
        "parameters that are a list": b'{"method": "org.varlink.service.GetInfo", '
                                      b'"parameters": []}\0',
        "more and oneway": b'{"method": "a.B", "more": true, "oneway": true}\0',
        "deep nesting": b'{"method": "a.B", "parameters": ' + deep.encode() + b"}\0",
        "bytes that are no UTF-8": b'{"method": "a.B\xff"}\0',
        "a message without end": b"x" * (1 << 20),
    }
    for what, data in rude.items():
        with client(agent) as one:
            try:
                one.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            check.check(one.is_ended(), f"{what}: the connection ends")
    with client(agent) as one:
        status = one.call(AGENT + "GetStatus")["status"]
        check.equal(status["control"]["malformed"], len(rude), "all of them are counted")
        check.equal(status["control"]["clients"], 1, "none of them is kept")


def check_slow(check: tap.Tap, agent: Agent) -> None:
    """One that sends byte by byte and one that reads nothing hold up nobody."""
    slow, deaf = client(agent), client(agent)
    call = json.dumps({"method": AGENT + "GetStatus"}).encode() + b"\0"
    for at in range(len(call) - 1):
        slow.send(call[at:at + 1])
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.socket.setblocking(False)
    sent = 0
    try:
        while sent < 1 << 22:  # until the agent reads no more of it either
            sent += deaf.socket.send(call)
    except BlockingIOError:
        pass
    check.check(sent < 1 << 22, f"who reads nothing is not read from ({sent} bytes taken)")
    with client(agent) as one:
        check.check(one.call(AGENT + "GetStatus"), "another one is answered meanwhile")
    slow.send(call[-1:])
    check.check("parameters" in slow.receive(), "the slow one is answered when it is ready")
    slow.close()
    deaf.close()


def clients(agent: Agent) -> int:
    """How many there are, this one included; 0 where it was turned away."""
    with client(agent) as one:
        try:
            return one.call(AGENT + "GetStatus")["status"]["control"]["clients"]
        except (EOFError, BrokenPipeError):
            return 0


def check_many(check: tap.Tap, agent: Agent) -> None:
    wait_until(lambda: clients(agent) == 1, "the others to be gone")
    crowd = [client(agent) for _ in range(64)]
    with client(agent) as one:
        check.check(one.is_ended(), "the 65th client is turned away")
    crowd.pop().close()
    check.check(wait_until(lambda: clients(agent) == 64, "a place that is free"),
                "and comes in when one has left")
    for one in crowd:
        one.close()


def check_command(check: tap.Tap, agent: Agent) -> None:
    """The same answers by the command, and its own ways to say no."""
    status, said, wrong = agent.podfence("status")
    check.equal((status, said.splitlines()[0], wrong), (1, "enforcing", ""),
                "status says that the fence is up, and ends with 1: some are not covered")
    status, said, _ = agent.podfence("pods", "-o", "jsonl", "--unresolved")
    check.equal((status, len([json.loads(line) for line in said.splitlines()])), (0, N_ABSENT),
                "pods --unresolved, an object a line")
    status, said, _ = agent.podfence("pods", "routed", "--no-headers")
    check.equal((status, said.split()[:4]), (0, ["shop", "routed", "pod", "enforced"]),
                "a name alone is found in its namespace")
    cases: list[tuple[list[str], int, str]] = [
        (["pods", "shop/ruoted"], 1, "did you mean shop/routed"),
        (["pods", "routed", "-n", "other"], 1, "no endpoint other/routed"),
        (["pods", "unit:mail"], 1, "no endpoint unit:mail on this node"),
        (["why", "unit:mail", "192.0.2.1"], 2, "no endpoint unit:mail on this node"),
        (["pods", "pod/routed", "-n", "shop"], 0, ""),
        (["pods", "a/b/c"], 2, "is no endpoint"),
        (["pods", "-o", "yaml"], 2, "one of table, wide, json, jsonl"),
        (["pods", "--unresolvd"], 2, "--unresolved?"),
        (["pods", "one", "two"], 2, "Usage: podfence pods"),
        (["pots"], 2, "pods?"),
        (["status", "--socket", "/nowhere/socket"], 3, "does not run"),
        (["status", "--socket", "x" * 200], 3, "cannot reach"),
    ]
    for arguments, expected, text in cases:
        status, said, wrong = agent.podfence(*arguments)
        check.check(status == expected and text in wrong,
                    f"podfence {' '.join(arguments)[:40]} ends with {expected}", status, wrong)


def check_kubectl(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """As `kubectl podfence`: a name without a namespace is one of namespace default."""
    link = lab.directory / "kubectl-podfence"
    link.symlink_to(program("podfence"))
    done = [subprocess.run([str(link), "pods", *arguments], capture_output=True, text=True,
                           env=os.environ | {"PODFENCE_SOCKET": str(agent.socket)})
            for arguments in (["routed"], ["routed", "-n", "shop"], ["pod/routed", "--namespace",
                                                                     "shop"])]
    check.equal([one.returncode for one in done], [1, 0, 0], "kubectl podfence pods")
    check.check("default/routed" in done[0].stderr, "it asks namespace default", done[0].stderr)


def check_ambiguous(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    lab.new_pod("routed", namespace_name="other", is_host_network=True)
    lab.write_pods()
    agent.wait_for(lambda: "other/routed is not resolved" in agent.said(), "the other pod")
    status, _, wrong = agent.podfence("pods", "routed")
    check.check(status == 2 and "other/routed shop/routed" in wrong,
                "a name that two namespaces have is ambiguous", status, wrong)


def ask_as_somebody(path: str, method: str, group: int) -> str:
    """In a worker: what a user other than root hears."""
    os.setgroups([group] if group else [])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    try:
        with varlink.Client(path) as one:
            one.send_call(method)
            reply = one.receive()
    except PermissionError:
        return "no access"
    return "end" if reply is None else reply.get("error", "answered")


def check_peers(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    def ask(group: int = 0, method: str = "GetStatus") -> str:
        somebody = Worker()
        try:
            return somebody.call(ask_as_somebody, str(agent.socket), AGENT + method, group)
        finally:
            somebody.stop()

    mode = agent.socket.stat()
    for directory in (lab.directory, agent.socket.parent):
        directory.chmod(0o755)
    check.equal(oct(mode.st_mode & 0o777), "0o660" if has_group() else "0o600",
                "the socket is closed to others")
    check.equal(ask(), "no access", "a stranger cannot open it")
    agent.socket.chmod(0o666)
    check.equal(ask(), SERVICE + "PermissionDenied", "nor ask, where the file's mode was changed")
    if has_group():
        group = grp.getgrnam("podfence").gr_gid
        check.equal(ask(group), "answered", "a member of group podfence may look")


def has_group() -> bool:
    return any(group.gr_name == "podfence" for group in grp.getgrall())


def check_life(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """One socket, whatever happens to agents."""
    agent.stop(9)
    check.check(agent.socket.exists(), "an agent that is killed leaves its socket")
    status, said, wrong = agent.podfence("status")
    check.equal((status, said), (3, ""), "the command then ends with 3")
    check.check("does not run" in wrong, "and says why", wrong)
    agent.start()
    with client(agent) as one:
        check.check(one.call(SERVICE + "GetInfo"), "the next agent takes its place")
    moved = agent.socket.parent / "elsewhere" / "control"
    agent.configure(control={"socket": str(moved)})
    agent.reread()
    check.check(not agent.socket.exists() and moved.exists(), "the configuration moves it")
    agent.configure(control={"socket": ""})
    agent.reread()
    check.check(not moved.exists(), "and takes it away")
    agent.configure(control={"socket": str(agent.socket)})
    agent.reread()
    agent.stop()
    check.check(not agent.socket.exists(), "an agent that ends takes it with it")
    status, said, wrong = agent.podfence("status")
    check.equal((status, said), (3, ""), "without a socket the command ends with 3")


def add_group() -> None:
    """A group podfence for this test's mount namespace alone."""
    if has_group():
        return
    directory = pathlib.Path("/run/netns")  # a tmpfs of ours
    fresh = directory / "group"
    fresh.write_text(pathlib.Path("/etc/group").read_text() + "podfence:x:64321:\n")
    netns.run("mount", "--bind", str(fresh), "/etc/group")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        add_group()
        lab.add_three_pods()
        for number in range(N_ABSENT):
            lab.new_pod(f"absent-{number}", is_host_network=True)
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods), N_ABSENT)
        check_service(check, agent)
        check_status(check, lab, agent)
        check_endpoints(check, lab, agent)
        check_flows(check, lab, agent)
        check_why(check, lab, agent)  # what meets its quarantine is a flow too
        check_wrong_calls(check, agent)
        check_rude(check, agent)
        check_slow(check, agent)
        check_many(check, agent)
        check_command(check, agent)
        check_kubectl(check, lab, agent)
        check_ambiguous(check, lab, agent)
        check_peers(check, lab, agent)
        check_life(check, lab, agent)


tap.main(test)
