/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Prints podfence-ship.yaml(5) in mdoc(7) or, asked for "sample", the file to start from; both are made of
 * the tables in ship/config_keys.c. It runs at build time and is not installed. */
#include <stdio.h>
#include <string.h>

#include "mdoc.h"
#include "ship/config.h"

static const char head[] =
	".\\\" SPDX-License-Identifier: GPL-2.0-or-later\n"
	".\\\" SPDX-FileCopyrightText: podfence authors\n"
	".Dd November 26, 2026\n"
	".Dt PODFENCE-SHIP.YAML 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm podfence-ship.yaml\n"
	".Nd configuration of podfence-ship\n"
	".Sh DESCRIPTION\n"
	"Where\n"
	".Xr podfence-ship 8\n"
	"keeps events and delivers them is set in one YAML file of nested mappings.\n"
	"Every key has a default, and a file without any is good: events are kept,\n"
	"and nothing is delivered.\n"
	".Pp\n"
	"The file is refused as a whole, with line and key, where a key is not known\n"
	"or stands twice, and where a value is none of those allowed.\n"
	"It is read at start.\n"
	"Secrets are files, read when they are used.\n"
	".Pp\n"
	"The keys, with a dot for each level:\n"
	".Bl -tag -width Ds\n";

static const char outputs[] = ".It Ic outputs\n"
			      "What events and alerts are delivered to.\n"
			      "A list of mappings, of these keys:\n"
			      ".El\n"
			      ".Bl -tag -width Ds\n";

static const char tail[] = ".El\n"
			   ".Sh FILES\n"
			   ".Bl -tag -width Ds\n"
			   ".It Pa /etc/podfence/podfence-ship.yaml\n"
			   "The default place.\n"
			   ".El\n"
			   ".Sh EXAMPLES\n"
			   "Keep a file of lines, and send alerts to a channel:\n"
			   ".Bd -literal -offset indent\n"
			   "outputs:\n"
			   "  - name: file\n"
			   "    kind: file\n"
			   "    path: /var/log/podfence/events.jsonl\n"
			   "  - name: channel\n"
			   "    kind: slack\n"
			   "    urlFile: /etc/podfence/slack-url\n"
			   ".Ed\n"
			   ".Sh SEE ALSO\n"
			   ".Xr podfence.yaml 5 ,\n"
			   ".Xr podfence-ship 8 ,\n"
			   ".Xr podfenced 8\n";

static void print_type(const struct ship_key *key)
{
	switch (key->type) {
	case SHIP_STRING: fputs("A text", stdout); break;
	case SHIP_PATH: fputs("An absolute path", stdout); break;
	case SHIP_NUMBER: printf("A number from %u to %u", key->minimum, key->maximum); break;
	case SHIP_LIST: printf("A list of at most %u texts", key->maximum); break;
	case SHIP_WORD:
		fputs("One of", stdout);
		for (const char *const *word = key->words; *word; word++)
			printf("\n.Cm %s%s", *word, word[1] ? " ," : "");
		break;
	}
}

static void print_keys(const struct ship_key *keys, size_t n_keys)
{
	for (size_t i = 0; i < n_keys; i++) {
		printf(".It Ic %s\n", keys[i].path);
		mdoc_print_text(keys[i].help);
		print_type(&keys[i]);
		fputs(keys[i].type == SHIP_WORD ? " ,\n" : ",\n", stdout);
		if (keys[i].type == SHIP_WORD && !keys[i].fallback[0])
			puts("without default: it has to be there.");
		else if (!keys[i].fallback[0])
			printf("by default %s.\n",
			       keys[i].type == SHIP_LIST ? "an empty list" : "empty");
		else
			printf("by default\n.Cm %s .\n", keys[i].fallback);
	}
}

static void print_comment(const char *indent, const struct ship_key *key)
{
	printf("%s# %s", indent, key->help);
	if (key->type == SHIP_NUMBER)
		printf(" %u to %u.", key->minimum, key->maximum);
	for (const char *const *word = key->type == SHIP_WORD ? key->words : NULL; word && *word;
	     word++)
		printf("%s%s%s", word == key->words ? " Of: " : ", ", *word, word[1] ? "" : ".");
	putchar('\n');
}

static void print_value(const struct ship_key *key)
{
	if (key->type == SHIP_LIST)
		puts(" []");
	else
		printf(" %s\n", key->fallback[0] ? key->fallback : "\"\"");
}

/* As it is printed the file means exactly the defaults. */
static void print_sample(void)
{
	char section[64] = "";

	puts("# Configuration of podfence-ship; podfence-ship.yaml(5) has it at length. Every key "
	     "is here "
	     "with its default.");
	for (size_t i = 0; i < n_ship_keys; i++) {
		const struct ship_key *key = &ship_keys[i];
		const char *dot = strchr(key->path, '.');
		size_t n = dot ? (size_t)(dot - key->path) : 0;
		if (!dot || strncmp(section, key->path, n) != 0 || section[n]) {
			memcpy(section, key->path, n); /* keys are ours, and short */
			section[n] = '\0';
			printf(dot ? "\n%s:\n" : "\n", section);
		}
		print_comment(dot ? "  " : "", key);
		printf("%s%s:", dot ? "  " : "", dot ? dot + 1 : key->path);
		print_value(key);
	}
	puts("\n# What events and alerts are delivered to. Of each, name and kind are needed:\n#\n"
	     "#  - name: file\n#    kind: file\n#    path: /var/log/podfence/events.jsonl\n#\n"
	     "# All its keys:\n#");
	for (size_t i = 0; i < n_ship_output_keys; i++) {
		print_comment("#    ", &ship_output_keys[i]);
		printf("#    %s:", ship_output_keys[i].path);
		print_value(&ship_output_keys[i]);
	}
	puts("outputs: []");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "sample")) {
		print_sample();
		return fflush(stdout) != 0;
	}
	fputs(head, stdout);
	print_keys(ship_keys, n_ship_keys);
	fputs(outputs, stdout);
	print_keys(ship_output_keys, n_ship_output_keys);
	fputs(tail, stdout);
	return fflush(stdout) != 0;
}
