# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The Debian packages: built, looked at by lintian, and lived with in a throwaway root: installed,
upgraded, removed, purged; then the image that is made of them. Of the machine nothing changes: the
root is a directory, the network namespace is private, and no systemd runs in it."""
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import cgroup  # noqa: E402
import netns  # noqa: E402
import tap  # noqa: E402
import worker  # noqa: E402
from agent import wait_until  # noqa: E402
from package import SOURCE, build, depends, next_version, run  # noqa: E402

IMAGE_GROUP = 9789
# linux/capability.h: DAC_READ_SEARCH, NET_BROADCAST, NET_ADMIN, SYS_PTRACE, SYS_ADMIN
IMAGE_CAPABILITIES = {2, 11, 12, 19, 21}
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, CLONE_NEWCGROUP = 24, 38, 0x02000000
UNITS = ["podfenced.service", "podfence-boot.service", "podfence-ship.service"]


class Root:
    """A minimal Debian in a directory, to run commands in."""

    def __init__(self, directory: pathlib.Path, package: pathlib.Path) -> None:
        self.path = directory
        names = depends(package)
        run("mmdebstrap", "--quiet", "--variant=minbase",
            f"--include={','.join([*names, 'nftables', 'iproute2'])}", "bookworm", str(directory))

    @contextlib.contextmanager
    def mounted(self) -> Iterator[None]:
        for name in ("proc", "sys", "dev"):
            run("mount", "--rbind", f"/{name}", str(self.path / name))
        run("mount", "-t", "tmpfs", "tmpfs", str(self.path / "run"))
        try:
            yield
        finally:
            for name in ("run", "dev", "sys", "proc"):
                run("umount", "-R", "-l", str(self.path / name))

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive",
                       "LC_ALL": "C.UTF-8"}
        return run("chroot", str(self.path), *command, check=check, env=environment)

    def dpkg(self, *arguments: str) -> str:
        done = self.run("dpkg", *arguments)
        return done.stdout + done.stderr

    def install(self, package: pathlib.Path) -> None:
        shutil.copy(package, self.path / "tmp/one.deb")
        self.dpkg("-i", "/tmp/one.deb")
        (self.path / "tmp/one.deb").unlink()

    def files(self) -> set[str]:
        """What stands in it, of what a package could have left behind."""
        found = run("find", str(self.path / "etc"), str(self.path / "usr"), str(self.path / "lib"),
                    str(self.path / "var"), "-xdev", "-name", "*podfence*").stdout
        return {line.removeprefix(str(self.path)) for line in found.splitlines()}

    def accounts(self) -> list[str]:
        return [line for name in ("passwd", "group", "shadow", "gshadow")
                for line in (self.path / "etc" / name).read_text().splitlines()
                if "podfence" in line]


class Agent:
    """podfenced of the package, as its unit would start it."""

    def __init__(self, root: pathlib.Path, messages: pathlib.Path,
                 prepare: Callable[[], None] = worker.die_with_parent) -> None:
        def enter() -> None:
            os.chroot(root)
            os.chdir("/")
            prepare()

        with messages.open("w") as said:
            self.process = subprocess.Popen(["/usr/sbin/podfenced"], stdout=subprocess.DEVNULL,
                                            stderr=said, preexec_fn=enter)
        wait_until(lambda: "ready" in messages.read_text() or self.process.poll() is not None,
                   "podfenced")
        if self.process.poll() is not None:
            raise RuntimeError(messages.read_text())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


def tables() -> list[str]:
    return [line for line in netns.run("nft", "list", "tables").splitlines() if "podfence" in line]


def check_installed(check: tap.Tap, root: Root) -> None:
    status = root.run("dpkg-query", "-W", "-f=${Status}", "podfence").stdout
    check.equal(status, "install ok installed", "it installs")
    conffiles = root.run("dpkg-query", "-W", "-f=${Conffiles}", "podfence").stdout
    check.equal(sorted(line.split()[0] for line in conffiles.splitlines() if line.strip()),
                ["/etc/logrotate.d/podfence", "/etc/podfence/podfence-ship.yaml",
                 "/etc/podfence/podfence.yaml"], "what an operator edits are conffiles")
    for program in ("podfenced", "podfence-ship"):
        done = root.run(program, "--check", check=False)
        check.equal((done.returncode, done.stderr), (0, ""), f"{program} takes its configuration")
    text = (root.path / "etc/podfence/podfence.yaml").read_text()
    check.check(re.search(r"^  mode: audit$", text, re.M), "a first installation audits")
    wanted = [name for directory in (root.path / "etc/systemd/system").glob("*.wants")
              for name in os.listdir(directory)]
    for unit in UNITS:
        check.equal(wanted.count(unit), 1, f"{unit} is enabled")
    check.check(root.run("id", "-nG", "podfence-ship").stdout.split() == ["podfence"],
                "podfence-ship has a user, of group podfence")
    modes = {path: root.run("stat", "-c", "%a %U %G", path).stdout.strip()
             for path in ("/var/lib/podfence", "/var/lib/podfence/ship")}
    check.equal(modes, {"/var/lib/podfence": "711 root root",
                        "/var/lib/podfence/ship": "750 podfence-ship podfence"},
                "the directories of state belong to whom they should")
    done = root.run("podfence", "--help", check=False)
    check.equal(done.returncode, 0, "the command runs", done.stderr)


def check_life(check: tap.Tap, root: Root, upgrade: pathlib.Path, messages: pathlib.Path) -> None:
    agent = Agent(root.path, messages)
    check.check("table inet podfence" in tables(), "the installed agent fences", messages)
    before = sorted(tables())
    config = root.path / "etc/podfence/podfence.yaml"
    config.write_text(config.read_text().replace("  mode: audit\n", "  mode: deny\n", 1))
    root.install(upgrade)
    check.equal(sorted(tables()), before, "an upgrade leaves the rules")
    check.check("\n  mode: deny\n" in config.read_text(), "and what an operator changed")
    agent.stop()
    check.check("table inet podfence" in tables(), "so does an agent that is stopped")
    said = root.dpkg("--remove", "podfence")
    check.check("podfence uninstall" in said and "table inet podfence" in tables(),
                "removal leaves them too, and says how they go", said)
    check.check(config.exists() and (root.path / "var/lib/podfence").exists(),
                "configuration and state stay with it")


def check_purge(check: tap.Tap, root: Root, before: set[str]) -> None:
    root.run("nft", "add", "table", "netdev", "podfence")  # of an agent that judges frames too
    root.dpkg("--purge", "podfence")
    check.equal(tables(), [], "purge takes the rules")
    check.equal(sorted(root.files() - before), [], "and every file")
    check.equal(root.accounts(), [], "and the accounts")
    status = root.run("dpkg-query", "-W", "podfence", check=False)
    check.check(status.returncode != 0, "and dpkg knows it no more", status.stdout)


def check_own_policies(check: tap.Tap, root: Root, package: pathlib.Path) -> None:
    root.install(package)
    policy = root.path / "etc/podfence/policies.d/mine.yaml"
    policy.write_text("# mine\n")
    root.dpkg("--purge", "podfence")
    check.check(policy.exists(), "policies of an operator are not purged")
    policy.unlink()
    policy.parent.rmdir()
    policy.parent.parent.rmdir()


def check_library(check: tap.Tap, directory: pathlib.Path, package: pathlib.Path) -> None:
    tree = directory / "library"
    run("dpkg-deb", "-x", str(package), str(tree))
    [description] = tree.rglob("podfence-nft.pc")
    program = directory / "user.c"
    program.write_text("#include <podfence/ruleset.h>\n"
                       "int main(void) { return !pf_ruleset_free(pf_ruleset_new()) ? 0 : 1; }\n")
    flags = run("pkg-config", "--static", "--cflags", "--libs", "podfence-nft",
                env=os.environ | {"PKG_CONFIG_PATH": str(description.parent),
                                  "PKG_CONFIG_SYSROOT_DIR": str(tree)}).stdout.split()
    # The libraries it stands on are the system's.
    flags = [flag for flag in flags if flag.startswith(("-I", "-L", "-l"))]
    done = run("cc", str(program), "-o", str(directory / "user"), *flags, check=False)
    check.equal(done.returncode, 0, "a program links the library by pkg-config", done.stderr)
    check.equal(run(str(directory / "user"), check=False).returncode, 0, "and runs")


def unpack_image(image: pathlib.Path, tree: pathlib.Path) -> None:
    """As a runtime does: by the manifest, with every digest proven."""
    def blob(about: dict) -> bytes:
        data = archive.extractfile(f"blobs/{about['digest'].replace(':', '/')}").read()
        if hashlib.sha256(data).hexdigest() != about["digest"].split(":")[1] or \
                len(data) != about["size"]:
            raise RuntimeError(f"a blob is not what {about} says")
        return data

    with tarfile.open(image) as archive:
        index = json.load(archive.extractfile("index.json"))
        manifest = json.loads(blob(index["manifests"][0]))
        layer = gzip.decompress(blob(manifest["layers"][0]))
        config = json.loads(blob(manifest["config"]))
        if config["rootfs"]["diff_ids"] != [f"sha256:{hashlib.sha256(layer).hexdigest()}"]:
            raise RuntimeError("the layer is not what the image's configuration says")
    with tarfile.open(fileobj=io.BytesIO(layer)) as contents:
        contents.extractall(tree, filter="fully_trusted")


def as_container() -> None:
    """What the DaemonSet gives to podfenced."""
    netns.checked(netns.libc.unshare(CLONE_NEWCGROUP), "unshare")
    os.setgroups([IMAGE_GROUP])
    for number in set(range(64)) - IMAGE_CAPABILITIES:
        netns.libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    netns.checked(netns.libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    worker.die_with_parent()


def build_images(directory: pathlib.Path, package: pathlib.Path) -> list[pathlib.Path]:
    images = [directory / "image.tar", directory / "again.tar"]
    for image in images:
        run(str(SOURCE / "deploy/image/build.sh"), "-o", str(image), str(package))
    return images


def check_image(check: tap.Tap, directory: pathlib.Path, images: list[pathlib.Path]) -> None:
    check.equal(images[0].read_bytes(), images[1].read_bytes(),
                "the same package gives the same image")
    tree = directory / "image"
    unpack_image(images[0], tree)
    found = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    check.equal([path for path in found if path.stat().st_mode & 0o6000], [], "nothing is setuid")
    check.equal([path.name for path in found if path.name in ("sh", "bash", "dash", "apt", "perl")],
                [], "there is no shell and no package manager")
    store = tree / "var/lib/podfence/ship"
    run("chroot", str(tree), "/usr/bin/install", "-d", "-m", "0750", "-o", "9789", "-g", "9789",
        "/var/lib/podfence/ship")
    check.equal(store.stat().st_uid, IMAGE_GROUP, "the store is made for the shipper")
    for overlay in ("audit", "enforce"):
        text = (SOURCE / f"deploy/kubernetes/overlays/{overlay}/podfence.yaml").read_text()
        (tree / "etc/podfence/podfence.yaml").write_text(text)
        done = run("chroot", str(tree), "/usr/sbin/podfenced", "--check", check=False)
        check.equal((done.returncode, done.stderr), (0, ""), f"podfenced takes that of {overlay}")
    shutil.copy(SOURCE / "deploy/kubernetes/base/podfence-ship.yaml", tree / "etc/podfence")
    done = run("chroot", str(tree), "/usr/sbin/podfence-ship", "--check", check=False)
    check.equal((done.returncode, done.stderr), (0, ""), "podfence-ship takes that of the base")
    text = text.replace("source: in-cluster", "source: none")
    (tree / "etc/podfence/podfence.yaml").write_text(text)
    check_container(check, tree, directory / "container.messages")


def check_container(check: tap.Tap, tree: pathlib.Path, messages: pathlib.Path) -> None:
    (tree / "host/cgroup").mkdir(parents=True)
    mounts = {"/proc": "proc", str(cgroup.mount_point()): "host/cgroup"}
    for source, target in mounts.items():
        run("mount", "--bind", source, str(tree / target))
    # The machine's first process may be hidden from us: its cgroup namespace, as a node shows it.
    run("mount", "-t", "tmpfs", "tmpfs", str(tree / "proc/1/ns"))
    (tree / "proc/1/ns/cgroup").touch()
    run("mount", "--bind", "/proc/self/ns/cgroup", str(tree / "proc/1/ns/cgroup"))
    try:
        agent = Agent(tree, messages, as_container)
        check.check("table inet podfence" in tables(),
                    "podfenced fences from the image, with the DaemonSet's capabilities")
        done = run("chroot", str(tree), "/usr/bin/podfence", "pods", "-o", "jsonl", check=False)
        check.equal(done.returncode, 0, "the probes' command gets an answer", done.stderr)
        socket = tree / "run/podfence/podfenced.sock"
        check.equal(socket.stat().st_gid, IMAGE_GROUP, "sockets belong to the shipper's group")
        agent.stop()
        done = run("chroot", str(tree), "/usr/bin/podfence", "uninstall", check=False)
        check.equal((done.returncode, tables()), (0, []), "the removal's command takes the rules",
                    done.stderr)
    finally:
        for target in ("proc", "host/cgroup"):
            run("umount", "-R", "-l", str(tree / target))


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory(prefix="podfence-package-") as name:
        directory = pathlib.Path(name)
        packages = build(directory)
        check.check({"podfence", "libpodfence-nft-dev"} <= set(packages), "both packages are built")
        [changes] = directory.glob("*.changes")
        lint = run("lintian", "--allow-root", "--fail-on", "error,warning", str(changes),
                   check=False)
        check.equal((lint.returncode, lint.stdout), (0, ""), "lintian has nothing to say",
                    lint.stdout, lint.stderr)
        check_library(check, directory, packages["libpodfence-nft-dev"])
        try:
            root = Root(directory / "root", packages["podfence"])
        except RuntimeError as error:
            print(f"# no root to install into, so nothing was installed: {str(error)[-300:]!r}")
            return
        images = build_images(directory, packages["podfence"])
        netns.enter_private()  # and no mirror from here on
        with root.mounted():
            before = root.files()
            root.install(packages["podfence"])
            check_installed(check, root)
            check_life(check, root, next_version(packages["podfence"]), directory / "messages")
            check_purge(check, root, before)
            check_own_policies(check, root, packages["podfence"])
        check_image(check, directory, images)


tap.main(test, "dpkg-buildpackage", "dh", "lintian", "mmdebstrap")
