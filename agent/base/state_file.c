/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	{"podfence":"last-known-good","version":1,"node":"n1","boot":"...","bytes":N,"checksum":"..."}
 *	the body
 *
 * The checksum (SipHash with a fixed key) is against damage, not against forgery: whoever can write
 * here is root. Every field of the first line is checked, and a file that is not wholly right is
 * not used at all: a part of what is known would look like all of it. */
#include "base/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/file.h"
#include "base/json.h"
#include "base/siphash.h"

#define HEAD_MAX 65536

static void checksum_text(const char *bytes, size_t length, char text[static 33])
{
	static const uint8_t key[16] = "podfence state 1";
	struct siphash128 hash = siphash128(key, bytes, length);

	for (size_t i = 0; i < sizeof(hash.bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", hash.bytes[i]);
}

void state_format(const struct state_head *head, const struct buffer *body, struct buffer *text)
{
	struct json json;
	char checksum[33];

	checksum_text(body->length ? body->bytes : "", body->is_broken ? 0 : body->length,
		      checksum);
	json_init(&json, text);
	json_object_begin(&json, NULL);
	json_string(&json, "podfence", head->magic);
	json_uint(&json, "version", head->version);
	json_string(&json, "node", head->node);
	json_string(&json, "boot", head->boot);
	json_uint(&json, "bytes", body->length);
	json_string(&json, "checksum", checksum);
	json_object_end(&json);
	buffer_add_char(text, '\n');
	if (body->length)
		buffer_add(text, body->bytes, body->length);
	text->is_broken |= body->is_broken;
}

static bool is_number(struct json_object *head, const char *key, uint64_t wanted)
{
	struct json_object *value;

	return json_object_object_get_ex(head, key, &value) &&
	       json_object_is_type(value, json_type_int) && json_object_get_uint64(value) == wanted;
}

static bool is_text(struct json_object *head, const char *key, const char *wanted)
{
	struct json_object *value;

	return json_object_object_get_ex(head, key, &value) &&
	       json_object_is_type(value, json_type_string) &&
	       !strcmp(json_object_get_string(value), wanted);
}

/* What is wrong with the first line; NULL: nothing. */
static const char *head_problem(const struct state_head *wanted, struct json_object *head,
				const char *body, size_t body_length)
{
	char checksum[33];

	if (!json_object_is_type(head, json_type_object) ||
	    !is_text(head, "podfence", wanted->magic))
		return "is none of our files, or its first line is damaged";
	if (!is_number(head, "version", wanted->version))
		return "is of another version";
	if (!is_text(head, "node", wanted->node))
		return "is of another node";
	if (!is_number(head, "bytes", body_length))
		return "is cut short, or something was added";
	checksum_text(body, body_length, checksum);
	return is_text(head, "checksum", checksum) ? NULL : "is damaged: its checksum differs";
}

const char *state_problem(const struct state_head *head, const char *text, size_t length,
			  const char **ret_body, size_t *ret_length)
{
	const char *end = memchr(text, '\n', length < HEAD_MAX ? length : HEAD_MAX);

	if (!end)
		return "has no first line";
	size_t body_length = length - (size_t)(end + 1 - text);
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *tree = tokener ? json_tokener_parse_ex(tokener, text, (int)(end - text))
					   : NULL;
	const char *problem = head_problem(head, tree, end + 1, body_length);
	json_object_put(tree);
	if (tokener)
		json_tokener_free(tokener);
	if (problem)
		return problem;
	*ret_body = end + 1;
	*ret_length = body_length;
	return NULL;
}

static int open_directory(const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = write(fd, bytes, length);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

static int save_in(int directory, const char *name, const struct buffer *text, bool syncs)
{
	char fresh[NAME_MAX + 1];

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	int fd = openat(directory, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return -errno;
	int r = write_all(fd, text->bytes, text->length);
	if (r == 0 && syncs && fsync(fd) < 0)
		r = -errno;
	close(fd);
	if (r == 0 && renameat(directory, fresh, directory, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(directory, fresh, 0);
	else if (syncs && fsync(directory) < 0)
		r = -errno;
	return r;
}

static int save(const char *directory, const char *name, const struct buffer *text, bool syncs)
{
	if (text->is_broken)
		return -ENOMEM;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = open_directory(directory);
	if (fd < 0)
		return fd;
	int r = save_in(fd, name, text, syncs);
	close(fd);
	return r;
}

int state_save(const char *directory, const char *name, const struct buffer *text)
{
	return save(directory, name, text, true);
}

int state_save_loosely(const char *directory, const char *name, const struct buffer *text)
{
	return save(directory, name, text, false);
}

int state_set_aside(const char *directory, const char *name, const char *path,
		    struct report *report)
{
	char damaged[NAME_MAX + 1];
	int fd = open_directory(directory);

	if (fd < 0)
		return fd;
	snprintf(damaged, sizeof(damaged), "%s.damaged", name);
	int r = renameat(fd, name, fd, damaged) < 0 ? -errno : 0;
	close(fd);
	if (r == 0)
		report_add(report, path, "not used; kept as %s", damaged);
	return r;
}

void state_boot_id(char boot[static STATE_BOOT_MAX])
{
	char *text;
	size_t length;

	boot[0] = '\0';
	if (file_read("/proc/sys/kernel/random/boot_id", 4096, &text, &length) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	strncat(boot, text, STATE_BOOT_MAX - 1);
	free(text);
}
