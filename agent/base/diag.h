/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <podfence/address.h>

#include "base/report.h"

/* Everything podfenced says to its operator, one function a message. Each has an id that never
 * changes (PODFENCE_DIAG in the journal), so that a runbook or an alert can name it. To stderr, or
 * to the journal where stderr is connected to it. */

void diag_set_program(const char *name); /* a literal; podfenced, if not said */

void diag_ready(void);
void diag_generation(uint64_t generation, size_t n_endpoints, size_t n_unresolved, size_t n_steps);
void diag_unresolved(const char *namespace, const char *name, const char *reason);
void diag_uncovered(const char *namespace, const char *name, const char *reason);
void diag_network_refused(const struct pf_prefix *network, const char *source, const char *reason);
void diag_no_uplink(void);
void diag_uplink_missing(const char *name); /* configured, and no device of this node */
void diag_no_pod_root(void);
void diag_no_backstop(int error);
void diag_backstop_failed(void);
void diag_tcx_hidden(void); /* BPF programs */
void diag_units_cut(void);  /* more cgroups match than are looked at */

void diag_config_refused(const struct report *report);
void diag_config_reloaded(const char *path);
void diag_pods_refused(const char *path, int error, const struct report *report);
void diag_pods_partly(const char *path, size_t n_refused, const struct report *report);

void diag_policies_read(const char *directory, size_t n_policies);
/* What is wrong with its files; the last good version of each object stays. */
void diag_policies_refused(const struct report *report);
/* Objects of refused files, that stay as they were good last; `is_from_before`: before this agent. */
void diag_policies_kept(size_t n, bool is_from_before);
void diag_policies_order(const struct report *report); /* is not defined */

void diag_api_problem(const char *server, const char *problem); /* what is known stays in force */
void diag_api_good(const char *server);
void diag_objects_refused(const struct report *report);
void diag_access_warnings(const struct report *report);
void diag_state_damaged(const struct report *report);
void diag_state_used(size_t n_pods);

void diag_cannot(const char *what, int error); /* "open the NFLOG group: Device or resource busy" */
void diag_privilege_missing(const char *name, const char *purpose);
void diag_privileges_missing(void); /* what follows from it */
void diag_no_filter(int error);
void diag_group_held(unsigned group);
void diag_control_held(const char *path);
void diag_seam_held(const char *path);
void diag_not_listening(unsigned retry_seconds);
void diag_rules_refused(const char *object, int error, size_t n_more);
void diag_rules_not_made(const char *reason);
void diag_rules_kept(unsigned retry_seconds);
void diag_rules_differ(size_t n_steps);	   /* the kernel does not hold what we wrote: repaired */
void diag_running(uint32_t port, int pid); /* another agent; pid 0: not seen from here */
void diag_tables_held(uint32_t port, int pid);
void diag_tables_not_owned(const char *reason);
void diag_notifications_lost(void);
void diag_tampered(const char *process, uint32_t pid); /* by whom; pid 0: not known */
void diag_set_incompatible(const char *object);

void diag_changed(const char *what); /* by a person, a label or time */
/* podfence-ship's. */
void diag_ship_seam_good(const char *path);
void diag_ship_seam_lost(const char *path);
void diag_ship_store(const char *problem);
void diag_ship_set_aside(const char *name);
void diag_ship_failing(const char *output, const char *problem);
void diag_ship_good(const char *output);
void diag_ship_taint_gone(const char *node, const char *key);
void diag_ship_taint_stays(const char *node, const char *key, const char *problem);
void diag_ship_dead(const char *output, uint64_t events, const char *reason);
void diag_ship_serving(const char *address, unsigned port);

void diag_reader_gone(int error);
struct diag_totals {
	uint64_t events_written, events_dropped;
	uint64_t records_received, records_lost, records_malformed, records_foreign;
};
/* Where all packets of a class are counted. */
struct diag_account {
	const char *class; /* a word */
	bool has_flows;	   /* else its packets are counted by sender: overflow */
	uint64_t counted, ledger, overflow, unkept;
};
#define DIAG_ACCOUNTS_MAX 8
struct diag_books {
	const struct diag_account *accounts;
	size_t n_accounts;
	uint64_t logged, received, lost; /* messages */
	int64_t difference, unheard;	 /* 0, both: they balance */
};
void diag_books(const struct diag_books *books);
void diag_stopped(const struct diag_totals *totals);
