# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""`podfence boot` fences pods that start before any agent does: the cgroups they will stand below
are made, everything external is denied to them, what the configuration calls internal is not. The
agent continues from there, and the skeleton never replaces an agent's rules."""
import os
import pathlib
import re
import subprocess

import common  # noqa: F401
import netns
import tap
import traffic
from agent import PATIENCE, program, yaml
from lab import EXTERNAL, INTERNAL, OPEN_PORT, Lab, rules

SOURCE = pathlib.Path(__file__).parents[2]


def boot(lab: Lab, **sections: dict) -> tuple[int, str, str]:
    """With the capabilities of its unit and no others."""
    config = lab.directory / "boot.yaml"
    settings = lab.settings()
    for section, values in sections.items():
        settings[section] = settings.get(section, {}) | values
    config.write_text(yaml(settings))
    unit = (SOURCE / "systemd/podfence-boot.service.in").read_text()
    bound = re.search(r"^CapabilityBoundingSet=(.+)", unit, re.M)[1].lower().replace("cap_", "")
    done = subprocess.run(["setpriv", f"--bounding-set=-all,+{bound.replace(' ', ',+')}",
                           program("podfence"), "boot", "--config", str(config)],
                          capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def tells_what_is_wrong(lab: Lab, check: tap.Tap) -> None:
    status, _, said = boot(lab, node={"podRoots": ["kubepods/../x"]})
    check.equal(status, 2, "a pod root with .. is refused: exit 2", said)
    ordinary = lab.directory / "ordinary"
    ordinary.mkdir()
    status, _, said = boot(lab, node={"cgroupRoot": str(ordinary)})
    check.equal(status, 1, "a cgroup root that is none: exit 1", said)
    check.check("cannot make the cgroups of pods" in said, "and it says what it cannot do", said)
    check.equal(os.listdir(ordinary), [], "and nothing is made there")
    check.check("podfence" not in netns.run("nft", "list", "tables"), "no table was made of these")


def fences_what_starts(lab: Lab, check: tap.Tap) -> None:
    for root in lab.pod_roots:
        (lab.cgroups.root / root).rmdir()
    lab.cgroups.root.chmod(0o555)  # as the kernel makes the root of the tree
    status, output, said = boot(lab)
    check.equal(status, 0, "boot: exit 0", said)
    check.equal(output, "2 cgroups made for pods to come\n"
                "the skeleton is in force: deny what is external and not yet known, "
                "below 2 pod roots\n", "boot says what it did")
    lab.add_three_pods()
    for pod in lab.pods:
        for version in (4, 6):
            mark = lab.outside.mark()
            pod.call(traffic.udp_send, EXTERNAL[version], OPEN_PORT)
            pod.call(traffic.tcp_connect, EXTERNAL[version], OPEN_PORT, 0.1)
            check.equal(lab.left(mark), [],
                        f"{pod.name} before an agent, v{version}: nothing leaves")
            check.equal(pod.call(traffic.tcp_connect, INTERNAL[version], OPEN_PORT), "connected",
                        f"{pod.name} before an agent, v{version}: internal is reached")


def agent_continues(lab: Lab, check: tap.Tap) -> None:
    agent = lab.agent()
    agent.start()
    agent.wait_endpoints(len(lab.pods))
    before = rules()
    status, output, said = boot(lab, default={"mode": "audit"})
    check.equal((status, output), (0, "rules of podfence are in force already; they stay\n"),
                "boot with an agent's rules there", said)
    check.equal(rules(), before, "leaves them as they are")
    agent.stop()


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        tells_what_is_wrong(lab, check)
        fences_what_starts(lab, check)
        agent_continues(lab, check)


tap.main(test)
