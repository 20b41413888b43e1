#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
#
# The container image, made of Debian packages and nothing else: the package podfence, the libraries it
# depends on, certificates, and of coreutils `install` and `rm` (a store that belongs to its user; a removal
# that leaves no file). No shell, no package manager, nothing setuid; nothing is pulled from a registry.
#
#	deploy/image/build.sh [-o FILE] [-t NAME:TAG] [-m MIRROR] PODFENCE.deb
#
# FILE (default podfence-image.tar) is an archive that is both an OCI layout and what `docker save` writes:
# `ctr -n k8s.io images import FILE`, `docker load -i FILE`, `skopeo copy oci-archive:FILE ...`. The same
# packages give the same bytes. Needs mmdebstrap and, to unpack as root would, root or newuidmap.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
output=podfence-image.tar
tag=
mirror=()
while getopts o:t:m: option; do
	case $option in
	o) output=$OPTARG ;;
	t) tag=$OPTARG ;;
	m) mirror=("$OPTARG") ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || { echo "usage: build.sh [-o FILE] [-t NAME:TAG] [-m MIRROR] PODFENCE.deb" >&2; exit 2; }
package=$1
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is not installed" >&2; exit 1; }

version=$(dpkg-deb -f "$package" Version)
architecture=$(dpkg-deb -f "$package" Architecture)
tag=${tag:-podfence:$version}
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

# Libraries only: what else the package wants (systemd) is for machines that boot.
libraries=$(dpkg-deb -f "$package" Depends | tr ',' '\n' | sed -nE 's/^ *((lib|zlib)[^ |]*).*/\1/p' | paste -sd,)
mmdebstrap --quiet --variant=extract --architectures="$architecture" \
	--include="$libraries,ca-certificates,coreutils" bookworm "$work/all" "${mirror[@]}"
dpkg-deb -x "$package" "$work/all"
python3 "$here/oci.py" "$work/all" "$output" "$tag" "$architecture" "$version" \
	"${SOURCE_DATE_EPOCH:-$(dpkg-deb --fsys-tarfile "$package" | tar tv --full-time --utc | awk '{print $4 "T" $5 "Z"}' |
		sort | tail -n 1 | xargs -I{} date -d {} +%s)}"
