# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Credentials that a program gives (the kubeconfig's exec entry): a token or a certificate, once
for all requests, again when they are over or refused; and every way such a program can be a
nuisance. What it does changes nothing of what is enforced."""
import json
import pathlib
import signal
import time
from typing import Any

import common  # noqa: F401
import tap
import traffic
from agent import Agent, wait_until
from api_server import ApiServer, make_certificate
from lab import EXTERNAL4, Lab
from pods import Pod

VERSION = "client.authentication.k8s.io/v1"
HINT = "Install it with: apt-get install lab-plugin"
PLUGIN = """#!/bin/sh
here=$(dirname "$0")
echo run >> "$here/runs"
printf '%s\\n' "$@" > "$here/arguments"
cat /proc/self/status > "$here/status"
printf '%s\\n' "$KUBERNETES_EXEC_INFO" > "$here/info"
printf '%s\\n' "$LAB_MARK" > "$here/mark"
echo $$ > "$here/pid"
. "$here/behaviour"
"""
HANGING = 'sleep 1000 & echo $! > "$here/child"; echo "waiting for a person" >&2; sleep 1000'
RUN_SECONDS, EARLY = 30, 10  # daemon/plugin.c


class Stage:
    def __init__(self, check: tap.Tap, lab: Lab, api: ApiServer) -> None:
        self.check, self.lab, self.api = check, lab, api
        self.directory = lab.directory / "bin"
        self.directory.mkdir()
        self.program = self.directory / "plugin"
        self.program.write_text(PLUGIN)
        self.program.chmod(0o755)
        make_certificate(lab.directory, "client")
        self.kubeconfig = self.write_kubeconfig()
        self.agent: Agent = lab.agent(kubernetes={"source": "kubeconfig",
                                                  "kubeconfig": str(self.kubeconfig)})
        self.serial = 0

    def write_kubeconfig(self, **changes: Any) -> pathlib.Path:
        path = self.lab.directory / "kubeconfig-exec"
        entry = {"apiVersion": VERSION, "command": "bin/plugin", "args": ["one", "two words", ""],
                 "env": [{"name": "LAB_MARK", "value": "a mark"}], "installHint": HINT,
                 "interactiveMode": "Never", "provideClusterInfo": True} | changes
        path.write_text(json.dumps({
            "current-context": "lab",
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "agent"}}],
            "clusters": [{"name": "lab", "cluster": {
                "server": f"https://127.0.0.1:{self.api.port}", "certificate-authority": "ca.crt",
                "extensions": [{"name": "client.authentication.k8s.io/exec",
                                "extension": {"audience": "lab"}}]}}],
            "users": [{"name": "agent", "user": {"exec": entry}}]}))
        path.chmod(0o600)
        return path

    def behave(self, text: str) -> None:
        fresh = self.directory / "behaviour.new"
        fresh.write_text(text + "\n")
        fresh.rename(self.directory / "behaviour")

    def give(self, **status: str) -> None:
        (self.directory / "credential").write_text(json.dumps(
            {"kind": "ExecCredential", "apiVersion": VERSION, "status": status}))
        self.behave('cat "$here/credential"')

    def give_token(self, token: str, seconds: float | None = None) -> None:
        """One that the server takes from now on, and no other."""
        self.api.tokens = {token}
        when = {} if seconds is None else {"expirationTimestamp": time.strftime(
            "%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))}
        self.give(token=token, **when)

    def runs(self) -> int:
        path = self.directory / "runs"
        return path.read_text().count("run") if path.exists() else 0

    def wrote(self, name: str) -> str:
        return (self.directory / name).read_text().rstrip("\n")

    def hears(self, when: str) -> None:
        """The agent hears of a pod, which is not on the node."""
        self.serial += 1
        name = f"extra-{self.serial}"
        self.api.put(Pod(name, is_host_network=True).api_object())
        self.agent.wait_for(lambda: f"shop/{name} is not resolved" in self.agent.said(), name)
        self.check.check(True, f"pods are heard of, {when}")

    def denied(self, when: str) -> None:
        pod = self.lab.pods[0]
        mark = self.lab.outside.mark()
        pod.call(traffic.udp_send, EXTERNAL4, 5300, b"out")
        self.check.check(not self.lab.left(mark, dport=5300), f"nothing leaves, {when}")

    def says(self, text: str, since: int, patience: float = 20) -> None:
        wait_until(lambda: text in self.agent.said()[since:], text, patience)
        self.check.check(True, f"it says: {text}")

    def trouble(self, behaviour: str, *texts: str, patience: float = 20) -> None:
        """The server refuses what it took before, and the program does that."""
        since = len(self.agent.said())
        self.behave(behaviour)
        self.api.tokens = set()
        self.api.cut()
        for text in texts:
            self.says(text, since, patience)
        self.denied(f"while the plugin: {texts[0]}")

    def recover(self, when: str) -> None:
        self.serial += 1
        self.give_token(f"recovered-{self.serial}")
        self.hears(when)


def test_token(stage: Stage) -> None:
    check = stage.check
    stage.give_token("first")
    stage.agent.start()
    stage.agent.wait_endpoints(1)
    stage.hears("with a token of the plugin")
    check.equal(stage.runs(), 1, "it was run once for all that is asked")
    check.equal(stage.wrote("arguments"), "one\ntwo words", "with its arguments")
    check.equal(stage.wrote("mark"), "a mark", "and its environment")
    info = json.loads(stage.wrote("info"))
    cluster = info["spec"].pop("cluster")
    check.equal(info, {"kind": "ExecCredential", "apiVersion": VERSION,
                       "spec": {"interactive": False}}, "it is told that nobody can be asked")
    check.check(cluster["server"].endswith(str(stage.api.port)) and
                cluster["config"] == {"audience": "lab"} and
                len(cluster["certificate-authority-data"]) > 100, "and of the cluster", cluster)
    status = dict(line.split(":\t", 1) for line in stage.wrote("status").splitlines()
                  if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        check.equal(int(status[name], 16), 0, f"it has no capability ({name})")
    check.equal(status["NoNewPrivs"], "1", "and gets no new ones")
    stage.denied("with a token of the plugin")


def test_renewal(stage: Stage) -> None:
    check = stage.check
    before = stage.runs()
    stage.api.cut()
    stage.hears("after all watches broke off")
    check.equal(stage.runs(), before, "what it gave is kept")
    stage.give_token("second")
    stage.api.cut()
    stage.hears("after the token was refused")
    check.equal(stage.runs(), before + 1, "401 makes it run again, once")
    over = time.time() + EARLY
    stage.give_token("third", seconds=2 * EARLY)
    stage.api.cut()
    stage.hears("with a token that is over soon")
    before = stage.runs()
    time.sleep(max(0, over + 1 - time.time()))
    stage.give_token("fourth")
    stage.api.tokens.add("third")  # the server would still take it
    stage.api.cut()
    stage.hears("after the token was over")
    check.equal(stage.runs(), before + 1, "and so does the end of its time")
    stage.give(clientCertificateData=(stage.lab.directory / "client.crt").read_text(),
               clientKeyData=(stage.lab.directory / "client.key").read_text())
    stage.api.tokens = set()
    stage.api.cut()
    stage.hears("with a certificate of the plugin")
    stage.api.are_certificates_known = False
    stage.give_token("fifth")
    stage.api.cut()
    stage.hears("after the certificate was refused")


def test_trouble(stage: Stage) -> None:
    for behaviour, *texts in (
            ('echo one >&2; echo "no ticket" >&2; exit 3',
             "exec plugin bin/plugin: exit status 3: no ticket; what is known stays in force"),
            ("kill -11 $$", "was ended by signal 11"),
            ("echo '{'", "its output is not used: it is no JSON: it ends in the middle"),
            ("true", "its output is not used: it is empty"),
            ("head -c 1000000 /dev/zero", "wrote more than 262144 bytes and was killed"),
            ("echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/"
             "v1beta1\",\"status\":{\"token\":\"x\"}}'", f"its apiVersion is not {VERSION}"),
            ("cat \"$here/old\"", "its credentials are over already")):
        (stage.directory / "old").write_text(json.dumps({
            "kind": "ExecCredential", "apiVersion": VERSION,
            "status": {"token": "x", "expirationTimestamp": "2001-01-01T00:00:00+01:00"}}))
        stage.trouble(behaviour, *texts)
        stage.recover(f"after: {texts[0]}")
    hidden = stage.program.rename(stage.directory / "hidden")
    stage.trouble("true", f"cannot be started: No such file or directory. {HINT}")
    hidden.rename(stage.program)
    stage.recover("once the program is there")


def is_gone(pid: int) -> bool:
    status = pathlib.Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] in "ZX"


def test_hanging(stage: Stage) -> None:
    agent, check = stage.agent, stage.check
    since = len(agent.said())
    runs = stage.runs()
    stage.behave(HANGING)
    stage.api.tokens = set()
    stage.api.cut()
    wait_until(lambda: stage.runs() > runs, "the program to run")
    wait_until(lambda: (stage.directory / "child").exists(), "its child")
    begun = time.monotonic()
    check.equal(agent.podfence("status")[0] in (0, 1), True, "the agent answers meanwhile")
    check.check(time.monotonic() - begun < RUN_SECONDS / 2, "and does not wait for it")
    stage.denied("while the plugin hangs")
    pids = [int(stage.wrote("pid")), int(stage.wrote("child"))]
    stage.says(f"did not end within {RUN_SECONDS} s and was killed: waiting for a person", since,
               RUN_SECONDS + 30)
    wait_until(lambda: all(is_gone(pid) for pid in pids), "the program and its child to be gone")
    check.check(True, "the program is killed with what it started")
    (stage.directory / "child").unlink()
    wait_until(lambda: (stage.directory / "child").exists(), "another run", 60)
    pid = int(stage.wrote("pid"))
    agent.stop(signal.SIGKILL)
    wait_until(lambda: is_gone(pid), "the program to end with the agent")
    check.check(True, "it does not outlive the agent")


def test_configuration(stage: Stage) -> None:
    agent, check = stage.agent, stage.check
    stage.give_token("again")
    agent.start()
    stage.hears("after another start")
    stage.write_kubeconfig(args=["another"])
    since = len(agent.said())
    agent.process.send_signal(signal.SIGHUP)
    stage.says("exec: podfenced can run only the command that stood here", since)
    stage.hears("with the command of the start")
    stage.write_kubeconfig()
    agent.reread()
    stage.api.cut()
    stage.hears("after the same kubeconfig was read again")
    check.equal(agent.stop(), 0, "it ends well")
    stage.write_kubeconfig().chmod(0o620)
    try:
        agent.start()
        check.check(False, "a kubeconfig that others may write executes nothing")
    except RuntimeError as error:
        check.check("can be written by others than root" in str(error),
                    "a kubeconfig that others may write executes nothing", error)
    agent.process = None
    for changes, text in (({"interactiveMode": "Always"}, "there is nobody to ask"),
                          ({"interactiveMode": ""}, "exec.interactiveMode: missing"),
                          ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "v1alpha1")):
        stage.write_kubeconfig(**changes)
        try:
            agent.start()
            check.check(False, f"a start is refused: {text}")
        except RuntimeError as error:
            check.check(text in str(error), f"a start is refused: {text}", error)
        agent.process = None


def test(check: tap.Tap) -> None:
    with Lab() as lab:
        api = ApiServer(lab.directory)
        api.start()
        lab.stack.callback(api.stop)
        api.put(lab.add_pod("routed").api_object())
        stage = Stage(check, lab, api)
        test_token(stage)
        test_renewal(stage)
        test_trouble(stage)
        test_hanging(stage)
        test_configuration(stage)


tap.main(test, "openssl")
