# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What lints share: the files of the source tree, and TAP."""
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import tap  # noqa: E402

ROOT = pathlib.Path(sys.argv[1]).resolve()


def files(*patterns: str, below: tuple[str, ...] = ("",)) -> Iterator[pathlib.Path]:
    """Files of these patterns, build directories and what git keeps for itself left out."""
    for folder in below:
        for pattern in patterns:
            for path in sorted((ROOT / folder).rglob(pattern)):
                top = path.relative_to(ROOT).parts[0]
                if path.is_file() and not top.startswith("build") and top != ".git":
                    yield path


def name(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def main(lint: Callable[[tap.Tap], None], *programs: str) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        tap.skip_all(f"not installed: {', '.join(missing)}")
    check = tap.Tap()
    lint(check)
    print(f"1..{check.count}")
    sys.exit(1 if check.failed else 0)
