# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""The agent's books, which it says at SIGUSR1, and what its events add up to."""
import re
import signal

import tap
from agent import Agent, field, wait_until
from pods import Pod

BOOKS = re.compile(
    r"^podfenced: books: denied (?P<denied>\d+) = ledger (?P<ledger>\d+) \+ overflow "
    r"(?P<overflow>\d+) \+ unkept (?P<unkept>\d+); audited (?P<audited>\d+) = ledger "
    r"(?P<audited_ledger>\d+) \+ overflow (?P<audited_overflow>\d+) \+ unkept "
    r"(?P<audited_unkept>\d+); allowed (?P<allowed>\d+) = ledger (?P<allowed_ledger>\d+) "
    r"\+ overflow 0 \+ unkept (?P<allowed_unkept>\d+); spoofed (?P<spoofed>\d+) = by sender "
    r"(?P<spoofed_by>\d+) \+ unkept (?P<spoofed_unkept>\d+); tunneled (?P<tunneled>\d+) = by "
    r"sender (?P<tunneled_by>\d+) \+ unkept (?P<tunneled_unkept>\d+); quarantined "
    r"(?P<quarantined>\d+) = by sender (?P<quarantined_by>\d+) \+ unkept "
    r"(?P<quarantined_unkept>\d+); backstopped (?P<backstopped>\d+) = by sender "
    r"(?P<backstopped_by>\d+) \+ unkept (?P<backstopped_unkept>\d+); "
    r"NFLOG: sent (?P<sent>\d+) = "
    r"received (?P<received>\d+) \+ lost (?P<lost>\d+); (?P<verdict>.*)$", re.M)
QUICK = {"reportSeconds": 1, "idleSeconds": 3}


def books(agent: Agent) -> dict[str, int | str]:
    """As of now, said at SIGUSR1."""
    said = len(agent.said())
    agent.process.send_signal(signal.SIGUSR1)
    agent.wait_for(lambda: BOOKS.search(agent.said(), said), "the books")
    found = BOOKS.search(agent.said(), said).groupdict()
    return {key: value if key == "verdict" else int(value) for key, value in found.items()}


def check_balance(check: tap.Tap, agent: Agent, when: str) -> dict[str, int | str]:
    """When it is quiet: messages are up to 10 ms on their way."""
    found: dict[str, int | str] = {}

    def balance() -> bool:
        found.clear()
        found.update(books(agent))
        return found["verdict"] == "books balance"

    try:
        wait_until(balance, "the books to balance", 5)
    except TimeoutError:
        pass
    check.equal(found["verdict"], "books balance", f"{when}: {found}")
    return found


def told(agent: Agent, pod: Pod, **facts: object) -> int:
    """Packets of the pod in all events with these facts."""
    return sum(field(event, "network.packets") or 0
               for event in agent.find_events(kubernetes__pod__name=pod.name, **facts))


def check_told(check: tap.Tap, agent: Agent, pod: Pod, expected: int, what: str,
               **facts: object) -> None:
    """All of it, once the next reading is told: neither less nor, a reading later, more."""
    try:
        wait_until(lambda: told(agent, pod, **facts) >= expected, "the counts", 10)
        wait_until(lambda: field(agent.find_events(kubernetes__pod__name=pod.name, **facts)[-1],
                                 "podfence.flow.state") == "end", "the flow to end", 15)
    except TimeoutError:
        pass
    check.equal(told(agent, pod, **facts), expected, what)
