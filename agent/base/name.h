/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NAME_LABEL_MAX	   63
#define NAME_SUBDOMAIN_MAX 253

/* Names as Kubernetes takes them from RFC 1123: lower case letters, digits and '-', a letter or
 * digit at both ends, at most 63 bytes; a subdomain is such labels joined by dots, at most 253. */
bool name_is_label(const char *text);
bool name_is_subdomain(const char *text);

/* Nothing but these characters, at most so many; also nothing at all. */
bool name_is_made_of(const char *text, const char *characters, size_t maximum);
