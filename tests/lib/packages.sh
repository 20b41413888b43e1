# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
#
# The Debian 12 packages podfence is built, run and tested with. To be sourced by bash scripts.
# shellcheck shell=bash disable=SC2034

build_packages=(gcc libc6-dev meson ninja-build pkg-config libmnl-dev libnftnl-dev
	libnetfilter-log-dev libjson-c-dev libyaml-dev libsystemd-dev libcurl4-openssl-dev libssl-dev
	libsqlite3-dev libmicrohttpd-dev zlib1g-dev libcap-dev libseccomp-dev)
run_packages=(nftables iproute2 python3)
test_packages=(procps jq iptables iputils-ping busybox-static openssl clang clang-format libclang-rt-14-dev libcmocka-dev universal-ctags prometheus prometheus-alertmanager shellcheck mandoc
	debhelper lintian mmdebstrap)

# Those of its arguments that are not there yet.
install_packages() {
	local missing=() package
	for package in "$@"; do
		dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
			missing+=("$package")
	done
	[ ${#missing[@]} -eq 0 ] && return
	if [ "$(id -u)" -ne 0 ]; then
		echo "not installed, and only root may: ${missing[*]}" >&2
		return 1
	fi
	echo "installing ${missing[*]}"
	apt-get update -q >/dev/null
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" \
		>/dev/null
}
