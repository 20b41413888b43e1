/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 *	selector	requirement { "," requirement }
 *	requirement	KEY | "!" KEY | KEY ( "=" | "==" | "!=" ) VALUE
 *			| KEY ( "in" | "notin" ) "(" VALUE { "," VALUE } ")"
 *
 * as labels.Parse() of k8s.io/apimachinery has it, without its gt and lt, which select nodes only. A value may
 * be empty. */
#include "kube/selector_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REQUIREMENTS_MAX 64
#define VALUES_MAX	 64
#define BLANKS		 " \t"
#define ENDS		 BLANKS ",=!()"

struct reader {
	const char *at;
	struct label_selector selector;
	const char *why; /* NULL: nothing is wrong so far */
	int error;	 /* -ENOMEM */
};

static bool is_good(const struct reader *reader)
{
	return !reader->why && !reader->error;
}

static void refuse(struct reader *reader, const char *why)
{
	if (!reader->why)
		reader->why = why;
}

static bool take(struct reader *reader, const char *text)
{
	reader->at += strspn(reader->at, BLANKS);
	if (strncmp(reader->at, text, strlen(text)) != 0)
		return false;
	reader->at += strlen(text);
	return true;
}

/* The next word, maybe empty; NULL without memory. */
static char *take_word(struct reader *reader)
{
	reader->at += strspn(reader->at, BLANKS);
	size_t n = strcspn(reader->at, ENDS);
	char *word = strndup(reader->at, n);

	reader->at += n;
	if (!word)
		reader->error = -ENOMEM;
	return word;
}

static void read_key(struct reader *reader, struct label_requirement *requirement)
{
	requirement->key = take_word(reader);
	if (requirement->key && !label_is_key(requirement->key))
		refuse(reader, "has no label key where one is expected");
}

static void read_value(struct reader *reader, struct label_requirement *requirement)
{
	if (requirement->n_values == VALUES_MAX) {
		refuse(reader, "asks for more than 64 values of one label");
		return;
	}
	char **values = reallocarray(requirement->values, requirement->n_values + 1,
				     sizeof(*values));
	if (!values) {
		reader->error = -ENOMEM;
		return;
	}
	requirement->values = values;
	char *value = take_word(reader);
	if (!value)
		return;
	values[requirement->n_values++] = value;
	if (!label_is_value(value))
		refuse(reader, "has no label value where one is expected");
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Behind a key and a blank: "in (a, b)". */
static void read_list(struct reader *reader, struct label_requirement *requirement)
{
	char *word = take_word(reader);

	if (!word)
		return;
	requirement->operator= !strcmp(word, "notin") ? LABEL_NOT_IN : LABEL_IN;
	bool is_known = !strcmp(word, "in") || !strcmp(word, "notin");
	free(word);
	if (!is_known || !take(reader, "(")) {
		refuse(reader, "has something else than =, ==, !=, in (...) or notin (...) after a "
			       "label key");
		return;
	}
	do
		read_value(reader, requirement);
	while (is_good(reader) && take(reader, ","));
	if (is_good(reader) && !take(reader, ")"))
		refuse(reader, "has a list of values without its end");
	if (requirement->values)
		qsort(requirement->values, requirement->n_values, sizeof(char *), compare_texts);
}

static void read_requirement(struct reader *reader, struct label_requirement *requirement)
{
	bool is_absent = take(reader, "!");

	requirement->operator= is_absent ? LABEL_DOES_NOT_EXIST : LABEL_EXISTS;
	read_key(reader, requirement);
	reader->at += strspn(reader->at, BLANKS);
	if (!is_good(reader) || is_absent || !*reader->at || *reader->at == ',')
		return;
	bool is_other = take(reader, "!=");
	if (is_other || take(reader, "==") || take(reader, "=")) {
		requirement->operator= is_other ? LABEL_NOT_IN : LABEL_IN;
		read_value(reader, requirement);
	} else {
		read_list(reader, requirement);
	}
}

static void read_selector(struct reader *reader)
{
	struct label_selector *selector = &reader->selector;

	do {
		if (selector->n_requirements == REQUIREMENTS_MAX) {
			refuse(reader, "asks for more than 64 labels");
			return;
		}
		struct label_requirement *grown = reallocarray(
			selector->requirements, selector->n_requirements + 1, sizeof(*grown));
		if (!grown) {
			reader->error = -ENOMEM;
			return;
		}
		selector->requirements = grown;
		grown += selector->n_requirements++;
		*grown = (struct label_requirement){};
		read_requirement(reader, grown);
	} while (is_good(reader) && take(reader, ","));
	if (is_good(reader) && *(reader->at + strspn(reader->at, BLANKS)))
		refuse(reader, "has something else than a comma after a requirement");
}

int label_selector_parse(const char *text, struct label_selector *ret_selector,
			 const char **ret_why)
{
	struct reader reader = {.at = text};

	if (text[strspn(text, BLANKS)])
		read_selector(&reader);
	if (is_good(&reader)) {
		*ret_selector = reader.selector;
		return 0;
	}
	label_selector_done(&reader.selector);
	if (reader.error)
		return reader.error;
	*ret_why = reader.why;
	return SELECTOR_E_INVALID;
}
