# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""deploy/kubernetes: everything stands in the namespace it is written for and finds what it names,
and the agent may read what it asks for. What kustomize makes of the overlays is looked at where
kubectl is there."""
import pathlib
import re
import shutil
import subprocess
import sys

import source

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
import api_server  # noqa: E402

TOP = source.ROOT / "deploy/kubernetes"
OVERLAYS = ("audit", "enforce")


def fact(document: str, pattern: str) -> str:
    found = re.search(pattern, document, re.M)
    return found[1] if found else ""


def objects(text: str) -> dict[tuple[str, str, str], str]:
    """Documents by kind, namespace and name."""
    made = {}
    for document in re.split(r"^---$", text, flags=re.M):
        metadata = fact(document, r"^metadata:\n((?:[ #].*\n)+)")
        kind = fact(document, r"^kind: (\S+)$")
        made[(kind, fact(metadata, r"^  namespace: (\S+)$"), fact(metadata, r"^  name: (\S+)$"))] \
            = document
    return made


def resources(path: str) -> tuple[str, str]:
    """Group and resource of a path of the API."""
    parts = path.strip("/").split("/")
    return ("" if parts[0] == "api" else parts[1]), parts[-1]


def allows(role: str, group: str, resource: str) -> bool:
    for rule in role.split("- apiGroups:")[1:]:
        groups, rest = rule.split("resources:")
        names, verbs = rest.split("verbs:")
        if (group in re.findall(r"[\w.]+", groups) or (not group and '""' in groups)) and \
                resource in re.findall(r"\w+", names) and \
                {"list", "watch"} <= set(re.findall(r"\w+", verbs)):
            return True
    return False


def check_rights(check: source.tap.Tap, made: dict[tuple[str, str, str], str], what: str) -> None:
    everywhere = made[("ClusterRole", "", "podfence")]
    for path in api_server.RESOURCES:
        namespace = fact(path, r"/namespaces/(\w+)/")
        role = made.get(("Role", namespace, "podfence"), "") if namespace else everywhere
        check.check(allows(role, *resources(path)), f"{what}: the agent may read {path}", *made)
    roles = [document for (kind, *_), document in made.items() if kind in ("ClusterRole", "Role")]
    writes = r"\b(create|update|patch|delete|deletecollection|impersonate|bind|escalate)\b|\*"
    check.check(roles and not any(re.search(writes, role) for role in roles),
                f"{what}: and change nothing", *roles)


def check_overlay(check: source.tap.Tap, name: str) -> None:
    done = subprocess.run(["kubectl", "kustomize", str(TOP / "overlays" / name)],
                          capture_output=True, text=True)
    check.equal(done.returncode, 0, f"kustomize takes {name}", done.stderr)
    made = objects(done.stdout)
    check_rights(check, made, name)
    [(daemonset, *_)] = [(document, key) for key, document in made.items()
                         if key[:2] == ("DaemonSet", "podfence")] or [("",)]
    for kind, pattern in (("ServiceAccount", r"serviceAccountName: (\S+)$"),
                          ("ConfigMap", r"configMap:\n +name: (podfence-\S+)$")):
        named = fact(daemonset, pattern)
        check.check((kind, "podfence", named) in made, f"{name}: its {kind} is there", named, *made)
    for (kind, namespace, one), document in made.items():
        if not kind.endswith("RoleBinding"):
            continue
        role = fact(document, r"^roleRef:\n(?:  .*\n)*?  name: (\S+)$")
        of = fact(document, r"^roleRef:\n(?:  .*\n)*?  kind: (\S+)$")
        check.check((of, namespace, role) in made, f"{name}: {kind} {one} finds its {of}", *made)


def lint(check: source.tap.Tap) -> None:
    made = objects((TOP / "base/rbac.yaml").read_text())
    check_rights(check, made, "rbac.yaml")
    for path in sorted(TOP.rglob("kustomization.yaml")):
        check.check(not re.search(r"^namespace:", path.read_text(), re.M),
                    f"{source.name(path)} moves nothing out of its namespace")
    if not shutil.which("kubectl"):
        print("# without kubectl the overlays are not built")
        return
    for name in OVERLAYS:
        check_overlay(check, name)


source.main(lint)
