/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A file or a text to a configuration, or none. */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/schema.h"

#define FILE_MAX	(1u << 20)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

int config_parse(const char *name, const char *text, size_t length, struct report *report,
		 struct config **ret_config)
{
	if (length > FILE_MAX) {
		report_add(report, name, "is larger than 1 MiB");
		return CONFIG_E_INVALID;
	}
	/* libyaml takes "---" after a byte order mark for a word. */
	if (length >= strlen(BYTE_ORDER_MARK) &&
	    !memcmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK))) {
		text += strlen(BYTE_ORDER_MARK);
		length -= strlen(BYTE_ORDER_MARK);
	}
	struct config *config = calloc(1, sizeof(*config));
	int r = config ? object_defaults(&config_schema, config) : -ENOMEM;
	if (r == 0)
		r = config_fill(name, text, length, report, config);
	if (r == 0)
		*ret_config = config;
	else
		config_free(config);
	return r;
}

/* At most one byte more than is allowed, so that a file that grows while it is read stays bounded.
 * -EINVAL where it is no file: a FIFO could keep us waiting, a device has no end. */
static int file_read(int fd, char *text, size_t *ret_length)
{
	struct stat status;
	size_t length = 0;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	while (length <= FILE_MAX) {
		ssize_t n = read(fd, text + length, FILE_MAX + 1 - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		length += (size_t)n;
	}
	*ret_length = length;
	return 0;
}

int config_read(const char *path, struct report *report, struct config **ret_config)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *text = malloc(FILE_MAX + 1);
	size_t length = 0;
	int r = fd < 0 ? -errno : text ? file_read(fd, text, &length) : -ENOMEM;

	if (r < 0)
		report_add(report, path, "%s", r == -EINVAL ? "is no regular file" : strerror(-r));
	else
		r = config_parse(path, text, length, report, ret_config);
	if (fd >= 0)
		close(fd);
	free(text);
	return r;
}
