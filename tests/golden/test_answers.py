# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""What `podfence why` and `podfence plan` answer on the files of answers/, as golden text; with
UPDATE_GOLDEN=1 it is written anew. Both are run where their files stand, without root."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap  # noqa: E402

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


def ask(arguments: list[str]) -> tuple[int, str]:
    done = subprocess.run([PROGRAM, arguments[0], *OPTIONS, *arguments[1:]], cwd=FILES, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          env=os.environ | {"PODFENCE_STORE": "/nonexistent"})
    return done.returncode, done.stdout


def main() -> None:
    check = tap.Tap()
    for name, (arguments, expected) in QUESTIONS.items():
        status, text = ask(arguments)
        path = FILES / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        check.equal(status, expected, f"{name}: exit status", text)
        check.equal(text, path.read_text() if path.exists() else "", f"{name}: text")
    print(f"1..{check.count}")
    sys.exit(1 if check.failed else 0)


main()
