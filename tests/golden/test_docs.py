# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What documents and manifests give as a configuration is one: every YAML block that begins with
the name of a configuration file, the sample files, and those of deploy/kubernetes."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
import tap  # noqa: E402

BUILD = pathlib.Path(os.environ["PODFENCE_BUILD"])
PROGRAMS = {"podfence.yaml": "podfenced", "podfence-ship.yaml": "podfence-ship"}
BLOCK = re.compile(r"^```yaml\n# /etc/podfence/(podfence(?:-ship)?\.yaml)\n(.*?)^```$", re.M | re.S)


def main() -> None:
    check = tap.Tap()
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
