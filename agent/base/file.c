/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"

#define CHUNK 16384

static int read_all(int fd, size_t maximum, struct buffer *buffer)
{
	for (;;) {
		char *room = buffer_extend(buffer, CHUNK);
		if (!room)
			return -ENOMEM;
		ssize_t n = read(fd, room, CHUNK);
		buffer->length -= n < 0 ? CHUNK : CHUNK - (size_t)n;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (buffer->length > maximum)
			return -EFBIG;
		if (n == 0)
			return 0;
	}
}

int file_read(const char *path, size_t maximum, char **ret_text, size_t *ret_length)
{
	struct buffer buffer = BUFFER_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	int r = read_all(fd, maximum, &buffer);
	close(fd);
	*ret_length = buffer.length;
	buffer_add_char(&buffer, '\0');
	if (r == 0 && buffer.is_broken)
		r = -ENOMEM;
	if (r < 0) {
		buffer_done(&buffer);
		return r;
	}
	*ret_text = buffer.bytes;
	return 0;
}
