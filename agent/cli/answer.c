/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#include "cli/answer.h"

#include <string.h>

#include "cli/table.h"

/* Texts come from policies and a socket: no control character gets to the terminal. */
static const char *text_at(struct json_object *answer, const char *path,
			   char text[static TABLE_CELL_MAX])
{
	table_text(table_value(answer, path), text);
	if (!strcmp(text, "-"))
		text[0] = '\0'; /* here nothing is nothing */
	return text;
}

static void line(const char *title, const char *text, FILE *stream)
{
	fprintf(stream, "  %-12s %s\n", title, text);
}

static void print_network(struct json_object *answer, FILE *stream)
{
	char prefix[TABLE_CELL_MAX], origin[TABLE_CELL_MAX], source[TABLE_CELL_MAX];
	char verdict[TABLE_CELL_MAX];

	text_at(answer, "network.source", source);
	fprintf(stream, "  %-12s %s (%s%s%s)\n", "network",
		text_at(answer, "network.prefix", prefix),
		text_at(answer, "network.origin", origin), source[0] ? ", " : "", source);
	if (!strcmp(text_at(answer, "verdict", verdict), "internal"))
		line("note", "what stays inside the cluster is the CNI plugin's work", stream);
}

/* "NetworkPolicy shop/open", "ClusterNetworkPolicy edge" */
static void print_name(struct json_object *policy, FILE *stream)
{
	char kind[TABLE_CELL_MAX], namespace[TABLE_CELL_MAX], name[TABLE_CELL_MAX];

	text_at(policy, "kind", kind);
	text_at(policy, "namespace", namespace);
	fprintf(stream, "%s %s%s%s", kind, namespace, namespace[0] ? "/" : "",
		text_at(policy, "name", name));
}

static void print_policy(struct json_object *policy, FILE *stream)
{
	char text[TABLE_CELL_MAX], name[TABLE_CELL_MAX];

	fprintf(stream, "  %-12s ", "policy");
	print_name(policy, stream);
	fprintf(stream, ", tier %s\n", text_at(policy, "tier", text));
	if (table_value(policy, "rule")) {
		text_at(policy, "rule_name", name);
		fprintf(stream, "  %-12s egress[%s]%s%s%s\n", "rule", text_at(policy, "rule", text),
			name[0] ? " (" : "", name, name[0] ? ")" : "");
	}
	line("defined in", text_at(policy, "defined_in", text), stream);
}

static void print_selecting(struct json_object *policies, FILE *stream)
{
	size_t n = json_object_is_type(policies, json_type_array)
			   ? json_object_array_length(policies)
			   : 0;
	char tier[TABLE_CELL_MAX], priority[TABLE_CELL_MAX];

	for (size_t i = 0; i < n; i++) {
		struct json_object *policy = json_object_array_get_idx(policies, i);
		fprintf(stream, "  %-12s ", i ? "" : "selected by");
		print_name(policy, stream);
		if (strcmp(text_at(policy, "tier", tier), "NetworkPolicy") != 0)
			fprintf(stream, " (%s, priority %s)", tier,
				text_at(policy, "priority", priority));
		if (json_object_get_boolean(table_value(policy, "audit")))
			fputs(", in audit", stream);
		fputc('\n', stream);
	}
	if (!n)
		line("selected by", "no policy", stream);
}

static void print_ruling(struct json_object *answer, FILE *stream)
{
	struct json_object *policy = table_value(answer, "policy");
	char text[TABLE_CELL_MAX];

	line("why", text_at(answer, "why", text), stream);
	if (json_object_get_boolean(table_value(answer, "metadata")))
		line("note", "a cloud metadata address: judged whatever network it lies in",
		     stream);
	if (policy)
		print_policy(policy, stream);
	print_selecting(table_value(answer, "selected_by"), stream);
	fprintf(stream, "  %-12s %s%s\n", "default", text_at(answer, "default", text),
		json_object_get_boolean(table_value(answer, "ceiling"))
			? ", a NetworkPolicy may not widen it"
			: "");
}

void answer_print(struct json_object *answer, const char *destination, FILE *stream)
{
	char namespace[TABLE_CELL_MAX], name[TABLE_CELL_MAX], kind[TABLE_CELL_MAX];
	char verdict[TABLE_CELL_MAX], text[TABLE_CELL_MAX];
	bool is_judged = table_value(answer, "why") != NULL;

	text_at(answer, "namespace", namespace);
	text_at(answer, "verdict", verdict);
	bool is_cut = !strcmp(verdict, "quarantined");
	fprintf(stream, "%s%s%s (%s) to %s: %s%s\n", namespace, namespace[0] ? "/" : "",
		text_at(answer, "name", name),
		!strcmp(text_at(answer, "kind", kind), "host-pod") ? "host pod" : kind, destination,
		is_cut ? "denied: quarantined" : verdict,
		is_judged || is_cut ? "" : ": not judged");
	if (is_cut)
		line("quarantine",
		     !strcmp(text_at(answer, "quarantine", text), "label")
			     ? "its label holds it; what follows holds after"
			     : "set by hand (podfence quarantine list); what follows holds after "
			       "its release",
		     stream);
	if (is_judged)
		print_ruling(answer, stream);
	else
		print_network(answer, stream);
	if (table_value(answer, "packet_sockets"))
		fprintf(stream,
			"  %-12s frames of packet sockets, whoever sends them: %s "
			"(backstop.mode)\n",
			"note", text_at(answer, "packet_sockets", text));
	if (table_value(answer, "translated"))
		fprintf(stream, "  %-12s inside a NAT64 prefix: judged as %s\n", "note",
			text_at(answer, "translated", text));
}
