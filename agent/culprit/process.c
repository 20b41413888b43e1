/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The texts of /proc/PID. Name and arguments are the process's own words: any bytes, never believed to prove
 * anything. */
#include "culprit/process.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Digits up to what follows them; false where there are none, or too many. */
static bool read_number(const char **at, const char *end, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *begin = *at;

	for (; *at < end && isdigit((unsigned char)**at); ++*at) {
		if (value > (UINT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (uint64_t)(**at - '0');
	}
	*ret_value = value;
	return *at > begin;
}

/* Goes to the beginning of the n-th field after this one. */
static bool skip_fields(const char **at, const char *end, unsigned n)
{
	for (; n && *at < end; ++*at)
		n -= **at == ' ';
	return !n && *at < end;
}

static void copy_name(char name[static PROCESS_NAME_MAX], const char *text, size_t length)
{
	if (length >= PROCESS_NAME_MAX)
		length = PROCESS_NAME_MAX - 1;
	memcpy(name, text, length);
	name[length] = '\0';
}

/* "PID (NAME) STATE PPID ... STARTTIME", which is field 22 (proc(5)); the name ends with the last ')'. */
int process_stat_parse(const char *text, size_t length, struct process_facts *facts)
{
	const char *begin = memchr(text, '(', length);
	const char *close = begin ? memrchr(begin, ')', length - (size_t)(begin - text)) : NULL;
	const char *end = text + length;
	uint64_t parent, start;

	if (!close)
		return -EINVAL;
	const char *at = close;
	if (!skip_fields(&at, end, 2) || !read_number(&at, end, &parent) || parent > INT32_MAX)
		return -EINVAL;
	if (!skip_fields(&at, end, 18) || !read_number(&at, end, &start))
		return -EINVAL;
	copy_name(facts->name, begin + 1, (size_t)(close - begin - 1));
	facts->parent = (pid_t)parent;
	facts->start_ticks = start;
	facts->has_start = true;
	return 0;
}

void process_image_parse(const char *text, size_t length, struct process_image *ret_image)
{
	const char *close = memrchr(text, ')', length), *at = close, *end = text + length;
	struct process_facts facts = {};
	struct process_image image = {};

	*ret_image = image;
	if (!close || process_stat_parse(text, length, &facts) < 0)
		return;
	/* Fields 28, 48 and 49; 0 where we may not know. */
	if (!skip_fields(&at, end, 26) || !read_number(&at, end, &image.stack) || !image.stack)
		return;
	if (!skip_fields(&at, end, 20) || !read_number(&at, end, &image.arguments_begin))
		return;
	if (!skip_fields(&at, end, 1) || !read_number(&at, end, &image.arguments_end))
		return;
	image.start_ticks = facts.start_ticks;
	image.parent = (uint64_t)facts.parent;
	memcpy(image.name, facts.name, strlen(facts.name));
	*ret_image = image;
}

/* "Uid:\treal\teffective\tsaved\tfile system" on a line of its own; a name cannot hold a newline there. */
int process_status_parse(const char *text, size_t length, struct process_facts *facts)
{
	static const char key[] = "\nUid:\t";
	const char *at = memmem(text, length, key, sizeof(key) - 1), *end = text + length;
	uint64_t real, effective;

	if (!at)
		return -EINVAL;
	at += sizeof(key) - 1;
	if (!read_number(&at, end, &real) || at == end || *at++ != '\t' ||
	    !read_number(&at, end, &effective) || effective > UINT32_MAX)
		return -EINVAL;
	facts->user = (uint32_t)effective;
	facts->has_user = true;
	return 0;
}

void process_arguments_parse(const char *text, size_t length, size_t limit,
			     struct process_facts *facts)
{
	static const char dots[] = "...";

	if (limit > sizeof(facts->arguments))
		limit = sizeof(facts->arguments);
	facts->n_arguments = facts->arguments_length = 0;
	facts->are_arguments_cut = length > limit;
	if (limit < sizeof(dots))
		return;
	size_t n = length < limit ? length : limit;
	memcpy(facts->arguments, text, n);
	/* A process may write what it likes there: a last NUL is not sure. */
	if (facts->are_arguments_cut)
		memcpy(facts->arguments + n - sizeof(dots), dots, sizeof(dots));
	else if (n && facts->arguments[n - 1] && n == limit)
		facts->arguments[n - 1] = '\0';
	else if (n && facts->arguments[n - 1])
		facts->arguments[n++] = '\0';
	facts->arguments_length = n;
	for (size_t i = 0; i < n; i++)
		facts->n_arguments += !facts->arguments[i];
}

uint64_t process_socket_inode(const char *target, size_t length)
{
	static const char begin[] = "socket:[";
	const size_t n = sizeof(begin) - 1;
	const char *at = target + n, *end = target + length;
	uint64_t inode;

	if (length <= n || memcmp(target, begin, n) != 0 || !read_number(&at, end, &inode))
		return 0;
	return end - at == 1 && *at == ']' ? inode : 0;
}
