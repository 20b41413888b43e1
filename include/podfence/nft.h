/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/attributes.h>
#include <podfence/plan.h>
#include <podfence/ruleset.h>

/* The kernel as a port of three functions: read, check, commit. Blocking, but the kernel answers a
 * transaction before sendmsg() returns. */
struct pf_nft; /* one netlink socket */

PF_MUST_CHECK int pf_nft_open(struct pf_nft **ret_nft);
struct pf_nft *pf_nft_free(struct pf_nft *nft);

/* Everything the kernel refused, each with the object it belongs to. */
struct pf_nft_error {
	int error;	  /* positive errno as the kernel gave it */
	char object[160]; /* "rule 3 of chain inet podfence guard: ..." or "commit" */
};
struct pf_nft_errors {
	struct pf_nft_error errors[16];
	size_t n_errors; /* all of them; those beyond the array are counted only */
};

/* One transaction, all or nothing. 0; -EREMOTEIO where the kernel refused it (`errors` says what
 * and why; nothing changed); else the errno of the socket. An empty plan is 0 without asking the
 * kernel. */
PF_MUST_CHECK int pf_nft_commit(struct pf_nft *nft, const struct pf_plan *plan,
				struct pf_nft_errors *errors);
/* The same without the closing message: the kernel judges every step and changes nothing. */
PF_MUST_CHECK int pf_nft_check(struct pf_nft *nft, const struct pf_plan *plan,
			       struct pf_nft_errors *errors);

/* A transaction that is made now and sent when its time comes: nothing but the sending is left to do then. It may be
 * sent several times. */
struct pf_nft_ready;

/* Takes the plan over, also where it fails; both its values must outlive what is made of it. */
PF_MUST_CHECK int pf_nft_prepare(struct pf_nft *nft, struct pf_plan *plan,
				 struct pf_nft_ready **ret_ready);
/* As pf_nft_commit(); by the handle it was prepared by. */
PF_MUST_CHECK int pf_nft_commit_ready(struct pf_nft *nft, const struct pf_nft_ready *ready,
				      struct pf_nft_errors *errors);
struct pf_nft_ready *pf_nft_ready_free(struct pf_nft_ready *ready);

/* Ownership: a table that belongs to a netlink socket is changed by nobody else (EPERM; `flush ruleset`
 * goes around it), and with PERSIST (kernel 6.9) it outlives that socket and waits for the next owner. A
 * table that was made without an owner never gets one. */
enum {
	PF_NFT_OWN_UNSUPPORTED = 1, /* no PERSIST in this kernel: nothing was changed */
	PF_NFT_OWN_PLAIN,	    /* one is there that was made without an owner: it stays so */
};
/* From now on tables of this name belong to `nft`: those that are there without a living owner, and those
 * it makes. 0, one of the above, -EBUSY where the owner in ret_port lives, or a negative errno. */
PF_MUST_CHECK int pf_nft_own(struct pf_nft *nft, const char *table, uint32_t *ret_port);

/* Takes a name that one socket of this network namespace can hold, by an empty table that ends with it:
 * held until pf_nft_free(). -EBUSY: by the socket in ret_port. Needs CAP_NET_ADMIN, so nobody without it
 * can be in the way. */
PF_MUST_CHECK int pf_nft_lock(const char *name, struct pf_nft **ret_lock, uint32_t *ret_port);

/* Counts every transaction of anybody in this network namespace. */
PF_MUST_CHECK int pf_nft_generation(struct pf_nft *nft, uint32_t *ret_generation);

/* Reads tables of this name (all families that pf_family knows) as a sealed value. Its rules are
 * bytecode only: they can be compared, deleted and counted, not printed as nft text. A read that a
 * foreign transaction interrupts is begun anew; -EAGAIN after 10 times. */
PF_MUST_CHECK int pf_nft_read(struct pf_nft *nft, const char *table,
			      struct pf_ruleset **ret_ruleset);

struct pf_counter_value {
	char name[PF_NAME_MAX];
	enum pf_family family;
	uint64_t packets, bytes;
};
/* Values of all named counters of tables of this name. The caller frees *ret_values. */
PF_MUST_CHECK int pf_nft_counters(struct pf_nft *nft, const char *table,
				  struct pf_counter_value **ret_values, size_t *ret_n_values);

/* A device whose incoming packets somebody's flowtable sees: those of flows in it go out past every hook. */
struct pf_flow_device {
	char device[16];		      /* IFNAMSIZ */
	char flowtable[2 * PF_NAME_MAX + 16]; /* "inet TABLE NAME", cut where that is longer */
};
/* Those of all tables of all families. The caller frees *ret_devices. None where the kernel has no flowtables. */
PF_MUST_CHECK int pf_nft_flow_devices(struct pf_nft *nft, struct pf_flow_device **ret_devices,
				      size_t *ret_n_devices);

/* What an element of a dynamic set has counted since it was added. */
struct pf_count {
	struct pf_key key;
	uint64_t packets, bytes;
};
typedef void (*pf_count_fn)(const struct pf_count *count, void *userdata);

struct pf_set_name {
	enum pf_family family;
	const char *table, *set;
};

/* All elements with a counter. While packets add to the set an element may be told twice or, until the next
 * time, not at all; what is told is exact. -ENOENT: no such set. */
PF_MUST_CHECK int pf_nft_counts(struct pf_nft *nft, const struct pf_set_name *set, pf_count_fn fn,
				void *userdata);

/* Removes elements, all or none, and tells of each the last count. -ENOENT: one of them is not there. What was
 * removed but not told (the socket was full: -ENOBUFS) is gone with its count. At most
 * PF_COUNTS_REMOVE_MAX at once: what the kernel says of them fits the socket. */
#define PF_COUNTS_REMOVE_MAX 256
PF_MUST_CHECK int pf_nft_remove_counted(struct pf_nft *nft, const struct pf_set_name *set,
					const struct pf_key *keys, size_t n_keys, pf_count_fn fn,
					void *userdata);

/* Hears when somebody else changes tables of this name. */
struct pf_nft_monitor;

struct pf_nft_culprit {
	uint32_t pid;	  /* in the initial pid namespace; 0: not known, notifications were lost */
	char process[17]; /* its name (comm), as it was at the transaction */
};

/* `nft` is the handle whose own changes are not meant. -EPERM without CAP_NET_ADMIN. */
PF_MUST_CHECK int pf_nft_monitor_open(const struct pf_nft *nft, const char *table,
				      struct pf_nft_monitor **ret_monitor);
struct pf_nft_monitor *pf_nft_monitor_free(struct pf_nft_monitor *monitor);
int pf_nft_monitor_fd(const struct pf_nft_monitor *monitor);
/* Drains what was told, without waiting. 1: our tables were changed, by ret_culprit (the last one); 0: not;
 * negative errno. A hint: read the tables back. */
PF_MUST_CHECK int pf_nft_monitor_dispatch(struct pf_nft_monitor *monitor,
					  struct pf_nft_culprit *ret_culprit);
/* The table of this family was deleted and nothing of it was told since: it is not there, unless notifications
 * were lost. */
bool pf_nft_monitor_is_deleted(const struct pf_nft_monitor *monitor, enum pf_family family);
/* The generation that was told last; 0: none yet. After a dispatch it is the kernel's own, or
 * notifications were lost. */
uint32_t pf_nft_monitor_generation(const struct pf_nft_monitor *monitor);
