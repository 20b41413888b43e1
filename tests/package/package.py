# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The Debian packages as tests need them: built from the source tree, and one of a higher
version."""
import os
import pathlib
import re
import shutil
import subprocess

SOURCE = pathlib.Path(__file__).parents[2]


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


def depends(package: pathlib.Path) -> list[str]:
    """The first of each alternative."""
    text = run("dpkg-deb", "-f", str(package), "Depends").stdout
    return sorted({re.split(r"[ (|]", one.strip())[0] for one in text.split(",")})
