/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The texts, in one place. They say what happened, to what, and what follows from it. */
#include "base/diag.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <systemd/sd-journal.h>

/* $JOURNAL_STREAM is "device:inode" of the socket systemd gave us as stderr (systemd.exec(5)); it
 * is inherited further than the descriptor, so both are compared. */
static bool stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long device, inode;
	struct stat status;

	return text && sscanf(text, "%lu:%lu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
	       status.st_ino == inode;
}

static const char *program = "podfenced";

void diag_set_program(const char *name)
{
	program = name;
}

PF_PRINTF(3, 4) static void say(int priority, const char *id, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (stderr_is_journal() && sd_journal_send("MESSAGE=%s", text, "PRIORITY=%i", priority,
						   "PODFENCE_DIAG=%s", id, NULL) == 0)
		return;
	fprintf(stderr, "%s: %s\n", program, text);
}

static void say_report(int priority, const char *id, const struct report *report)
{
	for (size_t i = 0; i < report->n_entries; i++)
		say(priority, id, "%s: %s", report->entries[i].place, report->entries[i].text);
	if (report->n_left_out)
		say(priority, id, "and %zu more", report->n_left_out);
}

void diag_ready(void)
{
	say(LOG_NOTICE, "ready", "ready");
}

void diag_generation(uint64_t generation, size_t n_endpoints, size_t n_unresolved, size_t n_steps)
{
	say(LOG_INFO, "generation", "generation %llu: %zu endpoints, %zu unresolved, %zu changes",
	    (unsigned long long)generation, n_endpoints, n_unresolved, n_steps);
}

void diag_unresolved(const char *namespace, const char *name, const char *reason)
{
	say(LOG_WARNING, "unresolved", "%s/%s is not resolved and meets pending: %s", namespace,
	    name, reason);
}

void diag_uncovered(const char *namespace, const char *name, const char *reason)
{
	say(LOG_WARNING, "uncovered", "%s/%s is not covered: %s", namespace, name, reason);
}

void diag_network_refused(const struct pf_prefix *network, const char *source, const char *reason)
{
	char text[PF_PREFIX_TEXT];

	say(LOG_WARNING, "network-refused", "%s (%s) is not internal: %s",
	    pf_prefix_format(network, text), source, reason);
}

void diag_no_uplink(void)
{
	say(LOG_WARNING, "no-uplink",
	    "no uplink: no default route, or none of network.uplinks is there; whatever is "
	    "forwarded to an external address is judged, answers to connections from outside too");
}

void diag_uplink_missing(const char *name)
{
	say(LOG_WARNING, "uplink-missing",
	    "%s of network.uplinks is no device of this node; it counts when it appears", name);
}

void diag_no_pod_root(void)
{
	say(LOG_WARNING, "no-pod-root",
	    "no cgroup that holds pods: hostNetwork pods are not judged until there is one "
	    "(node.podRoots)");
}

void diag_no_backstop(int error)
{
	say(LOG_WARNING, "no-backstop",
	    "this kernel has no egress hook for nftables (Linux 5.16, CONFIG_NETFILTER_EGRESS): "
	    "%s; frames "
	    "of packet sockets are not looked at (backstop.mode: off says nothing of it)",
	    strerror(-error));
}

void diag_backstop_failed(void)
{
	say(LOG_WARNING, "backstop-failed",
	    "rules are made without the backstop (backstop.mode) now, which is tried again in 10 "
	    "s");
}

void diag_tcx_hidden(void)
{
	say(LOG_WARNING, "tcx-hidden",
	    "bpf(2) is not allowed: whether a BPF program (tcx, netkit) on the link of a pod sends "
	    "its "
	    "packets on past the rules is not known");
}

void diag_units_cut(void)
{
	say(LOG_WARNING, "units-cut",
	    "more cgroups match the globs of units than are looked at (960, 12 levels deep): the "
	    "others are not judged; match the slice above them");
}

void diag_config_refused(const struct report *report)
{
	say_report(LOG_ERR, "config-refused", report);
	say(LOG_ERR, "config-refused", "configuration refused; what was in force stays");
}

void diag_config_reloaded(const char *path)
{
	say(LOG_NOTICE, "config-reloaded", "%s read again", path);
}

void diag_pods_refused(const char *path, int error, const struct report *report)
{
	say_report(LOG_ERR, "pods-refused", report);
	if (error < 0)
		say(LOG_ERR, "pods-refused", "%s: %s", path, strerror(-error));
	say(LOG_ERR, "pods-refused", "%s refused; the last good list stays", path);
}

void diag_pods_partly(const char *path, size_t n_refused, const struct report *report)
{
	say_report(LOG_WARNING, "pods-partly", report);
	say(LOG_WARNING, "pods-partly", "%s: %zu items refused; those pods meet pending", path,
	    n_refused);
}

void diag_policies_read(const char *directory, size_t n_policies)
{
	say(LOG_NOTICE, "policies-read", "%s read: %zu policies", directory, n_policies);
}

void diag_policies_refused(const struct report *report)
{
	say_report(LOG_WARNING, "policies-refused", report);
}

void diag_policies_kept(size_t n, bool is_from_before)
{
	say(LOG_WARNING, "policies-kept",
	    "%zu object%s of refused files stay%s as %s %s good last%s", n, n == 1 ? "" : "s",
	    n == 1 ? "s" : "", n == 1 ? "it" : "they", n == 1 ? "was" : "were",
	    is_from_before ? ", before this start" : "");
}

void diag_policies_order(const struct report *report)
{
	say_report(LOG_WARNING, "policies-order", report);
}

void diag_api_problem(const char *server, const char *problem)
{
	say(LOG_WARNING, "api-problem", "%s: %s; what is known stays in force", server, problem);
}

void diag_api_good(const char *server)
{
	say(LOG_NOTICE, "api-good", "%s: list complete, watching", server);
}

void diag_objects_refused(const struct report *report)
{
	say_report(LOG_WARNING, "objects-refused", report);
}

void diag_access_warnings(const struct report *report)
{
	say_report(LOG_WARNING, "access-warnings", report);
}

void diag_state_damaged(const struct report *report)
{
	say_report(LOG_ERR, "state-damaged", report);
}

void diag_state_used(size_t n_pods)
{
	say(LOG_NOTICE, "state-used", "%zu pods known from before, until the API server tells",
	    n_pods);
}

void diag_cannot(const char *what, int error)
{
	say(LOG_ERR, "cannot", "cannot %s: %s", what, strerror(error < 0 ? -error : error));
}

void diag_privilege_missing(const char *name, const char *purpose)
{
	say(LOG_ERR, "privilege-missing", "%s is missing, it is needed %s", name, purpose);
}

void diag_privileges_missing(void)
{
	say(LOG_ERR, "privilege-missing",
	    "not started, nothing was changed; what grants capabilities: root, in a unit "
	    "CapabilityBoundingSet=, in a container securityContext.capabilities.add");
}

void diag_no_filter(int error)
{
	say(LOG_WARNING, "no-filter", "system calls are not filtered: %s",
	    strerror(error < 0 ? -error : error));
}

void diag_group_held(unsigned group)
{
	say(LOG_ERR, "group-held",
	    "NFLOG group %u is held by another process, probably a second podfenced; "
	    "nothing was changed",
	    group);
}

void diag_control_held(const char *path)
{
	say(LOG_ERR, "control-held",
	    "another process answers at %s, probably a second podfenced: this one takes no "
	    "questions",
	    path);
}

void diag_seam_held(const char *path)
{
	say(LOG_ERR, "seam-held",
	    "another process writes events at %s, probably a second podfenced: podfence-ship gets "
	    "none of this one",
	    path);
}

void diag_ship_seam_good(const char *path)
{
	say(LOG_NOTICE, "ship-seam-good", "connected to podfenced (%s)", path);
}

void diag_ship_seam_lost(const char *path)
{
	say(LOG_WARNING, "ship-seam-lost", "podfenced is gone from %s; waiting for it", path);
}

void diag_ship_store(const char *problem)
{
	say(LOG_ERR, "ship-store", "events cannot be stored and are lost, counted: %s", problem);
}

void diag_ship_set_aside(const char *name)
{
	say(LOG_ERR, "ship-set-aside", "the store was begun anew; what was there: %s", name);
}

void diag_ship_failing(const char *output, const char *problem)
{
	say(LOG_WARNING, "ship-failing", "output %s: %s; events wait, tried again", output,
	    problem);
}

void diag_ship_taint_gone(const char *node, const char *key)
{
	say(LOG_NOTICE, "ship-taint-gone", "node %s: the taint %s is taken away", node, key);
}

void diag_ship_taint_stays(const char *node, const char *key, const char *problem)
{
	say(LOG_WARNING, "ship-taint-stays",
	    "node %s: the taint %s cannot be looked for or taken away, tried again: %s", node, key,
	    problem);
}

void diag_ship_good(const char *output)
{
	say(LOG_NOTICE, "ship-good", "output %s delivers again", output);
}

void diag_ship_dead(const char *output, uint64_t events, const char *reason)
{
	say(LOG_WARNING, "ship-dead",
	    "output %s refused %" PRIu64 " event%s for good, kept in table dead; the last: %s",
	    output, events, events == 1 ? "" : "s", reason);
}

void diag_ship_serving(const char *address, unsigned port)
{
	say(LOG_NOTICE, "ship-serving", "metrics at %s port %u", address, port);
}

void diag_not_listening(unsigned retry_seconds)
{
	say(LOG_ERR, "not-listening",
	    "no NFLOG group is open: the rules work, no event is written; next try in %u s",
	    retry_seconds);
}

void diag_rules_refused(const char *object, int error, size_t n_more)
{
	say(LOG_ERR, "rules-refused", "the kernel refused: %s: %s (and %zu more)", object,
	    strerror(error), n_more);
}

void diag_rules_not_made(const char *reason)
{
	say(LOG_ERR, "rules-not-made", "no ruleset can be made of this: %s", reason);
}

void diag_rules_kept(unsigned retry_seconds)
{
	say(LOG_ERR, "rules-kept", "the old rules stay; next try in %u s", retry_seconds);
}

void diag_rules_differ(size_t n_steps)
{
	say(LOG_WARNING, "rules-differ",
	    "the kernel did not hold what was written, somebody changed it: repaired by %zu steps",
	    n_steps);
}

static const char *holder(char text[static 64], uint32_t port, int pid)
{
	if (pid)
		snprintf(text, 64, "pid %d", pid);
	else
		snprintf(text, 64, "netlink port %u, a process not seen from here", port);
	return text;
}

void diag_running(uint32_t port, int pid)
{
	char text[64];

	say(LOG_ERR, "running",
	    "podfenced is running already (%s): one can be in a network namespace; nothing was "
	    "changed",
	    holder(text, port, pid));
}

void diag_tables_held(uint32_t port, int pid)
{
	char text[64];

	say(LOG_ERR, "tables-held",
	    "our nftables tables belong to another program (%s); nothing was changed",
	    holder(text, port, pid));
}

void diag_tables_not_owned(const char *reason)
{
	say(LOG_NOTICE, "tables-not-owned",
	    "our nftables tables have no owner, %s: changes by others are repaired, not prevented",
	    reason);
}

void diag_notifications_lost(void)
{
	say(LOG_WARNING, "notifications-lost",
	    "changes of nftables were not told: the rules are read back");
}

void diag_tampered(const char *process, uint32_t pid)
{
	if (pid)
		say(LOG_WARNING, "tampered", "our rules were changed by %s (pid %u)", process, pid);
	else
		say(LOG_WARNING, "tampered", "our rules were changed; by whom was not told");
}

void diag_set_incompatible(const char *object)
{
	say(LOG_ERR, "incompatible",
	    "\"%s\" in the kernel differs in what cannot be changed in place; another program made "
	    "it, or "
	    "a podfence that is too old: podfence uninstall, then start again",
	    object);
}

void diag_changed(const char *what)
{
	say(LOG_NOTICE, "changed", "%s", what);
}

void diag_reader_gone(int error)
{
	say(LOG_WARNING, "reader-gone",
	    "nobody reads the events (%s); they are dropped and counted",
	    strerror(error < 0 ? -error : error));
}

static size_t account_text(const struct diag_account *account, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "%s %llu = ", account->class,
				    (unsigned long long)account->counted);

	if (account->has_flows)
		n += (size_t)snprintf(text + n, size - n, "ledger %llu + overflow %llu",
				      (unsigned long long)account->ledger,
				      (unsigned long long)account->overflow);
	else
		n += (size_t)snprintf(text + n, size - n, "by sender %llu",
				      (unsigned long long)account->overflow);
	return n + (size_t)snprintf(text + n, size - n, " + unkept %llu; ",
				    (unsigned long long)account->unkept);
}

void diag_books(const struct diag_books *books)
{
	char accounts[DIAG_ACCOUNTS_MAX * 160] = "", verdict[96] = "books balance";
	size_t length = 0;

	if (books->difference || books->unheard)
		snprintf(verdict, sizeof(verdict), "packets differ by %lld, messages by %lld",
			 (long long)books->difference, (long long)books->unheard);
	for (size_t i = 0; i < books->n_accounts && i < DIAG_ACCOUNTS_MAX; i++)
		length += account_text(&books->accounts[i], accounts + length, 160);
	say(LOG_NOTICE, "books", "books: %sNFLOG: sent %llu = received %llu + lost %llu; %s",
	    accounts, (unsigned long long)books->logged, (unsigned long long)books->received,
	    (unsigned long long)books->lost, verdict);
}

void diag_stopped(const struct diag_totals *totals)
{
	say(LOG_NOTICE, "stopped",
	    "stopped, the rules stay; events: %llu written, %llu dropped; NFLOG: %llu received, "
	    "%llu lost, "
	    "%llu malformed, %llu foreign",
	    (unsigned long long)totals->events_written, (unsigned long long)totals->events_dropped,
	    (unsigned long long)totals->records_received, (unsigned long long)totals->records_lost,
	    (unsigned long long)totals->records_malformed,
	    (unsigned long long)totals->records_foreign);
}
