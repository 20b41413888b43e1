# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Python and shell files parse, and shellcheck (where it is installed) has nothing to say."""
import pathlib
import shutil
import subprocess

import source


def shell_files() -> list[pathlib.Path]:
    extra = source.ROOT / ".ci" / "run"
    return [*source.files("*.sh", "*.prerm", "*.postrm"), *([extra] if extra.exists() else [])]


def lint(check: source.tap.Tap) -> None:
    for path in source.files("*.py"):
        try:
            compile(path.read_text(), source.name(path), "exec")
            problem = ""
        except SyntaxError as error:
            problem = str(error)
        check.equal(problem, "", f"{source.name(path)} parses")
        long = [number for number, line in enumerate(path.read_text().splitlines(), 1)
                if len(line) > 100]
        check.equal(long, [], f"{source.name(path)} has no line above 100 columns")
    for path in shell_files():
        done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
        check.equal(done.stderr, "", f"{source.name(path)} parses")
        if shutil.which("shellcheck"):
            done = subprocess.run(["shellcheck", "-x", str(path)], capture_output=True, text=True,
                                  cwd=source.ROOT)
            check.equal(done.stdout, "", f"{source.name(path)} passes shellcheck")


source.main(lint)
