/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The store in a directory of its own: what was committed is there, in order and once; what was not
 * is counted; the oldest go. And the clock by which things get old. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "ship/steady.h"
#include "ship/store.h"

#include "test.h"

#define DAY_USEC  86400000000ull
#define MINUTE	  60000000ull
#define BEGINNING 1700000000000000ull

static char directory[64];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	return remove(path);
}

static int make_directory(void **state)
{
	strcpy(directory, "/tmp/podfence-store-XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
	return nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void path_of(const char *name, char path[static 128])
{
	snprintf(path, 128, "%s/%s", directory, name);
}

static struct store *open_sized(uint64_t bytes_max)
{
	const struct store_options options = {directory, bytes_max, DAY_USEC};
	struct store *store;
	char *aside;

	assert_int_equal(store_open(&options, &store, &aside), 0);
	assert_null(aside);
	return store;
}

static struct store *open_store(void)
{
	return open_sized(1u << 30);
}

/* Of pod "pod-N % 3" to 203.0.113.N, a minute apart. */
static void add(struct store *store, unsigned n)
{
	char line[256], id[32], name[32];
	struct ship_event event = {
		.action = SHIP_DROPPED,
		.time_usec = BEGINNING + n * MINUTE,
		.packets = n,
		.severity = 47,
		.destination = {AF_INET, {203, 0, 113, (uint8_t)n}},
		.protocol = 6,
		.port = 443,
		.id = id,
		.endpoint_kind = "pod",
		.namespace = "shop",
		.name = name,
		.policy = "",
	};

	snprintf(name, sizeof(name), "pod-%u", n % 3);
	snprintf(id, sizeof(id), "id-%u", n);
	int length = snprintf(line, sizeof(line), "{\"number\":%u}", n);
	assert_int_equal(store_add(store, &event, line, (size_t)length), 0);
}

static void add_many(struct store *store, unsigned from, unsigned to)
{
	uint64_t lost;

	for (unsigned n = from; n <= to; n++)
		add(store, n);
	assert_int_equal(store_commit(store, &lost), 0);
	assert_int_equal(lost, 0);
}

struct taken {
	size_t n;
	uint64_t seqs[256];
	struct store_row last;
	char line[64], name[64];
};

static int take(void *userdata, const struct store_row *row)
{
	struct taken *taken = userdata;

	taken->seqs[taken->n++] = row->seq;
	taken->last = *row;
	snprintf(taken->line, sizeof(taken->line), "%.*s", (int)row->length, row->line);
	snprintf(taken->name, sizeof(taken->name), "%s/%s/%s", row->endpoint_kind, row->namespace,
		 row->name);
	return taken->n == 256;
}

static struct taken rows(struct store *store, struct store_query query)
{
	struct taken taken = {};

	assert_int_equal(store_rows(store, &query, take, &taken), 0);
	return taken;
}

static void a_row_comes_back_whole(void **state)
{
	struct store *store = open_store();

	add_many(store, 1, 5);
	struct taken taken = rows(store, (struct store_query){.after = 4});
	assert_int_equal(taken.n, 1);
	assert_string_equal(taken.line, "{\"number\":5}");
	assert_string_equal(taken.name, "pod/shop/pod-2");
	assert_int_equal(taken.last.seq, 5);
	assert_int_equal(taken.last.time_usec, BEGINNING + 5 * MINUTE);
	assert_int_equal(taken.last.packets, 5);
	assert_int_equal(taken.last.severity, 47);
	assert_int_equal(taken.last.port, 443);
	assert_int_equal(taken.last.protocol, 6);
	assert_int_equal(taken.last.destination.family, AF_INET);
	assert_int_equal(taken.last.destination.bytes[3], 5);
	store_free(store);
}

static void questions_are_answered(void **state)
{
	struct store *store = open_store();

	add_many(store, 1, 90);
	const struct {
		struct store_query query;
		size_t n;
		uint64_t first;
	} cases[] = {
		{{}, 90, 1},
		{{.after = 10, .up_to = 20}, 10, 11},
		{{.limit = 7}, 7, 1},
		{{.newest_first = true, .limit = 2}, 2, 90},
		{{.namespace = "shop", .name = "pod-1"}, 30, 1},
		{{.namespace = "other"}, 0, 0},
		{{.from_usec = BEGINNING + 80 * MINUTE}, 11, 80},
		{{.from_usec = BEGINNING + 80 * MINUTE, .to_usec = BEGINNING + 82 * MINUTE}, 2, 80},
		{{.has_destination = true,
		  .lowest = {AF_INET, {203, 0, 113, 16}},
		  .highest = {AF_INET, {203, 0, 113, 31}}},
		 16,
		 16},
		{{.has_destination = true,
		  .lowest = {AF_INET6, {}},
		  .highest = {AF_INET6, {255, 255}}},
		 0,
		 0},
		{{.has_destination = true,
		  .lowest = {AF_INET, {203, 0, 113, 0}},
		  .highest = {AF_INET, {203, 0, 113, 255}},
		  .name = "pod-0",
		  .after = 60},
		 10,
		 63},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct taken taken = rows(store, cases[i].query);
		assert_int_equal(taken.n, cases[i].n);
		assert_int_equal(taken.seqs[0], cases[i].first);
	}
	store_free(store);
}

/* Closing without a commit is what a kill does. */
static void what_is_not_committed_is_not_there(void **state)
{
	struct store *store = open_store();

	add_many(store, 1, 10);
	add(store, 11);
	assert_int_equal(store_last(store), 11);
	assert_int_equal(store_committed(store), 10);
	store_free(store);
	store = open_store();
	assert_int_equal(store_last(store), 10);
	assert_int_equal(rows(store, (struct store_query){}).n, 10);
	add_many(store, 11, 12);
	assert_int_equal(store_committed(store), 12);
	store_free(store);
}

static void books_are_kept(void **state)
{
	struct store *store = open_store();
	struct store_output output;
	uint64_t lost, value;

	add_many(store, 1, 10);
	assert_int_equal(store_output_get(store, "a", &output), 0);
	assert_int_equal(output.begin, 10); /* a new output begins behind what is there */
	assert_int_equal(output.cursor, 10);
	output = (struct store_output){2, 9, 3, 1, 2, 1};
	assert_int_equal(store_output_set(store, "a", &output), 0);
	assert_int_equal(store_seam_get(store, "life-1", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(store_seam_set(store, "life-1", 77), 0);
	assert_int_equal(store_commit(store, &lost), 0);
	store_free(store);

	store = open_store();
	struct store_output again;
	assert_int_equal(store_output_get(store, "a", &again), 0);
	assert_memory_equal(&again, &output, sizeof(output));
	assert_int_equal(store_seam_get(store, "life-1", &value), 0);
	assert_int_equal(value, 77);
	assert_int_equal(store_seam_get(store, "life-2", &value), 0); /* forgets the other one */
	assert_int_equal(value, 0);
	assert_int_equal(store_seam_get(store, "life-1", &value), 0);
	assert_int_equal(value, 0);
	store_free(store);
}

static void the_oldest_go(void **state)
{
	struct store *store = open_store();
	uint64_t lost;

	add_many(store, 1, 50);
	assert_int_equal(store_excess(store, BEGINNING + 10 * MINUTE), 0);
	/* Those of the first twenty minutes are a day old. */
	assert_int_equal(store_excess(store, BEGINNING + 20 * MINUTE + DAY_USEC), 20);
	assert_int_equal(store_forget(store, 20), 0);
	assert_int_equal(store_commit(store, &lost), 0);
	assert_int_equal(store_first(store), 21);
	assert_int_equal(rows(store, (struct store_query){}).seqs[0], 21);
	assert_int_equal(store_excess(store, BEGINNING + 20 * MINUTE + DAY_USEC), 0);
	/* All may go; numbers are not used again. */
	assert_int_equal(store_forget(store, 50), 0);
	assert_int_equal(store_output_set(store, "a", &(struct store_output){.cursor = 50}), 0);
	assert_int_equal(store_commit(store, &lost), 0);
	store_free(store);
	store = open_store();
	add_many(store, 51, 51);
	assert_int_equal(rows(store, (struct store_query){}).seqs[0], 51);
	store_free(store);
}

static void the_size_is_bounded(void **state)
{
	struct store *store = open_sized(1u << 20);
	uint64_t up_to, lost;

	for (unsigned round = 0; round < 40; round++) {
		add_many(store, 1, 1000);
		bool was_too_large = false;
		while ((up_to = store_excess(store, BEGINNING))) {
			was_too_large = true;
			assert_int_equal(store_forget(store, up_to), 0);
			assert_int_equal(store_commit(store, &lost), 0);
		}
		assert_true(store_bytes(store) <= 1u << 20);
		if (was_too_large) /* and not more goes than has to */
			assert_true(store_bytes(store) > 7 << 17);
	}
	assert_true(store_first(store) > 1);
	assert_true(store_last(store) == 40000);
	store_free(store);
}

static void numbers_go_on_in_the_next_store(void **state)
{
	struct store *store = open_store();

	store_continue(store, 100);
	add_many(store, 1, 2);
	assert_int_equal(store_first(store), 101);
	assert_int_equal(store_last(store), 102);
	store_continue(store, 200); /* not of one with events */
	assert_int_equal(store_last(store), 102);
	assert_int_equal(rows(store, (struct store_query){.after = 100}).n, 2);
	store_free(store);
}

static char *opened_aside(bool is_unwanted)
{
	const struct store_options options = {directory, 1u << 30, DAY_USEC, is_unwanted};
	struct store *store;
	char *aside;

	assert_int_equal(store_open(&options, &store, &aside), 0);
	assert_int_equal(store_last(store), 0);
	add_many(store, 1, 3);
	store_free(store);
	return aside;
}

static void a_damaged_file_is_set_aside(void **state)
{
	char path[128], text[4096];
	struct stat status;

	store_free(open_store());
	path_of("events.db", path);
	int fd = open(path, O_WRONLY | O_TRUNC);
	memset(text, 'x', sizeof(text));
	assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
	close(fd);
	char *aside = opened_aside(false);
	assert_non_null(aside);
	assert_int_equal(stat(aside, &status), 0);
	assert_int_equal(status.st_size, sizeof(text)); /* the evidence is as it was */
	free(aside);
}

static void a_later_version_is_set_aside(void **state)
{
	char path[128];
	sqlite3 *db;

	store_free(open_store());
	path_of("events.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	char *aside = opened_aside(false);
	assert_non_null(aside);
	free(aside);
}

static void an_unwanted_file_is_set_aside(void **state)
{
	assert_null(opened_aside(true)); /* there is none */
	char *aside = opened_aside(true);
	assert_non_null(aside);
	free(aside);
}

static void a_deleted_file_is_noticed(void **state)
{
	struct store *store = open_store();
	char path[128];

	add_many(store, 1, 3);
	assert_false(store_is_gone(store));
	path_of("events.db", path);
	assert_int_equal(unlink(path), 0);
	assert_true(store_is_gone(store));
	/* What it held can still be read. */
	assert_int_equal(rows(store, (struct store_query){}).n, 3);
	store_free(store);
}

static void the_dead_are_kept_with_the_reason(void **state)
{
	struct store *store = open_store();
	const struct store_row row = {.seq = 7, .time_usec = 1, .line = "{}", .length = 2};
	uint64_t lost;
	char path[128];
	sqlite3 *db;
	sqlite3_stmt *statement;

	assert_int_equal(store_dead_add(store, "es", &row, "item 400"), 0);
	assert_int_equal(store_commit(store, &lost), 0);
	store_free(store);
	path_of("events.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT reason, line FROM dead WHERE output='es'",
					    -1, &statement, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(statement, 0), "item 400");
	assert_string_equal((const char *)sqlite3_column_text(statement, 1), "{}");
	sqlite3_finalize(statement);
	sqlite3_close(db);
}

static void whoever_reads_writes_nothing(void **state)
{
	struct store *reader, *store;

	assert_true(store_open_to_read(directory, &reader) <
		    0); /* there is none, and none is made */
	store = open_store();
	add_many(store, 1, 3);
	assert_int_equal(store_open_to_read(directory, &reader), 0);
	add_many(store, 4, 5);
	assert_int_equal(rows(reader, (struct store_query){}).n, 5);
	assert_true(store_add(reader,
			      &(struct ship_event){
				      .id = "", .endpoint_kind = "", .namespace = "", .name = ""},
			      "{}", 2) < 0);
	store_free(reader);
	store_free(store);
}

static void a_jump_of_the_clock_is_doubted(void **state)
{
	const uint64_t hour = 60 * MINUTE, year = 365 * DAY_USEC;
	struct steady steady = {};

	assert_int_equal(steady_now(&steady, BEGINNING, 5), BEGINNING);
	assert_int_equal(steady_now(&steady, BEGINNING + MINUTE, 5 + MINUTE), BEGINNING + MINUTE);
	/* A second more or less is a clock that is put right. */
	assert_int_equal(steady_now(&steady, BEGINNING + MINUTE - 1000000, 5 + MINUTE),
			 BEGINNING + MINUTE - 1000000);
	/* Ten years ahead: time goes on as before, */
	uint64_t before = steady_now(&steady, BEGINNING + MINUTE, 5 + MINUTE);
	for (uint64_t t = 2; t < 50; t++)
		assert_int_equal(
			steady_now(&steady, BEGINNING + 10 * year + t * MINUTE, 5 + t * MINUTE),
			before + (t - 1) * MINUTE);
	/* and back again, nothing has happened. */
	assert_int_equal(steady_now(&steady, BEGINNING + 50 * MINUTE, 5 + 50 * MINUTE),
			 BEGINNING + 50 * MINUTE);
	/* One that lasts is believed, in either direction. */
	for (int direction = -1; direction <= 1; direction += 2) {
		struct steady other = {};
		(void)steady_now(&other, BEGINNING, 5);
		uint64_t real = BEGINNING + (uint64_t)direction * year;
		assert_int_equal(steady_now(&other, real, 5), BEGINNING);
		assert_int_equal(steady_now(&other, real + hour - 1, 4 + hour),
				 BEGINNING + hour - 1);
		assert_int_equal(steady_now(&other, real + hour, 5 + hour), real + hour);
	}
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(a_row_comes_back_whole),
		IN_DIRECTORY(questions_are_answered),
		IN_DIRECTORY(what_is_not_committed_is_not_there),
		IN_DIRECTORY(books_are_kept),
		IN_DIRECTORY(the_oldest_go),
		IN_DIRECTORY(the_size_is_bounded),
		IN_DIRECTORY(numbers_go_on_in_the_next_store),
		IN_DIRECTORY(a_damaged_file_is_set_aside),
		IN_DIRECTORY(a_later_version_is_set_aside),
		IN_DIRECTORY(an_unwanted_file_is_set_aside),
		IN_DIRECTORY(a_deleted_file_is_noticed),
		IN_DIRECTORY(the_dead_are_kept_with_the_reason),
		IN_DIRECTORY(whoever_reads_writes_nothing),
		cmocka_unit_test(a_jump_of_the_clock_is_doubted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
