/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Outputs on this machine. A line that a full disk cut is cut off again before it is written anew,
 * so that a reader never sees half of one. */
#include "ship/sink_local.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define JOURNAL_SOCKET	  "/run/systemd/journal/socket"
#define MESSAGE_ID_DENIED "1f6f2c3e9a8b4c0d8e0f5d7a6b3c2e11" /* never changes */
#define MESSAGE_ID_ALERT  "5a0c7be46d1f4b7d9c3e2f8a1b6d4c90"

void sink_file_close(struct delivery *delivery)
{
	if (delivery->fd >= 0)
		close(delivery->fd);
	delivery->fd = -1;
}

static int file_open(struct delivery *delivery)
{
	struct stat status;

	if (delivery->fd >= 0)
		return 0;
	delivery->fd = open(delivery->config->path,
			    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
			    0640);
	if (delivery->fd < 0)
		return -errno;
	if (fstat(delivery->fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		sink_file_close(delivery);
		return -EINVAL;
	}
	delivery->file_bytes = (uint64_t)status.st_size;
	return 0;
}

/* PATH.4 to PATH.5 ... PATH to PATH.1 */
static void file_rotate(struct delivery *delivery)
{
	char from[4200], to[4200];

	for (uint32_t i = delivery->config->file_keep; i-- > 0;) {
		snprintf(to, sizeof(to), "%s.%u", delivery->config->path, i + 1);
		if (i)
			snprintf(from, sizeof(from), "%s.%u", delivery->config->path, i);
		else
			snprintf(from, sizeof(from), "%s", delivery->config->path);
		(void)rename(from, to); /* some are not there yet */
	}
	sink_file_close(delivery);
}

int sink_file_write(struct delivery *delivery, const struct delivery_item *item)
{
	uint64_t largest = (uint64_t)delivery->config->file_bytes << 20;
	size_t length = item->row.length + 1;
	int r = file_open(delivery);

	if (r == 0 && largest && delivery->file_bytes && delivery->file_bytes + length > largest) {
		file_rotate(delivery);
		r = file_open(delivery);
	}
	if (r < 0)
		return r;
	struct iovec pieces[2] = {{item->line, item->row.length}, {(char[]){'\n'}, 1}};
	ssize_t n = writev(delivery->fd, pieces, 2);
	if (n == (ssize_t)length) {
		delivery->file_bytes += length;
		return 0;
	}
	r = n < 0 ? -errno : -ENOSPC;
	if (n > 0 && ftruncate(delivery->fd, (off_t)delivery->file_bytes) < 0)
		r = -errno;
	return r;
}

int sink_journal_write(struct delivery *delivery, const struct delivery_item *item)
{
	struct json_object *tree = item->tree;
	bool is_alert = item->row.kind == SHIP_ALERT;
	bool is_denied = item->row.action <= SHIP_REJECTED;

	/* libsystemd says that all is well where there is no journal. */
	if (access(JOURNAL_SOCKET, F_OK) < 0)
		return -errno;
	return sd_journal_send(
		"MESSAGE=%s", ship_text(tree, "message"), "PRIORITY=%i",
		is_denied ? LOG_WARNING : LOG_NOTICE, "MESSAGE_ID=%s",
		is_alert ? MESSAGE_ID_ALERT : MESSAGE_ID_DENIED, "SYSLOG_IDENTIFIER=podfence",
		"PODFENCE_ACTION=%s", ship_text(tree, "event.action"), "PODFENCE_NAMESPACE=%s",
		ship_text(tree, "kubernetes.namespace"), "PODFENCE_POD=%s",
		ship_text(tree, "kubernetes.pod.name"), "PODFENCE_DESTINATION=%s",
		ship_text(tree, "destination.ip"), "PODFENCE_PORT=%u", item->row.port,
		"PODFENCE_RULE=%s", ship_text(tree, "rule.name"), "PODFENCE_PROCESS=%s",
		ship_text(tree, "process.name"), "PODFENCE_EVENT=%s", item->line, NULL);
}
