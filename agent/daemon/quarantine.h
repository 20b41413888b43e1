/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "control/server.h"
#include "daemon/daemon.h"
#include "inventory/quarantine.h"

/* The list of who is in quarantine: kept on disk, ended by time, each change told as an event. What is in it
 * is in force with the next reconcile(), which these functions ask for. */

/* At start, before the first rules. */
void quarantines_read(struct daemon *daemon);
void quarantines_done(struct daemon *daemon);
/* Takes the content over. -ENOSPC, -ENOMEM; it holds then what held before. */
PF_MUST_CHECK int quarantines_set(struct daemon *daemon, struct quarantine *quarantine,
				  const struct control_caller *caller);
/* False: there is none set by hand. */
bool quarantines_release(struct daemon *daemon, const char *namespace, const char *name,
			 const struct control_caller *caller);
/* Labels that came and went between two snapshots; before may be NULL. */
void quarantines_follow(struct daemon *daemon, const struct snapshot *before,
			const struct snapshot *now);
