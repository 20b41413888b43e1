/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * What both ways share, and the service account of a pod. The server can be configured: an agent on
 * the host's network must reach it without the service address that kube-proxy makes. */
#include "kube/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/server_url.h"
#include "kube/exec_credential.h"

#define TOKEN_MAX  (64u << 10)
#define BUNDLE_MAX (4u << 20)

struct access *access_free(struct access *access)
{
	if (!access)
		return NULL;
	free(access->server);
	free(access->server_name);
	free(access->proxy);
	free(access->authorities);
	free(access->certificate);
	if (access->key)
		explicit_bzero(access->key, strlen(access->key));
	free(access->key);
	if (access->token)
		explicit_bzero(access->token, strlen(access->token));
	free(access->token);
	free(access->token_path);
	free(access->user);
	if (access->password)
		explicit_bzero(access->password, strlen(access->password));
	free(access->password);
	exec_command_free(access->exec);
	free(access);
	return NULL;
}

int access_refresh(struct access *access)
{
	char *token;
	size_t length;

	if (!access->token_path)
		return 0;
	int r = file_read(access->token_path, TOKEN_MAX, &token, &length);
	if (r < 0)
		return r;
	token[strcspn(token, " \t\r\n")] = '\0';
	if (!token[0]) {
		free(token);
		return -ENODATA;
	}
	if (access->token)
		explicit_bzero(access->token, strlen(access->token));
	free(access->token);
	access->token = token;
	return 0;
}

int access_apply(const struct access *access, const char *target, struct http_request *request,
		 char **ret_url)
{
	if (asprintf(ret_url, "%s%s", access->server, target) < 0)
		return -ENOMEM;
	request->url = *ret_url;
	request->token = access->token;
	request->user = access->token ? NULL : access->user;
	request->password = access->token ? NULL : access->password;
	request->proxy = access->proxy;
	request->authorities = access->authorities;
	request->certificate = access->certificate;
	request->key = access->key;
	request->server_name = access->server_name;
	request->is_insecure = access->is_insecure;
	return 0;
}

static int find_server(const char *server, struct report *report, char **ret_server)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	int n;

	if (server[0]) {
		n = asprintf(ret_server, "%s", server);
	} else if (!host || !host[0]) {
		report_add(report, "kubernetes.server",
			   "is not set, and neither is KUBERNETES_SERVICE_HOST in the environment");
		return ACCESS_E_INVALID;
	} else {
		bool is_v6 = strchr(host, ':') && host[0] != '[';
		n = asprintf(ret_server, "https://%s%s%s:%s", is_v6 ? "[" : "", host,
			     is_v6 ? "]" : "", port && port[0] ? port : "443");
	}
	if (n < 0) {
		*ret_server = NULL;
		return -ENOMEM;
	}
	server_url_trim(*ret_server);
	return 0;
}

static int read_named(const char *directory, const char *name, size_t maximum,
		      struct report *report, char **ret_path, char **ret_text)
{
	size_t length;

	if (asprintf(ret_path, "%s/%s", directory, name) < 0) {
		*ret_path = NULL;
		return -ENOMEM;
	}
	int r = file_read(*ret_path, maximum, ret_text, &length);
	if (r < 0 && r != -ENOMEM) {
		report_add(report, *ret_path, "%s", strerrordesc_np(-r));
		return ACCESS_E_INVALID;
	}
	return r;
}

int access_read_in_cluster(const char *directory, const char *server, struct report *report,
			   struct access **ret_access)
{
	struct access *access = calloc(1, sizeof(*access));
	char *path = NULL;
	int r = access ? find_server(server, report, &access->server) : -ENOMEM;

	if (r == 0)
		r = read_named(directory, "ca.crt", BUNDLE_MAX, report, &path,
			       &access->authorities);
	free(path);
	if (r == 0)
		r = read_named(directory, "token", TOKEN_MAX, report, &access->token_path,
			       &access->token);
	if (r == 0)
		r = access_refresh(access);
	if (r < 0 && r != -ENOMEM) {
		report_add(report, access && access->token_path ? access->token_path : directory,
			   "%s", strerrordesc_np(-r));
		r = ACCESS_E_INVALID;
	}
	if (r != 0) {
		access_free(access);
		return r;
	}
	*ret_access = access;
	return 0;
}
