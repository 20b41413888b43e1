# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Wall clock of the commands that ask the agent, as a process from its start to its end, beside one
that does nothing (/bin/true): 250 pods, of which three are on the node.

	sudo PODFENCE_BUILD=build-release python3 tests/bench/command.py
"""
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "lib"))
from agent import program  # noqa: E402
from lab import Lab  # noqa: E402

ROUNDS = 31
N_PODS = 250


def main() -> None:
    with Lab() as lab:
        lab.add_three_pods()
        for number in range(N_PODS - len(lab.pods)):
            lab.new_pod(f"absent-{number}", is_host_network=True)
        lab.write_pods()
        agent = lab.agent()
        agent.start()
        agent.wait_endpoints(N_PODS, N_PODS - 3)
        commands = {"true": ["/bin/true"],
                    **{name: [program("podfence"), name] for name in ("status", "pods", "flows")},
                    "why": [program("podfence"), "why", "shop/routed", "203.0.113.9:443"]}
        times: dict[str, list[float]] = {name: [] for name in commands}
        environment = os.environ | {"PODFENCE_SOCKET": str(agent.socket)}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                begun = time.perf_counter()
                subprocess.run(command, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, check=False)
                times[name].append(1000 * (time.perf_counter() - begun))
        print(f"{N_PODS} pods, milliseconds of wall clock, {ROUNDS} interleaved rounds: "
              "median [min-max]")
        for name, found in times.items():
            print(f"  {name:8} {statistics.median(found):6.1f} [{min(found):.1f}-{max(found):.1f}]")


main()
