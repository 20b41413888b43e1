/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Two levels. Between values a state machine over single characters knows the top-level object and
 * its "items" array. Inside a value only strings and the number of open brackets count, until it
 * ends; it is collected in spans. Brackets of the wrong kind are left to the parser that gets the
 * value.
 *
 * Stricter than JSON where no Kubernetes list needs it: a key of the top-level object is plain
 * ASCII without escapes, so that there is one way to write "items". A value larger than its limit
 * is not kept, only followed to its end. */
#include "kube/item_scanner.h"

#include <errno.h>
#include <string.h>

enum state {
	START,
	FIRST_KEY,
	NEXT_KEY,
	KEY,
	COLON,
	MEMBER_BEGIN,
	MEMBER,
	MEMBER_END,
	FIRST_ITEM,
	NEXT_ITEM,
	ITEM,
	ITEM_END,
	END,
};

/* What is missing where a state cannot go on. */
static const char *const problems[] = {
	[START] = "an object is expected",
	[FIRST_KEY] = "a key or } is expected",
	[NEXT_KEY] = "a key is expected",
	[KEY] = "no key of a list",
	[COLON] = "a colon is expected",
	[MEMBER_BEGIN] = "a value is expected",
	[MEMBER] = "a character that stands in no value",
	[MEMBER_END] = "a comma or } is expected",
	[FIRST_ITEM] = "an item or ] is expected",
	[NEXT_ITEM] = "an item is expected",
	[ITEM] = "a character that stands in no value",
	[ITEM_END] = "a comma or ] is expected",
	[END] = "something follows the list",
};

void item_scanner_init(struct item_scanner *scanner, size_t item_limit)
{
	*scanner = (struct item_scanner){
		.item_limit = item_limit, .line = 1, .value = BUFFER_INIT, .state = START};
}

void item_scanner_done(struct item_scanner *scanner)
{
	buffer_done(&scanner->value);
}

bool item_scanner_is_complete(const struct item_scanner *scanner)
{
	return scanner->state == END;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ';
}

static int malformed(struct item_scanner *scanner, const char *problem)
{
	scanner->problem = problem;
	return ITEM_SCANNER_MALFORMED;
}

static void advance(struct item_scanner *scanner, const char **bytes, size_t *length)
{
	scanner->line += **bytes == '\n';
	scanner->offset++;
	(*bytes)++;
	(*length)--;
}

/* Its first character is not taken: it is the value's. */
static int value_begin(struct item_scanner *scanner, char c, enum state state)
{
	if (c != '{' && c != '[' && c != '"' && !(c == '-' || (c >= '0' && c <= '9')) && c != 't' &&
	    c != 'f' && c != 'n')
		return malformed(scanner, problems[scanner->state]);
	scanner->state = state;
	scanner->is_scalar = c != '{' && c != '[' && c != '"';
	scanner->in_string = scanner->is_escaped = scanner->is_too_large = false;
	scanner->depth = 0;
	scanner->n_items += state == ITEM;
	buffer_clear(&scanner->value);
	return ITEM_SCANNER_MORE;
}

enum follow { GOES_ON, ENDS_WITH, ENDS_BEFORE, CANNOT_BE };

static enum follow follow_string(struct item_scanner *scanner, char c)
{
	if (is_control(c))
		return CANNOT_BE;
	if (scanner->is_escaped)
		scanner->is_escaped = false;
	else if (c == '\\')
		scanner->is_escaped = true;
	else if (c == '"')
		scanner->in_string = false;
	return !scanner->in_string && !scanner->depth ? ENDS_WITH : GOES_ON;
}

static enum follow follow(struct item_scanner *scanner, char c)
{
	if (scanner->in_string)
		return follow_string(scanner, c);
	if (is_control(c) && !is_space(c))
		return CANNOT_BE;
	if (scanner->is_scalar)
		return is_space(c) || c == ',' || c == '}' || c == ']' ? ENDS_BEFORE : GOES_ON;
	switch (c) {
	case '"': scanner->in_string = true; return GOES_ON;
	case '{':
	case '[': scanner->depth++; return GOES_ON;
	case '}':
	case ']': return --scanner->depth ? GOES_ON : ENDS_WITH;
	default: return GOES_ON;
	}
}

static void value_keep(struct item_scanner *scanner, const char *bytes, size_t length)
{
	size_t limit = scanner->state == ITEM ? scanner->item_limit : ITEM_SCANNER_MEMBER_MAX;

	if (scanner->is_too_large)
		return;
	scanner->is_too_large = length > limit - scanner->value.length;
	if (scanner->is_too_large)
		buffer_clear(&scanner->value);
	else
		buffer_add(&scanner->value, bytes, length);
}

static int value_end(struct item_scanner *scanner)
{
	bool is_item = scanner->state == ITEM;

	scanner->state = is_item ? ITEM_END : MEMBER_END;
	if (scanner->is_too_large)
		return is_item ? ITEM_SCANNER_TOO_LARGE
			       : malformed(scanner, "a member beside the items is too large");
	buffer_add_char(&scanner->value, '\0');
	if (scanner->value.is_broken)
		return -ENOMEM;
	return is_item ? ITEM_SCANNER_ITEM : ITEM_SCANNER_MEMBER;
}

static int value_take(struct item_scanner *scanner, const char **bytes, size_t *length)
{
	const char *begin = *bytes;
	enum follow next = GOES_ON;

	while (*length && next == GOES_ON) {
		next = follow(scanner, **bytes);
		if (next == CANNOT_BE)
			return malformed(scanner, problems[scanner->state]);
		if (next != ENDS_BEFORE)
			advance(scanner, bytes, length);
	}
	value_keep(scanner, begin, (size_t)(*bytes - begin));
	return next == GOES_ON ? ITEM_SCANNER_MORE : value_end(scanner);
}

static int key_take(struct item_scanner *scanner, char c)
{
	if (c == '\\' || is_control(c) || (unsigned char)c >= 0x7f ||
	    (c != '"' && scanner->key_length + 1 == sizeof(scanner->key)))
		return malformed(scanner, problems[KEY]);
	scanner->key[scanner->key_length] = '\0';
	if (c == '"')
		scanner->state = COLON;
	else
		scanner->key[scanner->key_length++] = c;
	return ITEM_SCANNER_MORE;
}

/* The state after a character between values; the same state where it cannot be there. */
static enum state after(struct item_scanner *scanner, char c)
{
	switch ((enum state)scanner->state) {
	case START: return c == '{' ? FIRST_KEY : START;
	case FIRST_KEY: return c == '"' ? KEY : c == '}' ? END : FIRST_KEY;
	case NEXT_KEY: return c == '"' ? KEY : NEXT_KEY;
	case COLON: return c == ':' ? MEMBER_BEGIN : COLON;
	case MEMBER_BEGIN: return c == '[' ? FIRST_ITEM : MEMBER_BEGIN; /* of items */
	case MEMBER_END: return c == ',' ? NEXT_KEY : c == '}' ? END : MEMBER_END;
	case FIRST_ITEM: return c == ']' ? MEMBER_END : FIRST_ITEM;
	case ITEM_END: return c == ',' ? NEXT_ITEM : c == ']' ? MEMBER_END : ITEM_END;
	default: return (enum state)scanner->state;
	}
}

static bool is_items(const struct item_scanner *scanner)
{
	return !strcmp(scanner->key, "items");
}

static int between_take(struct item_scanner *scanner, const char **bytes, size_t *length)
{
	char c = **bytes;

	if (!is_space(c)) {
		if (scanner->state == MEMBER_BEGIN && !is_items(scanner))
			return value_begin(scanner, c, MEMBER);
		if ((scanner->state == FIRST_ITEM && c != ']') || scanner->state == NEXT_ITEM)
			return value_begin(scanner, c, ITEM);
		enum state state = after(scanner, c);
		if (state == (enum state)scanner->state)
			return malformed(scanner, scanner->state == MEMBER_BEGIN
							  ? "items is no list"
							  : problems[scanner->state]);
		if (state == FIRST_ITEM && scanner->has_items)
			return malformed(scanner, "items stands twice");
		scanner->has_items |= state == FIRST_ITEM;
		if (state == KEY)
			scanner->key_length = 0;
		scanner->state = state;
	}
	advance(scanner, bytes, length);
	return ITEM_SCANNER_MORE;
}

int item_scanner_feed(struct item_scanner *scanner, const char **bytes, size_t *length)
{
	int r = ITEM_SCANNER_MORE;

	while (*length && r == ITEM_SCANNER_MORE) {
		if (scanner->state == ITEM || scanner->state == MEMBER) {
			r = value_take(scanner, bytes, length);
		} else if (scanner->state == KEY) {
			r = key_take(scanner, **bytes);
			if (r == ITEM_SCANNER_MORE)
				advance(scanner, bytes, length);
		} else {
			r = between_take(scanner, bytes, length);
		}
	}
	return r;
}
