/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A search has five stages, each in pieces:
 *
 *	usage	 which endpoints have run since the last search (cpu.stat of their cgroups): whoever is handed a socket
 *		 runs, and whoever is moved sends nothing before he does. Those that have not are what they were
 *	list	 the sockets of the namespace, table by table (NETLINK_SOCK_DIAG); those that were made below
 *		 what is judged are passed over, of the others the inode number is kept
 *	places	 an endpoint that has run: the processes of its cgroups
 *	files	 a process: which of its open files are such sockets
 *	done	 until the next search
 *
 * A socket that was never bound, connected or sent by is in no table of the kernel: it is found once it is
 * used. The kernel tells of ping sockets, packet sockets and those of AF_XDP elsewhere or not at all; they are not
 * looked for. Nearly all of the cost are the places and the files of those who ran; the processor time is read before the
 * list, so that what is done in the meantime counts as done after this search. Who makes a socket and who has it is read at different times: both may have changed, and the next search
 * finds that. */
#include "culprit/stray.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>

#include "base/clock.h"
#include "culprit/process.h"
#include "culprit/socket.h"
#include "node/cgroup_tree.h"

#define BUFFER_SIZE   32768
#define SOCKETS_MAX   65536 /* made outside; those beyond are not looked for */
#define PIDS_MAX      4096  /* of one endpoint */
#define CHILDREN_MAX  256
#define DEPTH_MAX     16
#define MAKERS_MAX    256 /* cgroups that were looked up lately */
#define FILES_A_PIECE 32
#define USAGE_UNKNOWN UINT64_MAX

static const struct {
	uint8_t family, protocol;
} tables[] = {
	{AF_INET, IPPROTO_TCP},	    {AF_INET6, IPPROTO_TCP},	 {AF_INET, IPPROTO_UDP},
	{AF_INET6, IPPROTO_UDP},    {AF_INET, IPPROTO_RAW},	 {AF_INET6, IPPROTO_RAW},
	{AF_INET, IPPROTO_UDPLITE}, {AF_INET6, IPPROTO_UDPLITE}, {AF_INET, IPPROTO_SCTP},
	{AF_INET6, IPPROTO_SCTP},
};
#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

enum stage { STAGE_DONE, STAGE_USAGE, STAGE_LIST, STAGE_PLACES, STAGE_FILES };

/* Who made sockets: asked once in a search. */
struct maker {
	uint64_t cgroup;
	bool is_judged;
	char path[STRAY_MAKER_MAX];
};

struct outsider {
	uint64_t inode;
	size_t maker;
};

struct place {
	uint64_t cgroup;
	uint64_t usage; /* processor time that all below it have taken; USAGE_UNKNOWN */
	bool is_due;	/* to be looked at */
	bool has_stray;
};

struct strays {
	int proc;
	struct cgroup_tree tree;
	char root[PATH_MAX]; /* of the tree, as /proc/self/fd shows it */
	enum stage stage;
	struct place *endpoints;
	size_t n_endpoints;
	struct place *before; /* those of the last search, by cgroup */
	size_t n_before;
	char **judged; /* paths */
	size_t n_judged;
	struct mnl_socket *socket;
	size_t table;
	uint32_t sequence;
	bool is_asked;
	struct maker makers[MAKERS_MAX];
	size_t n_makers;
	struct outsider *outsiders;
	size_t n_outsiders, outsiders_capacity;
	size_t endpoint, pid; /* where the search is */
	pid_t pids[PIDS_MAX];
	size_t n_pids;
	DIR *files;
	struct stray *found;
	size_t n_found;
	char buffer[BUFFER_SIZE] __attribute__((aligned(NLMSG_ALIGNTO)));
};

static void forget(struct strays *strays)
{
	free(strays->endpoints);
	strays->endpoints = NULL;
	strays->n_endpoints = 0;
	if (strays->socket)
		mnl_socket_close(strays->socket);
	strays->socket = NULL;
	if (strays->files)
		closedir(strays->files);
	strays->files = NULL;
	free(strays->outsiders);
	strays->outsiders = NULL;
	strays->n_outsiders = strays->outsiders_capacity = 0;
	strays->stage = STAGE_DONE;
}

static void judged_free(struct strays *strays)
{
	for (size_t i = 0; i < strays->n_judged; i++)
		free(strays->judged[i]);
	free(strays->judged);
	strays->judged = NULL;
	strays->n_judged = 0;
}

struct strays *strays_free(struct strays *strays)
{
	if (!strays)
		return NULL;
	forget(strays);
	judged_free(strays);
	free(strays->before);
	free(strays->found);
	if (strays->proc >= 0)
		close(strays->proc);
	cgroup_tree_close(&strays->tree);
	free(strays);
	return NULL;
}

static int path_of(const struct strays *strays, int directory, char path[static PATH_MAX])
{
	char name[48];

	snprintf(name, sizeof(name), "self/fd/%d", directory);
	ssize_t n = readlinkat(strays->proc, name, path, PATH_MAX - 1);
	path[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -errno : 0;
}

int strays_new(const char *cgroup_root, struct strays **ret_strays)
{
	struct strays *strays = calloc(1, sizeof(*strays));

	if (!strays)
		return -ENOMEM;
	strays->tree.fd = -1;
	strays->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = strays->proc < 0 ? -errno : cgroup_tree_open(cgroup_root, &strays->tree);
	if (r == 0)
		r = path_of(strays, strays->tree.fd, strays->root);
	if (r < 0)
		strays_free(strays);
	else
		*ret_strays = strays;
	return r;
}

static bool are_judged(const struct strays *strays, const char *const *judged, size_t n_judged)
{
	bool are_same = strays->n_judged == n_judged;

	for (size_t i = 0; i < n_judged && are_same; i++)
		are_same = !strcmp(strays->judged[i], judged[i]);
	return are_same;
}

/* Where other places are judged than before other sockets are made outside, whoever has them. */
static int copy_judged(struct strays *strays, const char *const *judged, size_t n_judged)
{
	if (are_judged(strays, judged, n_judged))
		return 0;
	judged_free(strays);
	strays->n_before = 0;
	strays->judged = calloc(n_judged + 1, sizeof(*strays->judged));
	if (!strays->judged)
		return -ENOMEM;
	for (size_t i = 0; i < n_judged; i++) {
		strays->judged[i] = strdup(judged[i]);
		if (!strays->judged[i])
			return -ENOMEM;
		strays->n_judged++;
	}
	return 0;
}

static int copy(struct strays *strays, const uint64_t *endpoints, size_t n_endpoints)
{
	strays->found = calloc(n_endpoints + 1, sizeof(*strays->found));
	strays->endpoints = calloc(n_endpoints + 1, sizeof(*strays->endpoints));
	if (!strays->found || !strays->endpoints)
		return -ENOMEM;
	for (size_t i = 0; i < n_endpoints; i++)
		strays->endpoints[strays->n_endpoints++].cgroup = endpoints[i];
	return 0;
}

int strays_begin(struct strays *strays, const uint64_t *endpoints, size_t n_endpoints,
		 const char *const *judged, size_t n_judged)
{
	forget(strays);
	free(strays->found);
	strays->n_found = strays->n_makers = strays->table = strays->endpoint = 0;
	strays->is_asked = false;
	strays->found = NULL;
	int r = copy_judged(strays, judged, n_judged);
	if (r == 0)
		r = copy(strays, endpoints, n_endpoints);
	if (r == 0) {
		strays->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
		if (!strays->socket || mnl_socket_bind(strays->socket, 0, MNL_SOCKET_AUTOPID) < 0)
			r = -errno;
	}
	if (r < 0)
		forget(strays);
	else
		strays->stage = STAGE_USAGE;
	return r;
}

bool strays_is_busy(const struct strays *strays)
{
	return strays->stage != STAGE_DONE;
}

static int place_compare(const void *a_pointer, const void *b_pointer)
{
	const struct place *a = a_pointer, *b = b_pointer;

	return (a->cgroup > b->cgroup) - (a->cgroup < b->cgroup);
}

/* What this search has seen is what the next one begins with. */
static int finish(struct strays *strays)
{
	free(strays->before);
	strays->before = strays->endpoints;
	strays->n_before = strays->n_endpoints;
	strays->endpoints = NULL;
	if (strays->n_before)
		qsort(strays->before, strays->n_before, sizeof(*strays->before), place_compare);
	forget(strays);
	return STRAYS_DONE;
}

/* Any time that was taken shows in the microseconds: a process that is woken and reads a message takes some. */
static uint64_t usage_of(const struct strays *strays, uint64_t cgroup)
{
	static const char key[] = "usage_usec ";
	uint64_t usage = USAGE_UNKNOWN;
	char text[64];
	int directory = cgroup_open_id(&strays->tree, cgroup);
	int fd = directory < 0 ? -1 : openat(directory, "cpu.stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = '\0';
		if (!strncmp(text, key, sizeof(key) - 1))
			usage = strtoull(text + sizeof(key) - 1, NULL, 10);
	}
	if (fd >= 0)
		close(fd);
	if (directory >= 0)
		close(directory);
	return usage;
}

/* One that had a socket is always looked at: its process may have been moved away. */
static int step_usage(struct strays *strays)
{
	size_t n_due = 0;

	if (strays->endpoint < strays->n_endpoints) {
		struct place *place = &strays->endpoints[strays->endpoint++];
		const struct place *before = strays->n_before
						     ? bsearch(place, strays->before,
							       strays->n_before, sizeof(*before),
							       place_compare)
						     : NULL;
		place->usage = usage_of(strays, place->cgroup);
		place->is_due = !before || before->has_stray || place->usage == USAGE_UNKNOWN ||
				place->usage != before->usage;
		return 0;
	}
	for (size_t i = 0; i < strays->n_endpoints; i++)
		n_due += strays->endpoints[i].is_due;
	strays->endpoint = 0;
	strays->stage = STAGE_LIST;
	return n_due ? 0 : finish(strays);
}

static bool is_below(const char *path, const char *place)
{
	size_t n = strlen(place);

	return !n || (!strncmp(path, place, n) && (path[n] == '\0' || path[n] == '/'));
}

/* A cgroup that is gone, or lies outside of what can be seen from here, is nobody's that is judged. */
static void maker_look(struct strays *strays, struct maker *maker)
{
	size_t root = strlen(strays->root);
	char path[PATH_MAX];
	int fd = cgroup_open_id(&strays->tree, maker->cgroup);

	if (fd < 0)
		return;
	int r = path_of(strays, fd, path);
	close(fd);
	if (r < 0 || strncmp(path, strays->root, root) != 0)
		return;
	const char *below = path + root + (path[root] == '/');
	snprintf(maker->path, sizeof(maker->path), "/%s", below);
	for (size_t i = 0; i < strays->n_judged && !maker->is_judged; i++)
		maker->is_judged = is_below(below, strays->judged[i]);
}

/* When there are too many the last place is everybody's, one after the other, and names nobody. */
static size_t maker_find(struct strays *strays, uint64_t cgroup)
{
	for (size_t i = 0; i < strays->n_makers; i++)
		if (strays->makers[i].cgroup == cgroup)
			return i;
	size_t at = strays->n_makers < MAKERS_MAX ? strays->n_makers++ : MAKERS_MAX - 1;
	strays->makers[at] = (struct maker){.cgroup = cgroup};
	maker_look(strays, &strays->makers[at]);
	if (at == MAKERS_MAX - 1)
		strays->makers[at].path[0] = '\0';
	return at;
}

static int outsider_add(struct strays *strays, const struct socket_facts *socket)
{
	if (!socket->inode || !socket->has_cgroup || strays->n_outsiders == SOCKETS_MAX)
		return 0;
	size_t maker = maker_find(strays, socket->cgroup);
	if (strays->makers[maker].is_judged)
		return 0;
	if (strays->n_outsiders == strays->outsiders_capacity) {
		size_t capacity = strays->outsiders_capacity ? 2 * strays->outsiders_capacity : 64;
		void *grown = reallocarray(strays->outsiders, capacity, sizeof(*strays->outsiders));
		if (!grown)
			return -ENOMEM;
		strays->outsiders = grown;
		strays->outsiders_capacity = capacity;
	}
	strays->outsiders[strays->n_outsiders++] = (struct outsider){socket->inode, maker};
	return 0;
}

static int table_ask(struct strays *strays)
{
	struct inet_diag_req_v2 *body;
	struct nlmsghdr *request = mnl_nlmsg_put_header(strays->buffer);

	request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = ++strays->sequence;
	body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	body->sdiag_family = tables[strays->table].family;
	body->sdiag_protocol = tables[strays->table].protocol;
	body->idiag_states = ~(1u << SOCKET_TIME_WAIT | 1u << SOCKET_NEW_SYN_RECV);
	return mnl_socket_sendto(strays->socket, request, request->nlmsg_len) < 0 ? -errno : 0;
}

/* The part of a table that the kernel has ready. True: it was the last, or this kernel has no such table. */
static bool table_hear(struct strays *strays, int *ret_error)
{
	ssize_t length = recv(mnl_socket_get_fd(strays->socket), strays->buffer,
			      sizeof(strays->buffer), MSG_DONTWAIT);
	int n = (int)length;

	if (length <= 0)
		return length == 0 || errno != EINTR;
	for (const struct nlmsghdr *message = (const void *)strays->buffer;
	     mnl_nlmsg_ok(message, n); message = mnl_nlmsg_next(message, &n)) {
		struct socket_facts facts;
		if (message->nlmsg_seq != strays->sequence)
			continue;
		if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
			return true;
		if (socket_diag_parse(message, message->nlmsg_len, &facts) == 0)
			*ret_error = outsider_add(strays, &facts);
		if (*ret_error < 0)
			return true;
	}
	return false;
}

static int outsider_compare(const void *a_pointer, const void *b_pointer)
{
	const struct outsider *a = a_pointer, *b = b_pointer;

	return (a->inode > b->inode) - (a->inode < b->inode);
}

static int step_list(struct strays *strays)
{
	int error = 0;

	if (!strays->is_asked && table_ask(strays) < 0) {
		strays->table++;
	} else {
		strays->is_asked = true;
		if (table_hear(strays, &error)) {
			strays->is_asked = false;
			strays->table++;
		}
	}
	if (strays->table < N_TABLES || error < 0)
		return error;
	if (strays->n_outsiders)
		qsort(strays->outsiders, strays->n_outsiders, sizeof(*strays->outsiders),
		      outsider_compare);
	strays->stage = STAGE_PLACES;
	return 0;
}

static void add_processes(struct strays *strays, int directory, unsigned depth)
{
	struct cgroup_child *children;
	struct stat status;
	size_t n, room = PIDS_MAX - strays->n_pids;
	bool is_cut;

	if (cgroup_processes(directory, strays->pids + strays->n_pids, room, &n) == 0)
		strays->n_pids += n;
	/* The kernel counts directories below as links, which is a tenth of what it costs to list them. */
	if (depth == DEPTH_MAX || (fstat(directory, &status) == 0 && status.st_nlink == 2) ||
	    cgroup_children(directory, CHILDREN_MAX, &children, &n, &is_cut) < 0)
		return;
	for (size_t i = 0; i < n && strays->n_pids < PIDS_MAX; i++) {
		int child = cgroup_open(directory, children[i].name);
		if (child < 0)
			continue;
		add_processes(strays, child, depth + 1);
		close(child);
	}
	cgroup_children_free(children, n);
}

static int step_places(struct strays *strays)
{
	while (strays->endpoint < strays->n_endpoints &&
	       !strays->endpoints[strays->endpoint].is_due)
		strays->endpoint++;
	if (strays->endpoint == strays->n_endpoints || !strays->n_outsiders)
		return finish(strays);
	strays->n_pids = strays->pid = 0;
	int directory = cgroup_open_id(&strays->tree, strays->endpoints[strays->endpoint].cgroup);
	if (directory >= 0) {
		add_processes(strays, directory, 0);
		close(directory);
	}
	strays->stage = STAGE_FILES;
	return 0;
}

static DIR *files_open(const struct strays *strays, pid_t pid)
{
	char name[32];

	snprintf(name, sizeof(name), "%d/fd", (int)pid);
	int fd = openat(strays->proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *files = fd < 0 ? NULL : fdopendir(fd);
	if (!files && fd >= 0)
		close(fd);
	return files;
}

static const struct outsider *outsider_at(const struct strays *strays, const char *name)
{
	char target[64];
	ssize_t n = readlinkat(dirfd(strays->files), name, target, sizeof(target));
	const struct outsider wanted = {.inode = n > 0 ? process_socket_inode(target, (size_t)n)
						       : 0};

	if (!wanted.inode)
		return NULL;
	return bsearch(&wanted, strays->outsiders, strays->n_outsiders, sizeof(wanted),
		       outsider_compare);
}

static void found_add(struct strays *strays, const struct outsider *outsider)
{
	struct stray *stray = &strays->found[strays->n_found++];

	strays->endpoints[strays->endpoint].has_stray = true;
	*stray = (struct stray){.endpoint = strays->endpoints[strays->endpoint].cgroup,
				.pid = strays->pids[strays->pid]};
	memcpy(stray->maker, strays->makers[outsider->maker].path, sizeof(stray->maker));
}

/* One is enough to know: the endpoint is left. */
static void step_files(struct strays *strays)
{
	if (!strays->files && strays->pid < strays->n_pids)
		strays->files = files_open(strays, strays->pids[strays->pid]);
	bool is_found = false, is_over = !strays->files;
	for (unsigned i = 0; i < FILES_A_PIECE && !is_found && !is_over; i++) {
		const struct dirent *entry = readdir(strays->files);
		const struct outsider *outsider = entry ? outsider_at(strays, entry->d_name) : NULL;
		is_over = !entry;
		is_found = outsider != NULL;
		if (is_found)
			found_add(strays, outsider);
	}
	if (!is_found && !is_over)
		return;
	if (strays->files)
		closedir(strays->files);
	strays->files = NULL;
	strays->pid++;
	if (!is_found && strays->pid < strays->n_pids)
		return;
	strays->endpoint++;
	strays->stage = STAGE_PLACES;
}

int strays_step(struct strays *strays, uint64_t usec)
{
	uint64_t end = clock_usec(CLOCK_MONOTONIC) + usec;
	int r = 0;

	do {
		switch (strays->stage) {
		case STAGE_USAGE: r = step_usage(strays); break;
		case STAGE_LIST: r = step_list(strays); break;
		case STAGE_PLACES: r = step_places(strays); break;
		case STAGE_FILES: step_files(strays); break;
		case STAGE_DONE: return STRAYS_DONE;
		}
	} while (r == 0 && clock_usec(CLOCK_MONOTONIC) < end);
	if (r < 0)
		forget(strays);
	return r;
}

const struct stray *strays_found(const struct strays *strays, size_t *ret_n)
{
	*ret_n = strays->n_found;
	return strays->found;
}
