#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
#
# Everything that has to hold before a change is good: gcc with all tests; gcc with address and
# undefined-behaviour sanitizers, without the tests that need whole nodes; clang, compiled only. All with
# warnings as errors. The last line counts single checks over all of it. As root, or what needs a node
# of its own is skipped and said so.
#
#	sudo tests/run.sh [DIRECTORY for the builds, else build-test]
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
build=$(realpath -m "${1:-build-test}")
# shellcheck source=tests/lib/packages.sh
. tests/lib/packages.sh
export PYTHONDONTWRITEBYTECODE=1
failed_steps=()

# step NAME COMMAND...: its output, and a mark on the run where it fails
step() {
	local name=$1
	shift
	printf '\n== %s\n' "$name"
	"$@" && return
	failed_steps+=("$name")
	return 1
}

# prepare DIRECTORY OPTION...: the configuration and the build, without results of an earlier run
prepare() {
	local directory=$1
	shift
	rm -f "$directory"/meson-logs/testlog*
	if [ -f "$directory/build.ninja" ]; then
		meson configure "$directory" "$@" >/dev/null
	else
		meson setup "$directory" -Dwerror=true "$@" | tail -n 3
	fi && ninja -C "$directory" --quiet
}

run_tests() {
	local directory=$1
	shift
	meson test -C "$directory" --no-rebuild --print-errorlogs "$@"
}

sanitized_suites=()
for suite in unit golden fuzz kernel; do
	grep -rqs "suite: '$suite'" tests/*/meson.build && sanitized_suites+=(--suite "$suite")
done

step "packages" install_packages "${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}"
step "build with gcc" prepare "$build/gcc" && step "all tests" run_tests "$build/gcc"
step "build with gcc, sanitizers" prepare "$build/sanitize" \
	-Db_sanitize=address,undefined -Db_lundef=false &&
	ASAN_OPTIONS=abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		step "tests with sanitizers" run_tests "$build/sanitize" "${sanitized_suites[@]}"
CC=clang step "build with clang" prepare "$build/clang"

printf '\n'
[ ${#failed_steps[@]} -eq 0 ] || printf 'failed: %s\n' "${failed_steps[@]}"
python3 tests/lib/count.py "$build/gcc" "$build/sanitize" || exit 1
[ ${#failed_steps[@]} -eq 0 ]
