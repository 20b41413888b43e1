/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "ship/event.h"

/* /etc/podfence/podfence-ship.yaml: a file of its own, so that whoever reads it needs nothing of
 * podfenced and the names of secrets stay out of podfenced's. Secrets are names of files, which
 * are read when they are used. */

enum ship_output_kind {
	SHIP_FILE,
	SHIP_JOURNALD,
	SHIP_ELASTICSEARCH,
	SHIP_WEBHOOK,
	SHIP_SLACK,
	SHIP_DINGTALK,
	SHIP_ALERTMANAGER,
	SHIP_KUBERNETES,
	SHIP_OUTPUT_KINDS, /* how many */
};
enum ship_content {
	SHIP_CONTENT_USUAL,
	SHIP_CONTENT_EVENTS,
	SHIP_CONTENT_ALERTS,
	SHIP_CONTENT_ALL
};

#define SHIP_OUTPUTS_MAX 32
#define SHIP_LIST_MAX	 64

struct ship_list {
	char **texts;
	size_t n_texts;
};

struct ship_output_config {
	char *name;
	uint32_t kind, content;
	struct ship_list actions, namespaces;
	uint32_t minimum_severity;
	char *path;
	uint32_t file_bytes, file_keep;
	struct ship_list urls;
	char *url_file, *user, *password_file, *api_key_file, *token_file, *secret_file;
	char *ca_file, *certificate_file, *key_file;
	struct ship_list headers;
	char *stream; /* the data streams' namespace */
	uint32_t batch_events, batch_bytes, gzip, timeout, per_minute;
	char *keyword, *proxy;
};

struct ship_config {
	char *seam_socket;
	char *store_directory;
	uint32_t store_mebibytes, store_hours;
	char *metrics_address;
	uint32_t metrics_port;
	uint32_t alert_interval, alert_quiet, alert_groups;
	char *cluster_name;
	char *taint_key, *taint_server, *taint_token_file, *taint_ca_file;
	struct ship_output_config *outputs;
	size_t n_outputs;
};

enum ship_config_type { SHIP_STRING, SHIP_PATH, SHIP_NUMBER, SHIP_WORD, SHIP_LIST };

struct ship_key {
	const char *path; /* "store.maxMebibytes"; of an output: "urls" */
	enum ship_config_type type;
	size_t offset;
	uint32_t minimum, maximum;
	const char *fallback;
	const char *const *words;
	const char *help;
};
extern const struct ship_key ship_keys[], ship_output_keys[];
extern const size_t n_ship_keys, n_ship_output_keys;
extern const char *const ship_kind_names[];

enum {
	SHIP_CONFIG_E_INVALID = 1, /* the report says where and why */
};
PF_MUST_CHECK int ship_config_parse(const char *name, const char *text, size_t length,
				    struct report *report, struct ship_config **ret_config);
PF_MUST_CHECK int ship_config_read(const char *path, struct report *report,
				   struct ship_config **ret_config);
/* Instead of what it says: startupTaint.key. */
PF_MUST_CHECK int ship_config_set_taint(struct ship_config *config, const char *key);
struct ship_config *ship_config_free(struct ship_config *config);
bool ship_wants(const struct ship_output_config *output, enum ship_kind kind,
		enum ship_action action, unsigned severity, const char *namespace);
