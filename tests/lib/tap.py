# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Test Anything Protocol for tests written in Python."""
import os
import signal
import sys
import traceback
from collections.abc import Callable


class Tap:
    def __init__(self) -> None:
        self.count = self.failed = 0

    def check(self, is_good: object, name: str, *details: object) -> bool:
        """One result; details are shown where it is bad, on stderr, because that is what meson
        shows of a failed test."""
        self.count += 1
        print(f"{'ok' if is_good else 'not ok'} {self.count} - {name.replace('#', '')}", flush=True)
        if not is_good:
            self.failed += 1
            print(f"not ok {self.count} - {name}", *details, sep="\n    ", file=sys.stderr)
        return bool(is_good)

    def equal(self, value: object, expected: object, name: str, *details: object) -> bool:
        return self.check(value == expected, name, f"{value!r} instead of {expected!r}", *details)

    def skip(self, name: str, reason: str) -> None:
        self.count += 1
        print(f"ok {self.count} - {name.replace('#', '')} # SKIP {reason}", flush=True)


def skip_all(reason: str) -> None:
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def why_not_here(programs: tuple[str, ...] = ()) -> str:
    """Why a test that needs root and real kernel objects cannot run; "" where it can."""
    import shutil
    import cgroup
    if os.geteuid() != 0:
        return "needs root"
    if cgroup.mount_point() is None:
        return "no cgroup2 mount"
    missing = [program for program in ("ip", "nft", *programs) if not shutil.which(program)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def main(test: Callable[[Tap], None], *programs: str) -> None:
    """Runs one test file: skips with the reason, ends with the plan, and cleans up when
    interrupted."""
    reason = why_not_here(programs)
    if reason:
        skip_all(reason)
    run(test)


def run(test: Callable[[Tap], None]) -> None:
    """Runs one test file that needs nothing of this machine."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tap = Tap()
    try:
        test(tap)
    except Exception:
        tap.check(False, "the test ran to its end", traceback.format_exc())
    print(f"1..{tap.count}", flush=True)
    sys.exit(1 if tap.failed else 0)
