/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The server with clients of this process: those that are slow are ended by time, long answers wait for
 * their reader, and what waits is woken. */
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/call.h"
#include "test.h"

#define PIECES	    4000
#define PIECE_BYTES 1000

struct scene {
	char directory[32], path[64], group[64];
	sd_event *loop;
	struct control_server *server;
	unsigned n_steps, n_stops;
	bool has_news;
};

struct counting {
	unsigned n;
};

static int start_counting(struct control_request *request)
{
	const char *bad;

	return call_parameters(request->parameters, NULL, 0, NULL, &bad) != 0
		       ? control_fail_parameter(request, bad)
		       : CONTROL_DONE;
}

static int count(struct control_request *request, struct json *reply)
{
	struct scene *scene = request->userdata;
	struct counting *counting = request->state;
	char text[PIECE_BYTES];

	memset(text, 'x', sizeof(text));
	json_uint(reply, "n", ++counting->n);
	json_string_n(reply, "text", text, sizeof(text));
	scene->n_steps++;
	return counting->n < PIECES ? CONTROL_AGAIN : CONTROL_DONE;
}

static void stop_counting(struct control_request *request)
{
	((struct scene *)request->userdata)->n_stops++;
}

static int wait_for_news(struct control_request *request, struct json *reply)
{
	struct scene *scene = request->userdata;

	if (!scene->has_news)
		return CONTROL_WAIT;
	scene->has_news = false;
	json_string(reply, "news", "yes");
	return CONTROL_AGAIN;
}

static int fail_in_the_middle(struct control_request *request, struct json *reply)
{
	json_string(reply, "half", "said");
	return -EIO;
}

static const struct control_method methods[] = {
	{"test.Count", false, sizeof(struct counting), start_counting, count, stop_counting},
	{"test.Wait", false, 0, NULL, wait_for_news, NULL},
	{"test.Fail", false, 0, NULL, fail_in_the_middle, NULL},
	{"test.Change", true, sizeof(struct counting), NULL, count, NULL},
};

static const struct control_interface interface = {"test", "interface test\n", methods,
						   sizeof(methods) / sizeof(methods[0])};

static void open_scene(struct scene *scene, unsigned milliseconds)
{
	struct group *group = getgrgid(getgid());

	strcpy(scene->directory, "/tmp/podfence-XXXXXX");
	assert_non_null(mkdtemp(scene->directory));
	snprintf(scene->path, sizeof(scene->path), "%s/below/socket", scene->directory);
	snprintf(scene->group, sizeof(scene->group), "%s", group ? group->gr_name : "");
	assert_int_equal(sd_event_new(&scene->loop), 0);
	const struct control_options options = {
		.path = scene->path,
		.group = scene->group,
		.interface = &interface,
		.version = "1",
		.url = "",
		.message_timeout = milliseconds,
		.send_timeout = milliseconds,
		.idle_timeout = milliseconds,
		.userdata = scene,
	};
	assert_int_equal(control_server_new(scene->loop, &options, &scene->server), 0);
	struct control_server *second;
	assert_int_equal(control_server_new(scene->loop, &options, &second), -EADDRINUSE);
}

static void close_scene(struct scene *scene)
{
	char below[64];

	control_server_free(scene->server);
	sd_event_unref(scene->loop);
	assert_int_equal(access(scene->path, F_OK), -1);
	snprintf(below, sizeof(below), "%s/below", scene->directory);
	assert_int_equal(rmdir(below), 0);
	assert_int_equal(rmdir(scene->directory), 0);
}

static int connect_to(struct scene *scene)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, scene->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text, size_t length)
{
	assert_int_equal(send(fd, text, length, MSG_NOSIGNAL), length);
}

#define CALL(fd, text) say(fd, text, sizeof(text))

/* Until nothing is to be done at once. */
static void settle(struct scene *scene)
{
	while (sd_event_run(scene->loop, 0) > 0)
		;
}

/* Runs the loop until the server ends this client. */
static void run_to_end(struct scene *scene, int fd)
{
	char byte;

	for (;;) {
		ssize_t n = recv(fd, &byte, 1, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			break;
		assert_true(sd_event_run(scene->loop, UINT64_MAX) >= 0);
	}
	close(fd);
}

static void test_slow(void **state)
{
	struct scene scene = {};

	open_scene(&scene, 20);
	int idle = connect_to(&scene);
	run_to_end(&scene, idle);
	assert_int_equal(control_counts(scene.server).timed_out, 0);
	int half = connect_to(&scene);
	say(half, "{\"met", 5);
	run_to_end(&scene, half);
	assert_int_equal(control_counts(scene.server).timed_out, 1);
	/* One that does not take its replies. */
	int deaf = connect_to(&scene);
	CALL(deaf, "{\"method\":\"test.Count\",\"more\":true}");
	while (!scene.n_stops)
		assert_true(sd_event_run(scene.loop, UINT64_MAX) >= 0);
	assert_true(scene.n_steps < PIECES / 2);
	assert_int_equal(control_counts(scene.server).timed_out, 2);
	assert_int_equal(control_counts(scene.server).clients, 0);
	close(deaf);
	close_scene(&scene);
}

/* All of a long answer, from a server that keeps little of it. */
static void test_long(void **state)
{
	struct scene scene = {};
	size_t length = 0, n_messages = 0;
	static char bytes[65536];

	open_scene(&scene, 10000);
	int fd = connect_to(&scene);
	CALL(fd, "{\"method\":\"test.Count\",\"more\":true}");
	while (n_messages < PIECES) {
		settle(&scene);
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		assert_true(n > 0);
		length += (size_t)n;
		for (ssize_t i = 0; i < n; i++)
			n_messages += !bytes[i];
		assert_true(scene.n_steps * (size_t)PIECE_BYTES < length + (1u << 20));
	}
	assert_int_equal(scene.n_stops, 1);
	close(fd);
	settle(&scene);
	close_scene(&scene);
}

static void expect(struct scene *scene, int fd, const char *wanted)
{
	char bytes[512] = "";

	settle(scene);
	ssize_t n = recv(fd, bytes, sizeof(bytes) - 1, 0);
	assert_true(n > 0);
	assert_string_equal(bytes, wanted);
	assert_int_equal(n, strlen(wanted) + 1);
}

static void test_waiting(void **state)
{
	struct scene scene = {};
	char byte;

	open_scene(&scene, 10000);
	int fd = connect_to(&scene);
	CALL(fd, "{\"method\":\"test.Wait\",\"more\":true}");
	settle(&scene);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	control_wake(scene.server, "test.Wait");
	settle(&scene);
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	scene.has_news = true;
	control_wake(scene.server, "test.Wait");
	expect(&scene, fd, "{\"parameters\":{\"news\":\"yes\"},\"continues\":true}");
	close(fd);
	settle(&scene);
	assert_int_equal(control_counts(scene.server).clients, 0);
	control_wake(scene.server, "test.Wait");
	close_scene(&scene);
}

static void test_failing(void **state)
{
	struct scene scene = {};

	open_scene(&scene, 10000);
	int fd = connect_to(&scene);
	CALL(fd, "{\"method\":\"test.Fail\"}");
	expect(&scene, fd,
	       "{\"error\":\"io.podfence.Agent.Failed\",\"parameters\":{\"reason\":\"Input/output "
	       "error\"}}");
	CALL(fd, "{\"method\":\"test.Count\"}");
	expect(&scene, fd, "{\"error\":\"org.varlink.service.ExpectedMore\",\"parameters\":{}}");
	if (getuid() != 0) {
		CALL(fd, "{\"method\":\"test.Change\"}");
		expect(&scene, fd,
		       "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}");
	}
	close(fd);
	settle(&scene);
	close_scene(&scene);
}

/* What is left over from an agent that was killed is replaced. */
static void test_left_over(void **state)
{
	struct scene scene = {};
	char below[64];
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	open_scene(&scene, 10000);
	control_server_free(scene.server);
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(address.sun_path, scene.path);
	assert_int_equal(bind(dead, (struct sockaddr *)&address, sizeof(address)), 0);
	close(dead);
	const struct control_options options = {.path = scene.path, .interface = &interface};
	assert_int_equal(control_server_new(scene.loop, &options, &scene.server), 0);
	struct stat status;
	assert_int_equal(stat(scene.path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	snprintf(below, sizeof(below), "%s/below/socket.new", scene.directory);
	assert_int_equal(access(below, F_OK), -1);
	close_scene(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow),	  cmocka_unit_test(test_long),
		cmocka_unit_test(test_waiting),	  cmocka_unit_test(test_failing),
		cmocka_unit_test(test_left_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
