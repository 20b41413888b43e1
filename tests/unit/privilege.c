/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The filter of system calls in a process of its own: what is refused is refused with ENOSYS and ends
 * nothing. */
#include "privilege/privilege.h"

#include <errno.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

static const int families[] = {AF_UNIX, AF_INET};
static const struct privilege_profile profile = {
	.calls = podfenced_calls,
	.families = families,
	.n_families = 2,
};

static void names_are_known(void **state)
{
	const char *const *const lists[] = {podfenced_calls, podfence_ship_calls};

	for (size_t i = 0; i < 2; i++)
		for (const char *const *name = lists[i]; *name; name++)
			if (seccomp_syscall_resolve_name(*name) == __NR_SCMP_ERROR)
				fail_msg("%s is no system call", *name);
}

static int refuses_execve(void)
{
	char *none[] = {NULL};

	return execve("/bin/true", none, none) < 0 && errno == ENOSYS;
}

static int refuses_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == ENOSYS;
}

static int allows_its_families(void)
{
	int pair[2];

	return socket(AF_INET, SOCK_DGRAM, 0) >= 0 &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static int refuses_writable_code(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	return mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, flags, -1, 0) == MAP_FAILED &&
	       errno == ENOSYS &&
	       mmap(NULL, 4096, PROT_READ | PROT_EXEC, flags, -1, 0) != MAP_FAILED;
}

static int refuses_code_made_later(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_EXEC) < 0 &&
	       errno == ENOSYS && mprotect(page, 4096, PROT_READ) == 0;
}

static int refuses_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) < 0 && errno == ENOSYS &&
	       syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS;
}

static void *nothing(void *argument)
{
	return argument;
}

static int allows_threads(void)
{
	pthread_t thread;
	void *value = NULL;

	return pthread_create(&thread, NULL, nothing, (void *)families) == 0 &&
	       pthread_join(thread, &value) == 0 && value == families;
}

static int refuses_other_processes(void)
{
	return kill(getppid(), 0) < 0 && errno == ENOSYS &&
	       syscall(SYS_tgkill, getppid(), getppid(), 0) < 0 && errno == ENOSYS &&
	       syscall(SYS_tgkill, getpid(), gettid(), 0) == 0;
}

static int refuses_what_is_in_no_list(void)
{
	return syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == ENOSYS &&
	       syscall(SYS_bpf, 0, 0, 0) < 0 && errno == ENOSYS &&
	       syscall(SYS_mount, 0, 0, 0, 0, 0) < 0 && errno == ENOSYS &&
	       syscall(SYS_unshare, 0) < 0 && errno == ENOSYS;
}

/* In a child, because there is no way back. */
static int filtered(int (*is_so)(void))
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		    privilege_filter_load(&profile) < 0)
			_exit(2);
		_exit(is_so() ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void filter(void **state)
{
	static const struct {
		const char *name;
		int (*is_so)(void);
	} cases[] = {
		{"execve is refused", refuses_execve},
		{"AF_PACKET is refused", refuses_packet_socket},
		{"its families are allowed", allows_its_families},
		{"writable code is refused", refuses_writable_code},
		{"data does not become code", refuses_code_made_later},
		{"fork is refused", refuses_fork},
		{"threads are allowed", allows_threads},
		{"signals to others are refused", refuses_other_processes},
		{"ptrace, bpf, mount, unshare are refused", refuses_what_is_in_no_list},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int status = filtered(cases[i].is_so);
		if (status != 0)
			fail_msg("%s: wait status %#x", cases[i].name, status);
	}
}

static void begin(void **state)
{
	static const struct privilege_profile nothing_profile = {.calls = podfence_ship_calls};
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		char name[32];
		const struct privilege admin = {.capability = 12 /* CAP_NET_ADMIN */};
		bool is_good = privilege_begin(&nothing_profile) == 0 &&
			       privilege_is_missing(&admin) &&
			       !strcmp(privilege_name(&admin, name), "CAP_NET_ADMIN") &&
			       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
		_exit(is_good ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_known),
		cmocka_unit_test(filter),
		cmocka_unit_test(begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
