/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A request of a remote output: made of the first items that are not settled, with the secrets that
 * are in their files now; and what its reply means for each of them. */
#include "ship/delivery_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define REPLY_MAX  (4u << 20)
#define SECRET_MAX 65536

int delivery_secret(const char *path, char **ret_text)
{
	size_t length;
	int r = file_read(path, SECRET_MAX, ret_text, &length);

	if (r == 0)
		(*ret_text)[strcspn(*ret_text, "\r\n")] = '\0';
	return r;
}

static struct outcome judge(struct delivery *delivery, const char *error)
{
	buffer_add_char(&delivery->received, '\0');
	const struct reply reply = {
		.error = delivery->received.is_broken ? "no memory for the reply" : error,
		.status = delivery->status,
		.retry_after = delivery->retry_after,
		.body = delivery->received.bytes,
		.length = delivery->received.length - 1,
		.is_cut = delivery->is_cut,
	};
	for (size_t i = 0; i < delivery->n_sent; i++)
		delivery->outcomes[i].what = OUTCOME_OK;
	return delivery->sink->judge(&reply, delivery->n_sent, delivery->is_patch,
				     delivery->outcomes);
}

/* Each item by what was said of it; 0 or the longest wait that was asked for, in *ret_retry why. */
static unsigned apply_items(struct delivery *delivery, const struct outcome **ret_retry)
{
	unsigned wait = 0;

	*ret_retry = NULL;
	for (size_t i = 0; i < delivery->n_sent; i++) {
		struct delivery_item *item = &delivery->items[delivery->sent[i]];
		const struct outcome *outcome = &delivery->outcomes[i];
		if (outcome->what == OUTCOME_OK) {
			delivery_item_done(delivery, item);
		} else if (outcome->what == OUTCOME_RETRY) {
			*ret_retry = outcome;
			wait = outcome->wait_seconds > wait ? outcome->wait_seconds : wait;
		} else {
			delivery_item_dead(delivery, item, outcome->reason);
		}
	}
	return wait;
}

static void apply(struct delivery *delivery, const struct outcome *outcome)
{
	const struct outcome *retry = outcome;
	unsigned wait = outcome->wait_seconds;

	switch (outcome->what) {
	case OUTCOME_OK:
		wait = apply_items(delivery, &retry);
		if (delivery->window < delivery->capacity)
			delivery->window *= 2;
		break;
	case OUTCOME_RETRY: delivery->host++; break;
	case OUTCOME_ANEW:
		retry = NULL;
		for (size_t i = 0; i < delivery->n_sent; i++)
			delivery->items[delivery->sent[i]].is_anew = true;
		break;
	case OUTCOME_DROP:
	case OUTCOME_SPLIT:
		retry = NULL;
		if (delivery->n_sent == 1)
			delivery_item_dead(delivery, &delivery->items[delivery->sent[0]],
					   outcome->reason);
		delivery->window = delivery->n_sent > 1 ? delivery->n_sent / 2 : 1;
		break;
	}
	if (retry)
		delivery_fail(delivery, retry->reason,
			      wait ? wait * 1000000ull : delivery_backoff(delivery));
	else
		delivery_succeed(delivery);
}

static void on_head(void *userdata, unsigned status, unsigned retry_after)
{
	struct delivery *delivery = userdata;

	delivery->status = status;
	delivery->retry_after = retry_after;
}

static int on_body(void *userdata, const char *bytes, size_t length)
{
	struct delivery *delivery = userdata;

	if (delivery->received.length + length > REPLY_MAX) {
		delivery->is_cut = true;
		return 1;
	}
	buffer_add(&delivery->received, bytes, length);
	return 0;
}

static void on_end(void *userdata, const char *error)
{
	struct delivery *delivery = userdata;

	delivery->transfer = NULL;
	struct outcome outcome = judge(delivery, error);
	apply(delivery, &outcome);
	if (!delivery_is_planned(delivery))
		delivery_plan(delivery, 0);
}

/* The files of secrets and certificates are read each time: a new one needs no signal. */
struct secrets {
	char *password, *token, *authorities, *certificate, *key;
};

static void secrets_done(struct secrets *secrets)
{
	free(secrets->password);
	free(secrets->token);
	free(secrets->authorities);
	free(secrets->certificate);
	free(secrets->key);
}

static int read_pem(const char *path, char **ret_text)
{
	size_t length;

	return path[0] ? file_read(path, 1u << 20, ret_text, &length) : 0;
}

static int read_secrets(const struct ship_output_config *config, struct secrets *secrets)
{
	int r = 0;

	if (config->password_file[0])
		r = delivery_secret(config->password_file, &secrets->password);
	if (r == 0 && config->token_file[0])
		r = delivery_secret(config->token_file, &secrets->token);
	if (r == 0)
		r = read_pem(config->ca_file, &secrets->authorities);
	if (r == 0)
		r = read_pem(config->certificate_file, &secrets->certificate);
	if (r == 0)
		r = read_pem(config->key_file, &secrets->key);
	return r;
}

static int base_url(struct delivery *delivery, struct delivery_request *request)
{
	const struct ship_output_config *config = delivery->config;
	char *secret = NULL;

	if (config->urls.n_texts) {
		snprintf(request->url, sizeof(request->url), "%s",
			 config->urls.texts[delivery->host % config->urls.n_texts]);
		return 0;
	}
	int r = delivery_secret(config->url_file, &secret);
	if (r == 0)
		snprintf(request->url, sizeof(request->url), "%s", secret);
	free(secret);
	return r;
}

static int start(struct delivery *delivery, struct delivery_request *request)
{
	const struct ship_output_config *config = delivery->config;
	const struct http_handler handler = {delivery, on_head, on_body, on_end};
	struct secrets secrets = {};
	int r = read_secrets(config, &secrets);

	for (size_t i = 0; i < config->headers.n_texts && request->http.n_headers < 20; i++)
		request->header_list[request->http.n_headers++] = config->headers.texts[i];
	request->http.headers = request->header_list;
	request->http.url = request->url;
	request->http.token = secrets.token;
	request->http.user = config->user[0] ? config->user : NULL;
	request->http.password = secrets.password;
	request->http.proxy = config->proxy[0] ? config->proxy : NULL;
	request->http.authorities = secrets.authorities;
	request->http.certificate = secrets.certificate;
	request->http.key = secrets.key;
	request->http.connect_seconds = config->timeout < 10 ? config->timeout : 10;
	request->http.total_seconds = config->timeout;
	buffer_clear(&delivery->received);
	delivery->status = delivery->retry_after = 0;
	delivery->is_cut = false;
	delivery->is_patch = request->is_patch;
	if (r == 0)
		r = http_start(delivery->context->http, &request->http, &handler,
			       &delivery->transfer);
	secrets_done(&secrets);
	return r;
}

/* The first `window` items that are not settled. */
static size_t choose(struct delivery *delivery, struct delivery_item **chosen)
{
	delivery->n_sent = 0;
	for (size_t i = 0; i < delivery->n_items && delivery->n_sent < delivery->window; i++) {
		if (delivery->items[i].is_done)
			continue;
		chosen[delivery->n_sent] = &delivery->items[i];
		delivery->sent[delivery->n_sent++] = i;
	}
	return delivery->n_sent;
}

void delivery_send(struct delivery *delivery)
{
	struct delivery_item **chosen = calloc(delivery->capacity, sizeof(struct delivery_item *));
	struct delivery_request *request = calloc(1, sizeof(*request));
	int r = chosen && request ? 0 : -ENOMEM;

	if (r == 0 && choose(delivery, chosen)) {
		buffer_clear(&delivery->body);
		buffer_clear(&delivery->zipped);
		request->http.method = "POST";
		r = base_url(delivery, request);
		if (r == 0)
			r = delivery->sink->build(delivery, chosen, delivery->n_sent, request);
		if (r > 0) {
			for (size_t i = 0; i < delivery->n_sent; i++)
				chosen[i]->is_done = true;
			delivery->batch.filtered += delivery->n_sent;
			delivery_plan(delivery, 0);
		} else if (r == 0) {
			delivery->requests++;
			r = start(delivery, request);
		}
	}
	if (r < 0)
		delivery_fail(delivery, strerror(-r), delivery_backoff(delivery));
	free(chosen);
	free(request);
}
