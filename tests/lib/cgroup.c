/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define PREFIX	  "podfence-test-"
#define PATH_SIZE 1024

static int hierarchy = -1;
static char base[64];

const char *cgroup_below(const char *path)
{
	static char text[4][PATH_SIZE];
	static unsigned next;
	char *result = text[next++ % 4];

	snprintf(result, PATH_SIZE, "%s%s%s", base, *path ? "/" : "", path);
	return result;
}

void cgroup_make(const char *path)
{
	char whole[PATH_SIZE];

	snprintf(whole, sizeof(whole), "%s", cgroup_below(path));
	for (char *slash = strchr(whole, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdirat(hierarchy, whole, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	assert_int_equal(mkdirat(hierarchy, whole, 0755), 0);
}

uint64_t cgroup_inode(const char *path)
{
	struct stat status;

	assert_int_equal(fstatat(hierarchy, cgroup_below(path), &status, 0), 0);
	return status.st_ino;
}

static void kill_all(const char *whole)
{
	char path[PATH_SIZE + 16];

	snprintf(path, sizeof(path), "%s/cgroup.kill", whole);
	int fd = openat(hierarchy, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
	close(fd);
}

/* Killed processes leave a moment after the signal. */
static void remove_directory(const char *whole)
{
	for (unsigned tries = 0; unlinkat(hierarchy, whole, AT_REMOVEDIR) < 0 && errno == EBUSY;
	     tries++) {
		if (tries == 2000) {
			fprintf(stderr, "# %s is still busy\n", whole);
			return;
		}
		usleep(5000);
	}
}

static void remove_below(const char *whole)
{
	int fd = openat(hierarchy, whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		char path[PATH_SIZE];
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", whole, entry->d_name) >= PATH_SIZE)
			continue;
		remove_below(path);
	}
	if (directory)
		closedir(directory);
	if (fd >= 0)
		remove_directory(whole);
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void remove_whole(const char *whole)
{
	kill_all(whole);
	reap();
	remove_below(whole);
	reap();
}

void cgroup_remove(const char *path)
{
	remove_whole(cgroup_below(path));
}

static bool is_stale(const char *name)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
	       kill(atoi(name + strlen(PREFIX)), 0) < 0 && errno == ESRCH;
}

static void remove_stale(void)
{
	int fd = openat(hierarchy, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (is_stale(entry->d_name))
			remove_whole(entry->d_name);
	if (directory)
		closedir(directory);
}

int cgroup_begin(int root)
{
	hierarchy = root;
	remove_stale();
	snprintf(base, sizeof(base), PREFIX "%d", (int)getpid());
	return mkdirat(hierarchy, base, 0755) < 0 ? -errno : 0;
}

static void skip_all(const char *what, int error)
{
	printf("1..0 # SKIP %s: %s\n", what, strerror(-error));
	exit(0);
}

void cgroup_enter_or_skip(struct cgroup_tree *ret_tree)
{
	int r = cgroup_tree_open("", ret_tree);

	if (r < 0)
		skip_all("no cgroup2 hierarchy", r);
	r = cgroup_begin(ret_tree->fd);
	if (r < 0)
		skip_all("no cgroup can be made", r);
}

void cgroup_leave(struct cgroup_tree *tree)
{
	cgroup_remove("");
	cgroup_tree_close(tree);
}

static void sleeper_run(const char *netns, int procs, int ready, int control)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (netns) {
		char path[64];
		snprintf(path, sizeof(path), "/run/netns/%s", netns);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
			_exit(1);
	}
	if (write(procs, "0", 1) != 1 || write(ready, "x", 1) != 1)
		_exit(1);
	if (read(control, &byte, 1) == 1 && unshare(CLONE_NEWNET) < 0)
		_exit(1);
	for (;;)
		pause();
}

struct sleeper sleeper_start(const char *netns, const char *path)
{
	int ready[2], control[2];
	char procs_path[PATH_SIZE], byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(control, O_CLOEXEC), 0);
	assert_true(snprintf(procs_path, sizeof(procs_path), "%s/cgroup.procs",
			     cgroup_below(path)) < PATH_SIZE);
	int procs = openat(hierarchy, procs_path, O_WRONLY | O_CLOEXEC);
	assert_true(procs >= 0);
	fflush(NULL);
	struct sleeper sleeper = {.pid = fork(), .control = control[1]};
	if (sleeper.pid == 0) {
		close(control[1]);
		sleeper_run(netns, procs, ready[1], control[0]);
	}
	close(ready[1]);
	close(control[0]);
	close(procs);
	assert_true(sleeper.pid > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return sleeper;
}

void sleeper_stop(struct sleeper *sleeper)
{
	kill(sleeper->pid, SIGKILL);
	assert_int_equal(waitpid(sleeper->pid, NULL, 0), sleeper->pid);
	close(sleeper->control);
}
