/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The exec entry of a kubeconfig. There is nobody to ask: a program that has to is refused. What it is told of the
 * cluster (KUBERNETES_EXEC_INFO) is made here too, once. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kube/exec_credential.h"

#define GROUP "client.authentication.k8s.io/"

struct exec_command *exec_command_free(struct exec_command *command)
{
	if (!command)
		return NULL;
	free(command->api_version);
	free(command->path);
	for (char **one = command->arguments; one && *one; one++)
		free(*one);
	free(command->arguments);
	for (char **one = command->environment; one && *one; one++) {
		explicit_bzero(*one, strlen(*one)); /* it may be a password */
		free(*one);
	}
	free(command->environment);
	free(command->install_hint);
	free(command);
	return NULL;
}

static bool are_equal(char **a, char **b)
{
	while (*a && *b && !strcmp(*a, *b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

bool exec_command_is_equal(const struct exec_command *a, const struct exec_command *b)
{
	return !strcmp(a->api_version, b->api_version) && !strcmp(a->path, b->path) &&
	       are_equal(a->arguments, b->arguments) && are_equal(a->environment, b->environment);
}

/* base64 (RFC 4648) */
static char *encode(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	size_t length = strlen(text), n = 0;
	char *result = malloc((length + 2) / 3 * 4 + 1);

	for (size_t i = 0; result && i < length; i += 3) {
		unsigned bits = (unsigned)(unsigned char)text[i] << 16;
		if (i + 1 < length)
			bits |= (unsigned)(unsigned char)text[i + 1] << 8;
		if (i + 2 < length)
			bits |= (unsigned char)text[i + 2];
		for (unsigned k = 0; k < 4; k++)
			result[n++] = i + k > length ? '=' : digits[bits >> (18 - 6 * k) & 63];
	}
	if (result)
		result[n] = '\0';
	return result;
}

static int add(struct json_object *object, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(object, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static int add_text(struct json_object *object, const char *key, const char *text)
{
	return text ? add(object, key, json_object_new_string(text)) : 0;
}

static struct json_object *describe(const struct exec_cluster *cluster)
{
	struct json_object *object = json_object_new_object();
	char *authorities = cluster->authorities ? encode(cluster->authorities) : NULL;
	int r = !object || !authorities != !cluster->authorities ? -ENOMEM : 0;

	if (r == 0)
		r = add_text(object, "server", cluster->server);
	if (r == 0)
		r = add_text(object, "tls-server-name", cluster->server_name);
	if (r == 0 && cluster->is_insecure)
		r = add(object, "insecure-skip-tls-verify", json_object_new_boolean(true));
	if (r == 0)
		r = add_text(object, "certificate-authority-data", authorities);
	if (r == 0)
		r = add_text(object, "proxy-url", cluster->proxy);
	if (r == 0 && cluster->config)
		r = add(object, "config", json_object_get(cluster->config));
	free(authorities);
	if (r == 0)
		return object;
	json_object_put(object);
	return NULL;
}

/* NULL: no memory. */
static char *make_info(const char *api_version, const struct exec_cluster *cluster)
{
	struct json_object *info = json_object_new_object(), *spec = json_object_new_object();
	char *text = NULL;
	int r = info && spec ? add(spec, "interactive", json_object_new_boolean(false)) : -ENOMEM;

	if (r == 0 && cluster)
		r = add(spec, "cluster", describe(cluster));
	if (r == 0)
		r = add_text(info, "kind", "ExecCredential");
	if (r == 0)
		r = add_text(info, "apiVersion", api_version);
	if (r == 0) {
		r = add(info, "spec", spec);
		spec = NULL;
	}
	if (r == 0 && asprintf(&text, "KUBERNETES_EXEC_INFO=%s",
			       json_object_to_json_string_ext(info, JSON_C_TO_STRING_PLAIN)) < 0)
		text = NULL;
	json_object_put(spec);
	json_object_put(info);
	return text;
}

static bool check_version(struct object_reader *reader, const char *version, const char *mode)
{
	unsigned before = reader->n_wrong;

	if (strcmp(version, GROUP "v1") != 0 && strcmp(version, GROUP "v1beta1") != 0)
		object_complain(reader, "exec.apiVersion",
				"is \"%.80s\", not " GROUP "v1 or v1beta1", version);
	else if (!mode[0] && !strcmp(version, GROUP "v1"))
		object_complain(reader, "exec.interactiveMode", "missing");
	else if (!strcmp(mode, "Always"))
		object_complain(reader, "exec.interactiveMode",
				"is Always, and there is nobody to ask");
	else if (mode[0] && strcmp(mode, "Never") != 0 && strcmp(mode, "IfAvailable") != 0)
		object_complain(reader, "exec.interactiveMode",
				"is \"%.40s\", not Never or IfAvailable", mode);
	return reader->n_wrong == before;
}

static char **list_new(struct object_reader *reader, size_t n)
{
	char **list = calloc(n + 1, sizeof(*list));

	if (!list)
		reader->error = -ENOMEM;
	return list;
}

static void take_arguments(struct object_reader *reader, struct json_object *exec,
			   const char *command, struct exec_command *made)
{
	struct json_object *list = object_member(reader, exec, "args", json_type_array,
						 "exec.args");
	size_t n = list ? json_object_array_length(list) : 0;

	made->arguments = list_new(reader, n + 1);
	if (!made->arguments)
		return;
	made->arguments[0] = object_copy(reader, command, strlen(command));
	for (size_t i = 0; i < n && reader->error == 0; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		const char *text = json_object_get_string(one);
		if (!json_object_is_type(one, json_type_string) ||
		    strlen(text) != (size_t)json_object_get_string_len(one)) {
			object_complain(reader, "exec.args", "entry %zu is no text", i + 1);
			return;
		}
		made->arguments[i + 1] = object_copy(reader, text, strlen(text));
	}
}

static void take_environment(struct object_reader *reader, struct json_object *exec,
			     const struct exec_cluster *cluster, struct exec_command *made)
{
	struct json_object *list = object_member(reader, exec, "env", json_type_array, "exec.env");
	size_t n = list ? json_object_array_length(list) : 0;

	made->environment = list_new(reader, n + 1);
	if (!made->environment)
		return;
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(list, i);
		bool is_object = json_object_is_type(one, json_type_object);
		const char *name = is_object ? object_text(reader, one, "name", "exec.env") : "";
		const char *value = is_object ? object_text(reader, one, "value", "exec.env") : "";
		if (!name[0] || strchr(name, '=')) {
			object_complain(reader, "exec.env", "entry %zu has no usable name", i + 1);
			return;
		}
		if (asprintf(&made->environment[i], "%s=%s", name, value) < 0) {
			made->environment[i] = NULL;
			reader->error = -ENOMEM;
			return;
		}
	}
	made->environment[n] = make_info(made->api_version, cluster);
	if (!made->environment[n])
		reader->error = -ENOMEM;
}

static char *path_of(struct object_reader *reader, const char *command, const char *directory)
{
	char *path;
	int n = !strchr(command, '/') || command[0] == '/'
			? asprintf(&path, "%s", command)
			: asprintf(&path, "%s/%s", directory, command);

	if (n >= 0)
		return path;
	reader->error = -ENOMEM;
	return NULL;
}

struct exec_command *exec_command_new(struct object_reader *reader, struct json_object *exec,
				      const struct exec_cluster *cluster, const char *directory)
{
	unsigned before = reader->n_wrong;
	const char *version = object_text(reader, exec, "apiVersion", "exec.apiVersion");
	const char *mode = object_text(reader, exec, "interactiveMode", "exec.interactiveMode");
	const char *command = object_text(reader, exec, "command", "exec.command");
	const char *hint = object_text(reader, exec, "installHint", "exec.installHint");
	struct json_object *wants = object_member(reader, exec, "provideClusterInfo",
						  json_type_boolean, "exec.provideClusterInfo");

	if (!command[0])
		object_complain(reader, "exec.command", "missing");
	if (!check_version(reader, version, mode) || !command[0])
		return NULL;
	struct exec_command *made = calloc(1, sizeof(*made));
	if (!made) {
		reader->error = -ENOMEM;
		return NULL;
	}
	made->api_version = object_copy(reader, version, strlen(version));
	made->path = path_of(reader, command, directory);
	if (hint[0])
		made->install_hint = object_copy(reader, hint, strlen(hint));
	take_arguments(reader, exec, command, made);
	if (reader->error == 0)
		take_environment(reader, exec,
				 wants && json_object_get_boolean(wants) ? cluster : NULL, made);
	return reader->error < 0 || reader->n_wrong != before ? exec_command_free(made) : made;
}
