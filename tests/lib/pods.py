# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
"""Workloads of the lab: what the API says of them, and what stands on the node for them."""
import dataclasses
import hashlib
import pathlib
import uuid
from typing import Any

import cgroup
import netns
from worker import Worker

GATEWAY_MAC = "ee:ee:ee:ee:ee:ee"  # of every routed pod's link, as Calico has it
GATEWAY4, GATEWAY6 = "10.244.1.1", "fe80::1"
NODE_NAME = "lab-node"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass
class Pod:
    """One pod. `link` and `namespace` are empty for host pods, `bridge` for routed ones."""
    name: str
    namespace_name: str = "shop"
    is_host_network: bool = False
    is_static: bool = False  # known to the node by its config hash only
    driver: str = "systemd"  # or "cgroupfs"
    qos: str = "burstable"  # or "guaranteed"
    bridge: str = ""
    has_sidecar: bool = False  # a second container
    addresses: tuple[str, ...] = ()
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    owner: dict[str, Any] | None = None  # of its ownerReferences
    directory: pathlib.Path | None = None
    sleeper: Worker | None = None
    worker: Worker | None = None

    def __post_init__(self) -> None:
        self.uid = str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.namespace_name}/{self.name}"))
        self.config_hash = digest(self.name)[:32]
        self.container = digest("container " + self.name)
        self.sidecar = digest("sidecar " + self.name)
        self.netns = None if self.is_host_network else f"pod-{self.name}"
        self.link = "" if self.is_host_network else f"cali{digest(self.name)[:10]}"

    def cgroup_path(self) -> str:
        """As the kubelet and containerd name it, below the lab's directory."""
        uid = self.config_hash if self.is_static else self.uid
        if self.driver == "cgroupfs":
            middle = "" if self.qos == "guaranteed" else f"{self.qos}/"
            return f"kubepods/{middle}pod{uid}"
        middle = "" if self.qos == "guaranteed" else f"kubepods-{self.qos}.slice/"
        prefix = "kubepods" if self.qos == "guaranteed" else f"kubepods-{self.qos}"
        return f"kubepods.slice/{middle}{prefix}-pod{uid.replace('-', '_')}.slice"

    def container_path(self, container: str = "") -> str:
        container = container or self.container
        if self.driver == "cgroupfs":
            return f"{self.cgroup_path()}/{container}"
        return f"{self.cgroup_path()}/cri-containerd-{container}.scope"

    def address(self, version: int) -> str:
        return next(one for one in self.addresses if (":" in one) == (version == 6))

    def call(self, function: Any, *arguments: Any) -> Any:
        """Runs a function in the pod."""
        assert self.worker is not None
        return self.worker.call(function, *arguments)

    def another_worker(self, user: int = 0) -> Worker:
        return Worker(self.netns, self.directory, user)

    def sidecar_worker(self, tree: cgroup.CgroupTree) -> Worker:
        return Worker(self.netns, tree.make(self.container_path(self.sidecar)))

    def api_object(self) -> dict[str, Any]:
        """The Pod as the API has it."""
        annotations = {"kubernetes.io/config.hash": self.config_hash,
                       "kubernetes.io/config.source": "file"} if self.is_static else {}
        image = f"registry.internal/{self.name}:1"
        containers = {"main": self.container}
        if self.has_sidecar:
            containers["sidecar"] = self.sidecar
        spec = {"nodeName": NODE_NAME, "serviceAccountName": "default",
                "containers": [{"name": name, "image": image} for name in containers]}
        if self.is_host_network:
            spec["hostNetwork"] = True
        return {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": self.name, "namespace": self.namespace_name, "uid": self.uid,
                         "labels": {"app.kubernetes.io/name": self.name} | self.labels,
                         "annotations": annotations,
                         "ownerReferences": [self.owner] if self.owner else []},
            "spec": spec,
            "status": {"phase": "Running", "podIPs": [{"ip": one} for one in self.addresses],
                       "containerStatuses": [{"name": name, "image": image,
                                              "containerID": f"containerd://{container}"}
                                             for name, container in containers.items()]},
        }

    def run(self, tree: cgroup.CgroupTree) -> None:
        """Starts its processes; its network has to be there."""
        self.directory = tree.make(self.container_path())
        self.sleeper = Worker(self.netns, self.directory)
        self.worker = Worker(self.netns, self.directory)

    def wire(self, is_up: bool = True) -> None:
        """Its network, as a CNI plugin makes it. Not up: everything but the host side's link."""
        if self.is_host_network:
            return
        netns.add(self.netns)
        netns.ip(None, f"link add {self.link} type veth peer name eth0 netns {self.netns}")
        if self.bridge:
            self.wire_bridged()
        else:
            self.wire_routed()
        if is_up:
            self.link_up()

    def wire_routed(self) -> None:
        """ptp's and Calico's way: a link of its own with host routes, and a gateway behind it whose
        address every link has."""
        version4, version6 = self.address(4), self.address(6)
        netns.ip(None, f"link set {self.link} address {GATEWAY_MAC}",
                 f"addr add {GATEWAY4}/32 dev {self.link}",
                 f"addr add {GATEWAY6}/64 dev {self.link} nodad")
        netns.ip(self.netns, "link set eth0 up", f"addr add {version4}/32 dev eth0",
                 f"addr add {version6}/128 dev eth0 nodad",
                 f"neigh add {GATEWAY4} lladdr {GATEWAY_MAC} dev eth0 nud permanent",
                 f"neigh add {GATEWAY6} lladdr {GATEWAY_MAC} dev eth0 nud permanent",
                 f"route add {GATEWAY4} dev eth0 scope link",
                 f"route add default via {GATEWAY4} dev eth0 src {version4}",
                 f"route add default via {GATEWAY6} dev eth0 src {version6}")

    def wire_bridged(self) -> None:
        version4, version6 = self.address(4), self.address(6)
        netns.ip(None, f"link set {self.link} master {self.bridge}")
        netns.ip(self.netns, "link set eth0 up", f"addr add {version4}/24 dev eth0",
                 f"addr add {version6}/64 dev eth0 nodad",
                 f"route add default via {version4.rsplit('.', 1)[0]}.1",
                 f"route add default via {version6.rsplit(':', 1)[0]}:1")

    def link_up(self) -> None:
        routes = [] if self.bridge else \
            [f"route add {one} dev {self.link}" for one in self.addresses]
        netns.ip(None, f"link set {self.link} up", *routes)

    def stop(self) -> None:
        """Its processes, cgroup and network go."""
        for one in (self.worker, self.sleeper):
            if one:
                one.stop()
        self.worker = self.sleeper = None
        if self.directory:
            cgroup.remove(self.directory.parent)
        if self.netns and pathlib.Path("/run/netns", self.netns).exists():
            netns.ip(None, f"link delete {self.link}")
            netns.delete(self.netns)
