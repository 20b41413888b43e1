/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "node/settling.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "node/netns.h"

#include "test.h"

static bool is_armed(const struct settling *settling)
{
	struct itimerspec when;

	assert_int_equal(timerfd_gettime(settling_fd(settling), &when), 0);
	return when.it_value.tv_sec || when.it_value.tv_nsec;
}

static void moved(void *userdata, uint64_t cgroup)
{
	assert_true(cgroup == 0 || cgroup == 7);
}

static int look(struct settling *settling)
{
	struct pollfd poll_fd = {.fd = settling_fd(settling), .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, 60000), 1);
	return settling_look(settling, moved, NULL);
}

static void only_what_may_change_is_looked_at(void **state)
{
	static const struct {
		enum sandbox_state state;
		bool is_host, is_elsewhere, is_unwatched;
		bool is_armed;
		int changed;
	} cases[] = {
		{SANDBOX_OK, .is_armed = false},
		{SANDBOX_NO_PROCESS, .is_armed = false},
		{SANDBOX_OK, .is_host = true, .is_armed = true, .changed = 0},
		{SANDBOX_OK, .is_host = true, .is_elsewhere = true, .is_armed = true, .changed = 1},
		{SANDBOX_GONE, .is_armed = true, .changed = 1},
		{SANDBOX_ERROR, .is_armed = true, .changed = 1},
		{SANDBOX_NO_PROCESS, .is_unwatched = true, .is_armed = true, .changed = 1},
	};
	uint64_t own;

	assert_int_equal(netns_own_inode(&own), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct node_netns netns = {.is_host = cases[i].is_host};
		struct node_sandbox sandbox = {
			.cgroup = 7,
			.state = cases[i].state,
			.pid = getpid(),
		};
		struct node_view view = {
			.netnses = &netns,
			.n_netnses = 1,
			.sandboxes = &sandbox,
			.n_sandboxes = 1,
		};
		struct settling *settling;
		assert_int_equal(settling_open(&settling), 0);
		assert_int_equal(settling_look(settling, moved, NULL), 0);
		assert_int_equal(settling_begin(settling, &view, own + cases[i].is_elsewhere,
						cases[i].is_unwatched),
				 0);
		assert_int_equal(is_armed(settling), cases[i].is_armed);
		if (cases[i].is_armed)
			assert_int_equal(look(settling), cases[i].changed);
		settling_free(settling);
	}
}

/* What stays as it is costs nothing in the end; something new begins again. */
static void looking_ends(void **state)
{
	struct node_netns netns = {.is_host = true};
	struct node_sandbox sandboxes[] = {
		{.cgroup = 7, .pid = getpid()},
		{.cgroup = 8, .pid = getpid()},
	};
	struct node_view view = {
		.netnses = &netns,
		.n_netnses = 1,
		.sandboxes = sandboxes,
		.n_sandboxes = 1,
	};
	struct settling *settling;
	unsigned n = 0;
	uint64_t own;

	assert_int_equal(netns_own_inode(&own), 0);
	assert_int_equal(settling_open(&settling), 0);
	assert_int_equal(settling_begin(settling, &view, own, false), 0);
	for (; is_armed(settling) && n < 100; n++) {
		/* Time flies: the timer is set to fire at once. */
		struct itimerspec at_once = {.it_value.tv_nsec = 1};
		assert_int_equal(timerfd_settime(settling_fd(settling), 0, &at_once, NULL), 0);
		assert_int_equal(look(settling), 0);
	}
	assert_int_equal(n, 13);
	assert_int_equal(settling_begin(settling, &view, own, false), 0);
	assert_false(is_armed(settling));
	view.n_sandboxes = 2;
	assert_int_equal(settling_begin(settling, &view, own, false), 0);
	assert_true(is_armed(settling));
	settling_free(settling);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_may_change_is_looked_at),
		cmocka_unit_test(looking_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
