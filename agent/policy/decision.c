/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#include "policy/decision.h"

const struct decision *decisions_of(const struct decisions *decisions,
				    const struct snapshot *snapshot,
				    const struct endpoint *endpoint)
{
	return decisions->distinct[decisions->of[endpoint - snapshot->endpoints]];
}
