/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The tree is held by a descriptor of its root and walked one component at a time, so that neither
 * a later mount nor a symbolic link leads out of it. On hybrid nodes it is mounted below
 * /sys/fs/cgroup/unified; a container may see several mounts of it, of parts of it among them. Only
 * the root of the hierarchy has id 1: that mount is taken where there is one, else the first, which
 * then is the root of our cgroup namespace, and levels count from there as the kernel's do.
 *
 * Cgroups come and go while we look. That is never an error of the tree, only of one directory. */
#include "node/cgroup_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/limits.h>
#include <linux/magic.h>

#define ROOT_ID	      1
#define LEVELS_MAX    64
#define FILEID_KERNFS 0xfe /* linux/exportfs.h: the handle is the inode number */
#define DIRECTORY     (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

/* mountinfo writes blank, tab, newline and backslash as three octal digits. */
static size_t unescape(const char *text, size_t length, char *result)
{
	size_t n = 0;

	for (size_t i = 0; i < length; n++) {
		if (text[i] == '\\' && length - i >= 4 && strspn(text + i + 1, "01234567") >= 3) {
			result[n] = (char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
					   (text[i + 3] - '0'));
			i += 4;
		} else {
			result[n] = text[i++];
		}
	}
	return n;
}

int cgroup_mount_parse(const char *line, char *mount_point, size_t size)
{
	static const char type[] = " - cgroup2 ";
	const char *at = line;

	if (!strstr(line, type))
		return -ENOENT;
	for (unsigned i = 0; i < 4; i++) { /* id, parent, device, root */
		at = strchr(at, ' ');
		if (!at)
			return -ENOENT;
		at++;
	}
	size_t length = strcspn(at, " ");
	if (*at != '/' || at > strstr(line, type))
		return -ENOENT;
	if (length >= size)
		return -ENAMETOOLONG;
	mount_point[unescape(at, length, mount_point)] = '\0';
	return 0;
}

static bool is_cgroup2(int fd)
{
	struct statfs status;

	return fstatfs(fd, &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

/* Descriptor of the best mount, or negative errno. */
static int open_mount(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, path[PATH_MAX];
	size_t size = 0;
	int best = -1;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) >= 0) {
		uint64_t id;
		if (cgroup_mount_parse(line, path, sizeof(path)) < 0)
			continue;
		int fd = open(path, DIRECTORY);
		if (fd < 0)
			continue;
		if (!is_cgroup2(fd) || cgroup_id(fd, &id) < 0 || (best >= 0 && id != ROOT_ID)) {
			close(fd);
			continue;
		}
		if (best >= 0)
			close(best);
		best = fd;
		if (id == ROOT_ID)
			break;
	}
	free(line);
	fclose(file);
	return best < 0 ? -ENOENT : best;
}

/* How deep the directory is: the steps up to the root, or to the top of what is mounted. */
static int find_level(int fd, unsigned *ret_level)
{
	struct stat below;
	int at = openat(fd, ".", DIRECTORY);

	if (at < 0 || fstat(at, &below) < 0)
		goto failed;
	for (unsigned level = 0; level < LEVELS_MAX; level++) {
		struct stat above;
		int up = below.st_ino == ROOT_ID ? -1 : openat(at, "..", DIRECTORY);
		if (up < 0 || !is_cgroup2(up) || fstat(up, &above) < 0 ||
		    above.st_dev != below.st_dev) {
			if (up >= 0)
				close(up);
			close(at);
			*ret_level = level;
			return 0;
		}
		close(at);
		at = up;
		below = above;
	}
	errno = ELOOP;
failed:
	if (at >= 0)
		close(at);
	return -errno;
}

int cgroup_tree_open(const char *path, struct cgroup_tree *ret_tree)
{
	struct cgroup_tree tree = {.fd = *path ? open(path, DIRECTORY) : open_mount()};
	int r = 0;

	if (tree.fd < 0)
		return *path ? -errno : tree.fd;
	if (!is_cgroup2(tree.fd))
		r = -ENOENT;
	if (r == 0)
		r = find_level(tree.fd, &tree.level);
	if (r < 0) {
		close(tree.fd);
		return r;
	}
	*ret_tree = tree;
	return 0;
}

void cgroup_tree_close(struct cgroup_tree *tree)
{
	if (tree->fd >= 0)
		close(tree->fd);
	tree->fd = -1;
}

int cgroup_open(int directory, const char *name)
{
	int fd = openat(directory, name, DIRECTORY | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENODEV ? -ENOENT : -errno;
	return fd;
}

int cgroup_id(int directory, uint64_t *ret_id)
{
	struct stat status;

	if (fstat(directory, &status) < 0)
		return -errno;
	*ret_id = status.st_ino;
	return 0;
}

int cgroup_open_id(const struct cgroup_tree *tree, uint64_t id)
{
	union {
		struct file_handle handle;
		char bytes[sizeof(struct file_handle) + sizeof(id)];
	} handle = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};

	memcpy(handle.handle.f_handle, &id, sizeof(id));
	int fd = open_by_handle_at(tree->fd, &handle.handle, DIRECTORY);
	return fd < 0 ? -errno : fd;
}

struct children {
	struct cgroup_child *children;
	size_t n, capacity;
};

static int add_child(struct children *children, const struct dirent *entry)
{
	if (children->n == children->capacity) {
		size_t capacity = children->capacity ? children->capacity * 2 : 16;
		void *grown = reallocarray(children->children, capacity,
					   sizeof(children->children[0]));
		if (!grown)
			return -ENOMEM;
		children->children = grown;
		children->capacity = capacity;
	}
	char *name = strdup(entry->d_name);
	if (!name)
		return -ENOMEM;
	children->children[children->n++] = (struct cgroup_child){entry->d_ino, name};
	return 0;
}

static int compare_children(const void *a, const void *b)
{
	const struct cgroup_child *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int list(DIR *stream, size_t limit, struct children *children, bool *ret_is_cut)
{
	const struct dirent *entry;

	*ret_is_cut = false;
	while ((errno = 0, entry = readdir(stream))) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (children->n == limit) {
			*ret_is_cut = true;
			return 0;
		}
		int r = add_child(children, entry);
		if (r < 0)
			return r;
	}
	return -errno;
}

int cgroup_children(int directory, size_t limit, struct cgroup_child **ret_children, size_t *ret_n,
		    bool *ret_is_cut)
{
	struct children children = {};
	bool is_cut;
	int fd = openat(directory, ".", DIRECTORY);

	if (fd < 0)
		return -errno;
	DIR *stream = fdopendir(fd);
	if (!stream) {
		int r = -errno;
		close(fd);
		return r;
	}
	int r = list(stream, limit, &children, &is_cut);
	closedir(stream);
	if (r < 0) {
		cgroup_children_free(children.children, children.n);
		return r;
	}
	if (children.n)
		qsort(children.children, children.n, sizeof(children.children[0]),
		      compare_children);
	*ret_children = children.children;
	*ret_n = children.n;
	*ret_is_cut = is_cut;
	return 0;
}

void cgroup_children_free(struct cgroup_child *children, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(children[i].name);
	free(children);
}

int cgroup_processes_open(int directory)
{
	int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* The kernel hands out whole lines. */
int cgroup_processes_read(int file, pid_t *pids, size_t capacity, size_t *ret_n)
{
	char text[4096];
	off_t at = 0;
	size_t n = 0;

	while (n < capacity) {
		ssize_t length = pread(file, text, sizeof(text) - 1, at);
		if (length < 0)
			return -errno;
		if (!length)
			break;
		text[length] = '\0';
		at += length;
		for (char *line = text, *end; n < capacity && (end = strchr(line, '\n'));
		     line = end + 1) {
			long pid = strtol(line, NULL, 10);
			if (pid > 0)
				pids[n++] = (pid_t)pid;
		}
	}
	*ret_n = n;
	return 0;
}

int cgroup_processes(int directory, pid_t *pids, size_t capacity, size_t *ret_n)
{
	int file = cgroup_processes_open(directory);

	if (file < 0)
		return file;
	int r = cgroup_processes_read(file, pids, capacity, ret_n);
	close(file);
	return r;
}
