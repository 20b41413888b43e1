# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What documents and manifests give as a configuration is one: every YAML block that begins with
the name of a configuration file, the sample files, and those of deploy/kubernetes. And every
command that a document gives is one, with these options; what --help says of it fits a terminal."""
import functools
import os
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
import tap  # noqa: E402

BUILD = pathlib.Path(os.environ["PODFENCE_BUILD"])
PROGRAMS = {"podfence.yaml": "podfenced", "podfence-ship.yaml": "podfence-ship"}
BLOCK = re.compile(r"^```yaml\n# /etc/podfence/(podfence(?:-ship)?\.yaml)\n(.*?)^```$", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
PIECES = re.compile(r"[|;&#()]|\s--\s")  # of a line of a shell; "--": what kubectl exec runs
BEFORE = re.compile(r"^\s*(?:\$ )?(?:sudo (?:-u \S+ )?)?(?:\w+=\S+ )*(?:\S*/)?")
COMMAND = re.compile(r"(podfence|podfenced|podfence-ship) +(\S.*)")
OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z][a-z-]*)")


def run(program: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([str(BUILD / "agent" / program), *arguments], capture_output=True,
                          text=True)


@functools.cache
def options(program: str, command: str) -> frozenset[str]:
    """Empty: there is no such command."""
    done = run(program, *([command] if command else []), "--help")
    return frozenset(OPTION.findall(done.stdout)) | {"--help", "--version"} \
        if done.returncode == 0 else frozenset()


def shell_lines(text: str) -> Iterator[str]:
    """Code of a document: what stands in blocks and between backticks."""
    is_block = False
    for line in text.splitlines():
        if line.startswith("```"):
            is_block = not is_block
        elif is_block or line.startswith("    "):
            yield line
        else:
            yield from SPAN.findall(line)


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    for line in shell_lines(text):
        for piece in PIECES.split(line):
            found = COMMAND.fullmatch(BEFORE.sub("", piece).rstrip())
            if found:
                yield found[1], found[2].split()


def offence(program: str, words: list[str]) -> str:
    """What is wrong with a command of a document; "": nothing."""
    command = words[0] if program == "podfence" and not words[0].startswith("-") else ""
    known = options(program, command)
    if not known:
        return f"{program} {command}: no such command"
    unknown = [word for word in words if word.startswith("-") and word.split("=")[0] not in known]
    return f"{program} {' '.join(words)}: no option {', '.join(unknown)}" if unknown else ""


def check_commands(check: tap.Tap) -> None:
    n = 0
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/**/*.md")]):
        found = list(commands(path.read_text()))
        n += len(found)
        check.equal([text for one in found if (text := offence(*one))], [],
                    f"{path.name}: its {len(found)} commands and their options are there")
    check.check(n > 100, "there are some", n)


def check_help(check: tap.Tap) -> None:
    names = re.findall(r"^  (\w+) +\S", run("podfence", "--help").stdout, re.M)
    check.check(len(names) >= 16, "podfence --help names its commands", names)
    for program, *command in [("podfenced",), ("podfence-ship",), ("podfence",),
                              *(("podfence", name) for name in names)]:
        done = run(program, *command, "--help")
        wide = [line for line in done.stdout.splitlines() if len(line) > 100 - 20 * bool(command)]
        check.equal((done.returncode, wide), (0, []), f"{' '.join((program, *command))} --help")


def main() -> None:
    check = tap.Tap()
    check_commands(check)
    check_help(check)
    texts = [(f"{path.name}, block {number}", name, text) for path in sorted(ROOT.glob("docs/*.md"))
             for number, (name, text) in enumerate(BLOCK.findall(path.read_text()), 1)]
    texts += [(str(path.relative_to(base)), path.name, path.read_text())
              for base, folder in ((ROOT, "deploy/kubernetes"), (BUILD, "man"))
              for name in PROGRAMS for path in sorted((base / folder).rglob(name))]
    check.check(len(texts) >= 8, "there are some", len(texts))
    for where, name, text in texts:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([str(BUILD / "agent" / PROGRAMS[name]), "--config", file.name,
                                   "--check"], capture_output=True, text=True)
        check.equal((done.returncode, done.stderr), (0, ""), f"{where}: a configuration")
    print(f"1..{check.count}")
    sys.exit(1 if check.failed else 0)


main()
