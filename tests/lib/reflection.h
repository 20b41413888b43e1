/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "kube/reflector.h"

/* A reflector without a server: replies go in, and what it asks for and tells goes out as text. */
struct reply {
	unsigned status; /* 0: none came */
	const char *body;
	size_t length;	   /* 0: of a text */
	const char *error; /* why it broke off; NULL: it ended */
	unsigned seconds;  /* that it took */
	unsigned retry_after;
};

/* Bodies are fed in chunks of this size. The text is the caller's. */
char *reflect(const struct reflector_options *options, const struct reply *replies, size_t n,
	      size_t chunk);
