# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What the programs may do. Without a capability it needs podfenced does not start and says which
one and for what; while it runs it has these and no others. podfence-ship has none, and both live
behind their filters of system calls, which end nobody."""
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable

import common  # noqa: F401
import netns
import tap
import traffic
import worker
from agent import Agent, wait_until
from lab import EXTERNAL4, OPEN_PORT, Lab
from receiver import Receiver
from shipper import Seam, Shipper

# linux/capability.h
NEEDED = {"CAP_NET_ADMIN": 12, "CAP_NET_BROADCAST": 11, "CAP_SYS_PTRACE": 19,
          "CAP_DAC_READ_SEARCH": 2}
SYS_ADMIN = 21
LAST = int(pathlib.Path("/proc/sys/kernel/cap_last_cap").read_text())
PURPOSES = {"CAP_NET_ADMIN": "nftables rules", "CAP_NET_BROADCAST": "in all network namespaces",
            "CAP_SYS_PTRACE": "/proc/PID/ns/net", "CAP_DAC_READ_SEARCH": "/proc/PID/fd",
            "CAP_SYS_ADMIN": "cgroup namespace"}
PR_CAPBSET_DROP = 24
CLONE_NEWCGROUP = 0x02000000
NO_PRIVILEGE = 77
GROUP = 4711


def with_only(*numbers: int, groups: tuple[int, ...] = (), namespaces: int = 0) \
        -> Callable[[], None]:
    """root, but of all capabilities these alone."""
    def prepare() -> None:
        if namespaces:
            netns.checked(netns.libc.unshare(namespaces), "unshare")
        os.setgroups(groups)
        for number in set(range(LAST + 1)) - set(numbers):
            netns.checked(netns.libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), "prctl")
        worker.die_with_parent()
    return prepare


def as_nobody() -> None:
    os.setgroups([])
    os.setgid(worker.NOBODY)
    os.setuid(worker.NOBODY)
    worker.die_with_parent()


def status_of(pid: int) -> dict[str, str]:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def capabilities(pid: int, which: str) -> set[int]:
    mask = int(status_of(pid)[f"Cap{which}"], 16)
    return {number for number in range(64) if mask >> number & 1}


def refused(agent: Agent, prepare: Callable[[], None]) -> tuple[int, str]:
    """Exit status and message of a start that must not succeed."""
    before = len(agent.said())
    agent.start(is_awaited=False, prepare=prepare)
    status = agent.process.wait(20)
    agent.process = None
    return status, agent.said()[before:]


def check_refusals(check: tap.Tap, agent: Agent) -> None:
    cases = {name: (with_only(*(set(NEEDED.values()) - {number})), [name])
             for name, number in NEEDED.items()}
    cases["CAP_SYS_ADMIN in a cgroup namespace of its own"] = (
        with_only(*NEEDED.values(), namespaces=CLONE_NEWCGROUP), ["CAP_SYS_ADMIN"])
    cases["all of root's"] = (as_nobody, list(NEEDED))
    for what, (prepare, names) in cases.items():
        status, said = refused(agent, prepare)
        check.equal(status, NO_PRIVILEGE, f"without {what}: exit {NO_PRIVILEGE}", said)
        missing = re.findall(r"^podfenced: (CAP_\w+) is missing, it is needed to (.*)$", said, re.M)
        check.equal([name for name, _ in missing], names, f"without {what}: it says so", said)
        check.check(all(PURPOSES[name] in purpose for name, purpose in missing),
                    f"without {what}: and for what", said)
        check.check("nothing was changed" in said, f"without {what}: and what follows", said)
        check.check("podfence" not in netns.run("nft", "list", "tables"),
                    f"without {what}: no table was made")


def check_running(check: tap.Tap, lab: Lab, agent: Agent, how: str) -> None:
    pid, needed = agent.process.pid, set(NEEDED.values())
    for which, expected in {"Eff": needed, "Prm": needed, "Inh": set(), "Amb": set()}.items():
        check.equal(capabilities(pid, which), expected, f"{how}: Cap{which} is what is needed")
    check.check(capabilities(pid, "Bnd") <= needed | {SYS_ADMIN}, f"{how}: the bounding set too")
    check.equal((status_of(pid)["NoNewPrivs"], status_of(pid)["Seccomp"]), ("1", "2"),
                f"{how}: no new privileges, a filter of system calls")
    for path in (agent.socket, agent.events_socket):
        about = path.stat()
        check.equal((about.st_gid, oct(about.st_mode & 0o777)), (GROUP, "0o660"),
                    f"{how}: {path.name} belongs to the group", agent.said())
    agent.wait_endpoints(len(lab.pods))
    for pod in lab.pods:
        mark = lab.outside.mark()
        pod.worker.call(traffic.udp_send, EXTERNAL4, OPEN_PORT)
        check.equal(lab.left(mark), [], f"{how}: nothing of {pod.name} leaves")
    check.check(agent.wait_event(kubernetes__pod__name="host"), f"{how}: and events tell")
    before = agent.generations()
    agent.configure(default={"action": "reject"})
    agent.reload()
    check.check(agent.generations() > before, f"{how}: a reload works")
    agent.configure(default={"action": "drop"})


def check_gate(check: tap.Tap, agent: Agent, how: str, is_possible: bool) -> int:
    """The process that keeps CAP_SYS_ADMIN: its pid; 0 where there can be none."""
    children = pathlib.Path(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children")
    gates = [int(pid) for pid in children.read_text().split()]
    names = [pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in gates]
    check.equal(names, ["podfence-gate"] * is_possible,
                f"{how}: its only child is the gate, if any")
    if not is_possible:
        check.check("do not name the process" in agent.said(), f"{how}: without a gate it says so")
        return 0
    for which, expected in {"Eff": {SYS_ADMIN}, "Prm": {SYS_ADMIN}, "Inh": set()}.items():
        check.equal(capabilities(gates[0], which), expected, f"{how}: the gate's Cap{which}")
    check.equal((status_of(gates[0])["NoNewPrivs"], status_of(gates[0])["Seccomp"]), ("1", "2"),
                f"{how}: the gate has a filter of system calls")
    targets = {os.readlink(f"/proc/{gates[0]}/fd/{one}").split(":")[0]
               for one in os.listdir(f"/proc/{gates[0]}/fd")}
    check.equal(targets, {"/dev/null", "socket", "net"}, f"{how}: the gate has nothing else open")
    return gates[0]


def check_podfenced(check: tap.Tap, lab: Lab) -> None:
    agent = lab.agent()
    check_refusals(check, agent)
    needed = NEEDED.values()
    ways = {
        "root": worker.die_with_parent,
        "root with what is needed, in the group": with_only(*needed, groups=(GROUP,)),
        "in a cgroup namespace of its own":
            with_only(*needed, SYS_ADMIN, groups=(GROUP,), namespaces=CLONE_NEWCGROUP),
    }
    for how, prepare in ways.items():
        agent.start(prepare=prepare)
        gate = check_gate(check, agent, how, how != "root with what is needed, in the group")
        check_running(check, lab, agent, how)
        check.equal(os.stat(f"/proc/{agent.process.pid}/ns/cgroup").st_ino,
                    os.stat("/proc/self/ns/cgroup").st_ino,
                    f"{how}: in the host's cgroup namespace")
        check.equal(agent.stop(), 0, f"{how}: ends well")
        if gate:
            wait_until(lambda: not pathlib.Path(f"/proc/{gate}/fd").exists(), "the gate to end")


def check_ship(check: tap.Tap, directory: pathlib.Path) -> None:
    ways = {"root": (worker.die_with_parent, 0), "an ordinary user": (as_nobody, worker.NOBODY)}
    for how, (prepare, user) in ways.items():
        place = directory / f"ship-{user}"
        place.mkdir()
        receiver, seam = Receiver(), Seam(place / "seam.sock")
        # A name, so that a thread of libcurl looks it up.
        url = receiver.url.replace("127.0.0.1", "receiver.test")
        shipper = Shipper(place, [{"name": "es", "kind": "elasticsearch", "urls": [url]}])
        for path in (place, *place.iterdir()):
            os.chown(path, user, user)
        shipper.start(prepare)
        seam.accept()
        pid = shipper.process.pid
        for which in ("Eff", "Prm", "Inh", "Amb"):
            check.equal(capabilities(pid, which), set(), f"podfence-ship of {how}: no Cap{which}")
        if not user:
            check.equal(capabilities(pid, "Bnd"), set(), "podfence-ship of root: none to be had")
        check.equal((status_of(pid)["NoNewPrivs"], status_of(pid)["Seccomp"]), ("1", "2"),
                    f"podfence-ship of {how}: no new privileges, a filter of system calls")
        sent = seam.events(50)
        shipper.wait_settled("es")
        wait_until(lambda: set(receiver.documents) == set(sent), "the events")
        check.check(True, f"podfence-ship of {how}: delivers to a receiver that is a name")
        check.equal(shipper.stop(), 0, f"podfence-ship of {how}: ends well", shipper.said())
        receiver.stop()


def give_names(directory: pathlib.Path) -> None:
    """A group and a host of this test's mount namespace."""
    for path, line in (("/etc/group", f"podfence:x:{GROUP}:\n"),
                       ("/etc/hosts", "127.0.0.1 receiver.test\n")):
        copy = directory / path.replace("/", "-")
        old = [one for one in pathlib.Path(path).read_text().splitlines(keepends=True)
               if not one.startswith("podfence:")]
        copy.write_text("".join(old) + line)
        netns.run("mount", "--bind", str(copy), path)


def show_first_process() -> None:
    """The cgroup namespace of process 1, as the tests' machine has it, which may hide that one."""
    netns.run("mount", "-t", "tmpfs", "tmpfs", "/proc/1/ns")
    pathlib.Path("/proc/1/ns/cgroup").touch()
    netns.run("mount", "--bind", "/proc/self/ns/cgroup", "/proc/1/ns/cgroup")


def refused_calls() -> list[str] | None:
    """What the filters refused, as the kernel's log has it; None: it cannot be read."""
    done = subprocess.run(["dmesg"], capture_output=True, text=True)
    return None if done.returncode else [line for line in done.stdout.splitlines()
                                         if "type=1326" in line and 'comm="podfence' in line]


def test(check: tap.Tap) -> None:
    before = refused_calls()
    with Lab() as lab, tempfile.TemporaryDirectory() as name:
        give_names(lab.directory)
        show_first_process()
        lab.add_three_pods()
        check_podfenced(check, lab)
        os.chmod(name, 0o755)
        check_ship(check, pathlib.Path(name))
    after = refused_calls()
    if before is not None:
        check.equal(after[len(before):], [], "no filter had to refuse anything")


tap.main(test)
