# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""A whole machine: Debian 12 with its systemd and its kernel, in qemu, without a network. The
package is installed in it, lives, is upgraded, boots, is purged (guest.py); the kernel suite runs
on its kernel.

Two parts, of which the argument names one: `smoke` is one boot with installation, audit and deny, a
crash, a stop, a restart and the purge; `whole` is everything.

It skips where qemu, mmdebstrap or a Debian mirror is missing. QEMU_ACCEL=kvm makes it fast where
that works. PODFENCE_DEB names a package that is built already."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests/lib"), str(ROOT / "tests/package")]
import package  # noqa: E402
import tap  # noqa: E402
import worker  # noqa: E402

BUILD = pathlib.Path(os.environ["PODFENCE_BUILD"])
PART = sys.argv[1]
LIMIT = {"smoke": 600, "whole": 1800}[PART]  # seconds for all boots
WANTED = ["systemd-sysv", "udev", "kmod", "linux-image-cloud-amd64", "initramfs-tools", "nftables",
          "iproute2", "iputils-ping", "procps", "python3", "libcmocka0"]
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /opt/podfence-vm/guest.py
StandardOutput=journal+console
StandardError=journal+console
[Install]
WantedBy=default.target
"""


def make_root(root: pathlib.Path, deb: pathlib.Path) -> None:
    names = ",".join([*package.depends(deb), *WANTED])
    package.run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={names}", "bookworm",
                str(root))
    place = root / "opt/podfence-vm"
    place.mkdir()
    shutil.copy(HERE / "guest.py", place)
    shutil.copy(deb, place / "podfence.deb")
    (place / "part").write_text(PART)
    if PART == "whole":
        shutil.copy(package.next_version(deb), place / "next.deb")
        for program in sorted((BUILD / "tests/kernel").glob("kernel-*")):
            if program.is_file():
                shutil.copy(program, place)
    unit = root / "etc/systemd/system/guest.service"
    unit.write_text(UNIT)
    wants = root / "etc/systemd/system/default.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "guest.service").symlink_to("/etc/systemd/system/guest.service")
    (root / "etc/hostname").write_text("machine\n")
    (root / "etc/fstab").write_text("/dev/vda / ext4 defaults 0 1\n")


def boot(directory: pathlib.Path, root: pathlib.Path) -> str:
    """Until it powers off: what it said on its second serial line."""
    disk, said = directory / "disk", directory / "results"
    package.run("mke2fs", "-q", "-t", "ext4", "-d", str(root), str(disk), "4G")
    [kernel] = (root / "boot").glob("vmlinuz-*")
    [initrd] = (root / "boot").glob("initrd.img-*")
    command = ["qemu-system-x86_64", "-accel", os.environ.get("QEMU_ACCEL", "tcg,thread=multi"),
               "-cpu", "max", "-m", "1536", "-smp", "2", "-display", "none", "-nic", "none",
               "-kernel", str(kernel), "-initrd", str(initrd), "-append",
               "root=/dev/vda rw console=ttyS0 net.ifnames=0 systemd.show_status=0",
               "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe",
               "-serial", f"file:{directory / 'console'}", "-serial", f"file:{said}"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               preexec_fn=worker.die_with_parent)
    end, shown = time.monotonic() + LIMIT, 0
    while process.poll() is None and time.monotonic() < end:
        time.sleep(5)
        lines = said.read_text(errors="replace").splitlines() if said.exists() else []
        for line in lines[shown:]:
            print("#", line, file=sys.stderr, flush=True)
        shown = len(lines)
    process.kill()
    process.wait()
    return said.read_text(errors="replace")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory(prefix="podfence-machine-") as name:
        directory = pathlib.Path(name)
        deb = pathlib.Path(os.environ.get("PODFENCE_DEB") or package.build(directory)["podfence"])
        shutil.copy(deb, directory / "one.deb")
        try:
            make_root(directory / "root", directory / "one.deb")
        except RuntimeError as error:
            tap.skip_all(f"no machine can be made: {str(error)[-300:]!r}")
        said = boot(directory, directory / "root")
        for line in said.splitlines():
            if found := re.match(r"(not )?ok - (.*)", line):
                check.check(not found[1], found[2])
            else:
                print(line if line.startswith("#") else f"# {line}")
        console = (directory / "console").read_text(errors="replace")
        check.check("# the end" in said, "the machine came to its end", console[-3000:])


tap.main(test, "qemu-system-x86_64", "mmdebstrap", "mke2fs", "dpkg-buildpackage", "dh")
