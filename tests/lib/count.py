# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""count.py BUILD...: adds up what meson wrote about its test runs. Single checks count where a test
speaks TAP, else the test. Skips are shown with their reason; the last line is the sum; exit 1 if
anything failed or a run left nothing to count."""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as xml

SKIP = re.compile(r"^1\.\.0\s*#\s*skip\S*\s*(.*)$", re.I | re.M)


def count(report: pathlib.Path, totals: collections.Counter[str], skips: list[str]) -> None:
    for suite in xml.parse(report).getroot().iter("testsuite"):
        output = "".join(one.text or "" for one in suite.iter("system-out"))
        reason = SKIP.search(output)
        if reason and not any(case.find("failure") is not None for case in suite.iter("testcase")):
            totals["skipped"] += 1
            skips.append(f"{suite.get('name')}: {reason.group(1)}")
            continue
        for case in suite.iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                totals["failed"] += 1
            elif (skipped := case.find("skipped")) is not None:
                totals["skipped"] += 1
                skips.append(f"{suite.get('name')}, {case.get('name')}: "
                             f"{skipped.get('message', 'no reason given')}")
            else:
                totals["passed"] += 1


def main(builds: list[str]) -> int:
    totals: collections.Counter[str] = collections.Counter()
    skips: list[str] = []
    is_complete = True
    for build in builds:
        report = pathlib.Path(build, "meson-logs", "testlog.junit.xml")
        if report.exists():
            count(report, totals, skips)
        else:
            print(f"no test results in {build}")
            is_complete = False
    for skip in skips:
        print(f"skipped: {skip}")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 0 if is_complete and not totals["failed"] else 1


sys.exit(main(sys.argv[1:]))
