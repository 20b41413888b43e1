/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Lines of words: "ledger BOOT NUMBER...", then "flow SET KEY ID RULE NUMBER...". There can be a hundred thousand
 * of them, written every few seconds, so it is no JSON. */
#include "ledger/saved.h"

#include <stdlib.h>
#include <string.h>

/* An agent that knew no more wrote no more. */
#define CLASSES_MIN 3

static const char digits[] = "0123456789abcdef";

static void add_hex(struct buffer *buffer, const uint8_t *bytes, size_t length)
{
	buffer_add_char(buffer, ' ');
	char *at = buffer_extend(buffer, 2 * length);

	for (size_t i = 0; at && i < length; i++) {
		at[2 * i] = digits[bytes[i] >> 4];
		at[2 * i + 1] = digits[bytes[i] & 15];
	}
}

static void add_number(struct buffer *buffer, uint64_t number)
{
	buffer_add_char(buffer, ' ');
	buffer_add_uint(buffer, number);
}

static void add_word(struct buffer *buffer, const char *word)
{
	buffer_add_char(buffer, ' ');
	buffer_add_text(buffer, word);
}

void saved_head_write(const struct saved_ledger *ledger, struct buffer *buffer)
{
	buffer_add_text(buffer, "ledger");
	add_word(buffer, ledger->boot[0] ? ledger->boot : "-");
	for (unsigned i = 0; i < LEDGER_CLASS_N; i++) {
		add_number(buffer, ledger->counted[i]);
		add_number(buffer, ledger->removed[i]);
		add_number(buffer, ledger->removed_over[i]);
	}
	buffer_add_char(buffer, '\n');
}

void saved_flow_write(const struct flow *flow, struct buffer *buffer)
{
	const uint64_t numbers[] = {
		flow->owner,	    flow->sequence,	flow->start_usec, flow->moved_usec,
		flow->told_usec,    flow->seen.packets, flow->seen.bytes, flow->before.packets,
		flow->before.bytes, flow->told.packets, flow->told.bytes,
	};

	buffer_add_text(buffer, "flow");
	add_word(buffer, flow_set(&flow->key)->name);
	add_hex(buffer, flow->key.key.bytes, flow->key.key.length);
	add_hex(buffer, flow->id, sizeof(flow->id));
	add_word(buffer, flow->rule < RULE_N ? rule_facts(flow->rule)->token : "-");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		add_number(buffer, numbers[i]);
	buffer_add_char(buffer, '\n');
}

/* The rest of one line. A word that is not as it should be makes all that follows fail. */
struct words {
	const char *at, *end;
	bool is_bad;
};

static size_t take_word(struct words *words, const char **ret_word)
{
	const char *begin = words->at;

	while (words->at < words->end && *words->at != ' ')
		words->at++;
	size_t length = (size_t)(words->at - begin);
	if (words->at < words->end)
		words->at++;
	words->is_bad |= !length;
	*ret_word = begin;
	return length;
}

static bool take_text(struct words *words, char *target, size_t size)
{
	const char *word;
	size_t length = take_word(words, &word);

	if (length >= size) {
		words->is_bad = true;
		return false;
	}
	memcpy(target, word, length);
	target[length] = '\0';
	return true;
}

static uint64_t take_number(struct words *words)
{
	const char *word;
	size_t length = take_word(words, &word);
	uint64_t number = 0;

	for (size_t i = 0; i < length; i++) {
		uint64_t digit = (uint64_t)(word[i] - '0');
		if (word[i] < '0' || word[i] > '9' || number > (UINT64_MAX - digit) / 10) {
			words->is_bad = true;
			return 0;
		}
		number = 10 * number + digit;
	}
	return number;
}

static size_t take_hex(struct words *words, uint8_t *target, size_t size)
{
	const char *word;
	size_t length = take_word(words, &word);

	if (length % 2 || length / 2 > size) {
		words->is_bad = true;
		return 0;
	}
	for (size_t i = 0; i < length; i++) {
		const char *digit = memchr(digits, word[i], 16);
		if (!digit) {
			words->is_bad = true;
			return 0;
		}
		target[i / 2] = (uint8_t)(target[i / 2] << 4 | (digit - digits));
	}
	return length / 2;
}

static uint8_t take_set(struct words *words)
{
	char name[PF_NAME_MAX];

	if (take_text(words, name, sizeof(name)))
		for (size_t i = 0; i < n_ledger_sets; i++)
			if (!strcmp(ledger_sets[i].name, name))
				return (uint8_t)i;
	words->is_bad = true;
	return 0;
}

static enum rule_id take_rule(struct words *words)
{
	char token[32];

	if (take_text(words, token, sizeof(token)))
		for (enum rule_id id = 0; id < RULE_N; id++)
			if (!strcmp(rule_facts(id)->token, token))
				return id;
	words->is_bad |= strcmp(token, "-") != 0;
	return RULE_N;
}

static bool head_read(struct words *words, struct saved_ledger *ledger)
{
	char word[8];

	if (!take_text(words, word, sizeof(word)) || strcmp(word, "ledger") != 0)
		return false;
	(void)take_text(words, ledger->boot, sizeof(ledger->boot));
	for (unsigned i = 0; i < LEDGER_CLASS_N && words->at < words->end; i++) {
		ledger->counted[i] = take_number(words);
		ledger->removed[i] = take_number(words);
		ledger->removed_over[i] = take_number(words);
		ledger->n_classes = i + 1;
	}
	return !words->is_bad && words->at == words->end && ledger->n_classes >= CLASSES_MIN;
}

static bool flow_read(struct words *words, struct flow *flow)
{
	struct flow_facts facts;
	char word[8];

	if (!take_text(words, word, sizeof(word)) || strcmp(word, "flow") != 0)
		return false;
	flow->key.set = take_set(words);
	flow->key.key.length = (uint8_t)take_hex(words, flow->key.key.bytes, PF_KEY_MAX);
	words->is_bad |= take_hex(words, flow->id, sizeof(flow->id)) != sizeof(flow->id);
	flow->rule = take_rule(words);
	uint64_t *const numbers[] = {
		&flow->owner,	     &flow->sequence,	  &flow->start_usec, &flow->moved_usec,
		&flow->told_usec,    &flow->seen.packets, &flow->seen.bytes, &flow->before.packets,
		&flow->before.bytes, &flow->told.packets, &flow->told.bytes,
	};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		*numbers[i] = take_number(words);
	return !words->is_bad && words->at == words->end && flow_key_read(&flow->key, &facts);
}

int saved_read(const char *text, size_t length, struct saved_ledger *ret_ledger, saved_flow_fn fn,
	       void *userdata, unsigned *ret_line)
{
	const char *end = text + length;
	struct saved_ledger ledger = {};
	bool has_head = false;

	for (*ret_line = 1; text < end; ++*ret_line) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		struct words words = {text, newline ? newline : end, false};
		struct flow flow = {};
		if (!has_head && !head_read(&words, &ledger))
			return SAVED_E_INVALID;
		if (has_head && !flow_read(&words, &flow))
			return SAVED_E_INVALID;
		int r = has_head ? fn(&flow, userdata) : 0;
		if (r != 0)
			return r;
		if (!has_head)
			*ret_ledger = ledger;
		has_head = true;
		text = newline ? newline + 1 : end;
	}
	return has_head ? 0 : SAVED_E_INVALID;
}
