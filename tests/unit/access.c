/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Kubeconfigs from memory, each as one text of what they give and what the report says; and files
 * in a directory of their own where it matters that they are files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kube/access.h"
#include "kube/exec_credential.h"

#include "test.h"
#include "text.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* A directory with the files of one test; the names are cleaned up behind it. */
struct folder {
	char path[64];
};

static const char *const file_names[] = {"config", "token", "ca.crt", "tls.crt", "tls.key"};

static void folder_init(struct folder *folder)
{
	strcpy(folder->path, "/tmp/podfence-access-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
}

static const char *path_of(const struct folder *folder, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	return path;
}

static void folder_done(const struct folder *folder)
{
	for (size_t i = 0; i < N(file_names); i++)
		unlink(path_of(folder, file_names[i]));
	assert_int_equal(rmdir(folder->path), 0);
}

static void write_file(const struct folder *folder, const char *name, const char *text)
{
	int fd = open(path_of(folder, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void print_member(FILE *stream, const char *name, const char *value)
{
	if (value)
		fprintf(stream, "%s=%s\n", name, value);
}

static void print_exec(FILE *stream, const struct exec_command *exec)
{
	if (!exec)
		return;
	print_member(stream, "exec", exec->path);
	for (char **one = exec->arguments; *one; one++)
		print_member(stream, "arg", *one);
	for (char **one = exec->environment; *one; one++)
		print_member(stream, "env", *one);
	print_member(stream, "hint", exec->install_hint);
}

/* What is known, a line each, then what is said. Frees both. */
static char *outcome_text(struct access *access, struct report *report)
{
	char *text;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	if (access) {
		print_member(stream, "server", access->server);
		print_member(stream, "name", access->server_name);
		print_member(stream, "proxy", access->proxy);
		print_member(stream, "authorities", access->authorities);
		print_member(stream, "certificate", access->certificate);
		print_member(stream, "key", access->key);
		print_member(stream, "token", access->token);
		print_member(stream, "token_path", access->token_path);
		print_member(stream, "user", access->user);
		print_member(stream, "password", access->password);
		print_member(stream, "insecure", access->is_insecure ? "yes" : NULL);
		print_exec(stream, access->exec);
	}
	report_print(report, stream);
	fclose(stream);
	report_done(report);
	assert_null(access_free(access));
	return text;
}

static char *parse(const char *text, const char *directory, int expected)
{
	struct access *access = NULL;
	struct report report;
	char *exact = malloc(strlen(text) + 1);

	assert_non_null(exact);
	memcpy(exact, text, strlen(text));
	report_init(&report);
	int r = access_parse_kubeconfig("k", directory, exact, strlen(text), &report, &access);
	free(exact);
	assert_int_equal(r, expected);
	assert_int_equal(!r, !!access);
	return outcome_text(access, &report);
}

static void check(const char *text, const char *expected, int result)
{
	char *made = parse(text, "/nonexistent", result);

	assert_string_equal(made, expected);
	free(made);
}

#define HEAD                                                                                       \
	"apiVersion: v1\nkind: Config\ncurrent-context: c\n"                                       \
	"contexts:\n- name: d\n  context: {cluster: x, user: y}\n"                                 \
	"- name: c\n  context: {cluster: k, user: u}\n"
#define CLUSTER "clusters:\n- name: k\n  cluster:\n    server: https://192.0.2.1:6443\n"
#define USER	"users:\n- name: u\n  user:\n"
#define SERVER	"server=https://192.0.2.1:6443\n"
#define INFO                                                                                       \
	"env=KUBERNETES_EXEC_INFO={\"kind\":\"ExecCredential\",\"apiVersion\":\"client."           \
	"authentication.k8s.io\\/"
#define EXEC "    exec: {apiVersion: client.authentication.k8s.io/v1"

static const struct {
	const char *text, *made;
} good[] = {
	{HEAD CLUSTER USER "    token: abc\n", SERVER "token=abc\n"},
	{HEAD CLUSTER USER "    {}\n", SERVER},
	{HEAD CLUSTER USER "    username: a\n    password: b\n", SERVER "user=a\npassword=b\n"},
	{HEAD CLUSTER USER "    token: abc\n    exec: ~\n", SERVER "token=abc\n"},
	{HEAD CLUSTER USER EXEC ", interactiveMode: Never, command: aws}\n",
	 SERVER "exec=aws\narg=aws\n" INFO "v1\",\"spec\":{\"interactive\":false}}\n"},
	{HEAD CLUSTER USER EXEC "beta1, command: bin/aws, args: [a, ''], env: [{name: A, value: "
				"b=c}, {name: B, value: ''}], "
				"installHint: apt}\n",
	 SERVER "exec=/nonexistent/bin/aws\narg=bin/aws\narg=a\narg=\nenv=A=b=c\nenv=B=\n" INFO
		"v1beta1\",\"spec\":{\"interactive\":false}}\nhint=apt\n"},
	{HEAD CLUSTER
	 "    certificate-authority-data: QUJDRA==\n    tls-server-name: n\n    proxy-url: "
	 "http://p\n    extensions: [{name: x, extension: {}}, {name: "
	 "client.authentication.k8s.io/exec, "
	 "extension: {a: [1]}}]\n" USER EXEC
	 ", interactiveMode: IfAvailable, command: /aws, provideClusterInfo: true}\n",
	 SERVER
	 "name=n\nproxy=http://p\nauthorities=ABCD\nexec=/aws\narg=/aws\n" INFO
	 "v1\",\"spec\":{\"interactive\":false,\"cluster\":{\"server\":\"https:\\/\\/"
	 "192.0.2.1:6443\",\"tls-server-name\":\"n\",\"certificate-authority-data\":\"QUJDRA==\","
	 "\"proxy-url\":\"http:\\/\\/p\",\"config\":{\"a\":[1]}}}}\n"},
	/* the entry that is named, of several */
	{HEAD "clusters:\n- name: x\n  cluster: {server: https://x}\n- {name: k, cluster: {server: "
	      "https://y}}\nusers:\n- name: y\n  user: {token: b}\n- {name: u, user: {token: a}}\n",
	 "server=https://y\ntoken=a\n"},
	{HEAD CLUSTER "    certificate-authority-data: QUJD\n      RA==\n" USER "    token: abc\n",
	 SERVER "authorities=ABCD\ntoken=abc\n"},
	{HEAD CLUSTER "    certificate-authority-data: |\n      QU\n      JD\n" USER
		      "    client-certificate-data: Y2VydA==\n    client-key-data: a2V5\n",
	 SERVER "authorities=ABC\ncertificate=cert\nkey=key\n"},
	/* data comes before the path */
	{HEAD CLUSTER
	 "    certificate-authority-data: Q0E=\n    certificate-authority: none.crt\n" USER
	 "    token: abc\n",
	 SERVER "authorities=CA\ntoken=abc\n"},
	{HEAD CLUSTER "    tls-server-name: kubernetes\n    proxy-url: http://p:3128\n" USER
		      "    token: abc\n",
	 SERVER "name=kubernetes\nproxy=http://p:3128\ntoken=abc\n"},
	{HEAD "clusters:\n- name: k\n  cluster:\n    server: https://a/b//\n" USER
	      "    token: abc\n",
	 "server=https://a/b\ntoken=abc\n"},
	{HEAD "clusters:\n- name: k\n  cluster:\n    server: http://127.0.0.1:8001\n" USER
	      "    token: abc\n",
	 "server=http://127.0.0.1:8001\ntoken=abc\n"},
	{HEAD CLUSTER "    insecure-skip-tls-verify: true\n" USER "    token: abc\n",
	 SERVER "token=abc\ninsecure=yes\n"
		"k: insecure-skip-tls-verify: the server's certificate is not verified; whoever "
		"stands between can lie about every pod\n"},
	{HEAD CLUSTER "    insecure-skip-tls-verify: false\n" USER "    token: abc\n",
	 SERVER "token=abc\n"},
	/* JSON */
	{"{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\","
	 "\"user\":\"u\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://s\"}}],"
	 "\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"abc\"}}]}",
	 "server=https://s\ntoken=abc\n"},
	{"---\n" HEAD CLUSTER USER "    token: abc\n---\n...\n", SERVER "token=abc\n"},
};

static void kubeconfigs_are_read(void **state)
{
	for (size_t i = 0; i < N(good); i++)
		check(good[i].text, good[i].made, 0);
}

#define UNSUPPORTED " is not supported; use a token, tokenFile, a client certificate or exec\n"
#define HALF	    "k: client-certificate: needs client-key, and the other way round\n"
#define SECRET	    "hunter2"
#define SECRET64    "aHVudGVyMg=="

static const struct {
	const char *text, *said;
} bad[] = {
	{"", "k: is empty\n"},
	{"# nothing\n", "k: is empty\n"},
	{"[]", "k: is no kubeconfig\n"},
	{"kubeconfig\n", "k: is no kubeconfig\n"},
	{"{}", "k: current-context: missing\n"},
	{"current-context: 5\n",
	 "k: current-context: is a number, not a text\nk: current-context: missing\n"},
	{"current-context: c\n", "k: contexts: has no \"c\"\n"},
	{"current-context: e\n"
	 "contexts:\n- name: c\n  context: {}\n- 5\n- {}\n",
	 "k: contexts: has no \"e\"\n"},
	{"current-context: c\ncontexts: {c: {}}\n",
	 "k: contexts: is an object, not a list\nk: contexts: has no \"c\"\n"},
	{"current-context: c\ncontexts:\n- name: c\n", "k: contexts: \"c\" has no context\n"},
	{"current-context: c\ncontexts:\n- name: c\n  context: {}\n",
	 "k: clusters: has no \"\"\nk: users: has no \"\"\n"},
	{HEAD CLUSTER, "k: users: has no \"u\"\n"},
	{HEAD USER "    token: " SECRET "\n", "k: clusters: has no \"k\"\n"},
	{HEAD CLUSTER "users:\n- name: u\n", "k: users: \"u\" has no user\n"},
	/* the way it shall be proven who we are is one we do not know */
	{HEAD CLUSTER USER "    exec: {command: aws, env: [{name: A, value: " SECRET "}]}\n",
	 "k: exec.apiVersion: is \"\", not client.authentication.k8s.io/v1 or v1beta1\n"},
	{HEAD CLUSTER USER "    exec: [" SECRET "]\n", "k: exec: is a list, not an object\n"},
	{HEAD CLUSTER USER EXEC ", interactiveMode: Never, command: a}\n    token: " SECRET "\n",
	 "k: exec: cannot stand beside other credentials\n"},
	{HEAD CLUSTER USER EXEC ", command: a}\n", "k: exec.interactiveMode: missing\n"},
	{HEAD CLUSTER USER EXEC ", command: a, interactiveMode: Always}\n",
	 "k: exec.interactiveMode: is Always, and there is nobody to ask\n"},
	{HEAD CLUSTER USER EXEC ", command: a, interactiveMode: Perhaps}\n",
	 "k: exec.interactiveMode: is \"Perhaps\", not Never or IfAvailable\n"},
	{HEAD CLUSTER USER EXEC ", interactiveMode: Never}\n", "k: exec.command: missing\n"},
	{HEAD CLUSTER USER EXEC ", interactiveMode: Never, command: a, args: [b, 5]}\n",
	 "k: exec.args: entry 2 is no text\n"},
	{HEAD CLUSTER USER EXEC
	 ", interactiveMode: Never, command: a, env: [{name: A=B, value: " SECRET "}]}\n",
	 "k: exec.env: entry 1 has no usable name\n"},
	{HEAD CLUSTER USER EXEC ", interactiveMode: Never, command: a, env: [" SECRET "]}\n",
	 "k: exec.env: entry 1 has no usable name\n"},
	{HEAD CLUSTER USER "    auth-provider: {name: gcp}\n", "k: auth-provider:" UNSUPPORTED},
	{HEAD CLUSTER USER "    token: " SECRET "\n    as: admin\n", "k: as:" UNSUPPORTED},
	{HEAD CLUSTER USER "    client-certificate-data: QQ==\n", HALF},
	{HEAD CLUSTER USER "    client-key-data: " SECRET64 "\n", HALF},
	{HEAD CLUSTER USER "    client-certificate-data: QQ==\n    client-key-data: " SECRET64
			   "*\n",
	 "k: client-key-data: is no base64\n" HALF},
	{HEAD CLUSTER "    certificate-authority-data: '-----BEGIN'\n" USER "    token: " SECRET
		      "\n",
	 "k: certificate-authority-data: is no base64\n"},
	{HEAD CLUSTER "    certificate-authority-data: QQ==QQ==\n" USER "    {}\n",
	 "k: certificate-authority-data: is no base64\n"},
	{HEAD CLUSTER "    certificate-authority-data: Q_==\n" USER "    {}\n",
	 "k: certificate-authority-data: is no base64\n"},
	{HEAD CLUSTER "    certificate-authority-data: 5\n" USER "    {}\n",
	 "k: certificate-authority-data: is a number, not a text\n"},
	{HEAD CLUSTER "    certificate-authority: ca.crt\n" USER "    {}\n",
	 "k: certificate-authority: /nonexistent/ca.crt: No such file or directory\n"},
	{HEAD CLUSTER USER "    client-certificate: /nowhere/a\n    client-key: b\n",
	 "k: client-certificate: /nowhere/a: No such file or directory\n"
	 "k: client-key: /nonexistent/b: No such file or directory\n"},
	{HEAD CLUSTER USER "    tokenFile: token\n",
	 "/nonexistent/token: No such file or directory\n"},
	{HEAD CLUSTER USER "    token: {" SECRET ": " SECRET "}\n",
	 "k: token: is an object, not a text\n"},
	{HEAD CLUSTER USER "    password: [" SECRET "]\n", "k: password: is a list, not a text\n"},
	{HEAD CLUSTER "    insecure-skip-tls-verify: yes\n" USER "    {}\n",
	 "k: insecure-skip-tls-verify: is a text, not true or false\n"},
	{HEAD CLUSTER
	 "    insecure-skip-tls-verify: true\n    certificate-authority-data: QQ==\n" USER
	 "    {}\n",
	 "k: insecure-skip-tls-verify: cannot stand beside certificate-authority\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {}\n" USER "    {}\n", "k: server: missing\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 192.0.2.1}\n" USER "    {}\n",
	 "k: server: \"192.0.2.1\" is no http or https URL\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: file:///etc}\n" USER "    {}\n",
	 "k: server: \"file:///etc\" is no http or https URL\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 'https://'}\n" USER "    {}\n",
	 "k: server: \"https://\" is no http or https URL\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 'https://a:66666'}\n" USER "    {}\n",
	 "k: server: \"https://a:66666\" is no http or https URL\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 'https://a b'}\n" USER "    {}\n",
	 "k: server: \"https://a b\" is no http or https URL\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 'https://a?b=c'}\n" USER "    {}\n",
	 "k: server: \"https://a?b=c\" has a query or fragment\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 'https://a#'}\n" USER "    {}\n",
	 "k: server: \"https://a#\" has a query or fragment\n"},
	{HEAD "clusters:\n- name: k\n  cluster: {server: 'https://a:" SECRET "@b'}\n" USER
	      "    {}\n",
	 "k: server: holds a user; that does not belong into a URL\n"},
	{HEAD CLUSTER "    certificate-authority-data: QQBC\n" USER "    {}\n",
	 "k: certificate-authority-data: holds a NUL character\n"},
	{HEAD CLUSTER USER "    client-certificate-data: QQ==\n    client-key-data: QQA=\n",
	 "k: client-key-data: holds a NUL character\n"},
	{HEAD CLUSTER USER "    token: " SECRET "\n--- {}\n", "k: is no kubeconfig\n"},
	{HEAD CLUSTER USER "    token: " SECRET "\n---\n" HEAD CLUSTER USER "    token: " SECRET
			   "\n",
	 "k: is no kubeconfig\n"},
	{HEAD CLUSTER USER "    token: " SECRET "\n    token: " SECRET "\n",
	 "k:17: \"token\" stands twice\n"},
	{HEAD CLUSTER USER "    token: &" SECRET " " SECRET "\n",
	 "k:16: anchors, aliases and tags are not allowed\n"},
	{HEAD CLUSTER USER "    token: '" SECRET "\n",
	 "k:17: no YAML: found unexpected end of stream\n"},
	{HEAD CLUSTER USER "    token: \"" SECRET "\\0\"\n", "k:16: holds a NUL character\n"},
};

static void what_cannot_be_used_is_refused(void **state)
{
	for (size_t i = 0; i < N(bad); i++) {
		check(bad[i].text, bad[i].said, ACCESS_E_INVALID);
		assert_null(strstr(bad[i].said, SECRET));
	}
}

static void every_beginning_is_refused_or_whole(void **state)
{
	static const char text[] = HEAD CLUSTER USER "    token: " SECRET "\n";

	for (size_t n = 0; n < strlen(text); n++) {
		char begin[sizeof(text)];
		struct access *access = NULL;
		struct report report;
		memcpy(begin, text, n);
		begin[n] = '\0';
		report_init(&report);
		int r = access_parse_kubeconfig("k", "/", begin, n, &report, &access);
		assert_int_equal(!r, !!access);
		if (access) /* the token is cut, or there is none yet */
			assert_true(!access->token ||
				    !strncmp(access->token, SECRET, strlen(access->token)));
		assert_int_equal(report_is_empty(&report), !r);
		char *said = outcome_text(NULL, &report);
		if (!access)
			assert_null(strstr(said, SECRET));
		free(said);
		access_free(access);
	}
}

static void base64_is_decoded(void **state)
{
	static const struct {
		const char *text, *made;
	} cases[] = {
		{"YQ==", "a"},	    {"YQ", "a"},	  {"YWI=", "ab"},
		{"YWJj", "abc"},    {"YWJjZA==", "abcd"}, {"Pj4+Pj8/", ">>>>??"},
		{"'YW Jj'", "abc"}, {"w6k=", "\xc3\xa9"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		char text[1024], expected[128];
		snprintf(text, sizeof(text),
			 HEAD CLUSTER "    certificate-authority-data: %s\n" USER "    {}\n",
			 cases[i].text);
		snprintf(expected, sizeof(expected), SERVER "authorities=%s\n", cases[i].made);
		check(text, expected, 0);
	}
}

static void files_count_from_the_kubeconfig(void **state)
{
	struct folder folder;
	struct access *access = NULL;
	struct report report;
	char expected[512];

	folder_init(&folder);
	write_file(&folder, "config",
		   HEAD CLUSTER "    certificate-authority: ca.crt\n" USER
				"    token: old\n    tokenFile: ./token\n"
				"    client-certificate: tls.crt\n    client-key: tls.key\n");
	write_file(&folder, "ca.crt", "CA\n");
	write_file(&folder, "tls.crt", "CERT\n");
	write_file(&folder, "tls.key", "KEY\n");
	write_file(&folder, "token", "first\n");
	report_init(&report);
	assert_int_equal(access_read_kubeconfig(path_of(&folder, "config"), &report, &access), 0);
	snprintf(expected, sizeof(expected),
		 SERVER "authorities=CA\n\ncertificate=CERT\n\nkey=KEY\n\ntoken=first\n"
			"token_path=%s/./token\n",
		 folder.path);
	char *made = outcome_text(access, &report);
	assert_string_equal(made, expected);
	free(made);
	folder_done(&folder);
}

static void a_kubeconfig_is_the_owners(void **state)
{
	static const struct {
		mode_t mode;
		const char *said;
	} cases[] = {
		{0600, ""},
		{0400, ""},
		{0700, ""},
		{0640, "can be read by others than its owner (mode 640)"},
		{0604, "can be read by others than its owner (mode 604)"},
		{0777, "can be read by others than its owner (mode 777)"},
	};
	struct folder folder;

	folder_init(&folder);
	write_file(&folder, "config", HEAD CLUSTER USER "    token: abc\n");
	for (size_t i = 0; i < N(cases); i++) {
		struct access *access = NULL;
		struct report report;
		char path[128];
		snprintf(path, sizeof(path), "%s", path_of(&folder, "config"));
		assert_int_equal(chmod(path, cases[i].mode), 0);
		report_init(&report);
		assert_int_equal(access_read_kubeconfig(path, &report, &access), 0);
		assert_int_equal(report.n_entries, cases[i].said[0] != '\0');
		if (report.n_entries) {
			assert_string_equal(report.entries[0].place, path);
			assert_string_equal(report.entries[0].text, cases[i].said);
		}
		report_done(&report);
		access_free(access);
	}
	folder_done(&folder);
}

static void a_kubeconfig_that_cannot_be_read(void **state)
{
	struct folder folder;
	struct access *access = NULL;
	struct report report;
	char *large = text_repeat("#", "0123456789abcdef", 1 << 18, "\n");
	const struct {
		const char *path, *said;
	} cases[] = {
		{"/nonexistent/config", "/nonexistent/config: No such file or directory\n"},
		{"/tmp", "/tmp: Is a directory\n"},
		{"/dev/zero", "/dev/zero: File too large\n"},
	};

	for (size_t i = 0; i < N(cases); i++) {
		report_init(&report);
		assert_int_equal(access_read_kubeconfig(cases[i].path, &report, &access),
				 ACCESS_E_INVALID);
		char *said = outcome_text(NULL, &report);
		assert_string_equal(said, cases[i].said);
		free(said);
	}
	folder_init(&folder);
	write_file(&folder, "config", large);
	report_init(&report);
	assert_int_equal(access_read_kubeconfig(path_of(&folder, "config"), &report, &access),
			 ACCESS_E_INVALID);
	assert_int_equal(report.n_entries, 1);
	assert_string_equal(report.entries[0].text, "File too large");
	report_done(&report);
	folder_done(&folder);
	free(large);
	assert_null(access);
}

static void set_service(const char *host, const char *port)
{
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	if (host)
		assert_int_equal(setenv("KUBERNETES_SERVICE_HOST", host, 1), 0);
	if (port)
		assert_int_equal(setenv("KUBERNETES_SERVICE_PORT", port, 1), 0);
}

static void the_service_account_of_a_pod(void **state)
{
	static const struct {
		const char *host, *port, *server, *expected;
	} cases[] = {
		{"10.96.0.1", "443", "", "https://10.96.0.1:443"},
		{"fd00:96::1", "6443", "", "https://[fd00:96::1]:6443"},
		{"[fd00:96::1]", "443", "", "https://[fd00:96::1]:443"},
		{"10.96.0.1", NULL, "", "https://10.96.0.1:443"},
		{"10.96.0.1", "", "", "https://10.96.0.1:443"},
		{"kubernetes.default.svc", "443", "", "https://kubernetes.default.svc:443"},
		{"10.96.0.1", "443", "https://192.0.2.1:6443", "https://192.0.2.1:6443"},
		{NULL, NULL, "https://192.0.2.1:6443", "https://192.0.2.1:6443"},
		{NULL, NULL, "https://192.0.2.1:6443/a//", "https://192.0.2.1:6443/a"},
	};
	struct folder folder;

	folder_init(&folder);
	write_file(&folder, "ca.crt", "CA");
	write_file(&folder, "token", "abc\n");
	for (size_t i = 0; i < N(cases); i++) {
		struct access *access = NULL;
		struct report report;
		char expected[512];
		report_init(&report);
		set_service(cases[i].host, cases[i].port);
		assert_int_equal(
			access_read_in_cluster(folder.path, cases[i].server, &report, &access), 0);
		snprintf(expected, sizeof(expected),
			 "server=%s\nauthorities=CA\ntoken=abc\ntoken_path=%s/token\n",
			 cases[i].expected, folder.path);
		char *made = outcome_text(access, &report);
		assert_string_equal(made, expected);
		free(made);
	}
	set_service(NULL, NULL);
	folder_done(&folder);
}

static char *read_account(const struct folder *folder)
{
	struct access *access = NULL;
	struct report report;

	report_init(&report);
	assert_int_equal(access_read_in_cluster(folder->path, "", &report, &access),
			 ACCESS_E_INVALID);
	assert_null(access);
	return outcome_text(NULL, &report);
}

static void a_service_account_that_is_not_whole(void **state)
{
	struct folder folder;
	char expected[256];

	folder_init(&folder);
	set_service(NULL, "443");
	char *said = read_account(&folder);
	assert_string_equal(said, "kubernetes.server: is not set, and neither is "
				  "KUBERNETES_SERVICE_HOST in the environment\n");
	free(said);
	set_service("", NULL);
	said = read_account(&folder);
	assert_non_null(strstr(said, "KUBERNETES_SERVICE_HOST"));
	free(said);
	set_service("10.96.0.1", "443");
	said = read_account(&folder);
	snprintf(expected, sizeof(expected), "%s/ca.crt: No such file or directory\n", folder.path);
	assert_string_equal(said, expected);
	free(said);
	write_file(&folder, "ca.crt", "CA");
	said = read_account(&folder);
	snprintf(expected, sizeof(expected), "%s/token: No such file or directory\n", folder.path);
	assert_string_equal(said, expected);
	free(said);
	set_service(NULL, NULL);
	folder_done(&folder);
}

static void a_token_is_read_again(void **state)
{
	struct folder folder;
	struct access *access = NULL;
	struct report report;

	folder_init(&folder);
	write_file(&folder, "ca.crt", "CA");
	write_file(&folder, "token", "first\r\n");
	report_init(&report);
	assert_int_equal(access_read_in_cluster(folder.path, "https://s", &report, &access), 0);
	assert_string_equal(access->token, "first");
	write_file(&folder, "token", "second");
	assert_string_equal(access->token, "first");
	assert_int_equal(access_refresh(access), 0);
	assert_string_equal(access->token, "second");
	/* While it cannot be read the old one stays. */
	write_file(&folder, "token", "");
	assert_int_equal(access_refresh(access), -ENODATA);
	assert_string_equal(access->token, "second");
	write_file(&folder, "token", "\nthird");
	assert_int_equal(access_refresh(access), -ENODATA);
	assert_string_equal(access->token, "second");
	unlink(path_of(&folder, "token"));
	assert_int_equal(access_refresh(access), -ENOENT);
	assert_string_equal(access->token, "second");
	char *large = text_repeat("", "0123456789abcdef", (1 << 12) + 1, "");
	write_file(&folder, "token", large);
	assert_int_equal(access_refresh(access), -EFBIG);
	assert_string_equal(access->token, "second");
	free(large);
	write_file(&folder, "token", "fourth");
	assert_int_equal(access_refresh(access), 0);
	assert_string_equal(access->token, "fourth");
	access_free(access);
	report_done(&report);
	folder_done(&folder);
	struct access constant = {.token = (char *)(uintptr_t) "constant"};
	assert_int_equal(access_refresh(&constant), 0);
	assert_string_equal(constant.token, "constant");
}

static void a_request_gets_what_it_needs(void **state)
{
	static char server[] = "https://s", authorities[] = "CA", certificate[] = "C", key[] = "K",
		    token[] = "T", user[] = "U", password[] = "P", proxy[] = "http://p",
		    name[] = "N";
	struct access access = {
		.server = server,
		.server_name = name,
		.proxy = proxy,
		.authorities = authorities,
		.certificate = certificate,
		.key = key,
		.token = token,
		.user = user,
		.password = password,
	};
	struct http_request request = {.method = "GET", .stall_seconds = 5};
	char *url;

	assert_int_equal(access_apply(&access, "/api/v1/pods?limit=5", &request, &url), 0);
	assert_string_equal(url, "https://s/api/v1/pods?limit=5");
	assert_ptr_equal(request.url, url);
	assert_string_equal(request.token, "T");
	assert_null(request.user); /* one way is enough */
	assert_null(request.password);
	assert_string_equal(request.proxy, "http://p");
	assert_string_equal(request.authorities, "CA");
	assert_string_equal(request.certificate, "C");
	assert_string_equal(request.key, "K");
	assert_string_equal(request.server_name, "N");
	assert_false(request.is_insecure);
	assert_string_equal(request.method, "GET");
	assert_int_equal(request.stall_seconds, 5);
	free(url);
	access.token = NULL;
	access.is_insecure = true;
	assert_int_equal(access_apply(&access, "/", &request, &url), 0);
	assert_null(request.token);
	assert_string_equal(request.user, "U");
	assert_string_equal(request.password, "P");
	assert_true(request.is_insecure);
	free(url);
	assert_null(access_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kubeconfigs_are_read),
		cmocka_unit_test(what_cannot_be_used_is_refused),
		cmocka_unit_test(every_beginning_is_refused_or_whole),
		cmocka_unit_test(base64_is_decoded),
		cmocka_unit_test(files_count_from_the_kubeconfig),
		cmocka_unit_test(a_kubeconfig_is_the_owners),
		cmocka_unit_test(a_kubeconfig_that_cannot_be_read),
		cmocka_unit_test(the_service_account_of_a_pod),
		cmocka_unit_test(a_service_account_that_is_not_whole),
		cmocka_unit_test(a_token_is_read_again),
		cmocka_unit_test(a_request_gets_what_it_needs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
