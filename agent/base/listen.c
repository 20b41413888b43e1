/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "base/listen.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

gid_t group_find(const char *name)
{
	struct group *group = name && name[0] ? getgrnam(name) : NULL;

	return group ? group->gr_gid : GROUP_NONE;
}

/* A socket that nobody listens on is left over from an agent that was killed. */
static int check_nobody_answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	int r = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	int error = r < 0 ? errno : 0;
	close(fd);
	if (r == 0 || error == EAGAIN)
		return -EADDRINUSE;
	return error == ENOENT || error == ECONNREFUSED ? 0 : -error;
}

static int make_directory(const char *path)
{
	char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (!slash || slash == directory)
		return 0;
	*slash = '\0';
	return mkdir(directory, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int bind_as(int fd, const char *temporary, const char *path, gid_t group, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", temporary);
	if (unlink(temporary) < 0 && errno != ENOENT)
		return -errno;
	mode_t mask = umask(0177);
	int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && group != GROUP_NONE &&
	    (chown(temporary, (uid_t)-1, group) < 0 || chmod(temporary, 0660) < 0))
		r = -errno;
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

int listen_at(const char *path, gid_t group, int backlog, int *ret_fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char temporary[sizeof(address.sun_path)];
	int n = snprintf(temporary, sizeof(temporary), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return -ENAMETOOLONG;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	int r = make_directory(path);
	if (r == 0)
		r = check_nobody_answers(&address);
	if (r < 0)
		return r;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = bind_as(fd, temporary, path, group, backlog);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}
