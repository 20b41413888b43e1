# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Beside others who keep rules on the same node: a reload of nftables.service, kube-proxy in its
nft and its iptables mode, firewalld. They neither hurt us nor we them, under traffic: what is
denied stays denied, what is allowed is not lost, and nobody is accused who did not touch our
tables.

kube-proxy's rulesets are written by hand after those of its two modes; firewalld is the real one,
on a bus of its own.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator

import common  # noqa: F401
import netns
import tap
import traffic
import worker
from agent import Agent, field, wait_until
from flood import DENIED_PORT, Flood
from lab import EXTERNAL, INTERNAL4, OPEN_PORT, Lab, rules
from pods import Pod

ROUNDS = 10
INTERNAL_SERVICE, EXTERNAL_SERVICE = "10.96.0.10", "10.96.0.11"

# As Debian's nftables.service loads it, with what an administrator adds.
NFTABLES_CONF = """#!/usr/sbin/nft -f
flush ruleset
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		ct state invalid counter drop
		tcp dport 22 accept
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
	chain output {
		type filter hook output priority filter; policy accept;
	}
}
"""

KUBE_PROXY_NFT = """
add table ip kube-proxy { comment "rules for kube-proxy" ; }
add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority dstnat ; }
add chain ip kube-proxy nat-output { type nat hook output priority -100 ; }
add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority srcnat ; }
add chain ip kube-proxy filter-forward { type filter hook forward priority -110 ; }
add chain ip kube-proxy filter-output { type filter hook output priority -110 ; }
add chain ip kube-proxy services
add chain ip kube-proxy masquerading
add chain ip kube-proxy mark-for-masquerade
add chain ip kube-proxy endpoint-in
add chain ip kube-proxy endpoint-out
add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict ; }
flush chain ip kube-proxy nat-prerouting
flush chain ip kube-proxy nat-output
flush chain ip kube-proxy nat-postrouting
flush chain ip kube-proxy services
flush chain ip kube-proxy masquerading
flush chain ip kube-proxy mark-for-masquerade
flush chain ip kube-proxy endpoint-in
flush chain ip kube-proxy endpoint-out
flush map ip kube-proxy service-ips
add rule ip kube-proxy nat-prerouting jump services
add rule ip kube-proxy nat-output jump services
add rule ip kube-proxy nat-postrouting jump masquerading
add rule ip kube-proxy masquerading mark and 0x4000 == 0 return
add rule ip kube-proxy masquerading mark set mark xor 0x4000
add rule ip kube-proxy masquerading masquerade fully-random
add rule ip kube-proxy mark-for-masquerade mark set mark or 0x4000
add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips
add rule ip kube-proxy endpoint-in meta l4proto tcp dnat to 10.99.0.2:8080
add rule ip kube-proxy endpoint-out meta l4proto tcp dnat to 203.0.113.9:8080
add element ip kube-proxy service-ips { 10.96.0.10 . tcp . 80 : goto endpoint-in }
add element ip kube-proxy service-ips { 10.96.0.11 . tcp . 80 : goto endpoint-out }
"""

KUBE_PROXY_IPTABLES = """*filter
:KUBE-FORWARD - [0:0]
:KUBE-FIREWALL - [0:0]
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-IN - [0:0]
:KUBE-SEP-IN - [0:0]
:KUBE-SVC-OUT - [0:0]
:KUBE-SEP-OUT - [0:0]
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "service traffic requiring SNAT" -j MASQUERADE
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-SERVICES -m comment --comment "shop/in" -p tcp -d 10.96.0.10 --dport 80 -j KUBE-SVC-IN
-A KUBE-SVC-IN -m comment --comment "shop/in:http -> 10.99.0.2:8080" -j KUBE-SEP-IN
-A KUBE-SEP-IN -m comment --comment shop/in:http -p tcp -j DNAT --to-destination 10.99.0.2:8080
-A KUBE-SERVICES -m comment --comment "shop/out" -p tcp -d 10.96.0.11 --dport 80 -j KUBE-SVC-OUT
-A KUBE-SVC-OUT -m comment --comment "shop/out:http -> 203.0.113.9:8080" -j KUBE-SEP-OUT
-A KUBE-SEP-OUT -m comment --comment shop/out:http -p tcp -j DNAT --to-destination 203.0.113.9:8080
COMMIT
"""

FIREWALLD_CONF = """DefaultZone=trusted
CleanupOnExit=yes
FirewallBackend=nftables
FlushAllOnReload=yes
ReloadPolicy=INPUT:ACCEPT,FORWARD:ACCEPT,OUTPUT:ACCEPT
"""

BUS_CONF = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=%s</listen>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_type="signal"/>
    <allow send_requested_reply="true"/><allow receive_type="method_call"/>
    <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="*"/><allow eavesdrop="false"/>
  </policy>
</busconfig>
"""


def load_nft() -> None:
    netns.run("nft", "-f", "-", text=KUBE_PROXY_NFT)


def remove_nft() -> None:
    netns.run("nft", "delete", "table", "ip", "kube-proxy")


def load_iptables() -> None:
    netns.run("iptables-nft-restore", "--noflush", text=KUBE_PROXY_IPTABLES)
    for table, chain, target in (("nat", "PREROUTING", "KUBE-SERVICES"),
                                 ("nat", "OUTPUT", "KUBE-SERVICES"),
                                 ("nat", "POSTROUTING", "KUBE-POSTROUTING"),
                                 ("filter", "FORWARD", "KUBE-FORWARD")):
        with contextlib.suppress(RuntimeError):
            netns.run("iptables-nft", "-t", table, "-D", chain, "-j", target)
        netns.run("iptables-nft", "-t", table, "-I", chain, "-j", target)


def remove_iptables() -> None:
    for table in ("nat", "filter"):
        netns.run("nft", "delete", "table", "ip", table)


def accusations(agent: Agent) -> int:
    return agent.said().count("our rules were changed")


def services(lab: Lab, check: tap.Tap, who: str) -> None:
    """What a service leads to is judged, not what it is called."""
    for pod in lab.pods:
        check.equal(pod.call(traffic.tcp_connect, INTERNAL_SERVICE, 80), "connected",
                    f"{who}: {pod.name} reaches a service inside")
        mark = lab.outside.mark()
        pod.call(traffic.tcp_connect, EXTERNAL_SERVICE, 80, 0.5)
        check.equal(lab.left(mark, destination=EXTERNAL[4]), [],
                    f"{who}: {pod.name} does not reach one that leads outside")


def beside(lab: Lab, check: tap.Tap, agent: Agent, who: str, act: Callable[[], None],
           is_lossy: bool = False) -> None:
    """Somebody who leaves our tables alone, again and again."""
    said, before = accusations(agent), ours()
    flood = Flood(lab, lab.pods)
    for _ in range(ROUNDS):
        act()
    flood.end(check, f"beside {who}", is_lossy)
    check.equal(accusations(agent), said, f"{who}: nobody is accused")
    check.equal(ours(), before, f"{who}: our rules are what they were")


def ours() -> list[str]:
    """Our tables as nft prints them; nobody else's."""
    text, is_ours = [], False
    for line in netns.run("nft", "list", "ruleset").splitlines():
        if line.startswith("table "):
            is_ours = line.split()[2] == "podfence"
        if is_ours and "packets" not in line:
            text.append(line)
    return text


def reload(lab: Lab, check: tap.Tap, agent: Agent, conf: pathlib.Path, is_owned: bool) -> None:
    """nftables.service: its file flushes everything first."""
    what = f"a reload of nftables.service, {'owned tables' if is_owned else 'tables of nobody'}"
    before, said = ours(), accusations(agent)
    mark = lab.outside.mark()
    senders = [pod.another_worker() for pod in lab.pods]
    for sender in senders:
        sender.start(traffic.flood, [(EXTERNAL[4], DENIED_PORT)], 0)
    for number in range(ROUNDS):
        netns.run("nft", "-f", str(conf))
        if not is_owned:
            agent.wait_for(lambda: accusations(agent) > said + number, f"reload {number}")
    sent = sum(sender.finish()["rounds"] for sender in senders)
    for sender in senders:
        sender.stop()
    escaped = len(lab.left(mark, destination=EXTERNAL[4], dport=DENIED_PORT))
    print(f"# {what}: {ROUNDS} times, {sent} packets sent meanwhile: {escaped} escaped, "
          f"{escaped / ROUNDS:.1f} a flush")
    check.equal(ours(), before, f"{what}: our rules are what they were")
    check.check("chain input {" in "\n".join(rules()), f"{what}: theirs are there")
    if is_owned:
        check.equal(escaped, 0, f"{what}: nothing escaped")
        check.equal(accusations(agent), said, f"{what}: it did not touch ours")
    check.equal(leaks(lab), [], f"{what}: after the last nothing leaves")


def leaks(lab: Lab) -> list:
    mark = lab.outside.mark()
    for pod in lab.pods:
        pod.call(traffic.udp_send, EXTERNAL[4], OPEN_PORT)
    return lab.left(mark)


def overrun(lab: Lab, check: tap.Tap, agent: Agent) -> None:
    """More is told than the agent has room for, and its table is gone: it looks for itself."""
    said = accusations(agent)
    told = len(agent.find_events(event__action="rules-tampered"))
    elements = ", ".join(f"10.{n >> 8 & 255}.{n & 255}.1" for n in range(20000))
    assert agent.process is not None
    agent.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(6):
            netns.run("nft", "-f", "-", text=f"table inet big{number} {{ set s {{ type ipv4_addr; "
                                             f"elements = {{ {elements} }}; }}; }}")
        netns.run("nft", "delete", "table", "inet", "podfence")
    finally:
        agent.process.send_signal(signal.SIGCONT)
    agent.wait_for(lambda: accusations(agent) > said, "the repair")
    check.equal(leaks(lab), [], "notifications were lost: it is repaired all the same")
    events = agent.find_events(event__action="rules-tampered")[told:]
    check.equal([field(one, "process.pid") for one in events], [None],
                "and nobody is named whom nobody told of", *events)
    for number in range(6):
        netns.run("nft", "delete", "table", "inet", f"big{number}")


@contextlib.contextmanager
def firewalld(directory: pathlib.Path) -> Iterator[subprocess.Popen]:
    """The real one, in this network namespace, on a bus that nobody else is on."""
    directory.mkdir()
    (directory / "firewalld.conf").write_text(FIREWALLD_CONF)
    bus = directory / "bus"
    (directory / "bus.conf").write_text(BUS_CONF % bus)
    environment = os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={bus}"}
    log = (directory / "log").open("w")
    with contextlib.ExitStack() as stack:
        def start(*command: str) -> subprocess.Popen:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log,
                                       preexec_fn=worker.die_with_parent)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        start("dbus-daemon", f"--config-file={directory / 'bus.conf'}", "--nofork", "--nopidfile")
        wait_until(bus.exists, "the bus")
        daemon = start("firewalld", "--nofork", "--nopid", "--system-config", str(directory),
                       "--log-file", str(directory / "firewalld.log"))
        wait_until(lambda: "table inet firewalld" in netns.run("nft", "list", "tables"),
                   f"firewalld; it said: {(directory / 'log').read_text()[:2000]}")
        yield daemon


def reload_firewalld(daemon: subprocess.Popen) -> None:
    """Its table goes and comes again: a chain that is not its own goes with it."""
    netns.run("nft", "add", "chain", "inet", "firewalld", "seen")

    def is_anew() -> bool:
        said = netns.run("nft", "list", "ruleset")
        return "chain seen {" not in said and "table inet firewalld {" in said

    for _ in range(10):  # one that comes while it loads is lost
        daemon.send_signal(signal.SIGHUP)
        with contextlib.suppress(TimeoutError):
            wait_until(is_anew, "firewalld to load its rules again", 3)
            return
    raise TimeoutError("firewalld does not load its rules again")


def neighbours(lab: Lab, check: tap.Tap, agent: Agent, owner: str) -> None:
    who = f"kube-proxy in nft mode, owner {owner}"
    beside(lab, check, agent, who, load_nft)
    services(lab, check, who)
    remove_nft()
    if shutil.which("iptables-nft-restore"):
        who = f"kube-proxy in iptables mode, owner {owner}"
        beside(lab, check, agent, who, load_iptables)
        services(lab, check, who)
        remove_iptables()
    else:
        check.skip("kube-proxy in iptables mode", "iptables is not installed")
    if shutil.which("firewalld") and shutil.which("dbus-daemon"):
        with firewalld(lab.directory / f"firewalld-{owner}") as daemon:
            # 1.3 drops everything while it reloads (_set_policy() of fw.py).
            beside(lab, check, agent, f"firewalld, owner {owner}",
                   lambda: reload_firewalld(daemon), is_lossy=True)
            for pod in lab.pods:
                check.equal(pod.call(traffic.tcp_connect, INTERNAL4, OPEN_PORT), "connected",
                            f"beside firewalld, owner {owner}: {pod.name} reaches what is allowed")
    else:
        check.skip("firewalld", "it is not installed")


def run(check: tap.Tap, owner: str) -> None:
    with Lab() as lab:
        lab.add_three_pods()
        agent = lab.agent(tables={"owner": owner},
                          network={"serviceCIDRs": ["10.96.0.0/12"]})
        agent.start()
        agent.wait_endpoints(len(lab.pods))
        conf = lab.directory / "nftables.conf"
        conf.write_text(NFTABLES_CONF)
        check.equal(lab.pods[0].call(traffic.tcp_connect, INTERNAL4, OPEN_PORT), "connected",
                    "the lab is well")
        neighbours(lab, check, agent, owner)
        reload(lab, check, agent, conf, owner == "auto")
        if owner == "off":
            overrun(lab, check, agent)
        agent.stop()


def test(check: tap.Tap) -> None:
    run(check, "off")
    if netns.has_owners():
        run(check, "auto")
    else:
        print("# this kernel has no tables that outlive their owner (6.9 has)")


tap.main(test)
