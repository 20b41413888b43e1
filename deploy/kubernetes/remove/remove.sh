#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
#
# Takes podfence away from a cluster, rules and files of every node included. Nothing else does: an upgrade, a
# rollback or `kubectl delete daemonset` leaves the rules in force.
#
#	deploy/kubernetes/remove/remove.sh [KUBECTL ARGUMENT...]	(--context, --kubeconfig)
#
# The DaemonSet goes first, or it would put back what is taken away. Then one Job for each node, and when all are
# done the namespace and what is not in it. A node that is not ready is named and keeps its rules until it reboots.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
kubectl=(kubectl "$@")
image=$("${kubectl[@]}" -n podfence get daemonset podfence -o 'jsonpath={.spec.template.spec.containers[0].image}')
"${kubectl[@]}" -n podfence delete daemonset podfence --cascade=foreground --wait --timeout=300s

nodes=$("${kubectl[@]}" get nodes -l kubernetes.io/os=linux -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}')
for node in $nodes; do
	sed -e "s|NODE_NAME|$node|g" -e "s|IMAGE|$image|g" "$here/job.yaml" | "${kubectl[@]}" apply -f -
done
failed=0
for node in $nodes; do
	"${kubectl[@]}" -n podfence wait --for=condition=complete --timeout=120s "job/podfence-remove-$node" || {
		echo "$node: not done, its rules stay; see: kubectl -n podfence describe job podfence-remove-$node" >&2
		failed=1
	}
done
[ "$failed" = 0 ] || exit 1
# What was applied beside the overlay goes, too.
taint=$here/../components/startup-taint
if "${kubectl[@]}" api-resources -o name | grep -q '^validatingadmissionpolicies\.'; then
	"${kubectl[@]}" delete --ignore-not-found -f "$taint/own-node.yaml"
fi
"${kubectl[@]}" delete --ignore-not-found -f "$here/../base/rbac.yaml" -f "$here/../events.yaml" -f "$taint/rbac.yaml"
