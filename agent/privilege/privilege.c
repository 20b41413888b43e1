/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Capabilities. The bounding set and the ambient set say what a program that we execute could get; we
 * execute none and `no new privileges` is on, so they are a second lock: where CAP_SETPCAP is missing (in a
 * container, in a unit with a bounding set of its own) they stay as they are. */
#include "privilege/privilege.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool has(cap_value_t capability)
{
	cap_flag_value_t value = CAP_CLEAR;
	cap_t now = cap_get_proc();
	int r = now ? cap_get_flag(now, capability, CAP_EFFECTIVE, &value) : -1;

	cap_free(now);
	return r == 0 && value == CAP_SET;
}

bool privilege_is_missing(const struct privilege *privilege)
{
	return (!privilege->is_needed || privilege->is_needed()) && !has(privilege->capability);
}

const char *privilege_name(const struct privilege *privilege, char text[static 32])
{
	char *name = cap_to_name(privilege->capability);

	snprintf(text, 32, "%s", name ? name : "a capability");
	for (char *c = text; name && *c; c++)
		*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
	cap_free(name);
	return text;
}

static bool keeps(const struct privilege_profile *profile, cap_value_t capability, bool is_starting)
{
	for (size_t i = 0; i < profile->n_privileges; i++)
		if (profile->privileges[i].capability == capability)
			return is_starting || !profile->privileges[i].is_for_start;
	return false;
}

/* Permitted and effective: what is kept, as far as we have it. Inheritable: nothing. */
static int limit(const struct privilege_profile *profile, bool is_starting)
{
	cap_t now = cap_get_proc(), next = cap_init();
	int r = now && next ? 0 : -1;

	for (cap_value_t one = 0; r == 0 && one < cap_max_bits(); one++) {
		cap_flag_value_t value;
		if (!keeps(profile, one, is_starting))
			continue;
		r = cap_get_flag(now, one, CAP_PERMITTED, &value);
		if (r == 0 && value == CAP_SET)
			r = cap_set_flag(next, CAP_PERMITTED, 1, &one, CAP_SET);
		if (r == 0 && value == CAP_SET)
			r = cap_set_flag(next, CAP_EFFECTIVE, 1, &one, CAP_SET);
	}
	/* What a unit with such a bounding set left needs none, and its filter may know no capset(). */
	if (r == 0 && cap_compare(now, next) != 0)
		r = cap_set_proc(next);
	r = r < 0 ? -errno : 0;
	cap_free(now);
	cap_free(next);
	return r;
}

static int bound(const struct privilege_profile *profile)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (!has(CAP_SETPCAP))
		return 0;
	for (cap_value_t one = 0; one < cap_max_bits(); one++)
		if (!keeps(profile, one, false) && cap_get_bound(one) > 0 &&
		    cap_drop_bound(one) < 0)
			return -errno;
	return 0;
}

/* The owner of a file may give it to a group of his without CAP_CHOWN. */
static int join(const char *name)
{
	struct group *group = getgrnam(name);
	int n = getgroups(0, NULL);

	if (!group || n < 0 || !has(CAP_SETGID))
		return 0;
	gid_t *groups = calloc((size_t)n + 1, sizeof(*groups));
	if (!groups)
		return -ENOMEM;
	n = getgroups(n, groups);
	for (int i = 0; i < n; i++)
		if (groups[i] == group->gr_gid) {
			free(groups);
			return 0;
		}
	int r = n < 0 ? -errno : 0;
	if (r == 0) {
		groups[n] = group->gr_gid;
		r = setgroups((size_t)n + 1, groups) < 0 ? -errno : 0;
	}
	free(groups);
	return r;
}

int privilege_begin(const struct privilege_profile *profile)
{
	int r = profile->group ? join(profile->group) : 0;

	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = -errno;
	if (r == 0)
		r = bound(profile);
	return r < 0 ? r : limit(profile, true);
}

int privilege_settle(const struct privilege_profile *profile)
{
	return limit(profile, false);
}
