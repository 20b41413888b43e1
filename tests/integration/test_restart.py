# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The rules outlive the agent, however it ends; the next one takes them over without a gap; only
`podfence uninstall` takes them away."""
import signal

import common  # noqa: F401
import netns
import tap
import traffic
from agent import program, run_program, wait_until
from flood import Flood
from lab import EXTERNAL, INTERNAL, OPEN_PORT, Lab


def leaks(lab: Lab) -> list:
    mark = lab.outside.mark()
    for pod in lab.pods:
        for version in (4, 6):
            pod.call(traffic.udp_send, EXTERNAL[version], OPEN_PORT)
            pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 0.1)
    return lab.left(mark)


def check_fenced(lab: Lab, check: tap.Tap, when: str) -> None:
    check.equal(leaks(lab), [], f"{when}: nothing leaves")
    for pod in lab.pods:
        for version in (4, 6):
            check.equal(pod.call(traffic.tcp_connect, INTERNAL[version], OPEN_PORT), "connected",
                        f"{when}: {pod.name} reaches the internal service, v{version}")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_bridge()
        lab.add_pod("routed")
        lab.add_pod("bridged", bridge="cni0")
        lab.add_pod("host", is_host_network=True)
        lab.write_pods()
        check.check(leaks(lab), "without podfence everything leaves")
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(len(lab.pods))

        flood = Flood(lab, lab.pods)
        for how, number in (("killed", signal.SIGKILL), ("stopped", signal.SIGTERM)):
            status = agent.stop(number)
            expected = 0 if number == signal.SIGTERM else -number
            check.equal(status, expected, f"{how}: exit status")
            check_fenced(lab, check, how)
            agent.start()
            check_fenced(lab, check, f"{how}, started again")
        flood.end(check, "restarts under traffic")

        names = agent.find_events(event__action="dropped")
        check.check(names, "events go on after a restart")
        uninstall = ("podfence", "uninstall", "--config", str(agent.config))
        status, _, complaint = run_program(*uninstall)
        check.equal(status, 1, "podfence uninstall refuses while the agent runs", complaint)
        check_fenced(lab, check, "uninstall refused")
        agent.stop()
        status, _, complaint = run_program(*uninstall)
        check.equal(status, 0, "podfence uninstall succeeds", program("podfence"), complaint)
        wait_until(lambda: "podfence" not in netns.run("nft", "list", "tables"), "no table", 2.0)
        check.check(leaks(lab), "uninstalled: everything leaves")


tap.main(test)
