# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Whom podfence-ship believes, and what an operator has to mend: certificates that have expired
or are another authority's, clients that are not known, redirects, wrong keys. Nothing is sent to
the wrong place, nothing is lost, and it goes on by itself when it is right."""
import pathlib
import shutil
import tempfile

import common  # noqa: F401
import tap
from agent import wait_until
from certificates import Authority
from receiver import Receiver
from shipper import Seam, Shipper, check_sum


def wait_problem(shipper: Shipper, *words: str) -> str:
    """/healthz says of an output what is wrong, which is no reason to be unready."""
    def problem() -> str:
        text = shipper.get("/healthz")[1]
        return text if any(word in text for word in words) else ""

    found = wait_until(problem, f"/healthz to speak of {words}")
    if shipper.get("/readyz") != (200, "ok\n"):
        raise AssertionError(f"unready because of an output: {found}")
    return found


def check_tls(check: tap.Tap, directory: pathlib.Path, shipper: Shipper, seam: Seam,
              receiver: Receiver, authorities: dict[str, Authority]) -> None:
    ours, other = authorities["ca"], authorities["other"]
    sent = seam.events(40)
    check.check("tls" in wait_problem(shipper, "expired"), "a certificate that has expired: said")
    receiver.use(other.issue("foreign"), ours.certificate)
    wait_problem(shipper, "self-signed", "unable to get local issuer", "signed certificate")
    check.check(True, "one of another authority: said")
    receiver.use(ours.issue("good"), ours.certificate)
    wait_until(lambda: "expired" not in shipper.get("/healthz")[1] and
               "issuer" not in shipper.get("/healthz")[1], "another problem")
    check.equal((receiver.documents, "output tls: " in shipper.get("/healthz")[1]), ({}, True),
                "a client whom the receiver does not know gets nowhere")
    for name in ("client.crt", "client.key"):
        shutil.copy(directory / name.replace("client", "known"), directory / name)
    shipper.wait_settled("tls")
    check.equal(set(receiver.documents), set(sent), "the right one, from its files: all arrives")
    check_sum(check, shipper, "tls", "TLS")


def check_redirect(check: tap.Tap, shipper: Shipper, seam: Seam, hook: Receiver,
                   elsewhere: Receiver) -> None:
    hook.usual, hook.location = "redirect", elsewhere.url
    seam.events(5)
    wait_problem(shipper, "HTTP 302")
    check.equal(elsewhere.requests, 0, "a redirect is not followed")
    check.equal(hook.taken, [], "and is no success")
    hook.usual = "401"
    shipper.stop()
    shipper.start()  # it would be tried again in a minute
    seam.accept()
    wait_problem(shipper, "HTTP 401")
    hook.usual = "good"
    shipper.stop()
    shipper.start()
    seam.accept()
    shipper.wait_settled("hook")
    check_sum(check, shipper, "hook", "a redirect and a wrong key later")
    check.equal(shipper.books("hook")[1]["dead"], 0, "what an operator can mend kills nothing")


def check_secrets(check: tap.Tap, directory: pathlib.Path, shipper: Shipper, seam: Seam,
                  hook: Receiver) -> None:
    """A file of a secret that is not there, and comes."""
    (directory / "secret").unlink()
    seam.events(5)
    wait_problem(shipper, "No such file")
    (directory / "secret").write_text("another\n")
    shipper.wait_settled("hook")
    check.check(hook.taken[-1].headers["X-Podfence-Signature"].startswith("sha256="),
                "a secret is read when it is used")
    check_sum(check, shipper, "hook", "a secret that was away")


def check_proxy(check: tap.Tap, shipper: Shipper, seam: Seam, proxy: Receiver) -> None:
    seam.events(5)
    shipper.wait_settled("far")
    check.equal({request.path for request in proxy.taken}, {"http://192.0.2.1/in"},
                "an output behind a proxy: asked for there")
    check_sum(check, shipper, "far", "by a proxy")


def test(check: tap.Tap) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        authorities = {name: Authority(directory, name) for name in ("ca", "other")}
        authorities["ca"].issue("known")
        authorities["other"].issue("client")
        (directory / "secret").write_text("first\n")
        receiver = Receiver(authorities["ca"].issue("old", days=-1), authorities["ca"].certificate)
        hook, elsewhere, proxy = Receiver(), Receiver(), Receiver()
        seam = Seam(directory / "seam.sock")
        shipper = Shipper(directory, [
            {"name": "tls", "kind": "elasticsearch", "urls": [receiver.url], "timeoutSeconds": 2,
             "caFile": str(directory / "ca.crt"), "certificateFile": str(directory / "client.crt"),
             "keyFile": str(directory / "client.key")},
            {"name": "hook", "kind": "webhook", "urls": [hook.url],
             "secretFile": str(directory / "secret")},
            {"name": "far", "kind": "webhook", "urls": ["http://192.0.2.1/in"],
             "proxy": proxy.url}])
        shipper.start()
        seam.accept()
        check_tls(check, directory, shipper, seam, receiver, authorities)
        shipper.wait_settled("hook")
        hook.taken.clear()
        check_redirect(check, shipper, seam, hook, elsewhere)
        check_secrets(check, directory, shipper, seam, hook)
        check_proxy(check, shipper, seam, proxy)
        check.equal(shipper.stop(), 0, "ends well")
        for each in (receiver, hook, elsewhere, proxy):
            each.stop()


tap.main(test)
