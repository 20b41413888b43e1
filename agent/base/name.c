/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The names of nodes, namespaces, pods and containers. Kubernetes checks a subdomain's labels for
 * their characters, not for their length (only the whole has a limit), and so does this: what the
 * API server let in must not be refused here. */
#include "base/name.h"

#include <string.h>

static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_label(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_letter_or_digit(text[i]) && text[i] != '-')
			return false;
	return length && text[0] != '-' && text[length - 1] != '-';
}

bool name_is_label(const char *text)
{
	size_t length = strnlen(text, NAME_LABEL_MAX + 1);

	return length <= NAME_LABEL_MAX && is_label(text, length);
}

bool name_is_subdomain(const char *text)
{
	if (strnlen(text, NAME_SUBDOMAIN_MAX + 1) > NAME_SUBDOMAIN_MAX)
		return false;
	for (;;) {
		size_t length = strcspn(text, ".");
		if (!is_label(text, length))
			return false;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

bool name_is_made_of(const char *text, const char *characters, size_t maximum)
{
	size_t n = strnlen(text, maximum + 1);

	return n <= maximum && strspn(text, characters) == n;
}
