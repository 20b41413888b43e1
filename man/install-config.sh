#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# SPDX-FileCopyrightText: podfence authors
#
# install-config.sh FILE DIRECTORY: puts the configuration to start from there, unless there is one.
set -eu

to=${DESTDIR:-}$2/${1##*/}
[ ! -e "$to" ] || exit 0
install -D -m 0644 "$1" "$to"
