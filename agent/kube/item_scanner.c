/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A state machine over single characters. Outside items it knows just enough of JSON to find its
 * way: keys of the top object, where a value ends, which brackets are open. */
#include "kube/item_scanner.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX 200

enum state {
	START,	    /* { */
	KEY_OR_END, /* " or } */
	KEY_NEEDED, /* " */
	KEY,	    /* inside a key of the top object */
	COLON,
	VALUE,	      /* the first character of a value */
	KIND,	      /* inside the string that is the kind */
	NESTED,	      /* inside an object, list or string that is passed over */
	SCALAR,	      /* a number or word that is passed over */
	COMMA_OR_END, /* , or } */
	ITEM_OR_END,  /* { or ] */
	ITEM_NEEDED,  /* { */
	ITEM,	      /* inside an item */
	ITEM_COMMA,   /* , or ] */
	END,
};

void item_scanner_init(struct item_scanner *scanner, size_t item_limit)
{
	*scanner = (struct item_scanner){.item_limit = item_limit, .item = BUFFER_INIT};
}

void item_scanner_done(struct item_scanner *scanner)
{
	buffer_done(&scanner->item);
}

bool item_scanner_is_complete(const struct item_scanner *scanner)
{
	return scanner->state == END;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Follows strings and brackets; true at the character that closes the outermost. */
static bool closes(struct item_scanner *scanner, char c)
{
	if (scanner->in_string) {
		if (scanner->is_escaped)
			scanner->is_escaped = false;
		else if (c == '\\')
			scanner->is_escaped = true;
		else if (c == '"')
			scanner->in_string = false;
		return !scanner->in_string && !scanner->depth;
	}
	switch (c) {
	case '"': scanner->in_string = true; return false;
	case '{':
	case '[': scanner->depth++; return false;
	case '}':
	case ']': return scanner->depth && --scanner->depth == 0;
	default: return false;
	}
}

static int begin_value(struct item_scanner *scanner, char c)
{
	scanner->depth = 0;
	scanner->in_string = scanner->is_escaped = false;
	if (!strcmp(scanner->key, "items")) {
		if (c != '[' || scanner->has_items)
			return -1;
		scanner->has_items = true;
		return ITEM_OR_END;
	}
	if (!strcmp(scanner->key, "kind")) {
		if (c != '"' || scanner->kind_length)
			return -1;
		return KIND;
	}
	if (c == '{' || c == '[' || c == '"') {
		closes(scanner, c);
		return NESTED;
	}
	return strchr("-0123456789tfn", c) ? SCALAR : -1;
}

static int begin_item(struct item_scanner *scanner, char c)
{
	if (c != '{')
		return -1;
	scanner->depth = 0;
	scanner->in_string = scanner->is_escaped = false;
	scanner->is_item_too_large = false;
	scanner->n_items++;
	buffer_clear(&scanner->item);
	buffer_add_char(&scanner->item, c);
	closes(scanner, c);
	return ITEM;
}

static int in_key(struct item_scanner *scanner, char c)
{
	if (c == '"') {
		/* A longer key is none we look for. */
		size_t n = scanner->key_length < sizeof(scanner->key) ? scanner->key_length : 0;
		scanner->key[n] = '\0';
		return COLON;
	}
	if (c == '\\' || (unsigned char)c < ' ')
		return -1; /* no key of a Kubernetes list is escaped */
	if (scanner->key_length < sizeof(scanner->key))
		scanner->key[scanner->key_length++] = c;
	if (scanner->key_length == sizeof(scanner->key))
		scanner->key[0] = '\0';
	return KEY;
}

static int in_kind(struct item_scanner *scanner, char c)
{
	if (c == '"')
		return COMMA_OR_END;
	if (c == '\\' || (unsigned char)c < ' ' ||
	    scanner->kind_length + 1 >= sizeof(scanner->kind))
		return -1;
	scanner->kind[scanner->kind_length++] = c;
	return KIND;
}

static int in_item(struct item_scanner *scanner, char c)
{
	if (scanner->item.length >= scanner->item_limit)
		scanner->is_item_too_large = true;
	if (!scanner->is_item_too_large)
		buffer_add_char(&scanner->item, c);
	if (closes(scanner, c))
		return ITEM_COMMA;
	return scanner->depth > DEPTH_MAX ? -1 : ITEM;
}

static int after_scalar(char c)
{
	return c == ',' ? KEY_NEEDED : c == '}' ? END : -1;
}

/* The state after this character, or -1. */
static int step(struct item_scanner *scanner, char c)
{
	switch ((enum state)scanner->state) {
	case KEY: return in_key(scanner, c);
	case KIND: return in_kind(scanner, c);
	case ITEM: return in_item(scanner, c);
	case NESTED:
		if (closes(scanner, c))
			return COMMA_OR_END;
		return scanner->depth > DEPTH_MAX ? -1 : NESTED;
	case SCALAR:
		if (c == ',' || c == '}')
			return after_scalar(c);
		return is_space(c)			      ? COMMA_OR_END
		       : strchr("+-.0123456789aeflnrstuE", c) ? SCALAR
							      : -1;
	default: break;
	}
	if (is_space(c))
		return scanner->state;
	switch ((enum state)scanner->state) {
	case START: return c == '{' ? KEY_OR_END : -1;
	case KEY_OR_END:
		if (c == '}')
			return END;
		/* fall through */
	case KEY_NEEDED: scanner->key_length = 0; return c == '"' ? KEY : -1;
	case COLON: return c == ':' ? VALUE : -1;
	case VALUE: return begin_value(scanner, c);
	case COMMA_OR_END: return after_scalar(c);
	case ITEM_OR_END:
		if (c == ']')
			return COMMA_OR_END;
		/* fall through */
	case ITEM_NEEDED: return begin_item(scanner, c);
	case ITEM_COMMA: return c == ',' ? ITEM_NEEDED : c == ']' ? COMMA_OR_END : -1;
	default: return -1; /* END: nothing may follow */
	}
}

int item_scanner_feed(struct item_scanner *scanner, const char **bytes, size_t *length)
{
	while (*length) {
		bool was_in_item = scanner->state == ITEM;
		int state = step(scanner, **bytes);
		if (state < 0)
			return ITEM_SCANNER_MALFORMED;
		scanner->state = state;
		scanner->offset++;
		(*bytes)++;
		(*length)--;
		if (was_in_item && state == ITEM_COMMA) {
			if (scanner->item.is_broken)
				return -ENOMEM;
			return scanner->is_item_too_large ? ITEM_SCANNER_TOO_LARGE
							  : ITEM_SCANNER_ITEM;
		}
	}
	return ITEM_SCANNER_MORE;
}
