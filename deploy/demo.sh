#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
#
# podfence in two minutes: builds it and runs it on a node made of network namespaces, with an
# "internet", an internal service, an ordinary pod and a hostNetwork pod. Nothing is installed but build
# packages, and nothing is left but the build directory; no traffic leaves the machine.
#
#	sudo deploy/demo.sh [--events FILE]
set -euo pipefail

cd "$(dirname "$0")/.."
if [ "$(id -u)" -ne 0 ]; then
	echo "demo.sh: needs root for network namespaces, cgroups and nftables: sudo $0" >&2
	exit 2
fi
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
	sed -n 's/^#\(\t\| \)//p; /^set/q' "$0" | sed 1,2d
	exit 0
fi

# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh
install_packages "${build_packages[@]}" "${run_packages[@]}"

build=$PWD/build-demo
if [ ! -f "$build/build.ninja" ]; then
	meson setup "$build" --buildtype=release -Dtests=false >"$build.log" 2>&1 || {
		cat "$build.log" >&2
		exit 1
	}
fi
rm -f "$build.log"
echo "building podfence"
ninja -C "$build" --quiet
PODFENCE_BUILD=$build PYTHONDONTWRITEBYTECODE=1 exec python3 deploy/demo.py "$@"
