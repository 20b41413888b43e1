# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The rules outlive the agent, however it ends; the next one takes them over without a gap; only
`podfence uninstall` takes them away."""
import signal
import subprocess

import common  # noqa: F401
import netns
import tap
import traffic
from agent import Agent, program, run_program
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


def without_etc(*command: str, config: str | None = None) -> tuple[int, str, str]:
    """Runs a command where /etc holds nothing but, perhaps, the default configuration."""
    script = "mount -t tmpfs none /etc && mkdir /etc/podfence && " \
             "{ [ -z \"$1\" ] || echo \"$1\" > /etc/podfence/podfence.yaml; } && shift && " \
             "exec \"$@\""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", config or "",
                           program(command[0]), *command[1:]], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def is_fenced() -> bool:
    return "podfence" in netns.run("nft", "list", "tables")


def uninstalls_refused(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    """While the agent runs it would put the rules back."""
    broken = "default:\n  mode: perhaps\n"
    ways = [("its configuration",
             lambda: run_program("podfence", "uninstall", "--config", str(agent.config))),
            ("no configuration", lambda: without_etc("podfence", "uninstall")),
            ("a broken one", lambda: without_etc("podfence", "uninstall", config=broken))]
    for what, uninstall in ways:
        status, _, complaint = uninstall()
        check.equal(status, 1, f"uninstall with {what} refuses while the agent runs", complaint)
        check.check("podfenced is running (NFLOG group 1789 is held)" in complaint,
                    f"uninstall with {what} says why", complaint)
    check_fenced(lab, check, "uninstall refused")


def uninstalls(lab: Lab, agent: Agent, check: tap.Tap) -> None:
    broken, config = "default:\n  mode: perhaps\n", lab.directory / "broken.yaml"
    config.write_text(broken)
    status, _, complaint = run_program("podfence", "uninstall", "--config", "/none.yaml")
    check.equal((status, complaint), (2, "/none.yaml: No such file or directory\n"),
                "uninstall with a file that is not there: exit 2")
    check.check(is_fenced(), "and the rules stay")
    default = "/etc/podfence/podfence.yaml"
    said = ":2: default.mode: \"perhaps\" is not audit or deny\n" \
           "podfence: going on with the defaults, NFLOG group 1789\n"
    ways = [("its configuration", "",
             lambda: run_program("podfence", "uninstall", "--config", str(agent.config))),
            ("no configuration", "", lambda: without_etc("podfence", "uninstall")),
            ("a broken one at the default place", default + said,
             lambda: without_etc("podfence", "uninstall", config=broken)),
            ("a broken one", str(config) + said,
             lambda: run_program("podfence", "uninstall", "--config", str(config)))]
    for what, expected, uninstall in ways:
        agent.start()
        agent.stop()
        check.check(is_fenced(), "the rules are there again")
        status, output, complaint = uninstall()
        check.equal((status, output, complaint),
                    (0, "the rules of podfence are removed\n", expected), f"uninstall with {what}")
        check.check(not is_fenced(), f"uninstall with {what}: no table")
    check.check(leaks(lab), "uninstalled: everything leaves")
    status, output, complaint = run_program("podfence", "uninstall", "--config", str(agent.config))
    check.equal((status, output), (0, "there were no rules of podfence\n"), "uninstall once more",
                complaint)
    status, output, complaint = without_etc("podfence", "render")
    check.equal((status, output, complaint), (2, "", f"{default}: No such file or directory\n"),
                "render without configuration: exit 2")


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        lab.add_three_pods()
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
        uninstalls_refused(lab, agent, check)
        agent.stop()
        uninstalls(lab, agent, check)


tap.main(test)
