# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Who did it: real sockets of real processes in real namespaces and cgroups.

For every case the event names the process and container that sent, or says that it does not know
and why. Nobody who did not send is ever named.
"""
import collections
import itertools
import json
import os
import pathlib
import shutil
import signal
import sys
import time

import common  # noqa: F401
import netns
import sender
import tap
import traffic
from agent import Agent, field, wait_until
from lab import EXTERNAL, Lab
from pods import Pod
from worker import NOBODY, Worker

N_SHORT = 200
N_TURNS = 20
N_BURST = 300
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 100)"
# Sends, and after a line sends by the same socket as another program.
CHANGING = """import contextlib, os, socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
with contextlib.suppress(PermissionError):
    one.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
sys.stdin.readline()
os.set_inheritable(one.fileno(), True)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[4], sys.argv[1], sys.argv[3],
                          str(one.fileno())])"""
CHANGED = """import contextlib, socket, sys, time
one = socket.socket(fileno=int(sys.argv[3]))
with contextlib.suppress(PermissionError):
    one.sendto(b"x", (sys.argv[1], int(sys.argv[2])))
time.sleep(100)"""
ATTRIBUTION = "podfence.process.attribution"
ports = itertools.count(20001)


def check_process(check: tap.Tap, event: dict | None, pid: int | None, container: str | None,
                  attributions: tuple[str, ...], what: str) -> None:
    """pid None: nobody is named."""
    if not check.check(event, f"{what}: there is an event"):
        return
    check.check(field(event, ATTRIBUTION) in attributions,
                f"{what}: says how sure it is", field(event, ATTRIBUTION), *attributions)
    check.equal(field(event, "process.pid"), pid, f"{what}: the process", event.get("process"),
                field(event, ATTRIBUTION))
    check.equal(field(event, "container.name"), container, f"{what}: the container",
                event.get("container"))


def drop(agent: Agent, port: int, pod: Pod, **facts) -> dict | None:
    return agent.wait_event(destination__port=port, kubernetes__pod__name=pod.name, **facts)


EXACT = ("exact", "exact (others may have the socket open too)")
BY_PORT = ("by-port", "by-port (others may have the socket open too)")
SHARED = ("exact (several processes have the socket open)",
          "by-port (several processes have the socket open)")
HANDED = ("by-port (the socket was made in another cgroup)",)


def meet(agent: Agent, pod: Pod) -> None:
    """The first look into a namespace is given up where the machine is too busy: after this there
    was one."""
    for _ in range(20):
        port = next(ports)
        pod.call(sender.tcp_begun, "meeting", EXTERNAL[4], port)
        event = drop(agent, port, pod)
        pod.call(sender.close, "meeting")
        if field(event or {}, "process.pid"):
            return
    raise TimeoutError(f"{pod.name} is not looked into: {field(event or {}, ATTRIBUTION)}")


def sockets(check: tap.Tap, agent: Agent, pod: Pod, version: int, worker: Worker,
            container: str) -> None:
    """Every kind of socket in one process of one container."""
    address = EXTERNAL[version]
    ways = {
        "tcp": (sender.tcp_begun, (), EXACT),
        "udp, connected": (sender.udp_connected, (), EXACT),
        "udp, unconnected": (sender.udp_bound, (), BY_PORT),
    }
    if version == 4:
        ways["udp, of both families"] = (sender.udp_bound, (0, True), BY_PORT)
    for name, (function, more, attributions) in ways.items():
        port = next(ports)
        pid = worker.call(function, "one", address, port, *more)
        what = f"{pod.name}/{container} v{version} {name}"
        check_process(check, drop(agent, port, pod), pid, container, attributions, what)
        worker.call(sender.close, "one")


def echoes(check: tap.Tap, agent: Agent, pod: Pod, version: int) -> None:
    address = EXTERNAL[version]
    protocol = {4: "icmp", 6: "ipv6-icmp"}[version]
    pid = pod.call(sender.ping_socket, "ping", address, 4000 + version)
    event = agent.wait_event(network__transport=protocol, kubernetes__pod__name=pod.name)
    check_process(check, event, pid, "main", EXACT, f"{pod.name} v{version} ping socket")
    pod.call(sender.close, "ping")


def raws(check: tap.Tap, agent: Agent, pod: Pod, other: Worker) -> None:
    """Raw sockets have no ports: the only one that can is named as such, of two none is."""
    def sent(worker: Worker, name: str, protocol: int) -> tuple[int, dict | None]:
        pid = worker.call(sender.raw_socket, name, EXTERNAL[4], protocol)
        return pid, agent.wait_event(network__iana_number=str(protocol),
                                     kubernetes__pod__name=pod.name)

    pid, event = sent(pod.worker, "raw", 253)
    check_process(check, event, pid, "main", ("by-protocol",), f"{pod.name} raw socket")
    other.call(sender.raw_socket, "idle", EXTERNAL[4], 254, True)
    _, event = sent(pod.worker, "same", 254)
    check_process(check, event, None, field(event or {}, "container.name"),
                  ("none: several raw sockets can have sent it",
                   "by-uid: several raw sockets can have sent it"),
                  f"{pod.name} two raw sockets of one protocol")
    other.call(sender.close, "idle")
    for name in ("raw", "same"):
        pod.call(sender.close, name)


def ends_at_once(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """The agent looks when the process has ended: nobody else is named in its place."""
    port = next(ports)
    agent.process.send_signal(signal.SIGSTOP)
    pod.call(sender.send_and_end, EXTERNAL[4], port)
    agent.process.send_signal(signal.SIGCONT)
    event = drop(agent, port, pod)
    gone = "it has ended or closed the socket"
    check_process(check, event, None, field(event or {}, "container.name"),
                  (f"none: {gone}", f"by-uid: {gone}"), f"{pod.name} a process that ended at once")
    check.equal(field(event or {}, "process"), None, f"{pod.name} nothing is said of a process")


def port_is_taken_over(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """Another process has the local port when the agent looks: it began later and is not blamed."""
    port, local_port = next(ports), 5454
    agent.process.send_signal(signal.SIGSTOP)
    pod.call(sender.udp_bound, "first", EXTERNAL[4], port, local_port)
    pod.call(sender.close, "first")
    time.sleep(0.05)  # starts are told in ticks of 10 ms
    later = pod.another_worker()
    pid = later.call(sender.udp_bound, "second", EXTERNAL[4], next(ports), local_port)
    agent.process.send_signal(signal.SIGCONT)
    event = drop(agent, port, pod)
    check.check(event and field(event, "process.pid") != pid,
                f"{pod.name} who took the port over later is not blamed",
                event and event.get("process"), field(event or {}, ATTRIBUTION))
    later.stop()


def inherited(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    for keeps in (True, False):
        port = next(ports)
        pod.call(sender.udp_bound, "legacy", EXTERNAL[4], next(ports))
        pid = pod.call(sender.heir, "legacy", EXTERNAL[4], port, keeps)
        event = drop(agent, port, pod)
        if keeps:
            check_process(check, event, None, "main", SHARED, f"{pod.name} an inherited socket")
            check.equal(field(event or {}, "podfence.process.holders"), 2,
                        f"{pod.name} an inherited socket: by how many")
            check.equal(field(event or {}, "process.executable"), os.path.realpath(sys.executable),
                        f"{pod.name} an inherited socket: what they have in common")
            pod.call(sender.close, "legacy")
        else:
            check_process(check, event, pid, "main", BY_PORT,
                          f"{pod.name} an inherited socket its parent closed")
        pod.call(sender.end, pid)


def handed_on(check: tap.Tap, lab: Lab, agent: Agent, pod: Pod, sidecar: Worker) -> None:
    path = str(lab.directory / "handed")
    for keeps in (False, True):
        port = next(ports)
        sidecar.call(sender.take_over, path)
        before = next(ports)
        pod.call(sender.udp_bound, "gift", EXTERNAL[4], before)
        check.check(drop(agent, before, pod), f"{pod.name} a socket is used before it is handed on")
        pod.call(sender.hand_over, "gift", path, keeps)
        pid = sidecar.call(sender.taken_send, "gift", EXTERNAL[4], port)
        event = drop(agent, port, pod)
        what = f"{pod.name} a socket of another container"
        if keeps:
            check_process(check, event, None, None, SHARED, f"{what}, which keeps it")
            pod.call(sender.close, "gift")
        else:
            check_process(check, event, pid, "sidecar", HANDED, what)
        sidecar.call(sender.close, "gift")
        pathlib.Path(path).unlink()


def translated(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """A service with an external endpoint: the packet goes there, the socket is connected to the
    service."""
    service, port = "10.96.0.10", next(ports)
    hook = "output priority -100" if pod.is_host_network else "prerouting priority -100"
    netns.nft(None, f"table ip services {{\n chain translate {{\n type nat hook {hook}\n"
                    f" ip daddr {service} dnat to {EXTERNAL[4]}\n }}\n}}\n")
    for protocol, function in (("tcp", sender.tcp_begun), ("udp", sender.udp_connected)):
        what = f"{pod.name} {protocol} to a service"
        pid = pod.call(function, "one", service, port)
        event = drop(agent, port, pod, network__transport=protocol)
        check_process(check, event, pid, "main", BY_PORT, what)
        remote = [field(event or {}, f"podfence.socket.remote.{name}") for name in ("ip", "port")]
        check.equal(remote, [service, port], f"{what}: which")
        check.equal(field(event or {}, "destination.ip"), EXTERNAL[4], f"{what}: where it led")
        pod.call(sender.close, "one")
    netns.nft(None, "delete table ip services\n")


def ambiguous(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    other, port = pod.another_worker(), next(ports)
    pod.call(sender.udp_bound, "a", EXTERNAL[4], next(ports), 5353, False, True)
    other.call(sender.udp_bound, "b", EXTERNAL[4], port, 5353, False, True)
    event = drop(agent, port, pod)
    check_process(check, event, None, "main", ("none: several sockets share the port",
                                               "by-uid: several sockets share the port"),
                  f"{pod.name} two sockets of one port")
    other.stop()
    pod.call(sender.close, "a")


def take_turns(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """Two processes that have the same local port within milliseconds of each other: what was
    found of the one is not said of the other."""
    other, wrong, named = pod.another_worker(), [], 0
    for _ in range(N_TURNS):
        for worker in (pod.worker, other):
            port = next(ports)
            pid = worker.call(sender.udp_bound, "turn", EXTERNAL[4], port, 5355)
            event = drop(agent, port, pod)
            worker.call(sender.close, "turn")
            found = field(event or {}, "process.pid")
            named += found == pid
            if found not in (None, pid):
                wrong.append((found, pid, field(event or {}, ATTRIBUTION)))
    check.equal(wrong, [], f"{pod.name} of two that take turns at a port none is taken for the "
                           "other")
    check.check(named, f"{pod.name} taking turns: {named} of {2 * N_TURNS} are named")
    other.stop()


def at_once(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """A burst of one process, so that messages come many at a time, among packets of another."""
    other, expected = pod.another_worker(), {}
    for _ in range(3):
        port = next(ports)
        expected[port] = other.call(sender.udp_bound, "one", EXTERNAL[4], port)
        first = [next(ports) for _ in range(N_BURST)][0]
        pid = pod.call(sender.burst, "burst", EXTERNAL[4], first, N_BURST)
        expected |= {one: pid for one in range(first, first + N_BURST)}
    wait_until(lambda: {field(one, "destination.port") for one in agent.events()} >= set(expected),
               "an event of each packet of the bursts")
    found = {field(one, "destination.port"): field(one, "process.pid")
             for one in reversed(agent.events()) if field(one, "destination.port") in expected}
    wrong = {port: one for port, one in found.items() if one not in (None, expected[port])}
    check.equal(wrong, {}, f"{pod.name} a burst: nobody is taken for another")
    check.check(pid in found.values(), f"{pod.name} a burst: its process is named")
    print("#", collections.Counter(found.values()))
    other.stop()
    pod.call(sender.close, "burst")


def becomes_another(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """A process that has just been read executes another program."""
    first, second = next(ports), next(ports)
    pid = pod.call(sender.run, sys.executable, "-c", CHANGING, EXTERNAL[4], str(first),
                   str(second), CHANGED)
    event = drop(agent, first, pod)
    check_process(check, event, pid, "main", BY_PORT, f"{pod.name} before execve")
    pod.call(sender.go_on)
    event = drop(agent, second, pod)
    check_process(check, event, pid, "main", BY_PORT, f"{pod.name} after execve")
    check.equal((field(event or {}, "process.args") or [])[3:5], [EXTERNAL[4], str(second)],
                f"{pod.name} after execve: the arguments are the new program's")
    pod.call(sender.end_programs)


def programs(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """What they are: command, arguments, user, parent."""
    busybox = shutil.which("busybox")
    commands = {
        "nc, a static binary": (busybox, "nc", "-w", "100", EXTERNAL[4]),
        "python": (sys.executable, "-c", CONNECT, EXTERNAL[4]),
        "another static binary": (busybox, "telnet", EXTERNAL[4]),
    }
    for name, command in commands.items():
        port = next(ports)
        pid = pod.call(sender.run, *command, str(port))
        event = drop(agent, port, pod)
        check_process(check, event, pid, "main", EXACT, f"{pod.name} {name}")
        check.equal(field(event or {}, "process.args"), [*command, str(port)],
                    f"{pod.name} {name}: its arguments")
        check.equal(field(event or {}, "process.executable"), os.path.realpath(command[0]),
                    f"{pod.name} {name}: its executable")
        check.equal(field(event or {}, "process.parent.pid"), pod.worker.pid,
                    f"{pod.name} {name}: its parent")
    pod.call(sender.end_programs)


def users(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    worker, port = pod.another_worker(NOBODY), next(ports)
    pid = worker.call(sender.tcp_begun, "one", EXTERNAL[4], port)
    event = drop(agent, port, pod)
    check_process(check, event, pid, "main", EXACT, f"{pod.name} another user")
    for name in ("user.id", "process.user.id"):
        check.equal(field(event or {}, name), str(NOBODY), f"{pod.name} another user: {name}")
    worker.stop()


def short_lived(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    first = next(ports)
    for _ in range(N_SHORT):
        next(ports)
    pids = pod.call(sender.many, EXTERNAL[4], first, N_SHORT)
    wait_until(lambda: {field(one, "destination.port") for one in agent.events()} >= set(pids),
               "an event of each short-lived process")
    events = {field(one, "destination.port"): one for one in reversed(agent.events())
              if field(one, "destination.port") in pids}
    wrong = [(field(one, "process.pid"), pids[port], field(one, ATTRIBUTION))
             for port, one in events.items() if field(one, "process.pid") not in (None, pids[port])]
    check.equal(wrong, [],
                f"{pod.name} of {N_SHORT} short-lived processes none is taken for another")
    named = sum(field(one, "process.pid") is not None for one in events.values())
    check.check(named, f"{pod.name} short-lived processes that live on for a moment are named")
    status = json.loads(agent.podfence("status", "-o", "json")[1])
    check.check(status["processes"]["named"] >= named, "status counts who is named", status)
    print("#", collections.Counter(field(one, ATTRIBUTION) for one in events.values()))
    print(f"# {pod.name}: {named} of {N_SHORT} short-lived processes are named")


def lets_go(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """What was asked of a pod's namespace does not keep it."""
    pod = lab.add_pod("leaving")
    lab.write_pods()
    agent.wait_endpoints(len(lab.pods))
    meet(agent, pod)
    for one in (pod.worker, pod.sleeper):
        one.stop()
    netns.delete(pod.netns)
    link = pathlib.Path("/sys/class/net", pod.link)
    try:
        wait_until(lambda: pod.link not in netns.run("ip", "-br", "link"), "the link to go", 2)
        is_gone = True
    except TimeoutError:
        is_gone = False
    check.check(is_gone, "ip netns del takes the pod's link away within 2 s", str(link))
    lab.pods.remove(pod)
    lab.write_pods()


def address_is_used_again(check: tap.Tap, lab: Lab, agent: Agent) -> None:
    """A pod sends and goes, another has its address, and only then the agent gets to see any of
    it: each has its own packets."""
    first, ours, theirs = lab.add_pod("first"), next(ports), next(ports)
    lab.write_pods()
    agent.wait_endpoints(len(lab.pods))
    agent.process.send_signal(signal.SIGSTOP)
    first.call(traffic.udp_send, EXTERNAL[4], ours)
    first.stop()
    lab.pods.remove(first)
    second = lab.new_pod("second")
    second.addresses = first.addresses
    second.wire()
    second.run(lab.cgroups)
    lab.write_pods()
    agent.process.send_signal(signal.SIGCONT)
    event = agent.wait_event(destination__port=ours)
    check.equal(field(event or {}, "kubernetes.pod.name"), "first",
                "who has gone is named by the snapshot of his time", event)
    check.equal(field(event or {}, "process.pid"), None, "but not his process")
    agent.wait_endpoints(len(lab.pods))
    pid = second.call(sender.udp_bound, "one", EXTERNAL[4], theirs)
    event = agent.wait_event(destination__port=theirs)
    check_process(check, event, pid, "main", BY_PORT, "who has the address now")
    check.equal(field(event or {}, "kubernetes.pod.name"), "second", "and his pod")


def later_events(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    """The end of a flow names the process of its first packet, which is gone by then."""
    agent.configure(ledger={"newFlows": 10000, "reportSeconds": 1, "idleSeconds": 2})
    agent.reread()
    meet(agent, pod)
    port, other = next(ports), pod.another_worker()
    pid = other.call(sender.udp_bound, "one", EXTERNAL[4], port)
    first = drop(agent, port, pod, podfence__flow__state="start")
    check_process(check, first, pid, "main", BY_PORT, f"{pod.name} the start of a flow")
    other.stop()
    last = drop(agent, port, pod, podfence__flow__state="end")
    check_process(check, last, pid, "main", BY_PORT, f"{pod.name} the end of the flow")
    check.equal(field(last or {}, "process"), field(first or {}, "process"),
                f"{pod.name} the end of the flow says the same of the process")
    at_start = [field(one or {}, "podfence.process.at_flow_start") for one in (first, last)]
    check.equal(at_start, [None, True], f"{pod.name} and that this was at its beginning")


def configured(check: tap.Tap, agent: Agent, pod: Pod) -> None:
    secret = "Authorization: secret"
    for settings, arguments in (({"argumentBytes": 0}, None), ({"argumentBytes": 16}, "cut"),
                                ({"lookup": "off"}, None)):
        agent.configure(process={"lookup": "on", "argumentBytes": 1024} | settings)
        agent.reread()
        if "lookup" not in settings:
            meet(agent, pod)
        port = next(ports)
        pid = pod.call(sender.run, sys.executable, "-c", CONNECT, EXTERNAL[4], str(port), secret)
        event = drop(agent, port, pod) or {}
        text = str(field(event, "process"))
        if "lookup" in settings:
            check.equal((field(event, "process"), field(event, "podfence.process")), (None, None),
                        "lookup off: nothing is said of processes")
        else:
            check.equal(field(event, "process.pid"), pid, f"{settings}: the process is named")
            check.check("secret" not in text, f"{settings}: no secret is told", text)
        if arguments == "cut":
            check.check(field(event, "process.command_line").endswith("..."),
                        f"{settings}: cut arguments look so", text)
        pod.call(sender.end_programs)


def run(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        two = lab.add_pod("two", has_sidecar=True)
        lab.write_pods()
        for pod in lab.pods:
            with netns.inside(pod.netns):
                netns.sysctl(net__ipv4__ping_group_range="0 2147483647")
        sidecar = two.sidecar_worker(lab.cgroups)
        agent = lab.agent(ledger={"newFlows": 10000})
        agent.start()
        agent.wait_endpoints(4)
        routed, _, host, _ = lab.pods
        for pod in lab.pods:
            meet(agent, pod)
            for version in (4, 6):
                sockets(check, agent, pod, version, pod.worker, "main")
                echoes(check, agent, pod, version)
        sockets(check, agent, two, 4, sidecar, "sidecar")
        for pod in (routed, host):
            ends_at_once(check, agent, pod)
            inherited(check, agent, pod)
            translated(check, agent, pod)
            ambiguous(check, agent, pod)
            take_turns(check, agent, pod)
            at_once(check, agent, pod)
            becomes_another(check, agent, pod)
            programs(check, agent, pod)
            users(check, agent, pod)
            short_lived(check, agent, pod)
        port_is_taken_over(check, agent, routed)  # at the output hook a packet has no time
        raws(check, agent, two, sidecar)
        handed_on(check, lab, agent, two, sidecar)
        lets_go(check, lab, agent)
        address_is_used_again(check, lab, agent)
        later_events(check, agent, routed)
        configured(check, agent, routed)
        sidecar.stop()


tap.main(run, "busybox")
