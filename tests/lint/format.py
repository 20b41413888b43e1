# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""C files look as .clang-format says."""
import subprocess

import source


def lint(check: source.tap.Tap) -> None:
    for path in source.files("*.c", "*.h"):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror", str(path)],
                              capture_output=True, text=True)
        check.check(done.returncode == 0, f"{source.name(path)} is formatted", done.stderr[:500])


source.main(lint, "clang-format")
