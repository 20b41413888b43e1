/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Read as strictly as client-go reads it, and for control characters besides: a token is a line of a request.
 * A reason names members, never what is in them. */
#include "kube/exec_credential.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEPTH_MAX 32

PF_PRINTF(2, 3)
static int refuse(char *reason, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, EXEC_REASON_MAX, format, arguments);
	va_end(arguments);
	return EXEC_E_INVALID;
}

static void wipe(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

void exec_credential_done(struct exec_credential *credential)
{
	wipe(&credential->token);
	wipe(&credential->certificate);
	wipe(&credential->key);
	credential->expires_usec = 0;
}

/* RFC 3339, with any offset. 0: it is none. */
static uint64_t time_of(const char *text)
{
	struct tm tm = {}, zone = {};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!rest || !strchr("Z+-", *rest))
		return 0;
	rest = strptime(rest, "%z", &zone);
	time_t seconds = timegm(&tm) - zone.tm_gmtoff;
	return !rest || *rest || seconds <= 0 ? 0 : (uint64_t)seconds * 1000000u;
}

/* *ret_text is NULL where it is absent, null or empty. */
static int take_text(struct json_object *object, const char *key, char *reason, char **ret_text)
{
	struct json_object *value;

	*ret_text = NULL;
	if (!json_object_object_get_ex(object, key, &value) || !value)
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return refuse(reason, "%s is no text", key);
	const char *text = json_object_get_string(value);
	if (strlen(text) != (size_t)json_object_get_string_len(value))
		return refuse(reason, "%s holds a NUL character", key);
	if (!text[0])
		return 0;
	*ret_text = strdup(text);
	return *ret_text ? 0 : -ENOMEM;
}

static bool is_one_word(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int take_expiry(struct json_object *status, char *reason, uint64_t *ret_usec)
{
	char *text;
	int r = take_text(status, "expirationTimestamp", reason, &text);

	if (r != 0 || !text)
		return r;
	*ret_usec = time_of(text);
	free(text);
	return *ret_usec ? 0 : refuse(reason, "status.expirationTimestamp is no time");
}

static int take_status(struct json_object *status, char *reason, struct exec_credential *credential)
{
	int r = take_text(status, "token", reason, &credential->token);

	if (r == 0)
		r = take_text(status, "clientCertificateData", reason, &credential->certificate);
	if (r == 0)
		r = take_text(status, "clientKeyData", reason, &credential->key);
	if (r == 0)
		r = take_expiry(status, reason, &credential->expires_usec);
	if (r != 0)
		return r;
	if (!credential->certificate != !credential->key)
		return refuse(reason, "status has one of clientCertificateData and clientKeyData, "
				      "not both");
	if (!credential->token && !credential->certificate)
		return refuse(reason, "status has neither a token nor a client certificate");
	if (credential->token && !is_one_word(credential->token))
		return refuse(reason, "status.token holds a blank or a control character");
	return 0;
}

static int take_object(struct json_object *object, const char *api_version, char *reason,
		       struct exec_credential *credential)
{
	struct json_object *status = NULL;
	char *kind = NULL, *version = NULL;

	if (!json_object_is_type(object, json_type_object))
		return refuse(reason, "it is no JSON object");
	int r = take_text(object, "kind", reason, &kind);
	if (r == 0)
		r = take_text(object, "apiVersion", reason, &version);
	if (r == 0 && (!kind || strcmp(kind, "ExecCredential") != 0))
		r = refuse(reason, "its kind is not ExecCredential");
	if (r == 0 && (!version || strcmp(version, api_version) != 0))
		r = refuse(reason, "its apiVersion is not %s", api_version);
	free(kind);
	free(version);
	if (r != 0)
		return r;
	if (!json_object_object_get_ex(object, "status", &status) ||
	    !json_object_is_type(status, json_type_object))
		return refuse(reason, "it has no status");
	return take_status(status, reason, credential);
}

int exec_credential_parse(const char *text, size_t length, const char *api_version,
			  char reason[static EXEC_REASON_MAX],
			  struct exec_credential *ret_credential)
{
	struct exec_credential credential = {};
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	int r;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
						JSON_TOKENER_ALLOW_TRAILING_CHARS);
	/* One object, and blanks. */
	struct json_object *object = json_tokener_parse_ex(tokener, text, (int)length);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	size_t end = json_tokener_get_parse_end(tokener);
	if (!length)
		r = refuse(reason, "it is empty");
	else if (error == json_tokener_continue)
		r = refuse(reason, "it is no JSON: it ends in the middle");
	else if (error != json_tokener_success)
		r = refuse(reason, "it is no JSON: %s", json_tokener_error_desc(error));
	else {
		while (end < length && strchr(" \t\r\n", text[end]) && text[end])
			end++;
		r = end < length ? refuse(reason, "something stands behind its JSON")
				 : take_object(object, api_version, reason, &credential);
	}
	json_object_put(object);
	json_tokener_free(tokener);
	if (r != 0) {
		exec_credential_done(&credential);
		return r;
	}
	*ret_credential = credential;
	return 0;
}
