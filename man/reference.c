/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Prints podfence.yaml(5) in mdoc(7). The part that would grow old, the list of keys, is made of
 * the schema; it runs at build time and is not installed. */
#include <stdio.h>
#include <string.h>

#include "config/schema.h"
#include "mdoc.h"

static const char head[] =
	".\\\" SPDX-License-Identifier: GPL-2.0-or-later\n"
	".\\\" SPDX-FileCopyrightText: podfence authors\n"
	".Dd November 23, 2026\n"
	".Dt PODFENCE.YAML 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm podfence.yaml\n"
	".Nd configuration of podfenced\n"
	".Sh DESCRIPTION\n"
	"What\n"
	".Xr podfenced 8\n"
	"does on this node is set in one YAML file of nested mappings.\n"
	"Every key has a default, and a file without any is good: it audits.\n"
	".Pp\n"
	"The file is refused as a whole, with line and key, where a key is not known\n"
	"or stands twice, where a value is none of those allowed, and where it uses\n"
	"anchors, aliases or tags.\n"
	"It may have at most 1 MiB.\n"
	".Xr podfenced 8\n"
	"reads it at start and on\n"
	".Dv SIGHUP ;\n"
	"a file that is refused then changes nothing.\n"
	".Pp\n"
	"A file with every key, its default and its meaning is printed by\n"
	".Ql podfence config .\n"
	".Pp\n"
	"The keys, with a dot for each level and\n"
	".Ql []\n"
	"for the items of a list:\n"
	".Bl -tag -width Ds\n";

static const char tail[] = ".El\n"
			   ".Sh FILES\n"
			   ".Bl -tag -width Ds\n"
			   ".It Pa /etc/podfence/podfence.yaml\n"
			   "The default place.\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   "Deny what is external, on a node whose pods are read from a file:\n"
			   ".Bd -literal -offset indent\n"
			   "default:\n"
			   "  mode: deny\n"
			   "pods:\n"
			   "  file: /var/lib/podfence/pods.json\n"
			   "network:\n"
			   "  podCIDRs: [10.244.0.0/16]\n"
			   "  serviceCIDRs: [10.96.0.0/12]\n"
			   "  nodeCIDRs: [192.0.2.0/24]\n"
			   ".Ed\n"
			   ".Sh SEE ALSO\n"
			   ".Xr podfence 8 ,\n"
			   ".Xr podfenced 8\n";

static void print_type(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_STRING: fputs("A text", stdout); break;
	case SCHEMA_NAME: fputs("A name", stdout); break;
	case SCHEMA_PATH: fputs("An absolute path", stdout); break;
	case SCHEMA_SERVER: fputs("An http or https URL", stdout); break;
	case SCHEMA_ENUM:
		for (const char *const *word = key->words; *word; word++)
			printf("%s\n.Cm %s%s\n", word == key->words ? "Either" : "or", *word,
			       word[1] ? "" : " ,");
		break;
	case SCHEMA_NUMBER: printf("A number from %u to %u", key->minimum, key->maximum); break;
	case SCHEMA_CGROUP_LIST: printf("A list of at most %u paths", key->maximum); break;
	case SCHEMA_DEVICE_LIST: printf("A list of at most %u device names", key->maximum); break;
	case SCHEMA_PREFIX_LIST:
		printf("A list of at most %u networks and addresses", key->maximum);
		break;
	case SCHEMA_NAT64_LIST:
		printf("A list of at most %u networks of length 96", key->maximum);
		break;
	case SCHEMA_NUMBER_LIST:
		printf("A list of numbers from %u to %u", key->minimum, key->maximum);
		break;
	case SCHEMA_SELECTOR: fputs("A selector of labels", stdout); break;
	case SCHEMA_UNIT_LIST: printf("A list of at most %u globs", key->maximum); break;
	case SCHEMA_DESTINATION_LIST:
		printf("A list of at most %u destinations", key->maximum);
		break;
	case SCHEMA_OBJECT_LIST: printf("A list of at most %u mappings", key->maximum); break;
	}
}

static void print_default(const struct schema_key *key)
{
	const char *what = schema_is_list(key) ? "an empty list" : "empty";

	if (key->inherits) {
		printf("%swhat\n.Ic %s\nsays by default.\n", key->type == SCHEMA_ENUM ? "" : ",\n",
		       key->inherits);
		return;
	}
	if (key->is_required) {
		puts(",\nwithout default: it has to be there.");
		return;
	}
	printf("%sby default\n", key->type == SCHEMA_ENUM ? "" : ",\n");
	if (!key->fallback[0]) {
		printf("%s.\n", what);
		return;
	}
	fputs(".Cm ", stdout);
	for (const char *c = key->fallback; *c; c++)
		fputs(*c == ' ' ? " , " : (char[]){*c, '\0'}, stdout);
	fputs(" .\n", stdout);
}

/* As it would stand in a file. Returns the indent of what follows. */
static int print_path(const char *key_path)
{
	char path[SCHEMA_PATH_MAX];
	int indent = 0;

	snprintf(path, sizeof(path), "%s", key_path);
	for (char *rest = path, *word; (word = strsep(&rest, "."));) {
		printf("%*s%s:%s", indent, "", word, rest ? "\n" : "");
		indent += 2;
	}
	return indent;
}

static void print_example(const struct schema_key *key)
{
	const struct schema_table *items = key->items;

	puts(".Bd -literal -offset indent");
	int indent = print_path(key->path);
	if (key->example)
		printf(" %s\n", key->example);
	else
		putchar('\n');
	for (size_t i = 0; items && i < items->n_keys; i++)
		if (items->keys[i].example)
			printf("%*s%s%s: %s\n", indent, "", i ? "  " : "- ", items->keys[i].path,
			       items->keys[i].example);
	puts(".Ed");
}

/* The keys of a list's items come after it, with its path and "[]" before them. */
static void print_keys(const struct schema_table *table, const char *prefix)
{
	char inner[256];

	for (size_t i = 0; i < table->n_keys; i++) {
		const struct schema_key *key = &table->keys[i];
		printf(".It Ic %s%s\n", prefix, key->path);
		mdoc_print_text(key->help);
		print_type(key);
		print_default(key);
		if (!prefix[0] && (key->example || key->items))
			print_example(key);
		if (!key->items)
			continue;
		snprintf(inner, sizeof(inner), "%s%s[].", prefix, key->path);
		print_keys(key->items, inner);
	}
}

int main(void)
{
	fputs(head, stdout);
	print_keys(&config_schema, "");
	fputs(tail, stdout);
	return fflush(stdout) != 0;
}
