/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdbool.h>

#include <podfence/attributes.h>

#include "base/report.h"
#include "http/client.h"

struct exec_command;

/* Where the API server is and how we prove who we are: a kubeconfig, or the service account of the
 * pod we run in. Secrets never appear in a report. */
struct access {
	char *server;		 /* "https://192.0.2.1:6443", without a slash at its end */
	char *server_name;	 /* that its certificate shall have; NULL: the server's host */
	char *proxy;		 /* NULL: none */
	char *authorities;	 /* PEM; NULL: the system's */
	char *certificate, *key; /* PEM; NULL: none */
	char *token;		 /* NULL: none */
	char *token_path;	 /* where it is read again; NULL: it stays */
	char *user, *password;	 /* NULL: none */
	/* A program that gives the credentials (kube/exec_credential.h), which are nowhere here then; NULL: none */
	struct exec_command *exec;
	bool is_insecure;
};

enum {
	ACCESS_E_INVALID = 1, /* the report says why */
};

/* A kubeconfig's current context. Warnings are in the report too, also with 0. */
PF_MUST_CHECK int access_read_kubeconfig(const char *path, struct report *report,
					 struct access **ret_access);
/* The same from memory; relative paths in it count from `directory`. */
PF_MUST_CHECK int access_parse_kubeconfig(const char *path, const char *directory, const char *text,
					  size_t length, struct report *report,
					  struct access **ret_access);
/* /var/run/secrets/kubernetes.io/serviceaccount (or another directory of that form) and
 * KUBERNETES_SERVICE_HOST, _PORT; `server` replaces these two where it is not "". */
PF_MUST_CHECK int access_read_in_cluster(const char *directory, const char *server,
					 struct report *report, struct access **ret_access);
struct access *access_free(struct access *access);

/* Reads the token again where it is in a file: the kubelet replaces it. Where that fails the old
 * one stays. 0 or negative errno. */
PF_MUST_CHECK int access_refresh(struct access *access);

/* Sets what a request needs of it; the URL is server and target, to be freed by the caller. */
PF_MUST_CHECK int access_apply(const struct access *access, const char *target,
			       struct http_request *request, char **ret_url);
