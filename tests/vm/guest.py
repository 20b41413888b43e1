# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Inside the machine of test_machine.py: one boot after another of the life of the packages, in TAP
on the second serial line. The outside world is a network namespace that counts what reaches it."""
import json
import os
import pathlib
import pwd
import re
import subprocess
import time
import traceback
import urllib.request

HERE = pathlib.Path("/opt/podfence-vm")
CONFIG = pathlib.Path("/etc/podfence/podfence.yaml")
OUTSIDE, PORT = "203.0.113.9", 40001
PATIENCE = 240  # seconds, on an emulated machine
UNITS = ("podfence-boot.service", "podfenced.service", "podfence-ship.service")
results = open("/dev/ttyS1", "w")


def say(line: str) -> None:
    results.write(line + "\n")
    results.flush()


def check(is_good: object, name: str, *details: object) -> None:
    say(f"{'ok' if is_good else 'not ok'} - {name}")
    if not is_good:
        for detail in details:
            for line in str(detail).splitlines()[-30:]:
                say(f"# {line}")


def run(*command: str, is_checked: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if is_checked and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def wait_until(condition, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}\n{journal()}")
        time.sleep(0.2)


def journal(unit: str = "podfence*") -> str:
    return run("journalctl", "-b", "-u", unit, "-o", "cat", "-n", "25", is_checked=False)


def shown(unit: str, name: str) -> str:
    return run("systemctl", "show", "-P", name, unit).strip()


def is_active(unit: str) -> bool:
    return shown(unit, "ActiveState") == "active"


def tables() -> list[str]:
    return [line for line in run("nft", "list", "tables").splitlines() if "podfence" in line]


def make_outside() -> None:
    for line in ("ip netns add outside", "ip link add up0 type veth peer name eth0 netns outside",
                 "ip addr add 203.0.113.1/24 dev up0", "ip link set up0 up",
                 "ip -n outside addr add 203.0.113.9/24 dev eth0",
                 "ip -n outside link set eth0 up", "ip route add default via 203.0.113.9",
                 "ip netns exec outside nft add table inet count",
                 "ip netns exec outside nft add chain inet count input "
                 "{ type filter hook input priority 0 ; }",
                 f"ip netns exec outside nft add rule inet count input udp dport {PORT} counter"):
        run(*line.split(" "))


def arrived() -> int:
    text = run("ip", "netns", "exec", "outside", "nft", "list", "chain", "inet", "count", "input")
    return int(re.search(r"counter packets (\d+)", text)[1])


PROBE = f"""
import socket, time
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try:
        probe.sendto(b"x", ("{OUTSIDE}", {PORT}))
    except OSError:
        pass
    time.sleep(0.005)
"""


def start_probe() -> None:
    """A unit that podfence judges, which sends all the time."""
    (HERE / "probe.py").write_text(PROBE)
    unit = pathlib.Path("/etc/systemd/system/podfence-probe.service")
    unit.write_text(f"[Service]\nExecStart=/usr/bin/python3 {HERE}/probe.py\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "podfence-probe")


class Fenced:
    """with Fenced("x"): the probe sends, and nothing arrives."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.before = arrived()

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            time.sleep(1)
            count = arrived() - self.before
            check(count == 0 and is_active("podfence-probe.service"), f"{self.what}: still fenced",
                  f"{count} packets arrived", journal())


def install() -> None:
    run("dpkg", "-i", str(HERE / "podfence.deb"))
    for unit in UNITS:
        wait_until(lambda: is_active(unit), unit)
        check(True, f"{unit} is active after the installation")
    check("mode: audit" in CONFIG.read_text(), "a first installation audits")
    check("table inet podfence" in tables(), "and has its rules in force", tables())
    for name in ("podfenced.sock", "events.sock"):
        group = run("stat", "-c", "%G %a", f"/run/podfence/{name}").strip()
        check(group == "podfence 660", f"{name} belongs to the group, under the unit's filter",
              group)
    pid = shown("podfenced.service", "MainPID")
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    check("NoNewPrivs:\t1" in status and "Seccomp:\t2" in status, "podfenced is confined", status)
    pid = shown("podfence-ship.service", "MainPID")
    about = pathlib.Path(f"/proc/{pid}")
    check(pwd.getpwuid(about.stat().st_uid).pw_name == "podfence-ship" and
          re.search(r"CapBnd:\t0+$", (about / "status").read_text(), re.M),
          "podfence-ship has a user of its own and no capability")

    def is_well() -> bool:
        try:
            with urllib.request.urlopen("http://127.0.0.1:9789/healthz", timeout=20) as reply:
                return reply.read() == b"ok\n"
        except OSError:
            return False

    wait_until(is_well, f"podfence-ship to be well\n{journal('podfence-ship')}")
    check(True, "podfence-ship hears podfenced, and nothing is wrong")
    refused = [line for line in run("journalctl", "-b", "-k", "-o", "cat").splitlines()
               if "type=1326" in line and "podfence" in line]
    check(refused == [], "no filter of system calls had to refuse anything", *refused)


def audit_then_deny() -> None:
    text = CONFIG.read_text().replace("mode: audit", "mode: MODE", 1)
    text = re.sub(r"^#?units:.*\n(?:^[ #-].*\n)*", "", text, flags=re.M)
    text += 'units:\n  - {name: probe, match: ["podfence-probe.service"]}\n'
    CONFIG.write_text(text.replace("mode: MODE", "mode: audit"))
    run("systemctl", "reload", "podfenced")
    start_probe()
    wait_until(lambda: "probe" in run("podfence", "pods"), "the unit to be known")
    before = arrived()
    time.sleep(2)
    check(arrived() > before, "in audit the unit reaches the outside")
    wait_until(lambda: "would-drop" in run("podfence", "events", "-o", "jsonl"), "its event")
    check(True, "and an event says what would have been dropped")
    CONFIG.write_text(text.replace("mode: MODE", "mode: deny"))
    run("systemctl", "reload", "podfenced")

    def is_cut() -> bool:
        count = arrived()
        time.sleep(1)
        return arrived() == count

    wait_until(is_cut, "the unit to be cut off")
    check(True, "after a reload with deny nothing arrives any more")


def restarts() -> int:
    return int(shown("podfenced.service", "NRestarts"))


def crash(times: int) -> None:
    for _ in range(times):
        before = restarts()
        run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "podfenced")
        wait_until(lambda: restarts() > before, "systemd to start it again")
    wait_until(lambda: is_active("podfenced.service"), "podfenced to be ready again")


def live() -> None:
    with Fenced("killed once"):
        crash(1)
    with Fenced("killed ten times in a row, which no start limit ends"):
        crash(10)
    with Fenced("stopped"):
        run("systemctl", "stop", "podfenced")
        check("table inet podfence" in tables(), "the rules stay when it is stopped")
    with Fenced("started"):
        run("systemctl", "start", "podfenced")
    with Fenced("restarted"):
        run("systemctl", "restart", "podfenced")
    good = CONFIG.read_text()
    with Fenced("restarted with a broken configuration"):
        CONFIG.write_text(good + "nonsense: yes\n")
        run("systemctl", "restart", "podfenced", is_checked=False)
        wait_until(lambda: shown("podfenced.service", "ActiveState") == "failed", "it to fail")
        check(shown("podfenced.service", "ExecMainStatus") == "2", "exit status 2, not tried again")
    CONFIG.write_text(good)
    run("systemctl", "start", "podfenced")
    before = restarts()
    with Fenced("upgraded"):
        run("dpkg", "-i", str(HERE / "next.deb"))
        wait_until(lambda: is_active("podfenced.service"), "the new one")
    check("+next" in run("dpkg-query", "-W", "podfence"), "the upgrade is there")
    check("mode: deny" in CONFIG.read_text(), "with the operator's configuration")
    say(f"# restarts by systemd since the last start by hand: {restarts() - before}")


def tamper() -> None:
    """Below kernel 6.9 others can flush the rules; how many packets find the window is printed."""
    pathlib.Path("/etc/nftables.conf").write_text("#!/usr/sbin/nft -f\nflush ruleset\n")
    for command in (["nft", "flush", "ruleset"], ["systemctl", "restart", "nftables"]):
        what, before = " ".join(command), arrived()
        run(*command)
        wait_until(lambda: len(tables()) > 0, "the repair")
        time.sleep(2)
        say(f"# {what}: {arrived() - before} packets, one every 5 ms, found the window")
        with Fenced(f"after {what}"):
            time.sleep(1)
    check("rules-tampered" in run("podfence", "events", "--limit", "all", "-o", "jsonl"),
          "an event tells of it")


def verify() -> None:
    done = run("systemd-analyze", "verify", "--man=no", *UNITS, is_checked=False)
    said = [line for line in done.splitlines() if "podfence" in line]
    check(said == [], "systemd-analyze verify has nothing to say", *said)
    for unit in UNITS:
        text = run("systemd-analyze", "security", "--no-pager", unit, is_checked=False)
        score = re.search(r"exposure level for \S+: ([\d.]+)", text)
        say(f"# {unit}: exposure {score[1] if score else '?'}")


def kernel_suite() -> None:
    for program in sorted(HERE.glob("kernel-*")):
        done = subprocess.run([str(program)], capture_output=True, text=True, cwd=HERE,
                              env=os.environ | {"CMOCKA_MESSAGE_OUTPUT": "TAP"})
        check(done.returncode == 0, f"kernel {os.uname().release}: {program.name}", done.stdout,
              done.stderr)


def prepare_boot() -> None:
    """A kubelet that writes down what it finds when it starts, and who comes before the network."""
    unit = "[Unit]\nAfter=network-online.target\nWants=network-online.target\n[Service]\n" \
        "ExecStartPre=/bin/sh -c 'nft list tables > /run/at-kubelet'\nExecStart=/bin/sleep inf\n" \
        "[Install]\nWantedBy=multi-user.target\n"
    pathlib.Path("/etc/systemd/system/kubelet.service").write_text(unit)
    early = "[Unit]\nDefaultDependencies=no\nAfter=network-pre.target\nBefore=network.target\n" \
        "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'nft list tables > /run/at-network'\n" \
        "[Install]\nWantedBy=sysinit.target\n"
    pathlib.Path("/etc/systemd/system/early.service").write_text(early)
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "kubelet.service", "early.service")


def after_boot() -> None:
    for when in ("network", "kubelet"):
        path = pathlib.Path(f"/run/at-{when}")
        wait_until(path.exists, f"the {when}")
        check("inet podfence" in path.read_text(), f"fenced before the {when} after a boot",
              path.read_text())
    for unit in UNITS:
        wait_until(lambda: is_active(unit), unit)
        check(True, f"{unit} is active after a boot")
    cycles = [line for line in run("journalctl", "-b", "-o", "cat").splitlines()
              if "ordering cycle" in line]
    check(cycles == [], "no order goes round in a circle", *cycles)
    start_probe()
    wait_until(lambda: "probe" in run("podfence", "pods"), "the unit to be known")
    time.sleep(1)
    with Fenced("after a boot"):
        pass


def purge() -> None:
    run("systemctl", "stop", "podfence-probe")
    run("dpkg", "--purge", "podfence")
    check(tables() == [], "purge takes the rules", tables())
    left = run("find", "/etc", "/usr", "/var", "/run", "/lib", "-xdev", "-name", "*podfence*",
               "-not", "-path", "*podfence-probe*").split()
    check(left == [], "and every file", *left)
    check("podfence" not in pathlib.Path("/etc/passwd").read_text() +
          pathlib.Path("/etc/group").read_text(), "and the accounts")
    loaded = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "podfence*")
    check([line for line in loaded.splitlines() if "probe" not in line] == [],
          "and systemd knows no unit of it", loaded)
    left = run("systemctl", "list-units", "--failed", "--plain", "--no-legend").strip()
    check("podfence" not in left, "nothing has failed", left)


def live_shortly() -> None:
    with Fenced("killed once"):
        crash(1)
    with Fenced("stopped"):
        run("systemctl", "stop", "podfenced")
    with Fenced("restarted"):
        run("systemctl", "restart", "podfenced")


# The boots of each part, and what is done in each.
PARTS = {"smoke": ((install, audit_then_deny, live_shortly, purge),),
         "whole": ((install, audit_then_deny, live, tamper, verify, prepare_boot),
                   (after_boot, kernel_suite, purge))}


def main() -> None:
    stage_file = HERE / "stage"
    stage = int(stage_file.read_text()) if stage_file.exists() else 0
    stage_file.write_text(str(stage + 1))
    part = (HERE / "part").read_text()
    boots = PARTS[part]
    say(f"# {part}, boot {stage + 1} of {len(boots)}: {json.dumps(os.uname().release)}")
    try:
        make_outside()
        for step in boots[stage]:
            begun = time.monotonic()
            step()
            say(f"# {step.__name__}: {time.monotonic() - begun:.0f} s")
    except Exception:
        check(False, f"boot {stage + 1} ran to its end", traceback.format_exc())
        stage = len(boots)
    is_last = stage + 1 >= len(boots)
    if is_last:
        say("# the end")
    run("systemctl", "poweroff" if is_last else "reboot")


main()
