# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What `podfence why` and `podfence plan` answer on the files of answers/, as golden text; with
UPDATE_GOLDEN=1 it is written anew. Both are run where their files stand, without root. And what
they answer on a node whose policy file is refused: as the agent, by what it said when it was
good."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402
from state_file import state_file  # noqa: E402

FILES = pathlib.Path(__file__).resolve().parent / "answers"
PROGRAM = pathlib.Path(os.environ["PODFENCE_BUILD"]) / "agent" / "podfence"
OPTIONS = ["--config", "podfence.yaml", "--pods", "pods.json", "--policies", "policies.yaml"]
QUESTIONS = {  # name: arguments and exit status
    "accepted": (["why", "shop/web", "203.0.113.9:443"], 0),
    "ceiling": (["why", "shop/web", "203.0.113.9:80"], 1),
    "trial": (["why", "-n", "shop", "web", "203.0.113.200:443/tcp"], 0),
    "internal": (["why", "shop/web", "10.1.2.3:53/udp"], 0),
    "metadata": (["why", "kube-system/dns", "169.254.169.254:80"], 0),
    "allow-list": (["why", "shop/web", "198.51.100.7:443"], 0),
    "translated": (["why", "shop/web", "[64:ff9b::cb00:7109]:443"], 0),
    "hypothetical": (["why", "--labels", "app=x", "--host", "lab/new", "192.0.2.1"], 1),
    "multicast": (["why", "shop/web", "224.0.0.1"], 0),
    "near-name": (["why", "shop/wep", "203.0.113.9"], 2),
    "network": (["why", "shop/web", "203.0.113.0/24"], 2),
    "many-ports": (["why", "shop/web", "203.0.113.9:1-2"], 2),
    "labels": (["why", "--labels", "app", "lab/new", "192.0.2.1"], 2),
    "plan": (["plan", "new.yaml"], 0),
    "plan-same": (["plan", "policies.yaml"], 0),
    "plan-refused": (["plan", "pods.json", "absent.yaml"], 2),
}


def ask(arguments: list[str], options: list[str] = OPTIONS) -> tuple[int, str]:
    done = subprocess.run([PROGRAM, arguments[0], *options, *arguments[1:]], cwd=FILES, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          env=os.environ | {"PODFENCE_STORE": "/nonexistent"})
    return done.returncode, done.stdout


class Node:
    """Files of a node: a policy file that is refused, and what was kept of it."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.policies, self.state = directory / "policies.d", directory / "state"
        self.config = directory / "podfence.yaml"
        self.policies.mkdir()
        self.state.mkdir()
        self.config.write_text(json.dumps({
            "node": {"name": "n1"}, "policies": {"directory": str(self.policies)},
            "state": {"directory": str(self.state)}, "default": {"mode": "deny"}}))
        self.policy = {
            "apiVersion": "policy.networking.k8s.io/v1alpha2", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": "edge"},
            "spec": {"tier": "Admin", "priority": 10, "subject": {"namespaces": {}},
                     "egress": [{"action": "Accept", "to": [{"networks": ["203.0.113.0/24"]}]}]}}
        self.file = self.policies / "edge.yaml"
        self.file.write_text(json.dumps(self.policy).replace("/24", "/33"))

    def keep(self, node: str = "n1") -> None:
        self.kept.write_text(state_file("last-good-policies", node, [{
            "path": str(self.file), "identity": "ClusterNetworkPolicy edge", "place": "document 1",
            "origin": f"{self.file}: document 1", "object": [self.policy]}]))

    @property
    def kept(self) -> pathlib.Path:
        return self.state / "last-good-policies.json"

    def ask(self, command: str, *arguments: str) -> tuple[int, str]:
        return ask([command, *arguments], ["--config", str(self.config), "--pods", "pods.json"])


def check_last_good(check: tap.Tap) -> None:
    question = ("why", "shop/web", "203.0.113.9:443")
    with tempfile.TemporaryDirectory(prefix="podfence-test-") as name:
        node = Node(pathlib.Path(name))
        status, text = node.ask(*question)
        check.check(status == 1 and "denied" in text and "/33" in text,
                    "a refused policy of which nothing is known decides nothing", text)
        node.keep()
        status, text = node.ask(*question)
        check.check(status == 0 and
                    f"defined in   {node.file}: document 1" in text and "/33" in text and
                    f"{node.kept}: 1 object of refused files counts as good last" in text,
                    "one whose last good version is kept decides as it does in the agent", text)
        new = pathlib.Path(name) / "new.json"
        new.write_text(json.dumps(node.policy))
        status, text = node.ask("plan", str(new))
        check.check(status == 0 and "\n0 of 2 pods would be decided otherwise\n" in text,
                    "plan compares with it: the same again changes nothing", text)
        status, text = ask(["why", "--policies", str(node.policies), *question[1:]],
                           ["--config", str(node.config), "--pods", "pods.json"])
        check.check(status == 1 and "last-good" not in text,
                    "files that are named are asked as they are", text)
        node.keep("n2")
        status, text = node.ask(*question)
        check.check(status == 1 and "is of another node" in text, "not of another node", text)
        node.kept.unlink()
        node.kept.mkdir()
        status, text = node.ask(*question)
        check.check(status == 1 and f"{node.kept}: Is a directory; what is refused may be in force "
                    "as it was good last" in text, "one that cannot be read: said", text)
        node.file.write_text(json.dumps(node.policy))
        status, text = node.ask(*question)
        check.check(status == 0 and "last-good" not in text,
                    "where nothing is refused nothing is said", text)


def main() -> None:
    check = tap.Tap()
    for name, (arguments, expected) in QUESTIONS.items():
        status, text = ask(arguments)
        path = FILES / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        check.equal(status, expected, f"{name}: exit status", text)
        check.equal(text, path.read_text() if path.exists() else "", f"{name}: text")
    shown = "".join(f"    {line}\n" for line in (FILES / "ceiling.txt").read_text().splitlines())
    check.check(shown in (FILES.parents[2] / "README.md").read_text(), "README shows the ceiling")
    check_last_good(check)
    print(f"1..{check.count}")
    sys.exit(1 if check.failed else 0)


main()
