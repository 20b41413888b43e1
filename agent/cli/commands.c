/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The table of commands. To add one, write its file and a row here. */
#include "cli/cli.h"

static const struct cli_option status_options[] = {
	{"ready", 0, NULL, NULL,
	 "The exit status says only whether the agent is ready: its rules are in force, the last "
	 "change was taken, and the API server, if there is one, was heard. For probes."},
	{}};

static const struct cli_option pods_options[] = {
	{"unresolved", 'u', NULL, NULL,
	 "Only those that are pending or uncovered, with the reason."},
	{}};

#define OFFLINE_OPTIONS                                                                            \
	{"pods", 0, "FILE", CLI_FILES,                                                             \
	 "A PodList instead of pods.file and of what was kept of the API."},                       \
	{                                                                                          \
		"policies", 0, "PATH", CLI_FILES,                                                  \
			"A file or directory instead of policies.directory."                       \
	}

static const struct cli_option why_options[] = {
	OFFLINE_OPTIONS,
	{"labels", 0, "KEY=VALUE,...", NULL, "Ask for a pod that is not there, with these labels."},
	{"host", 0, NULL, NULL, "With --labels: it is a hostNetwork pod."},
	{}};

static const struct cli_option plan_options[] = {
	OFFLINE_OPTIONS,
	{"since", 0, "TIME", "1h 1d 7d", "Only flows that were recorded from then on."},
	{}};

#define TIME_OPTIONS                                                                               \
	{"since", 0, "TIME", "10m 1h 1d",                                                          \
	 "From then on: 30m, 2h, 7d ago, or 2026-11-23T15:53:17Z."},                               \
	{                                                                                          \
		"until", 0, "TIME", NULL, "Up to then."                                            \
	}

static const struct cli_option quarantine_options[] = {
	{"for", 0, "TIME", "15m 1h 4h 1d",
	 "How long: 30s, 15m, 2h, 7d. Without it until it is released."},
	{"reason", 'r', "TEXT", NULL, "Why, for those who find it; it stands in the event."},
	{"allow", 0, "NETWORKS", NULL,
	 "Networks it may still exchange packets with, as far as its policies let it; separated by "
	 "commas."},
	{"keep-probes", 0, NULL, NULL,
	 "Processes of this node, the kubelet among them, may still open connections to it."},
	{"kill-sockets", 0, NULL, NULL,
	 "End its connections too: its processes hear of it at once, instead of waiting."},
	{"flows", 0, "NUMBER", NULL, "With preview: more than so many denied flows; 100."},
	{"destinations", 0, "NUMBER", NULL, "With preview: to more than so many addresses; 20."},
	{"within", 0, "TIME", "1m 10m 1h", "With preview: in such a time; 1m."},
	TIME_OPTIONS,
	{}};

static const struct cli_option flows_options[] = {
	{"to", 't', "DESTINATION", NULL, "Only to this address or network."}, {}};

static const struct cli_option events_options[] = {
	{"follow", 'f', NULL, NULL, "Go on with what happens from now on, until interrupted."},
	{"to", 't', "DESTINATION", NULL,
	 "Only of this destination: an address or network, with ports as in why."},
	{"action", 'a', "ACTIONS", "dropped rejected would-drop allowed",
	 "Only these, separated by commas."},
	TIME_OPTIONS,
	{"limit", 0, "NUMBER", "all", "The newest so many, or all; 100."},
	{"alerts", 0, NULL, NULL, "What was made of events for people, too."},
	{}};

static const struct cli_option doctor_options[] = {
	{"probe", 0, NULL, NULL,
	 "Also send a packet out of every ordinary pod and see whether it is judged: a UDP "
	 "datagram "
	 "to 192.0.2.1 (reserved, nobody's) that two routers may pass at most. Each makes an "
	 "event."},
	{}};

static const struct cli_option who_options[] = {TIME_OPTIONS, {}};

const struct command commands[] = {
	{"status", "", 0, 0, NULL, "say whether the fence is up on this node, and what is wrong",
	 "Whether packets are stopped and why not, the default, endpoints by coverage, internal "
	 "networks and where each came from, the last change of the rules, the API server and the "
	 "books of events, from the running agent. Exit status 1 where the agent is not in "
	 "order: rules that could not be changed, or endpoints that are not covered.",
	 CLI_AGENT | CLI_OUTPUT | CLI_WATCH, status_options, cli_status},
	{"pods", "[NAME]", 0, 1, CLI_ENDPOINTS, "list the endpoints of this node",
	 "The endpoints the agent knows, each with its coverage: enforced, audit, pending (not "
	 "found on the node yet, the default verdict holds) or uncovered (packets can leave by a "
	 "path that is not judged). DENIED is packets of the flows that are denied now (podfence "
	 "flows).",
	 CLI_AGENT | CLI_OUTPUT | CLI_WATCH | CLI_NAMESPACE, pods_options, cli_pods},
	{"flows", "[ENDPOINT]", 0, 1, CLI_ENDPOINTS, "list what is being denied now, and how much",
	 "The flows that the kernel counts at this moment, those with most packets first: who "
	 "sends "
	 "where, by which rule it is denied or audited, packets and bytes since it began. A flow "
	 "is one endpoint, destination, protocol and port; when it has been quiet for a while it "
	 "is in podfence events only.",
	 CLI_AGENT | CLI_OUTPUT | CLI_WATCH | CLI_NAMESPACE, flows_options, cli_flows},
	{"events", "[ENDPOINT]", 0, 1, CLI_ENDPOINTS,
	 "tell what was denied on this node, and by what",
	 "The events that podfence-ship keeps, oldest first: what was denied, would have been, or "
	 "was let out and recorded, and what happened to the agent itself. ENDPOINT may be long "
	 "gone: NAMESPACE/NAME, unit:NAME, or a NAME of any namespace. Neither the agent nor "
	 "podfence-ship has to run.",
	 CLI_OUTPUT | CLI_NAMESPACE | CLI_STORE, events_options, cli_events},
	{"who", "DESTINATION", 1, 1, NULL,
	 "say who tried to reach an address, and what to do about it",
	 "Say which endpoints, containers and processes tried to reach an address or a network, or "
	 "did, and when; those that are gone too. Then the commands that look further, stop what "
	 "is behind them, and cut them off. DESTINATION is ADDRESS or NETWORK, with ports as in "
	 "why. Exit status 1: nobody is known to have tried.",
	 CLI_AGENT | CLI_OUTPUT | CLI_STORE, who_options, cli_who},
	{"doctor", "", 0, 0, NULL, "look at everything the fence rests on, and say what to do",
	 "Look at the kernel (what this configuration needs is tried in a network namespace of its "
	 "own), cgroups, uplinks, what could carry packets past the rules (flowtables, eBPF at "
	 "links, IPVS), clock, disk, the agent, the API server, the shipper, and every endpoint "
	 "that is not covered; and say of each finding what to do. Nothing is changed. Exit status "
	 "1: there is a problem, which lets packets past or leaves somebody unfenced.",
	 CLI_CONFIG | CLI_AGENT | CLI_OUTPUT | CLI_STORE, doctor_options, cli_doctor},
	{"why", "ENDPOINT DESTINATION", 2, 2, CLI_ENDPOINTS,
	 "say what a pod's packet to a destination meets, and because of what",
	 "Say what a packet of NAMESPACE/NAME or unit:NAME to ADDRESS[:PORT[/PROTOCOL]] meets: "
	 "allowed, audited, denied, quarantined, or internal (not judged), by which tier, policy "
	 "and rule, and where that is defined. The running agent is asked. Where none runs, or "
	 "--config, --pods, --policies or --labels is given, the same is decided on what the "
	 "configuration, the policies and what was kept of the API say; of a policy file that is "
	 "refused, what it said when it was good last. Exit status 1: denied, and nothing else.",
	 CLI_CONFIG | CLI_AGENT | CLI_OUTPUT | CLI_NAMESPACE, why_options, cli_why},
	{"plan", "FILE...", 1, CLI_ARGUMENTS_MANY, CLI_FILES,
	 "say what policies would change if they were applied",
	 "Say what the policies of these files would change, in the place of those of the same "
	 "name: which pods are decided otherwise, whom a policy opens 0.0.0.0/0 or ::/0 for, "
	 "which of the flows that podfence-ship recorded would meet another verdict, and the steps "
	 "from the rules of now to those of then. Nothing is changed. What is in force the running "
	 "agent says; where none runs, or --config, --pods or --policies is given, the "
	 "configuration, the policies and what was kept of the API; of a policy file that is "
	 "refused, what it said when it was good last.",
	 CLI_CONFIG | CLI_AGENT | CLI_STORE, plan_options, cli_plan},
	{"quarantine", "ENDPOINT | list | preview", 1, 1, CLI_ENDPOINTS,
	 "cut an endpoint off from everything, both ways, at once",
	 "Cut all traffic of an endpoint in both directions: node-local addresses, neighbours on "
	 "its "
	 "bridge and established connections included. It holds by name, through restarts of the "
	 "agent and of the node, until its time is over or it is released. Every packet that is "
	 "cut "
	 "is counted, and its event says rule quarantine. The label podfence.io/quarantine on a "
	 "pod "
	 "does the same as long as it is there, with the value keep-probes as the option says. "
	 "podfence quarantine list tells who is in quarantine. podfence quarantine preview says "
	 "whom a rule of so many denied flows to so many destinations in such a time would have "
	 "isolated, and when, from the events that podfence-ship keeps; nothing is done. A pod of "
	 "such a name is named with its namespace.",
	 CLI_AGENT | CLI_OUTPUT | CLI_NAMESPACE | CLI_STORE, quarantine_options, cli_quarantine},
	{"release", "ENDPOINT", 1, 1, CLI_ENDPOINTS, "end a quarantine that was set by hand",
	 "End a quarantine that was set by podfence quarantine. One that a label holds ends with "
	 "the "
	 "label.",
	 CLI_AGENT | CLI_NAMESPACE, NULL, cli_release},
	{"check", "FILE...", 1, CLI_ARGUMENTS_MANY, CLI_FILES,
	 "say what is wrong with configuration files, policies and pod lists",
	 "Say what is wrong with configuration files of podfenced and podfence-ship (YAML), "
	 "policies "
	 "(YAML or JSON) and pod lists (JSON), with the place of each mistake. Policies of several "
	 "files are looked at together, as if they stood in one policies.directory. Exit status 2: "
	 "something is refused; 1: all "
	 "of it is taken, but something in it is not enforced as it is written (domain names, for "
	 "instance), or its order is not defined.",
	 0, NULL, cli_check},
	{"config", "", 0, 0, NULL,
	 "print a configuration with every key, its default and its meaning",
	 "Print a configuration file with every key, its default and its meaning.", 0, NULL,
	 cli_show_config},
	{"render", "", 0, 0, NULL,
	 "print the ruleset as nft text; needs no root and asks no kernel",
	 "Print the ruleset that a configuration leads to, as nft(8) would. It needs no privileges "
	 "and asks no kernel: what is made of the ids of a node's links and cgroups is not in it.",
	 CLI_CONFIG, NULL, cli_render},
	{"boot", "", 0, 0, NULL, "fence the pods to come, before the kubelet and the agent start",
	 "Fence the pods that are to come, before the kubelet and podfenced(8) start; "
	 "podfence-boot.service does so early at boot. The cgroups that pods will stand below are "
	 "made (node.podRoots), and the rules put in force that need no knowledge of pods: guards, "
	 "what the configuration says is internal, and the default verdict for everything else. "
	 "What the agent derives, and perhaps the uplinks, are not known then: less passes until "
	 "it runs. Rules that are in force already stay as they are.",
	 CLI_CONFIG, NULL, cli_boot},
	{"uninstall", "", 0, 0, NULL, "remove all rules of podfence from this kernel",
	 "Remove all rules of podfence from this kernel. As long as podfenced(8) runs nothing is "
	 "removed, and its process is named: stop it first.",
	 0, NULL, cli_uninstall},
	{"completion", "SHELL", 1, 1, "bash zsh", "print the completion for a shell",
	 "Print the completion of this command for bash or zsh.", 0, NULL, cli_completion},
	{},
};
