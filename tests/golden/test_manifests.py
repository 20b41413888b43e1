# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""deploy/kubernetes: what the DaemonSet gives is what the programs ask for, its account only reads,
and both overlays can be built (where kubectl is installed)."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
import tap  # noqa: E402

KUBERNETES = ROOT / "deploy/kubernetes"


def main() -> None:
    check = tap.Tap()
    pod = (KUBERNETES / "base/daemonset.yaml").read_text()
    needed = re.findall(r"\{CAP_(\w+), (?:true|false)",
                        (ROOT / "agent/daemon/privileges.c").read_text())
    agent = pod[pod.index("- name: podfenced\n"):pod.index("- name: podfence-ship\n")]
    given = re.search(r"add: \[(.+)\]", agent)[1].split(", ")
    check.equal(sorted(given), sorted(needed), "podfenced gets the capabilities it asks for")
    shipper = pod[pod.index("- name: podfence-ship\n"):pod.index("      volumes:\n")]
    check.check("drop: [ALL]" in shipper and "add:" not in shipper, "podfence-ship gets none")
    check.check("privileged: true" not in pod, "nothing is privileged")
    check.check("serviceaccount" in agent and "serviceaccount" not in shipper,
                "podfenced alone has the token")
    identity = re.search(r"^IDENTITY = (\d+)", (ROOT / "deploy/image/oci.py").read_text(), re.M)[1]
    numbers = re.findall(r"(?:supplementalGroups: \[|runAsUser: |runAsGroup: |-[og], \")(\d+)", pod)
    check.equal(set(numbers), {identity}, "users and groups are those of the image")
    verbs = re.findall(r"verbs: \[(.*)\]", (KUBERNETES / "base/rbac.yaml").read_text())
    check.equal(set(verbs), {"list, watch"}, "the account only lists and watches")
    if shutil.which("kubectl"):
        for overlay in ("audit", "enforce"):
            done = subprocess.run(["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)],
                                  capture_output=True, text=True)
            check.equal((done.returncode, done.stderr), (0, ""), f"overlay {overlay} is built")
            check.check("kind: DaemonSet" in done.stdout and "podfence-ship.yaml: |" in done.stdout,
                        f"overlay {overlay} has the DaemonSet and its configuration")
    print(f"1..{check.count}")
    sys.exit(1 if check.failed else 0)


main()
