# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Units: systemd has nothing to say against them, no order goes round in a circle, and what they
leave open to an attacker (systemd-analyze security) stays below a bound. The score is printed."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import source

# Exposure, of 10.
BOUNDS = {"podfenced.service": 3.2, "podfence-boot.service": 3.2, "podfence-ship.service": 1.5}
# What a program may call by its own filter, and what it calls before that filter is on.
CALLS = {"podfenced.service": "agent/daemon/podfenced.syscalls",
         "podfence-ship.service": "agent/ship/podfence-ship.syscalls"}
GATE = "agent/culprit/gate.c"
COMMON = "agent/privilege/common.syscalls"
PRIVILEGES = "agent/daemon/privileges.c"
FOR_ROOT = {"fchown"}  # SQLite, in a container: the unit has a user
AT_START = {"execve", "arch_prctl", "prctl", "seccomp", "capget", "set_tid_address"}
UNITS = [pathlib.Path(one) for one in sys.argv[2:]]
# What other packages bring: the ones our units are ordered against, reduced to their own order.
OTHERS = {
    "kubelet.service": "[Unit]\nAfter=network-online.target\nWants=network-online.target\n"
                       "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n",
    "nftables.service": "[Unit]\nWants=network-pre.target\nBefore=network-pre.target "
                        "shutdown.target\nConflicts=shutdown.target\nDefaultDependencies=no\n"
                        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    "cloud-init-local.service": "[Unit]\nDefaultDependencies=no\nWants=network-pre.target\n"
                                "After=systemd-remount-fs.service\nBefore=network-pre.target "
                                "shutdown.target sysinit.target\nConflicts=shutdown.target\n"
                                "RequiresMountsFor=/var/lib/cloud\n"
                                "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    "firewalld.service": "[Unit]\nBefore=network-pre.target\nWants=network-pre.target\n"
                         "[Service]\nExecStart=/bin/true\n",
}


def analyze(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def enable(directory: pathlib.Path, name: str, text: str) -> None:
    """As `systemctl enable`: what wants it at boot."""
    for target in re.findall(r"^WantedBy=(\S+)", text, re.M):
        wants = directory / f"{target}.wants"
        wants.mkdir(exist_ok=True)
        (wants / name).symlink_to(directory / name)


def lint(check: source.tap.Tap) -> None:
    check.equal({unit.name for unit in UNITS}, set(BOUNDS), "every unit has a bound")
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        texts = {unit.name: re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(),
                                   flags=re.M) for unit in UNITS}
        for unit, text in {**OTHERS, **texts}.items():
            (directory / unit).write_text(text)
            enable(directory, unit, text)
        verify(check, directory)
        for unit in UNITS:
            score(check, directory / unit.name)
    for unit in UNITS:
        if unit.name in CALLS:
            filters(check, unit)
        if unit.name == "podfenced.service":
            table = [name for file in (PRIVILEGES, GATE) for name in
                     re.findall(r"\{(CAP_\w+), false", (source.ROOT / file).read_text())]
            bound = re.search(r"^CapabilityBoundingSet=(.+)", unit.read_text(), re.M)
            check.equal(sorted(bound[1].split()), sorted(table),
                        "podfenced.service gives what podfenced and its gate ask for")


def words(path: str) -> set[str]:
    lines = (source.ROOT / path).read_text().splitlines()
    return {word for line in lines for word in line.split("#")[0].split()}


def expand(name: str) -> set[str]:
    """A system call, or a set of them (@NAME), which can hold others."""
    if not name.startswith("@"):
        return {name}
    lines = analyze("syscall-filter", name).stdout.splitlines()
    members = [line.strip() for line in lines if line.startswith("    ")]
    return set().union(*(expand(member) for member in members if not member.startswith("#")))


def filters(check: source.tap.Tap, unit: pathlib.Path) -> None:
    """The unit's filter lets through what the program's own does, or the stricter one would win
    without anybody's having decided it."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.+)", unit.read_text(), re.M):
        named = set().union(*(expand(name) for name in line.lstrip("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    needed = words(COMMON) | words(CALLS[unit.name]) | AT_START
    if "CAP_SYS_ADMIN" in unit.read_text():
        needed.add("capset")  # gives it up
    if re.search(r"^User=", unit.read_text(), re.M):
        needed -= FOR_ROOT
    check.equal(sorted(needed - allowed), [], f"{unit.name} lets through what its program calls")


def verify(check: source.tap.Tap, directory: pathlib.Path) -> None:
    """All of a boot at once, or an order that goes round in a circle would not be seen."""
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes",
                           *[str(directory / name) for name in BOUNDS], "multi-user.target"],
                          capture_output=True, text=True,
                          env={"SYSTEMD_UNIT_PATH": f"{directory}:", "PATH": "/usr/bin:/bin"})
    said = [line for line in done.stderr.splitlines()
            if "podfence" in line or "cycle" in line]
    check.equal((said, done.returncode), ([], 0), "systemd-analyze verify has nothing to say",
                done.stderr)


def score(check: source.tap.Tap, unit: pathlib.Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", "--json=short", str(unit))
    rows = json.loads(done.stdout)
    missing = [f"{row['name']} ({row['exposure']})" for row in rows if row.get("exposure")]
    overall = re.search(r"exposure level for \S+: ([\d.]+)",
                        analyze("security", "--offline=true", "--no-pager", str(unit)).stdout)
    if check.check(overall, f"{unit.name} is scored", done.stderr):
        exposure = float(overall[1])
        print(f"# {unit.name}: exposure {exposure} of 10; open: {', '.join(missing)}")
        check.check(exposure <= BOUNDS[unit.name],
                    f"{unit.name}: exposure {exposure}, at most {BOUNDS[unit.name]}", *missing)


source.main(lint, "systemd-analyze")
