# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The Debian packages: built, looked at by lintian, and lived with in a throwaway root: installed,
upgraded, removed, purged. Of the machine nothing changes: the root is a directory, the network
namespace is private, and no systemd runs in it."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import netns  # noqa: E402
import tap  # noqa: E402
import worker  # noqa: E402
from agent import wait_until  # noqa: E402

SOURCE = pathlib.Path(__file__).parents[2]
UNITS = ["podfenced.service", "podfence-boot.service", "podfence-ship.service"]


def run(*command: str, check: bool = True, **options) -> subprocess.CompletedProcess:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done


def build(directory: pathlib.Path) -> dict[str, pathlib.Path]:
    """The packages by their names."""
    def is_ours(_: str, names: list[str]) -> set[str]:
        return {name for name in names if name == ".git" or name.startswith("build")}

    shutil.copytree(SOURCE, directory / "source", ignore=is_ours, symlinks=True)
    path = os.environ["PATH"]
    run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=directory / "source",
        env=os.environ | {"DEB_BUILD_OPTIONS": "nocheck parallel=2", "CCACHE_NOHASHDIR": "1",
                          "DEB_BUILD_PROFILES": "nocheck", "PATH": f"/usr/lib/ccache:{path}"})
    return {one.name.split("_")[0]: one for one in directory.glob("*.deb")}


def next_version(package: pathlib.Path) -> pathlib.Path:
    """The same with a higher version, as an upgrade."""
    tree = package.parent / "next"
    run("dpkg-deb", "-R", str(package), str(tree))
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)", r"Version: \1+next", control.read_text(),
                              flags=re.M))
    upgrade = package.parent / "next.deb"
    run("dpkg-deb", "--root-owner-group", "-b", str(tree), str(upgrade))
    return upgrade


class Root:
    """A minimal Debian in a directory, to run commands in."""

    def __init__(self, directory: pathlib.Path, package: pathlib.Path) -> None:
        self.path = directory
        depends = run("dpkg-deb", "-f", str(package), "Depends").stdout
        names = sorted({re.split(r"[ (|]", one.strip())[0] for one in depends.split(",")})
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

    def __init__(self, root: Root, messages: pathlib.Path) -> None:
        with messages.open("w") as said:
            self.process = subprocess.Popen(["chroot", str(root.path), "/usr/sbin/podfenced"],
                                            stdout=subprocess.DEVNULL, stderr=said,
                                            preexec_fn=worker.die_with_parent)
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
    agent = Agent(root, messages)
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
        netns.enter_private()
        with root.mounted():
            before = root.files()
            root.install(packages["podfence"])
            check_installed(check, root)
            check_life(check, root, next_version(packages["podfence"]), directory / "messages")
            check_purge(check, root, before)
            check_own_policies(check, root, packages["podfence"])


tap.main(test, "dpkg-buildpackage", "dh", "lintian", "mmdebstrap")
