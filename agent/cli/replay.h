/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "cli/offline.h"

/* Which of the recorded flows of the pods that are there would be decided otherwise than `before`. Where nothing
 * is recorded that is said. 0, or the exit status after a message. */
PF_MUST_CHECK int replay_print(const struct cli *cli, const struct offline *offline,
			       const struct decisions *before);
