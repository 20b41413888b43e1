/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	{"podfence":"last-known-good","version":1,"node":"n1","boot":"...","bytes":N,"checksum":"..."}
 *	{"kind":"List","items":[...]}
 *
 * The checksum (SipHash with a fixed key) is against damage, not against forgery: whoever can write
 * here is root. Every field of the first line is checked, and a file that is not wholly right is
 * not used at all: a part of what is known would look like all of it. */
#include "kube/last_known.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "base/file.h"
#include "base/json.h"
#include "base/siphash.h"
#include "kube/item_scanner.h"

#define MAGIC	"last-known-good"
#define VERSION 2
#define FRESH	LAST_KNOWN_NAME ".new"
#define DAMAGED LAST_KNOWN_NAME ".damaged"

static void checksum_text(const char *bytes, size_t length, char text[static 33])
{
	static const uint8_t key[16] = "podfence state 1";
	struct siphash128 hash = siphash128(key, bytes, length);

	for (size_t i = 0; i < sizeof(hash.bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", hash.bytes[i]);
}

static void format_body(const struct cluster *cluster, struct buffer *buffer)
{
	struct json json;

	json_init(&json, buffer);
	cluster_write(cluster, &json);
	buffer_add_char(buffer, '\n');
}

void last_known_format(const char *boot, const struct cluster *cluster, struct buffer *buffer)
{
	struct buffer body = BUFFER_INIT;
	struct json json;
	char checksum[33];

	format_body(cluster, &body);
	checksum_text(body.is_broken ? "" : body.bytes, body.is_broken ? 0 : body.length, checksum);
	json_init(&json, buffer);
	json_object_begin(&json, NULL);
	json_string(&json, "podfence", MAGIC);
	json_uint(&json, "version", VERSION);
	json_string(&json, "node", cluster_node(cluster));
	json_string(&json, "boot", boot);
	json_uint(&json, "bytes", body.length);
	json_string(&json, "checksum", checksum);
	json_object_end(&json);
	buffer_add_char(buffer, '\n');
	buffer_add(buffer, body.bytes, body.length);
	buffer->is_broken |= body.is_broken;
	buffer_done(&body);
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
static const char *head_problem(const char *text, size_t length, const char *node, const char *body,
				size_t body_length)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *head = tokener ? json_tokener_parse_ex(tokener, text, (int)length)
					   : NULL;
	const char *problem = NULL;
	char checksum[33];

	checksum_text(body, body_length, checksum);
	if (!json_object_is_type(head, json_type_object) || !is_text(head, "podfence", MAGIC))
		problem = "is none of our files, or its first line is damaged";
	else if (!is_number(head, "version", VERSION))
		problem = "is of another version";
	else if (!is_text(head, "node", node))
		problem = "is of another node";
	else if (!is_number(head, "bytes", body_length))
		problem = "is cut short, or something was added";
	else if (!is_text(head, "checksum", checksum))
		problem = "is damaged: its checksum differs";
	json_object_put(head);
	if (tokener)
		json_tokener_free(tokener);
	return problem;
}

/* The checksum has told that these are our bytes, so every item must be right. */
struct body {
	const char *place;
	struct report *report;
	struct cluster *cluster;
	struct item_scanner scanner;
	struct json_tokener *tokener;
};

static int refuse(struct body *body, const char *why)
{
	report_add(body->report, body->place, "%s (items[%zu])", why,
		   body->scanner.n_items ? body->scanner.n_items - 1 : 0);
	return LAST_KNOWN_E_DAMAGED;
}

static int take_item(struct body *body)
{
	const struct buffer *value = &body->scanner.value;

	json_tokener_reset(body->tokener);
	struct json_object *object = json_tokener_parse_ex(body->tokener, value->bytes,
							   (int)value->length);
	if (json_tokener_get_error(body->tokener) != json_tokener_success)
		return refuse(body, "holds an item that is no JSON");
	int r = cluster_take_item(body->cluster, object, body->place, body->report);
	json_object_put(object);
	return r > 0 ? LAST_KNOWN_E_DAMAGED : r;
}

static int scan_body(struct body *body, const char *text, size_t length)
{
	int r = 0;

	while (r == 0 && length) {
		r = item_scanner_feed(&body->scanner, &text, &length);
		if (r == ITEM_SCANNER_ITEM)
			r = take_item(body);
		else if (r == ITEM_SCANNER_MEMBER)
			r = 0;
		else if (r == ITEM_SCANNER_TOO_LARGE)
			r = refuse(body, "holds an item that is too large");
		else if (r == ITEM_SCANNER_MALFORMED)
			r = refuse(body, body->scanner.problem);
	}
	if (r == 0 && !item_scanner_is_complete(&body->scanner))
		r = refuse(body, "ends in the middle");
	return r;
}

static int parse_body(const char *place, const char *text, size_t length, const char *node,
		      struct report *report, struct cluster **ret_cluster)
{
	struct body body = {.place = place, .report = report};
	int r = cluster_new(node, &body.cluster);

	if (r < 0)
		return r;
	item_scanner_init(&body.scanner, PODLIST_ITEM_MAX);
	body.tokener = json_tokener_new();
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		cluster_begin(body.cluster, kind);
	r = body.tokener ? scan_body(&body, text, length) : -ENOMEM;
	for (enum cluster_kind kind = 0; kind < CLUSTER_KINDS; kind++)
		cluster_end(body.cluster, kind);
	item_scanner_done(&body.scanner);
	if (body.tokener)
		json_tokener_free(body.tokener);
	if (r == 0)
		*ret_cluster = body.cluster;
	else
		cluster_free(body.cluster);
	return r;
}

int last_known_parse(const char *place, const char *text, size_t length, const char *node,
		     struct report *report, struct cluster **ret_cluster)
{
	const char *end = memchr(text, '\n', length < 65536 ? length : 65536);
	const char *problem = "has no first line";

	if (end) {
		const char *body = end + 1;
		problem = head_problem(text, (size_t)(end - text), node, body,
				       length - (size_t)(body - text));
	}
	if (problem) {
		report_add(report, place, "%s", problem);
		return LAST_KNOWN_E_DAMAGED;
	}
	return parse_body(place, end + 1, length - (size_t)(end + 1 - text), node, report,
			  ret_cluster);
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
	return fsync(fd) < 0 ? -errno : 0;
}

static int save_in(int directory, const struct buffer *text)
{
	int fd = openat(directory, FRESH, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return -errno;
	int r = write_all(fd, text->bytes, text->length);
	close(fd);
	if (r == 0 && renameat(directory, FRESH, directory, LAST_KNOWN_NAME) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(directory, FRESH, 0);
	else if (fsync(directory) < 0)
		r = -errno;
	return r;
}

int last_known_save(const char *directory, const struct buffer *text)
{
	if (text->is_broken)
		return -ENOMEM;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return -errno;
	int fd = open_directory(directory);
	if (fd < 0)
		return fd;
	int r = save_in(fd, text);
	close(fd);
	return r;
}

static int set_aside(const char *directory, const char *path, struct report *report)
{
	int fd = open_directory(directory);

	if (fd < 0)
		return fd;
	int r = renameat(fd, LAST_KNOWN_NAME, fd, DAMAGED) < 0 ? -errno : 0;
	close(fd);
	if (r == 0)
		report_add(report, path, "not used; kept as %s", DAMAGED);
	return r;
}

int last_known_load(const char *directory, const char *node, struct report *report,
		    struct cluster **ret_cluster)
{
	char *path, *text;
	size_t length;

	if (asprintf(&path, "%s/%s", directory, LAST_KNOWN_NAME) < 0)
		return -ENOMEM;
	int r = file_read(path, LAST_KNOWN_MAX, &text, &length);
	if (r == 0) {
		r = last_known_parse(path, text, length, node, report, ret_cluster);
		free(text);
		int aside = r == LAST_KNOWN_E_DAMAGED ? set_aside(directory, path, report) : 0;
		if (aside < 0)
			r = aside;
	}
	free(path);
	return r;
}
