/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Names of cgroup directories, as the kubelet and the container runtimes make them:
 *
 *	systemd driver	kubepods-burstable.slice
 *			kubepods-burstable-pod<uid, '-' as '_'>.slice
 *			kubelet-kubepods-pod<uid>.slice		(nested below --cgroup-root)
 *			cri-containerd-<id>.scope, crio-<id>.scope, crio-conmon-<id>.scope
 *	cgroupfs driver	burstable, pod<uid>, <id>, crio-<id>
 *
 * The uid is a UUID, the 32 hex digits of a static pod's config hash, or what a static pod's
 * manifest says; a container id is 64 hex digits everywhere. A systemd slice name is its path with
 * '/' written as '-', so a uid cannot hold one there and the last part is the pod's. What does not
 * fit exactly is CGROUP_OTHER: a wrong guess would give a packet to the wrong pod. */
#include "node/cgroup_path.h"

#include <stdbool.h>
#include <string.h>

#define CONTAINER_DIGITS 64
#define LETTERS		 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS		 "0123456789"

static const struct {
	const char *prefix;
	enum cgroup_kind kind;
	const char *runtime;
	bool needs_scope; /* only the systemd driver makes this name */
} scopes[] = {
	{"cri-containerd-", CGROUP_CONTAINER, "containerd", true},
	{"crio-conmon-", CGROUP_MONITOR, "cri-o", false},
	{"crio-", CGROUP_CONTAINER, "cri-o", false},
	{"docker-", CGROUP_CONTAINER, "docker", true},
	{"libpod-conmon-", CGROUP_MONITOR, "libpod", false},
	{"libpod-", CGROUP_CONTAINER, "libpod", false},
};

/* The text without its suffix, as a length; false where it does not end so. */
static bool ends_with(const char *text, const char *suffix, size_t *ret_length)
{
	size_t length = strlen(text), n = strlen(suffix);

	if (length <= n || strcmp(text + length - n, suffix) != 0)
		return false;
	*ret_length = length - n;
	return true;
}

static bool is_container_id(const char *text, size_t length)
{
	return length == CONTAINER_DIGITS && strspn(text, DIGITS "abcdef") >= length;
}

/* uid characters with `dash` standing for '-'. */
static bool parse_pod(const char *text, size_t length, char dash, struct cgroup_name *name)
{
	if (length < 4 || strncmp(text, "pod", 3) != 0)
		return false;
	text += 3;
	length -= 3;
	if (length >= sizeof(name->uid))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!strchr(LETTERS DIGITS, text[i]) && text[i] != dash)
			return false;
	for (size_t i = 0; i < length; i++)
		name->uid[i] = text[i] == dash ? '-' : text[i];
	name->kind = CGROUP_POD;
	return true;
}

static bool is_qos(const char *text, size_t length)
{
	return (length == 9 && strncmp(text, "burstable", 9) == 0) ||
	       (length == 10 && strncmp(text, "besteffort", 10) == 0);
}

/* Takes "-LAST" off the text; false where there is no dash. */
static bool take_last(const char *text, size_t *length, const char **ret_last, size_t *ret_n)
{
	const char *dash = memrchr(text, '-', *length);

	if (!dash)
		return false;
	*ret_last = dash + 1;
	*ret_n = *length - (size_t)(dash + 1 - text);
	*length = (size_t)(dash - text);
	return true;
}

static bool is_kubepods(const char *text, size_t length)
{
	return length >= 8 && strncmp(text + length - 8, "kubepods", 8) == 0 &&
	       (length == 8 || text[length - 9] == '-');
}

/* [PARENTS-]kubepods[-QOS][-podUID] */
static void parse_slice(const char *text, size_t length, struct cgroup_name *name)
{
	struct cgroup_name found = {.runtime = ""};
	const char *last;
	size_t n;

	if (!take_last(text, &length, &last, &n))
		return;
	if (is_qos(last, n)) {
		if (is_kubepods(text, length))
			name->kind = CGROUP_QOS;
		return;
	}
	if (!parse_pod(last, n, '_', &found))
		return;
	if (!is_kubepods(text, length) && (!take_last(text, &length, &last, &n) ||
					   !is_qos(last, n) || !is_kubepods(text, length)))
		return;
	*name = found;
}

static void parse_container(const char *text, struct cgroup_name *name)
{
	size_t length = strlen(text), i;
	bool is_scope = ends_with(text, ".scope", &length);

	if (!is_scope && is_container_id(text, length)) {
		name->kind = CGROUP_CONTAINER;
		memcpy(name->container_id, text, length);
		return;
	}
	for (i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++)
		if (strncmp(text, scopes[i].prefix, strlen(scopes[i].prefix)) == 0)
			break;
	if (i == sizeof(scopes) / sizeof(scopes[0]) || (scopes[i].needs_scope && !is_scope))
		return;
	text += strlen(scopes[i].prefix);
	length -= strlen(scopes[i].prefix);
	if (!is_container_id(text, length))
		return;
	name->kind = scopes[i].kind;
	name->runtime = scopes[i].runtime;
	if (name->kind == CGROUP_CONTAINER)
		memcpy(name->container_id, text, length);
}

void cgroup_name_parse(const char *text, struct cgroup_name *ret_name)
{
	struct cgroup_name name = {.kind = CGROUP_OTHER, .runtime = ""};
	size_t length = strlen(text);

	if (is_qos(text, length))
		name.kind = CGROUP_QOS;
	else if (ends_with(text, ".slice", &length))
		parse_slice(text, length, &name);
	else if (!parse_pod(text, length, '-', &name))
		parse_container(text, &name);
	*ret_name = name;
}
