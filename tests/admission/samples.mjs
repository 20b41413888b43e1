// SPDX-License-Identifier: GPL-2.0-or-later
// SPDX-FileCopyrightText: podfence authors
//
// Objects, and which rules refuse them; the others let them pass.

const limits = {limits: {cpu: "1", memory: "1Gi"}};
const image = "registry.example.com/app:1";

/** A container nobody has anything against, with changes. */
const container = (changes = {}, context = {}) => ({
  name: "c", image, resources: limits,
  securityContext: {capabilities: {drop: ["ALL"]}, ...context}, ...changes,
});

const pod = (spec = {}) => ({
  apiVersion: "v1", kind: "Pod", metadata: {name: "p", namespace: "shop"},
  spec: {containers: [container()], ...spec},
});

const service = (spec) => ({apiVersion: "v1", kind: "Service", metadata: {name: "s"}, spec});

const adds = (...add) => pod({containers: [container({}, {capabilities: {add}})]});

export const samples = [
  {name: "an ordinary pod", object: pod(), refused: []},
  {name: "a pod that says nothing", refused: ["example-resource-limits"],
    object: pod({containers: [{name: "c", image, resources: {}}]})},
  {name: "a container without resources", refused: ["example-resource-limits"],
    object: pod({containers: [{name: "c", image}]})},
  {name: "hostNetwork: false", object: pod({hostNetwork: false}), refused: []},
  {name: "hostNetwork", object: pod({hostNetwork: true}), refused: ["host-network"]},
  {name: "hostNetwork that drops NET_RAW alone", refused: ["host-network"],
    object: pod({hostNetwork: true,
      containers: [container({}, {capabilities: {drop: ["net_raw"]}})]})},
  {name: "hostNetwork with NET_RAW, as it comes", refused: ["host-network", "capabilities"],
    object: pod({hostNetwork: true, containers: [container({}, {capabilities: {}})]})},
  {name: "hostNetwork, one container of two drops nothing", refused: ["host-network", "capabilities"],
    object: pod({hostNetwork: true, containers: [container(), {...container(), securityContext: {}}]})},
  {name: "hostNetwork, an init container drops nothing", refused: ["host-network", "capabilities"],
    object: pod({hostNetwork: true, initContainers: [container({}, {capabilities: {drop: ["CHOWN"]}})]})},
  {name: "NET_RAW not dropped in an ordinary pod", refused: [],
    object: pod({containers: [container({}, {capabilities: {}})]})},
  {name: "privileged: false", object: pod({containers: [container({}, {privileged: false})]}), refused: []},
  {name: "privileged", object: pod({containers: [container({}, {privileged: true})]}),
    refused: ["privileged"]},
  {name: "a privileged init container", refused: ["privileged"],
    object: pod({initContainers: [container({}, {privileged: true})]})},
  {name: "a privileged ephemeral container", refused: ["privileged"],
    object: pod({ephemeralContainers: [container({}, {privileged: true})]})},
  {name: "the second container is privileged", refused: ["privileged"],
    object: pod({containers: [container(), container({}, {privileged: true})]})},
  {name: "hostPID", object: pod({hostPID: true}), refused: ["host-pid"]},
  {name: "hostPID: false", object: pod({hostPID: false}), refused: []},
  {name: "NET_BIND_SERVICE added", object: adds("NET_BIND_SERVICE"), refused: []},
  {name: "SYS_ADMINISTRATOR, which is none", object: adds("SYS_ADMINISTRATOR"), refused: []},
  ...["NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_MODULE", "BPF", "ALL", "CAP_NET_ADMIN", "net_raw",
    "cap_sys_admin"].map((one) =>
    ({name: `${one} added`, object: adds(one), refused: ["capabilities"]})),
  {name: "a risky capability behind a harmless one", object: adds("CHOWN", "NET_ADMIN"),
    refused: ["capabilities"]},
  {name: "NET_ADMIN in an ephemeral container", refused: ["capabilities"],
    object: pod({ephemeralContainers: [container({}, {capabilities: {add: ["NET_ADMIN"]}})]})},
  {name: "everything at once",
    refused: ["host-network", "privileged", "host-pid", "capabilities", "example-registries",
      "example-resource-limits"],
    object: pod({hostNetwork: true, hostPID: true, containers: [{name: "c", image: "evil/x",
      securityContext: {privileged: true, capabilities: {add: ["ALL"]}}}]})},
  {name: "an image of another registry", refused: ["example-registries"],
    object: pod({containers: [container({image: "docker.io/library/nginx"})]})},
  {name: "a registry whose name begins alike", refused: ["example-registries"],
    object: pod({containers: [container({image: "registry.example.com.evil.test/x"})]})},
  {name: "a registry whose path has the name", refused: ["example-registries"],
    object: pod({containers: [container({image: "evil.test/registry.example.com/x"})]})},
  {name: "an init container of another registry", refused: ["example-registries"],
    object: pod({initContainers: [container({image: "ghcr.io/x/y"})]})},
  {name: "a limit of memory only", refused: ["example-resource-limits"],
    object: pod({containers: [container({resources: {limits: {memory: "1Gi"}}})]})},
  {name: "requests without limits", refused: ["example-resource-limits"],
    object: pod({containers: [container({resources: {requests: {cpu: "1", memory: "1Gi"}}})]})},
  {name: "a Service", object: service({ports: []}), refused: []},
  {name: "a Service of type NodePort", object: service({type: "NodePort"}), refused: []},
  {name: "a Service of type LoadBalancer", object: service({type: "LoadBalancer"}),
    refused: ["example-load-balancer"]},
];

const ours = {key: "podfence.io/agent-not-ready", effect: "NoSchedule"};
const other = {key: "node.kubernetes.io/not-ready", effect: "NoExecute"};
const account = "system:serviceaccount:podfence:podfence";

const node = (taints, metadata = {}, spec = {}) => ({
  apiVersion: "v1", kind: "Node", metadata: {name: "n1", ...metadata},
  spec: {...(taints.length ? {taints} : {}), ...spec},
});

const change = (name, after, isAllowed, facts = {}) => ({
  name, after, isAllowed, user: account, before: node([other, ours], {labels: {a: "b"}}),
  extra: {"authentication.kubernetes.io/node-name": ["n1"]}, ...facts,
});

const wanted = node([other], {labels: {a: "b"}});

/** What podfence's service account does to Node objects. */
export const nodeChanges = [
  change("taken from the own node", wanted, true),
  change("the only taint", node([]), true, {before: node([ours])}),
  change("by a pod of another node", wanted, false,
    {extra: {"authentication.kubernetes.io/node-name": ["n2"]}}),
  change("by a token of no node", wanted, false, {extra: {}}),
  change("by a token that says nothing", wanted, false, {extra: undefined}),
  change("by somebody else", node([]), true, {user: "admin", extra: {}}),
  change("another taint taken", node([ours], {labels: {a: "b"}}), false),
  change("a taint added", node([other, ours, {key: "x", effect: "NoExecute"}], {labels: {a: "b"}}), false),
  change("a taint changed", node([{...other, effect: "NoSchedule"}], {labels: {a: "b"}}), false),
  change("a label added", node([other], {labels: {a: "b", c: "d"}}), false),
  change("labels taken", node([other]), false),
  change("an annotation added", node([other], {labels: {a: "b"}, annotations: {c: "d"}}), false),
  change("a finalizer added", node([other], {labels: {a: "b"}, finalizers: ["x/y"]}), false),
  change("cordoned", node([other], {labels: {a: "b"}}, {unschedulable: true}), false),
];
