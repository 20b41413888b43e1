/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The filter of system calls, by libseccomp. Some calls are allowed with certain arguments only; a condition
 * holds where the bits of `mask` in an argument are `value`, and one of a call's conditions is enough.
 *
 * What is not allowed answers ENOSYS, as if the kernel were older: libc and libraries know what to do then.
 * The kernel writes each into its log (audit, type 1326) as far as kernel.seccomp.actions_logged has errno. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sched.h>
#include <linux/bpf.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "privilege/privilege.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif

#define REFUSED	      SCMP_ACT_ERRNO(ENOSYS)
#define OPTIMIZE_TREE 2 /* seccomp_attr_set(3): a binary tree of the calls */

static const struct condition {
	const char *call;
	unsigned argument;
	uint64_t mask, value;
} conditions[] = {
	{"mmap", 2, PROT_WRITE, 0},
	{"mmap", 2, PROT_EXEC, 0},
	{"mprotect", 2, PROT_EXEC, 0},
	{"clone", 0, CLONE_THREAD, CLONE_THREAD},
	{"ioctl", 1, UINT32_MAX, FIONBIO},
	{"ioctl", 1, UINT32_MAX, FIONREAD},
	{"ioctl", 1, UINT32_MAX, TCGETS},
	{"setns", 1, UINT32_MAX, CLONE_NEWNET},
	{"bpf", 0, UINT32_MAX, BPF_PROG_QUERY},
};

static int allow_if(scmp_filter_ctx context, int call, unsigned argument, uint64_t mask,
		    uint64_t value)
{
	const struct scmp_arg_cmp compare = SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value);

	return seccomp_rule_add_array(context, SCMP_ACT_ALLOW, call, 1, &compare);
}

static int allow(scmp_filter_ctx context, const struct privilege_profile *profile, const char *name)
{
	int call = seccomp_syscall_resolve_name(name), r = 0;
	bool has_condition = false;

	if (call == __NR_SCMP_ERROR)
		return -EINVAL;
	if (!strcmp(name, "socket") || !strcmp(name, "socketpair")) {
		for (size_t i = 0; i < profile->n_families && r == 0; i++)
			r = allow_if(context, call, 0, UINT32_MAX, (uint64_t)profile->families[i]);
		return r;
	}
	if (!strcmp(name, "tgkill"))
		return allow_if(context, call, 0, UINT32_MAX, (uint64_t)getpid());
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]) && r == 0; i++) {
		if (strcmp(conditions[i].call, name) != 0)
			continue;
		has_condition = true;
		r = allow_if(context, call, conditions[i].argument, conditions[i].mask,
			     conditions[i].value);
	}
	return has_condition ? r : seccomp_rule_add_array(context, SCMP_ACT_ALLOW, call, 0, NULL);
}

static int set_up(scmp_filter_ctx context, const struct privilege_profile *profile)
{
	/* Calls in the form of another architecture (x32, i386) are as unknown as any. */
	int r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, REFUSED);

	if (r == 0)
		r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, OPTIMIZE_TREE);
	if (r == 0)
		r = seccomp_attr_set(context, SCMP_FLTATR_CTL_LOG, 1);
	if (r == 0) /* the kernel's own errno of what fails here */
		r = seccomp_attr_set(context, SCMP_FLTATR_API_SYSRAWRC, 1);
	for (const char *const *name = profile->calls; *name && r == 0; name++)
		r = allow(context, profile, *name);
	return r;
}

/* libc asks for clone3 with every thread and then for clone: a filter of its own, which is not logged. The
 * stricter of two filters decides. */
static int refuse_clone3(void)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	int r = context ? seccomp_rule_add_array(context, REFUSED, SCMP_SYS(clone3), 0, NULL)
			: -ENOMEM;

	if (r == 0)
		r = seccomp_load(context);
	seccomp_release(context);
	return r;
}

int privilege_filter_load(const struct privilege_profile *profile)
{
	scmp_filter_ctx context = seccomp_init(REFUSED);
	int r = context ? set_up(context, profile) : -ENOMEM;

	if (r == 0)
		r = refuse_clone3();
	if (r == 0)
		r = seccomp_load(context);
	seccomp_release(context);
	return r;
}

int privilege_filter(const struct privilege_profile *profile)
{
#ifdef HAS_SANITIZER
	return -EOPNOTSUPP;
#else
	return privilege_filter_load(profile);
#endif
}
