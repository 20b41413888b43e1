/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The schema as a configuration file to start from: every key with its help, commented, and its
 * default. */
#include <string.h>

#include "config/schema.h"

static void print_sections(const char *path, const char *before, FILE *stream)
{
	char section[128];

	for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
		size_t length = (size_t)(dot - path);
		snprintf(section, sizeof(section), "%.*s.", (int)length, path);
		if (!strncmp(before, section, length + 1))
			continue;
		unsigned depth = 0;
		for (const char *c = path; c < dot; c++)
			depth += *c == '.';
		const char *word = dot;
		while (word > path && word[-1] != '.')
			word--;
		fprintf(stream, "%s%*s%.*s:\n", depth ? "" : "\n", 2 * (int)depth, "",
			(int)(dot - word), word);
	}
}

void config_print_sample(FILE *stream)
{
	const char *before = "";

	fputs("# podfence.yaml: every key with its default. A line that is commented shows an "
	      "example.\n"
	      "# podfenced --check --config FILE says what is wrong with a file.\n",
	      stream);
	for (size_t i = 0; i < schema_length; i++) {
		const struct schema_key *key = &schema[i];
		unsigned depth = 0;
		for (const char *c = key->path; *c; c++)
			depth += *c == '.';
		print_sections(key->path, before, stream);
		fprintf(stream, "%*s# %s\n", 2 * (int)depth, "", key->help);
		const char *word = strrchr(key->path, '.') + 1;
		if (key->example)
			fprintf(stream, "%*s# %s: %s\n", 2 * (int)depth, "", word, key->example);
		else if (schema_is_list(key)) {
			fprintf(stream, "%*s%s: [", 2 * (int)depth, "", word);
			for (const char *c = key->fallback; *c; c++)
				fputs(*c == ' ' ? ", " : (char[]){*c, '\0'}, stream);
			fputs("]\n", stream);
		} else {
			fprintf(stream, "%*s%s: %s\n", 2 * (int)depth, "", word,
				key->fallback[0] ? key->fallback : "\"\"");
		}
		before = key->path;
	}
}
