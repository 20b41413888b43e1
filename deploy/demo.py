# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The demo behind demo.sh: real pods' cgroups and links, the real agent in deny mode, real packets.

Whether a packet passed is told by the receiving side, never by the agent. The exit status is 0 only
if everything went as expected and every packet that was stopped has its event.
"""
import argparse
import dataclasses
import pathlib
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "lib"))
import tap  # noqa: E402
import traffic  # noqa: E402
from agent import Agent, field  # noqa: E402
from lab import EXTERNAL4, EXTERNAL6, INTERNAL4, INTERNAL6, OPEN_PORT, Lab  # noqa: E402
from pods import Pod  # noqa: E402
from worker import Worker  # noqa: E402

DNS = 53
FLOOD = [(address, port) for address in (EXTERNAL4, EXTERNAL6) for port in range(9000, 9008)]
ROUNDS = 5000


@dataclasses.dataclass
class Attempt:
    who: str
    sender: Worker
    what: str
    address: str
    transport: str
    port: int
    is_expected: bool  # to pass
    send: Callable[[], str]
    has_passed: bool = False
    event: dict | None = None
    packets: int = 0  # in all events of its flow

    def is_as_expected(self) -> bool:
        return self.has_passed == self.is_expected and bool(self.event) == (not self.is_expected)


def attempts_of(who: str, sender: Worker, is_fenced: bool) -> list[Attempt]:
    def tcp(address: str) -> Callable[[], str]:
        return lambda: sender.call(traffic.tcp_connect, address, OPEN_PORT, 0.5)

    def udp(address: str) -> Callable[[], str]:
        return lambda: sender.call(traffic.udp_send, address, DNS, b"query")

    def echo(address: str) -> Callable[[], str]:
        return lambda: sender.call(traffic.icmp_send, address)

    internet = not is_fenced
    return [
        Attempt(who, sender, "internal service", INTERNAL4, "tcp", OPEN_PORT, True, tcp(INTERNAL4)),
        Attempt(who, sender, "internal service", INTERNAL6, "tcp", OPEN_PORT, True, tcp(INTERNAL6)),
        Attempt(who, sender, "web server outside", EXTERNAL4, "tcp", OPEN_PORT, internet,
                tcp(EXTERNAL4)),
        Attempt(who, sender, "web server outside", EXTERNAL6, "tcp", OPEN_PORT, internet,
                tcp(EXTERNAL6)),
        Attempt(who, sender, "resolver outside", EXTERNAL4, "udp", DNS, internet, udp(EXTERNAL4)),
        Attempt(who, sender, "ping outside", EXTERNAL4, "icmp", 0, internet, echo(EXTERNAL4)),
    ]


def culprit(event: dict) -> str:
    """Process and container, and how sure that is."""
    pid = field(event, "process.pid")
    process = f"{field(event, 'process.name')} (pid {pid})" if pid else "a process not known"
    return (f"{process} in container {field(event, 'container.name') or 'not known'}: "
            f"{field(event, 'podfence.process.attribution')}")


def short_culprit(event: dict | None) -> str:
    if not event:
        return "-"
    return f"{field(event, 'process.name') or '?'}, {field(event, 'container.name') or '?'}"


def show(event: dict) -> None:
    """One event, shortened to what an operator wants first."""
    port = field(event, "destination.port")
    destination = field(event, "destination.ip")
    if port:
        destination = f"[{destination}]:{port}" if ":" in destination else f"{destination}:{port}"
    who = f"{field(event, 'kubernetes.namespace')}/{field(event, 'kubernetes.pod.name')}"
    kind = field(event, "podfence.endpoint.kind")
    print(f"  event  {field(event, 'event.action'):8} {who} ({kind})  "
          f"{field(event, 'network.transport')} to {destination}  {field(event, 'rule.name')}",
          flush=True)
    print(f"         by {culprit(event)}", flush=True)


def perform(lab: Lab, agent: Agent, attempt: Attempt, pods: dict[str, Pod]) -> None:
    is_internal = attempt.address in (INTERNAL4, INTERNAL6)
    witness = lab.inside if is_internal else lab.outside
    mark, seen = witness.mark(), len(agent.events())
    print(f"{attempt.who} tries {attempt.what}, {attempt.transport} {attempt.address}", flush=True)
    attempt.send()
    lab.settle()
    attempt.has_passed = bool(witness.since(mark, destination=attempt.address,
                                            transport=attempt.transport, dport=attempt.port))
    if not attempt.has_passed and attempt.who in pods:
        pod = pods[attempt.who]
        agent.wait_event(5, kubernetes__pod__name=pod.name, destination__ip=attempt.address,
                         network__transport=attempt.transport,
                         **({"destination__port": attempt.port} if attempt.port else {}))
    fresh = agent.events()[seen:]
    for event in fresh:
        show(event)
    attempt.event = next((event for event in fresh
                          if field(event, "destination.ip") == attempt.address
                          and field(event, "network.transport") == attempt.transport), None)


def flood(agent: Agent, who: str, pod: Pod) -> int:
    """Far more packets than anybody wants events of. How many were sent."""
    seen = len(agent.events())
    sent = pod.call(traffic.volley, FLOOD, ROUNDS)
    agent.wait_for(lambda: len(agent.events()) >= seen + len(FLOOD), "the flood's events")
    print(f"{who} floods {len(FLOOD)} places outside with {sent:,} packets", flush=True)
    return sent


def packets_of(events: list[dict], **facts: object) -> int:
    return sum(field(event, "network.packets") or 0 for event in events
               if all(field(event, name.replace("__", ".")) == value
                      for name, value in facts.items()))


def count_all(agent: Agent, attempts: list[Attempt], sent: int) -> bool:
    """When all is told: each attempt's packets, the flood's, and what the agent says of its
    books."""
    events = agent.events()
    for one in attempts:
        if one.event:
            one.packets = packets_of(events,
                                     podfence__flow__id=field(one.event, "podfence.flow.id"))
    ports = {port for _, port in FLOOD}
    flooded = [event for event in events if field(event, "destination.port") in ports]
    told = packets_of(flooded)
    books = next(line for line in reversed(agent.said().splitlines()) if ": books: " in line)
    print(f"\nflood: {sent:,} packets sent, {told:,} dropped according to {len(flooded)} events")
    print(textwrap.fill(f"agent: {books.split(': ', 2)[2]}", 100, subsequent_indent=" " * 7))
    return told == sent and books.endswith("; books balance")


def print_table(attempts: list[Attempt]) -> bool:
    print(f"\n{'WHO':34} {'TRIED':20} {'DESTINATION':22} {'RESULT':8} {'PACKETS':8} "
          f"{'PROCESS, CONTAINER':19} EXPECTED")
    for one in attempts:
        target = f"{one.transport} {one.address}"
        print(f"{one.who:34} {one.what:20} {target:22} "
              f"{'passed' if one.has_passed else 'dropped':8} "
              f"{str(one.packets) if one.event else '-':8} {short_culprit(one.event):19} "
              f"{'as expected' if one.is_as_expected() else 'NOT AS EXPECTED'}")
    good = sum(one.is_as_expected() for one in attempts)
    print(f"\n{good} of {len(attempts)} as expected")
    return good == len(attempts)


def demo(events: pathlib.Path | None) -> bool:
    with Lab() as lab:
        web = lab.add_pod("web", namespace_name="shop")
        exporter = lab.add_pod("node-exporter", namespace_name="monitoring", is_host_network=True)
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(2)
        print("podfenced is in force, default: deny what is external\n")
        pods = {"pod shop/web": web, "host pod monitoring/node-exporter": exporter}
        attempts = [one for who, pod in pods.items()
                    for one in attempts_of(who, pod.worker, is_fenced=True)]
        attempts += attempts_of("process outside all pods", lab.host, is_fenced=False)
        for one in attempts:
            perform(lab, agent, one, pods)
        sent = flood(agent, "pod shop/web", web)
        status = agent.stop()
        is_exact = count_all(agent, attempts, sent)
        if events:
            shutil.copy(agent.output, events)
            print(f"\nevents, as JSON lines: {events}")
        return print_table(attempts) and is_exact and status == 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo.sh", description="Shows podfence at work.")
    parser.add_argument("--events", type=pathlib.Path, metavar="FILE",
                        help="keep the events there, as JSON lines")
    arguments = parser.parse_args()
    reason = tap.why_not_here()
    if reason:
        sys.exit(f"demo.sh: {reason}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(0 if demo(arguments.events) else 1)


if __name__ == "__main__":
    main()
