/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Prints docs/configuration.md: every key of both configurations, out of their schemas. lint-docs holds the file
 * against it; `ninja configuration-md` writes it anew. */
#include <stdio.h>
#include <string.h>

#include "config/schema.h"
#include "ship/config.h"

static const char head[] =
	"# Configuration\n"
	"\n"
	"Every key of the two configuration files, made of the tables the programs read them by; "
	"podfence.yaml(5) and podfence-ship.yaml(5) say the same.\n"
	"Both are YAML of nested mappings: `network.derive` is `derive` below `network`, `[]` "
	"stands for each item of a list. A file is refused as a whole, with line\n"
	"and key, where anything in it is not known; `podfenced --check`, `podfence-ship --check` "
	"and `podfence check` say so beforehand, `podfence config` prints a file with every key.\n";

static const char agent_head[] =
	"\n## /etc/podfence/podfence.yaml: podfenced and podfence\n\n"
	"Read at start and on SIGHUP; one that is refused then changes nothing.\n\n"
	"| key | value | default | meaning |\n| --- | --- | --- | --- |\n";

static const char ship_head[] = "\n## /etc/podfence/podfence-ship.yaml: podfence-ship\n\n"
				"Read at start. Secrets are files, read when they are used.\n\n"
				"| key | value | default | meaning |\n| --- | --- | --- | --- |\n";

/* In a cell of a table. */
static void print_cell(const char *text)
{
	for (; *text; text++)
		fputs(*text == '|' ? "\\|" : (char[]){*text, '\0'}, stdout);
}

static void print_words(const char *const *words)
{
	for (const char *const *word = words; *word; word++)
		printf("%s`%s`", word == words ? "" : ", ", *word);
}

static void print_type(const struct schema_key *key)
{
	switch (key->type) {
	case SCHEMA_STRING: fputs("text", stdout); break;
	case SCHEMA_NAME: fputs("name", stdout); break;
	case SCHEMA_SERVER: fputs("URL of a server", stdout); break;
	case SCHEMA_PATH: fputs("absolute path", stdout); break;
	case SCHEMA_ENUM: print_words(key->words); break;
	case SCHEMA_NUMBER: printf("%u to %u", key->minimum, key->maximum); break;
	case SCHEMA_SELECTOR: fputs("selector of labels", stdout); break;
	case SCHEMA_CGROUP_LIST: printf("list of paths, at most %u", key->maximum); break;
	case SCHEMA_DEVICE_LIST: printf("list of devices, at most %u", key->maximum); break;
	case SCHEMA_UNIT_LIST: printf("list of globs, at most %u", key->maximum); break;
	case SCHEMA_PREFIX_LIST: printf("list of networks, at most %u", key->maximum); break;
	case SCHEMA_NAT64_LIST: printf("list of /96 networks, at most %u", key->maximum); break;
	case SCHEMA_NUMBER_LIST:
		printf("list of numbers, %u to %u", key->minimum, key->maximum);
		break;
	case SCHEMA_DESTINATION_LIST:
		printf("list of destinations, at most %u", key->maximum);
		break;
	case SCHEMA_OBJECT_LIST: printf("list of mappings, at most %u", key->maximum); break;
	}
}

static void print_default(const char *text, bool is_list)
{
	if (!text[0])
		fputs(is_list ? "none" : "empty", stdout);
	else
		printf("`%s`", text);
}

static void print_keys(const struct schema_table *table, const char *prefix)
{
	char inner[256];

	for (size_t i = 0; i < table->n_keys; i++) {
		const struct schema_key *key = &table->keys[i];
		printf("| `%s%s` | ", prefix, key->path);
		print_type(key);
		fputs(" | ", stdout);
		if (key->inherits)
			printf("that of `%s`", key->inherits);
		else if (key->is_required)
			fputs("has to be there", stdout);
		else
			print_default(key->fallback, schema_is_list(key));
		fputs(" | ", stdout);
		print_cell(key->help);
		if (key->example && !prefix[0]) {
			fputs(" Example: `", stdout);
			print_cell(key->example);
			putchar('`');
		}
		fputs(" |\n", stdout);
		if (!key->items)
			continue;
		snprintf(inner, sizeof(inner), "%s%s[].", prefix, key->path);
		print_keys(key->items, inner);
	}
}

static void print_ship_keys(const struct ship_key *keys, size_t n_keys, const char *prefix)
{
	for (size_t i = 0; i < n_keys; i++) {
		const struct ship_key *key = &keys[i];
		printf("| `%s%s` | ", prefix, key->path);
		switch (key->type) {
		case SHIP_STRING: fputs("text", stdout); break;
		case SHIP_PATH: fputs("absolute path", stdout); break;
		case SHIP_NUMBER: printf("%u to %u", key->minimum, key->maximum); break;
		case SHIP_WORD: print_words(key->words); break;
		case SHIP_LIST: printf("list of texts, at most %u", key->maximum); break;
		}
		fputs(" | ", stdout);
		if (key->type == SHIP_WORD && !key->fallback[0])
			fputs("has to be there", stdout);
		else
			print_default(key->fallback, key->type == SHIP_LIST);
		fputs(" | ", stdout);
		print_cell(key->help);
		fputs(" |\n", stdout);
	}
}

int main(void)
{
	fputs(head, stdout);
	fputs(agent_head, stdout);
	print_keys(&config_schema, "");
	fputs(ship_head, stdout);
	print_ship_keys(ship_keys, n_ship_keys, "");
	print_ship_keys(ship_output_keys, n_ship_output_keys, "outputs[].");
	return fflush(stdout) != 0;
}
