/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include "base/buffer.h"
#include "kube/item_scanner.h"
#include "kube/reflector.h"

#define REFLECTOR_DEPTH_MAX 64 /* of JSON */
#define VERSION_MAX	    128
#define CONTINUE_MAX	    2048
#define PROBLEM_MAX	    320

enum mode { MODE_LIST, MODE_WATCH };

struct reflector {
	char *name, *path, *query;
	struct reflector_options options;
	struct reflector_sink sink;
	struct report *report;
	struct json_tokener *tokener;

	enum mode mode;		      /* of the request that is under way or next */
	char version[VERSION_MAX];    /* resourceVersion heard last; "": none */
	char next_page[CONTINUE_MAX]; /* continue; "": first page */
	bool must_be_current;	      /* the next list names no version */
	bool is_synced, is_absent;
	unsigned n_failures;
	uint64_t due_usec, begun_usec;
	char problem[PROBLEM_MAX];
	struct reflector_counts counts;

	/* the reply under way */
	unsigned status, retry_after;
	bool has_failed, is_expired, has_said_something;
	char why[PROBLEM_MAX];
	struct item_scanner scanner; /* of a list */
	bool is_scanning, has_kind, has_version;
	struct buffer line; /* of a watch, or of an error's body */
	bool is_line_too_large;
};

/* reflector_reply.c. The first thing that is wrong with a reply is what is said of it. REFLECTOR_E_ENOUGH. */
PF_PRINTF(2, 3)
int reflector_fail(struct reflector *reflector, const char *format, ...);
struct json_object *reflector_parse(struct reflector *reflector, const char *bytes, size_t length,
				    enum json_tokener_error *ret_error);
