/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The current context of a kubeconfig: its cluster says where, its user who. Credentials given as
 * base64 and as a path mean the same; as in client-go, the text comes before the path. Whatever is
 * there that we cannot do is refused, not passed over: a user with an unknown way to prove himself
 * would turn up as an anonymous one. */
#include "kube/access.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/server_url.h"
#include "base/yaml_json.h"
#include "kube/exec_credential.h"
#include "kube/object.h"

#define KUBECONFIG_MAX (4u << 20)
#define PEM_MAX	       (4u << 20)
#define EXEC_EXTENSION "client.authentication.k8s.io/exec"

struct parser {
	struct object_reader reader;
	const char *directory;
	struct access *access;
	unsigned n_documents;
};

/* base64 (RFC 4648) of a text, blanks and line ends between; NULL: it is none, or no memory. */
static char *decode(const char *text, size_t *ret_length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	char *result = malloc(strlen(text) + 1);
	size_t n = 0;
	unsigned bits = 0, n_bits = 0;

	for (; result && *text && *text != '='; text++) {
		const char *digit = strchr(digits, *text);
		if (strchr(" \t\r\n", *text))
			continue;
		if (!digit) {
			free(result);
			return NULL;
		}
		bits = bits << 6 | (unsigned)(digit - digits);
		n_bits += 6;
		if (n_bits >= 8)
			result[n++] = (char)(bits >> (n_bits -= 8));
	}
	if (result && strspn(text, "= \t\r\n") != strlen(text)) {
		free(result);
		return NULL;
	}
	if (result)
		result[n] = '\0';
	*ret_length = n;
	return result;
}

static char *path_new(struct parser *parser, const char *path)
{
	char *whole;
	int n = path[0] == '/' ? asprintf(&whole, "%s", path)
			       : asprintf(&whole, "%s/%s", parser->directory, path);

	if (n >= 0)
		return whole;
	parser->reader.error = -ENOMEM;
	return NULL;
}

static char *text_new(struct parser *parser, struct json_object *object, const char *key)
{
	const char *text = object_text(&parser->reader, object, key, key);

	return text[0] ? object_copy(&parser->reader, text, strlen(text)) : NULL;
}

static char *read_pem(struct parser *parser, const char *key, const char *path)
{
	char *whole = path_new(parser, path), *text = NULL;
	size_t length;

	if (!whole)
		return NULL;
	int r = file_read(whole, PEM_MAX, &text, &length);
	if (r == -ENOMEM)
		parser->reader.error = r;
	else if (r < 0)
		object_complain(&parser->reader, key, "%s: %s", whole, strerrordesc_np(-r));
	free(whole);
	return r < 0 ? NULL : text;
}

/* `key`-data, else the file that `key` names. NULL where there is neither. */
static char *pem_new(struct parser *parser, struct json_object *object, const char *key)
{
	char data_key[64];

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	const char *data = object_text(&parser->reader, object, data_key, data_key);
	const char *path = object_text(&parser->reader, object, key, key);
	if (data[0]) {
		size_t length;
		char *text = decode(data, &length);
		if (!text)
			object_complain(&parser->reader, data_key, "is no base64");
		else if (strlen(text) != length) /* libcurl would read the beginning only */
			object_complain(&parser->reader, data_key, "holds a NUL character");
		return text;
	}
	return path[0] ? read_pem(parser, key, path) : NULL;
}

static bool flag(struct parser *parser, struct json_object *object, const char *key)
{
	struct json_object *value = object_member(&parser->reader, object, key, json_type_boolean,
						  key);

	return value && json_object_get_boolean(value);
}

static void check_server(struct parser *parser)
{
	char *server = parser->access->server;
	const char *problem = server_url_problem(server);

	if (!problem)
		server_url_trim(server);
	else if (strchr(server, '@')) /* what is before it may be a password */
		object_complain(&parser->reader, "server", "%s", problem);
	else
		object_complain(&parser->reader, "server", "\"%.80s\" %s", server, problem);
}

static void parse_cluster(struct parser *parser, struct json_object *cluster)
{
	struct access *access = parser->access;
	struct object_reader *reader = &parser->reader;

	access->server = text_new(parser, cluster, "server");
	access->server_name = text_new(parser, cluster, "tls-server-name");
	access->proxy = text_new(parser, cluster, "proxy-url");
	access->authorities = pem_new(parser, cluster, "certificate-authority");
	access->is_insecure = flag(parser, cluster, "insecure-skip-tls-verify");
	if (!access->server)
		object_complain(reader, "server", "missing");
	else
		check_server(parser);
	if (access->is_insecure && access->authorities)
		object_complain(reader, "insecure-skip-tls-verify",
				"cannot stand beside certificate-authority");
}

/* What the cluster's entry says to such programs only. NULL: nothing. */
static struct json_object *exec_config(struct parser *parser, struct json_object *cluster)
{
	struct object_reader *reader = &parser->reader;
	struct json_object *list = object_member(reader, cluster, "extensions", json_type_array,
						 "extensions");
	size_t n = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i), *config = NULL;
		if (json_object_is_type(one, json_type_object) &&
		    !strcmp(object_text(reader, one, "name", "extensions"), EXEC_EXTENSION) &&
		    json_object_object_get_ex(one, "extension", &config))
			return config;
	}
	return NULL;
}

static void parse_exec(struct parser *parser, struct json_object *user, struct json_object *cluster)
{
	struct access *access = parser->access;
	struct json_object *exec = object_member(&parser->reader, user, "exec", json_type_object,
						 "exec");
	const struct exec_cluster facts = {
		.server = access->server,
		.server_name = access->server_name,
		.proxy = access->proxy,
		.authorities = access->authorities,
		.is_insecure = access->is_insecure,
		.config = exec_config(parser, cluster),
	};

	if (!exec)
		return;
	if (access->token || access->token_path || access->user || access->certificate)
		object_complain(&parser->reader, "exec", "cannot stand beside other credentials");
	access->exec = exec_command_new(&parser->reader, exec, &facts, parser->directory);
}

static void parse_user(struct parser *parser, struct json_object *user, struct json_object *cluster)
{
	static const char *const unknown[] = {"auth-provider", "as"};
	struct access *access = parser->access;

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		if (json_object_object_get_ex(user, unknown[i], NULL))
			object_complain(&parser->reader, unknown[i],
					"is not supported; use a token, tokenFile, a client "
					"certificate or exec");
	access->certificate = pem_new(parser, user, "client-certificate");
	access->key = pem_new(parser, user, "client-key");
	access->token = text_new(parser, user, "token");
	access->user = text_new(parser, user, "username");
	access->password = text_new(parser, user, "password");
	const char *path = object_text(&parser->reader, user, "tokenFile", "tokenFile");
	if (path[0])
		access->token_path = path_new(parser, path);
	if (!access->certificate != !access->key)
		object_complain(&parser->reader, "client-certificate",
				"needs client-key, and the other way round");
	parse_exec(parser, user, cluster);
}

/* The member `what` of the entry of a list that has this name. */
static struct json_object *find(struct parser *parser, struct json_object *root, const char *list,
				const char *what, const char *name)
{
	struct object_reader *reader = &parser->reader;
	struct json_object *entries = object_member(reader, root, list, json_type_array, list);
	size_t n = entries ? json_object_array_length(entries) : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *entry = json_object_array_get_idx(entries, i), *found;
		if (!json_object_is_type(entry, json_type_object) ||
		    strcmp(object_text(reader, entry, "name", list), name) != 0)
			continue;
		found = object_member(reader, entry, what, json_type_object, list);
		if (!found)
			object_complain(reader, list, "\"%.80s\" has no %s", name, what);
		return found;
	}
	object_complain(reader, list, "has no \"%.80s\"", name);
	return NULL;
}

static int parse_document(void *userdata, struct json_object *root, size_t line)
{
	struct parser *parser = userdata;
	struct object_reader *reader = &parser->reader;

	if (parser->n_documents++ || !json_object_is_type(root, json_type_object)) {
		report_add(reader->report, reader->place, "is no kubeconfig");
		return ACCESS_E_INVALID;
	}
	const char *name = object_text(reader, root, "current-context", "current-context");
	if (!name[0]) {
		object_complain(reader, "current-context", "missing");
		return ACCESS_E_INVALID;
	}
	struct json_object *context = find(parser, root, "contexts", "context", name);
	if (!context)
		return ACCESS_E_INVALID;
	struct json_object *cluster = find(parser, root, "clusters", "cluster",
					   object_text(reader, context, "cluster", "contexts"));
	struct json_object *user = find(parser, root, "users", "user",
					object_text(reader, context, "user", "contexts"));
	if (cluster)
		parse_cluster(parser, cluster);
	if (user)
		parse_user(parser, user, cluster);
	if (reader->error < 0)
		return reader->error;
	return reader->n_wrong ? ACCESS_E_INVALID : 0;
}

static int finish(struct parser *parser)
{
	struct access *access = parser->access;

	if (!parser->n_documents) {
		report_add(parser->reader.report, parser->reader.place, "is empty");
		return ACCESS_E_INVALID;
	}
	int r = access_refresh(access);
	if (r < 0 && r != -ENOMEM) {
		report_add(parser->reader.report, access->token_path, "%s", strerrordesc_np(-r));
		return ACCESS_E_INVALID;
	}
	if (r == 0 && access->is_insecure)
		report_add(parser->reader.report, parser->reader.place,
			   "insecure-skip-tls-verify: the server's certificate is not verified; "
			   "whoever stands between can lie about every pod");
	return r;
}

int access_parse_kubeconfig(const char *path, const char *directory, const char *text,
			    size_t length, struct report *report, struct access **ret_access)
{
	struct parser parser = {
		.reader = {.place = (char *)(uintptr_t)path, .report = report},
		.directory = directory,
		.access = calloc(1, sizeof(struct access)),
	};

	if (!parser.access)
		return -ENOMEM;
	int r = yaml_json_parse(path, text, length, report, parse_document, &parser);
	if (r == 0)
		r = finish(&parser);
	if (r != 0) {
		access_free(parser.access);
		return r < 0 ? r : ACCESS_E_INVALID;
	}
	*ret_access = parser.access;
	return 0;
}

/* Its secrets are the node's. */
static void check_mode(const char *path, struct report *report)
{
	struct stat status;

	if (stat(path, &status) == 0 && status.st_mode & 077)
		report_add(report, path, "can be read by others than its owner (mode %03o)",
			   (unsigned)status.st_mode & 0777);
}

/* Who may write it says what is executed. */
static int check_writers(const char *path, struct report *report)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return -errno;
	if (!(status.st_mode & 022) && (status.st_uid == 0 || status.st_uid == geteuid()))
		return 0;
	report_add(report, path,
		   "exec: the file can be written by others than root (mode %03o, owner %u), and "
		   "says what is executed",
		   (unsigned)status.st_mode & 0777, status.st_uid);
	return ACCESS_E_INVALID;
}

int access_read_kubeconfig(const char *path, struct report *report, struct access **ret_access)
{
	char *text, *copy = strdup(path);
	size_t length;
	int r = copy ? file_read(path, KUBECONFIG_MAX, &text, &length) : -ENOMEM;

	if (r < 0 && r != -ENOMEM) {
		report_add(report, path, "%s", strerrordesc_np(-r));
		r = ACCESS_E_INVALID;
	}
	if (r == 0) {
		check_mode(path, report);
		r = access_parse_kubeconfig(path, dirname(copy), text, length, report, ret_access);
		explicit_bzero(text, length);
		free(text);
	}
	if (r == 0 && (*ret_access)->exec) {
		r = check_writers(path, report);
		if (r != 0)
			*ret_access = access_free(*ret_access);
	}
	free(copy);
	return r;
}
