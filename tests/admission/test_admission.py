# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""deploy/admission, evaluated over samples by check.mjs. Its two libraries come from the npm
registry, by the lock file; where that cannot be the test skips and says why."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import tap  # noqa: E402

HERE = pathlib.Path(__file__).parent
ADMISSION = HERE.parents[1] / "deploy/admission"

missing = [program for program in ("node", "npm") if not shutil.which(program)]
if missing:
    tap.skip_all(f"not installed: {', '.join(missing)}")
with tempfile.TemporaryDirectory(prefix="podfence-admission-") as name:
    for file in (*HERE.glob("*.mjs"), *HERE.glob("package*.json")):
        shutil.copy(file, name)
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=name,
                          capture_output=True, text=True)
    if done.returncode:
        tap.skip_all("npm could not bring @bufbuild/cel and yaml: " +
                     " ".join(done.stderr.split())[:200])
    sys.exit(subprocess.run(["node", "check.mjs", str(ADMISSION)], cwd=name).returncode)
