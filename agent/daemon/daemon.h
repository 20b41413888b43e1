/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <podfence/attributes.h>
#include <podfence/nflog.h>
#include <podfence/nft.h>

#include "config/config.h"
#include "culprit/culprit.h"
#include "culprit/keep.h"
#include "daemon/fence.h"
#include "daemon/history.h"
#include "daemon/plugin.h"
#include "event/agent_event.h"
#include "event/event.h"
#include "event/output.h"
#include "event/tempo.h"
#include "inventory/detours.h"
#include "inventory/quarantine.h"
#include "inventory/snapshot.h"
#include "kube/cluster.h"
#include "kube/manifest_set.h"
#include "ledger/books.h"
#include "ledger/flow.h"
#include "node/view.h"
#include "policy/own.h"
#include "policy/decision.h"

/* The running agent: one thread, one sd-event loop. What arrives only marks what has to be looked
 * at again; reconcile() then acts once on the latest state of all.
 *
 * Order of the loop (smaller is earlier): repair, NFLOG, node events, pods and configuration, the
 * rest. */
enum priority {
	PRIORITY_TAMPER = -40,
	PRIORITY_NFLOG = -30,
	PRIORITY_NODE = -20,
	PRIORITY_SOURCES = -10,
	PRIORITY_WORK = 0,
	PRIORITY_REST = 10,
};

/* Events to stdout (stream.c). */
struct stream {
	struct pf_nflog *nflog;	       /* NULL while the group cannot be had back */
	struct pf_nflog_counts closed; /* of groups that were held before */
	struct output *output;
	struct event_context context;
	struct tempo tempo;
	char agent_id[17];
	struct buffer line;
	uint64_t sequence;
	uint64_t n_foreign;
	bool is_reader_gone;
	sd_event_source *nflog_source, *output_source;
};

/* A named counter of the kernel, over tables that come and go. */
struct ledger_counter {
	uint64_t last, before;
};

/* Of one table. */
struct ledger_table {
	struct ledger_counter counted[LEDGER_CLASS_N], unkept[LEDGER_CLASS_N], logged;
};
#define LEDGER_TABLES 3 /* that log: inet, bridge, netdev */

/* What the kernel's ledger says, and what was told of it (ledger.c). */
struct ledger {
	struct flow_table *flows;
	struct culprit_store
		*culprits;     /* of the first packets of flows: what `extra` of a flow is */
	struct flow *recorded; /* by ledger_record(); NULL: none */
	char salt[128];	       /* boot and node: in the ids of flows */
	struct books books;
	struct ledger_table tables[LEDGER_TABLES];
	uint64_t removed[LEDGER_CLASS_N], removed_over[LEDGER_CLASS_N]; /* packets of elements */
	uint64_t logged_at_bind;
	struct buffer text; /* of the state file */
	sd_event_source *timer;
};

/* Policies of both sources (policies.c, policy_files.c). */
struct policies {
	struct manifest_set *files; /* with what is last good; NULL: not read yet */
	struct buffer files_kept;   /* that, as it is in state.directory */
	uint64_t files_version;
	struct policy_list *list;   /* of both */
	struct policy_list *chosen; /* to be in force: `list`, or what confirm.c went back to */
	struct namespace_list *namespaces; /* of both, and of the pods */
	/* What these two were made of. */
	bool is_made;
	uint64_t files_used;
	struct policy_list *list_used;
	struct namespace_list *namespaces_used;
	struct pod_list *pods_used;
	char *said; /* about their order, last */
	bool must_read;
	uint64_t read_usec; /* CLOCK_MONOTONIC */
	int watch;	    /* inotify descriptor, -1: none */
	sd_event_source *source;
};

/* Who is in quarantine by hand (quarantine.c). */
struct quarantines {
	struct quarantine_list list;
	bool is_kept; /* the file says the same */
	sd_event_source *timer;
};

/* Whether the agent still reaches the API server after a change (confirm.c). */
enum confirm_stage { CONFIRM_SETTLED, CONFIRM_UNSURE, CONFIRM_BACK };

struct confirm {
	enum confirm_stage stage;
	struct policy_list
		*policies; /* in force when it was reached last: what we would go back to */
	struct config
		*config; /* unsure: the same, where it was another; back: the one that is refused */
	struct policy_list *refused; /* while this is the set, `policies` is in force; NULL: none */
	struct policy_list *seen;    /* in force now, with this configuration */
	uint64_t version;
	bool was_good;		/* the server was reached before the configuration changed */
	bool is_config_refused; /* that of the file: the one before is in force */
	sd_event_source *deadline, *again;
};

/* Frames of packet sockets (backstop.c). */
struct backstop {
	bool is_unsupported; /* by the kernel */
	uint64_t again_usec; /* CLOCK_MONOTONIC: it was refused, and is not tried before */
};

struct control_server;

/* The same events to one reader of a socket, podfence-ship (seam.c). */
struct seam {
	int listening, reader; /* -1: none */
	struct output *output; /* NULL: there is no socket */
	struct buffer line;
	uint64_t lines;	  /* events offered to it */
	uint64_t refused; /* second readers */
	sd_event_source *listen_source, *reader_source, *state_source;
};

/* How many took at most 1, 2, 5, 10, 20, 50, 100, 1,000 ms, and longer. */
#define DELAY_BOUNDS 8
struct delays {
	uint64_t counts[DELAY_BOUNDS + 1];
	uint64_t sum_usec;
};

struct daemon {
	const char *config_path;
	struct config *config;
	char *node_name;
	sd_event *loop;

	struct node *node;
	struct cluster *cluster; /* NULL, with api: pods come from a file */
	struct api *api;
	struct plugin *plugin;	       /* NULL: the kubeconfig of the start has no exec */
	struct pod_list *pods;	       /* the last good list, shared with the snapshot */
	struct network_list *networks; /* derived; NULL: none */
	uint64_t networks_version;     /* of the cluster they are derived from */
	struct policies policies;
	struct confirm confirm;
	struct backstop backstop;
	struct detours detours;
	uint64_t detours_version; /* of the configuration they were judged by; 0: none */
	bool were_detours_hidden, was_tcx_hidden, were_strays_hidden;
	struct strays *strays;	   /* NULL: they cannot be looked for */
	uint64_t strays_cost_usec; /* processor time of the search that is under way */
	sd_event_source *strays_source;
	struct snapshot *snapshot;
	struct history history;
	struct decisions *decisions; /* of its endpoints */
	struct own_policies own;     /* the allow lists of the configuration */
	uint64_t own_version;	     /* of the configuration it was made of; 0: none */
	uint64_t config_version;     /* counts the configurations */
	uint64_t rules_version; /* of them, the one the rules in the kernel were made of; 0: none */
	struct rulebook rulebook;
	uint64_t generation;
	struct pf_nft *lock; /* one agent in a network namespace */
	struct fence *fence;
	sd_event_source *fence_source, *poll_source;
	struct stream stream;
	struct ledger ledger;
	struct gate *gate;	   /* NULL: there is none */
	struct culprits *culprits; /* NULL: nobody asks for processes, or it cannot be done */
	struct seam seam;
	struct quarantines quarantines;
	struct control_server *control; /* NULL: the socket could not be had, or is off */

	bool is_ready;
	bool must_read_config, must_read_pods, must_derive;
	bool was_without_uplink, was_without_pod_root, was_unit_list_cut;
	bool must_say_missing_uplinks; /* all of them, not only those that went away */
	unsigned retry_seconds;
	uint64_t started_usec, changed_usec; /* CLOCK_REALTIME */
	uint64_t n_changes;		     /* of the last transaction that had any */
	uint64_t n_refused;		     /* transactions that failed */
	uint64_t node_changed_usec; /* CLOCK_MONOTONIC, of what is not in force yet; 0: nothing */
	struct delays delays;	    /* from a change of the node to its rules in force */
	uint64_t n_works;	    /* how often the rules were made, or could not be */
	char failure[160];	    /* why the rules are not as they should be; "" */
	uint64_t pods_read_usec, next_look_usec; /* CLOCK_MONOTONIC */
	uint64_t version_on_disk;		 /* of the cluster; 0: none */
	uint64_t trimmed_usec;			 /* CLOCK_MONOTONIC: the heap, last */
	sd_event_source *last_known_source;
	int pods_watch; /* inotify descriptor, -1: none */
	sd_event_source *node_source, *pods_source, *work_source, *verify_source,
		*signal_sources[3];
};

/* daemon.c */
PF_MUST_CHECK int daemon_run(const char *config_path, struct config *config);
/* Asks for reconcile() as soon as the order of the loop and the pace of its sources allow. */
void daemon_schedule(struct daemon *daemon, uint64_t delay_usec);

/* tamper.c. The lock comes before anything is opened that two agents would fight for. */
PF_MUST_CHECK int tamper_lock(struct daemon *daemon);
PF_MUST_CHECK int tamper_watch(struct daemon *daemon);

/* reconcile.c: from what is known now to the rules in the kernel. */
PF_MUST_CHECK int reconcile(struct daemon *daemon);
PF_MUST_CHECK int reconcile_open_node(const struct config *config, struct node **ret_node);

/* api.c: the cluster from the Kubernetes API, which is borrowed. It keeps what it knows whatever
 * happens to the server. */
PF_MUST_CHECK int api_open(struct daemon *daemon, const struct config *config,
			   struct cluster *cluster, struct report *report, struct api **ret_api);
struct api *api_free(struct api *api);
/* Makes daemon->plugin where the kubeconfig asks for it: while there is one thread and no filter. What fails is
 * said; what is wrong with the kubeconfig is api_open()'s to say. */
void api_open_plugin(struct daemon *daemon);
bool api_is_synced(const struct api *api);
/* How long the server has been silent, of the resource it has said nothing about longest: bookmarks come every
 * minute or so. */
uint64_t api_lag_usec(const struct api *api);
bool api_is_good(const struct api *api); /* synced, and nothing went wrong since */
/* Asks the server anything; fn hears once whether it answered. An earlier question is forgotten. fn NULL: asks
 * nothing. */
int api_probe(struct api *api, void (*fn)(void *userdata, bool is_reached), void *userdata);
const char *api_server(const struct api *api);
const char *api_problem(const struct api *api); /* ""; what was told last */

/* reload.c. The configuration's own name of the node, $NODE_NAME or the host's; to be freed. */
char *reload_node_name(const struct config *config);
void reload_config(struct daemon *daemon); /* from its file; what is wrong is said */
/* Takes config over, also when it fails: then it is freed and nothing has changed. ret_before: the caller's. */
PF_MUST_CHECK int reload_to(struct daemon *daemon, struct config *config, struct report *report,
			    struct config **ret_before);
int daemon_watch_node(struct daemon *daemon);

/* confirm.c. After a configuration took the place of `before`, which is handed over. */
void confirm_config(struct daemon *daemon, struct config *before, bool was_good);
/* The policies to be in force: these, or where these were refused those before. */
struct policy_list *confirm_choose(struct daemon *daemon, struct policy_list *now);
/* These are in force now. */
void confirm_follow(struct daemon *daemon, struct policy_list *policies, bool are_rules_others);
const char *confirm_problem(const struct daemon *daemon); /* NULL: none */
void confirm_done(struct daemon *daemon);

/* networks.c: what is internal without being listed */
PF_MUST_CHECK int networks_derive(struct daemon *daemon);

/* backstop.c. Asks the kernel whether it can be had; what fails is said. */
void backstop_open(struct daemon *daemon);
/* After another configuration was taken over. */
void backstop_change(struct daemon *daemon, const struct config *before);
bool backstop_is_out(const struct daemon *daemon); /* rules are made without it */
/* Rules for this snapshot were refused. True: from now on they are to be made without it for a while. */
bool backstop_failed(struct daemon *daemon, const struct snapshot *snapshot);
/* "deny", "audit", "off", "idle" (nobody is there for whom it is), "unavailable". */
const char *backstop_mode(const struct daemon *daemon);
struct json;
void backstop_write(const struct daemon *daemon, struct json *json);

/* detours.c: ways around the hooks. True where they are others than before. */
bool detours_look(struct daemon *daemon);

/* strays.c: sockets made outside of endpoints. What fails is said; the agent goes on without. */
void strays_open(struct daemon *daemon);
/* After another configuration was taken over. */
void strays_change(struct daemon *daemon, const struct config *before);
void strays_close(struct daemon *daemon);

/* last_known.c: the cluster on disk, for a start without the API server. */
void last_known_read(struct daemon *daemon);
/* Within a few seconds, and only what the server said. */
void last_known_write_soon(struct daemon *daemon);
void last_known_done(struct daemon *daemon); /* writes what is still to be written */

/* pod_file.c */
PF_MUST_CHECK int pod_file_watch(struct daemon *daemon);
void pod_file_read(struct daemon *daemon);

/* policy_files.c: policies.directory */
PF_MUST_CHECK int policy_files_watch(struct daemon *daemon);
void policy_files_read(struct daemon *daemon);

/* policies.c: what is to be evaluated now, of files and API together. Both are borrowed until the next
 * call, and the same pointers while nothing has changed. */
struct policies_now {
	struct policy_list *policies;
	struct namespace_list *namespaces; /* of all pods too, at least with their name as label */
};
PF_MUST_CHECK int policies_now(struct daemon *daemon, struct policies_now *ret_now);
void policies_done(struct daemon *daemon);

/* control.c: the socket for questions and orders. What fails is said; the agent goes on without. */
int control_open(struct daemon *daemon, const struct config *config);
/* After the rules were made, or could not be: for those who wait for it. */
void control_worked(struct daemon *daemon);
/* After another configuration was taken over. */
void control_change(struct daemon *daemon, const struct config *before);

/* seam.c. What fails is said; the agent goes on without. */
void seam_open(struct daemon *daemon);
void seam_change(struct daemon *daemon, const struct config *before);
void seam_write(struct daemon *daemon, const char *line, size_t length);
void seam_flush(struct daemon *daemon);
void seam_close(struct daemon *daemon);

/* ledger.c: flows, from the first packet to the last. What fails is said; the rules go on. */
PF_MUST_CHECK int ledger_open(struct daemon *daemon);  /* before the NFLOG group is bound */
PF_MUST_CHECK int ledger_start(struct daemon *daemon); /* with the first rules in force */
/* One message: what it tells of its flow, into the event. False: there is nothing new to tell. ret_flow lives
 * as long as the event. */
bool ledger_record(struct daemon *daemon, struct event *event, struct event_flow *ret_flow);
/* Who sent the packet that was recorded last: its flow's later events say so too. */
void ledger_remember(struct daemon *daemon, const struct culprit *culprit);
/* Ends the flows for which these will change whose they are or what is decided. Before they are taken over. */
void ledger_follow(struct daemon *daemon, const struct snapshot *snapshot,
		   const struct decisions *decisions);
void ledger_read(struct daemon *daemon);
void ledger_say(struct daemon *daemon);	 /* the books, to the operator, as of now */
void ledger_done(struct daemon *daemon); /* who asks for status is still answered */
void ledger_free(struct daemon *daemon);
/* culprit.c: who sent the packet of an event. What fails is said; events go on without. */
/* While CAP_SYS_ADMIN is there still, and there is one thread. */
void culprit_open_gate(struct daemon *daemon);
void culprit_open(struct daemon *daemon);
/* After another configuration was taken over. */
void culprit_change(struct daemon *daemon, const struct config *before);
/* Every few seconds. */
void culprit_note_rest(struct daemon *daemon);
/* A snapshot that is in force from now on. */
void culprit_follow(struct daemon *daemon, const struct snapshot *snapshot);
/* `snapshot` is the event's. NULL: there is no process to look for. Else borrowed until the next event. Of a packet socket's
 * frame sets whose it was too, where that shows. */
const struct culprit *culprit_of(struct daemon *daemon, const struct snapshot *snapshot,
				 struct event *event);

/* stream.c */
struct pf_nflog_counts stream_nflog_counts(const struct stream *stream);
/* One line, which waits for the flush. */
void stream_write(struct daemon *daemon, const struct event *event);
void stream_flush(struct daemon *daemon);
PF_MUST_CHECK int stream_open(struct daemon *daemon);
/* Instead of the group that is open, if any; where it fails that one stays open. */
PF_MUST_CHECK int stream_open_nflog(struct daemon *daemon, const struct config *config);
/* From the options of daemon->config to those of another configuration; where it fails everything
 * is as before. */
PF_MUST_CHECK int stream_change_nflog(struct daemon *daemon, const struct config *config);
void stream_drain(struct daemon *daemon);
/* Wakes for each message again, where they have become few. */
void stream_calm(struct daemon *daemon);
void stream_close_nflog(struct daemon *daemon); /* what is still there is taken first */
/* An event about the agent itself: `message` is a sentence, `culprit` may be NULL. */
void stream_tell(struct daemon *daemon, const char *action, const char *message,
		 const struct pf_nft_culprit *culprit);
/* Time and sequence are set here. */
void stream_event(struct daemon *daemon, const struct agent_event *event);
void stream_done(struct daemon *daemon);
