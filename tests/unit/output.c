/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A call that waited would hang the test: nobody reads while the writer writes. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event/output.h"

#include "test.h"

#define LINE_MAX_TEST 300

/* Line number i: its number, then filler of a length that varies with it. */
static size_t line_make(unsigned i, char line[static LINE_MAX_TEST])
{
	int n = snprintf(line, LINE_MAX_TEST, "%u ", i);
	size_t length = (size_t)n + i * 37 % 250;

	memset(line + n, 'a' + (int)(i % 26), length - (size_t)n);
	line[length] = '\n';
	return length + 1;
}

static void lines_write(struct output *output, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char line[LINE_MAX_TEST];
		size_t length = line_make(i, line);
		output_write(output, line, length);
	}
}

struct reader {
	char bytes[LINE_MAX_TEST];
	size_t length;
	unsigned n_lines;
	unsigned next; /* the lowest number the next line may have */
};

static void reader_line(struct reader *reader)
{
	char line[LINE_MAX_TEST];
	unsigned number;

	assert_int_equal(sscanf(reader->bytes, "%u ", &number), 1);
	assert_true(number >= reader->next);
	assert_int_equal(line_make(number, line), reader->length);
	assert_memory_equal(line, reader->bytes, reader->length);
	reader->next = number + 1;
	reader->n_lines++;
	reader->length = 0;
}

/* Reads what is there, checks that every line is one that was written, whole and in order. */
static void reader_drain(struct reader *reader, int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	while (poll(&poll_fd, 1, 0) == 1) {
		char bytes[4096];
		ssize_t n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return;
		for (ssize_t i = 0; i < n; i++) {
			assert_true(reader->length < sizeof(reader->bytes));
			reader->bytes[reader->length++] = bytes[i];
			if (bytes[i] == '\n')
				reader_line(reader);
		}
	}
}

/* Writes far more than descriptor and buffer hold, then reads: whole lines, and every one of them
 * either arrived or was counted. */
static void check_slow_reader(int write_fd, int read_fd)
{
	struct output *output;
	struct reader reader = {};

	assert_int_equal(output_new(write_fd, 10000, &output), 0);
	assert_int_not_equal(output_fd(output), -1);
	for (unsigned round = 0; round < 5; round++) {
		lines_write(output, round * 10000, (round + 1) * 10000);
		assert_int_equal(output_flush(output), 1);
		struct output_counts counts = output_counts(output);
		assert_true(counts.bytes_waiting > 0 && counts.bytes_waiting <= 10000);
		assert_true(counts.lines_dropped > 0);
		while (output_flush(output) == 1)
			reader_drain(&reader, read_fd);
		reader_drain(&reader, read_fd);

		counts = output_counts(output);
		assert_int_equal(reader.length, 0);
		assert_int_equal(counts.bytes_waiting, 0);
		assert_int_equal(counts.lines_written, reader.n_lines);
		assert_int_equal(counts.lines_written + counts.lines_dropped, (round + 1) * 10000);
	}
	assert_null(output_free(output));
}

static void a_full_pipe_loses_whole_lines(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096);
	check_slow_reader(fds[1], fds[0]);
	assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
	close(fds[0]);
	close(fds[1]);
}

/* Without the right to open the pipe again. */
static void a_foreign_pipe_loses_whole_lines(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fchmod(fds[1], 0), 0);
	bool is_root = geteuid() == 0;
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
	assert_int_equal(open(path, O_WRONLY), -1);
	check_slow_reader(fds[1], fds[0]);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	close(fds[0]);
	close(fds[1]);
}

static void a_full_socket_loses_whole_lines(void **state)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		int fds[2], size = 4096;
		assert_int_equal(socketpair(AF_UNIX, types[i], 0, fds), 0);
		assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
		check_slow_reader(fds[1], fds[0]);
		assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0);
		close(fds[0]);
		close(fds[1]);
	}
}

/* A message socket sends each line by itself, and a line that it can never send blocks no other. */
static void a_message_is_a_line(void **state)
{
	int fds[2], size = 4096;
	struct output *output;
	static char big[100000];
	char bytes[64];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(output_new(fds[1], 200000, &output), 0);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\n';
	output_write(output, "one\n", 4);
	output_write(output, big, sizeof(big));
	output_write(output, "two\n", 4);
	assert_int_equal(output_flush(output), 0);
	assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "one\n", 4);
	assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 4);
	assert_memory_equal(bytes, "two\n", 4);
	assert_int_equal(output_counts(output).lines_written, 2);
	assert_int_equal(output_counts(output).lines_dropped, 1);
	output_free(output);
	close(fds[0]);
	close(fds[1]);
}

static void a_reader_that_goes_is_noticed(void **state)
{
	for (int is_socket = 0; is_socket < 2; is_socket++) {
		int fds[2];
		struct output *output;

		assert_int_equal(is_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds),
				 0);
		assert_int_equal(output_new(fds[1], 100000, &output), 0);
		lines_write(output, 0, 10);
		assert_int_equal(output_flush(output), 0);
		close(fds[0]);
		lines_write(output, 10, 17);
		assert_int_equal(output_flush(output), -EPIPE);
		lines_write(output, 17, 20);
		assert_int_equal(output_flush(output), -EPIPE);
		struct output_counts counts = output_counts(output);
		assert_int_equal(counts.lines_written, 10);
		assert_int_equal(counts.lines_dropped, 10);
		assert_int_equal(counts.bytes_waiting, 0);
		output_free(output);
		close(fds[1]);
	}
}

static void a_reader_that_was_never_there(void **state)
{
	int fds[2];
	struct output *output;

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(output_new(fds[1], 1000, &output), 0);
	lines_write(output, 0, 3);
	assert_int_equal(output_flush(output), -EPIPE);
	assert_int_equal(output_counts(output).lines_dropped, 3);
	output_free(output);
	close(fds[1]);
}

static void a_file_takes_everything(void **state)
{
	char path[] = "/tmp/podfence-output-XXXXXX";
	struct output *output;
	struct reader reader = {};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "0 \n", 3), 3);
	assert_int_equal(output_new(fd, 3000, &output), 0);
	assert_int_equal(output_fd(output), -1);
	lines_write(output, 1, 1000);
	output_free(output); /* sends the rest */
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	reader_drain(&reader, fd);
	assert_int_equal(reader.n_lines, 1000);
	assert_int_equal(reader.next, 1000);
	close(fd);
	unlink(path);
}

/* /dev/full answers ENOSPC, as a full disk does: lines wait, then are counted. */
static void a_full_disk_is_a_slow_reader(void **state)
{
	struct output *output;
	int fd = open("/dev/full", O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(output_new(fd, 1000, &output), 0);
	lines_write(output, 0, 100);
	assert_int_equal(output_flush(output), 1);
	struct output_counts counts = output_counts(output);
	assert_int_equal(counts.lines_written, 0);
	assert_in_range(counts.lines_dropped, 1, 99);
	assert_in_range(counts.bytes_waiting, 1, 1000);
	output_free(output);
	close(fd);
}

static void what_is_no_line_is_dropped(void **state)
{
	int fds[2];
	struct output *output;
	char line[101] = {}, bytes[8];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(output_new(fds[1], 100, &output), 0);
	memset(line, 'x', 100);
	line[100] = '\n';
	output_write(output, line, 101); /* never fits */
	output_write(output, "a\nb\n", 4);
	output_write(output, "a", 1);
	output_write(output, "", 0);
	output_write(output, "good\n", 5);
	assert_int_equal(output_flush(output), 0);
	assert_int_equal(output_counts(output).lines_dropped, 4);
	assert_int_equal(output_counts(output).lines_written, 1);
	assert_int_equal(read(fds[0], bytes, sizeof(bytes)), 5);
	assert_memory_equal(bytes, "good\n", 5);
	output_free(output);
	close(fds[0]);
	close(fds[1]);
}

static void bad_descriptors_are_refused(void **state)
{
	struct output *output = (struct output *)1;
	int fd = open("/dev/null", O_RDONLY);

	assert_int_equal(output_new(-1, 1000, &output), -EBADF);
	assert_int_equal(output_new(fd, 1000, &output), -EBADF);
	assert_int_equal(output_new(1, 0, &output), -EINVAL);
	assert_ptr_equal(output, (struct output *)1);
	assert_null(output_free(NULL));
	close(fd);
}

/* Reads what is there. */
static void text_expect(int fd, const char *expected)
{
	char text[400] = {};
	size_t length = 0;
	ssize_t n;

	while (length < strlen(expected) &&
	       (n = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)n;
	assert_string_equal(text, expected);
}

static void readers_come_and_go(void **state)
{
	struct output *output;
	int first[2], second[2];

	assert_int_equal(output_new_lasting(1000, &output), 0);
	output_write(output, "early\n", 6);
	assert_int_equal(output_flush(output), 1);
	assert_int_equal(output_fd(output), -1);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
	assert_int_equal(output_take_reader(output, first[0]), 0);
	close(first[0]);
	assert_int_equal(output_flush(output), 0);
	text_expect(first[1], "early\n");
	close(first[1]);
	output_write(output, "between\n", 8);
	(void)output_flush(output);
	assert_int_equal(output_fd(output), -1);
	output_write(output, "late\n", 5);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
	assert_int_equal(output_take_reader(output, second[0]), 0);
	assert_int_equal(output_flush(output), 0);
	text_expect(second[1], "between\nlate\n");
	assert_int_equal(output_counts(output).lines_dropped, 0);
	assert_int_equal(output_counts(output).lines_written, 3);
	output_free(output);
	close(second[0]);
	close(second[1]);
}

/* The next reader begins at a line, and the torn one is counted. */
static void a_torn_line_is_lost(void **state)
{
	const size_t long_line = 1u << 20;
	struct output *output;
	int first[2], second[2];
	char *line = malloc(long_line);

	assert_non_null(line);
	memset(line, 'x', long_line);
	line[long_line - 1] = '\n';
	assert_int_equal(output_new_lasting(2 * long_line, &output), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
	assert_int_equal(output_take_reader(output, first[0]), 0);
	output_write(output, line, long_line);
	output_write(output, "next\n", 5);
	assert_int_equal(output_flush(output), 1);
	close(first[1]);
	(void)output_flush(output);
	assert_int_equal(output_counts(output).lines_dropped, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
	assert_int_equal(output_take_reader(output, second[0]), 0);
	assert_int_equal(output_flush(output), 0);
	text_expect(second[1], "next\n");
	output_free(output);
	close(first[0]);
	close(second[0]);
	close(second[1]);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_pipe_loses_whole_lines),
		cmocka_unit_test(a_foreign_pipe_loses_whole_lines),
		cmocka_unit_test(a_full_socket_loses_whole_lines),
		cmocka_unit_test(a_message_is_a_line),
		cmocka_unit_test(a_reader_that_goes_is_noticed),
		cmocka_unit_test(a_reader_that_was_never_there),
		cmocka_unit_test(a_file_takes_everything),
		cmocka_unit_test(a_full_disk_is_a_slow_reader),
		cmocka_unit_test(what_is_no_line_is_dropped),
		cmocka_unit_test(bad_descriptors_are_refused),
		cmocka_unit_test(readers_come_and_go),
		cmocka_unit_test(a_torn_line_is_lost),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
