/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * From NFLOG to stdout. A turn takes at most 1,000 messages or 2 ms; what it made is handed to the
 * output, which never waits for its reader. */
#include "daemon/daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/diag.h"
#include "event/agent_event.h"
#include "podfence-config.h"

#define MESSAGES_PER_CALL 100
#define CALLS_PER_TURN	  10
#define TURN_USEC	  2000

struct turn {
	struct daemon *daemon;
	uint64_t now_usec;
};

/* What all events of an endpoint share is made with its first one; of most endpoints there is none. */
static void make_members(struct snapshot *snapshot, const struct event_context *context,
			 const struct endpoint *of)
{
	struct endpoint *endpoint = &snapshot->endpoints[of - snapshot->endpoints];
	struct buffer buffer = BUFFER_INIT;

	event_endpoint_members(endpoint, NULL, context, &buffer);
	if (buffer.is_broken) { /* they are made for each event then */
		buffer_done(&buffer);
		return;
	}
	endpoint->event_members = buffer.bytes;
	endpoint->event_members_length = buffer.length;
}

/* What there was no memory for is no line: it is counted as dropped. What is only for the record goes to the
 * socket alone. */
static void write_line(struct daemon *daemon, bool is_for_people)
{
	const struct buffer *line = &daemon->stream.line;
	size_t length = line->is_broken ? 0 : line->length;

	if (is_for_people)
		output_write(daemon->stream.output, line->bytes, length);
	seam_write(daemon, line->bytes, length);
}

/* And not of a snapshot before. */
static bool is_present(const struct snapshot *snapshot, const struct endpoint *endpoint)
{
	return endpoint && endpoint >= snapshot->endpoints &&
	       endpoint < snapshot->endpoints + snapshot->n_endpoints;
}

void stream_write(struct daemon *daemon, const struct event *event)
{
	struct stream *stream = &daemon->stream;

	if (is_present(daemon->snapshot, event->endpoint) && !event->endpoint->event_members)
		make_members(daemon->snapshot, &stream->context, event->endpoint);
	buffer_clear(&stream->line);
	event_format(event, &stream->context, &daemon->rulebook, &stream->line);
	write_line(daemon, event->verdict != VERDICT_ALLOWED);
}

static void on_record(const struct pf_nflog_record *record, void *userdata)
{
	struct turn *turn = userdata;
	struct daemon *daemon = turn->daemon;
	struct stream *stream = &daemon->stream;
	const struct snapshot *snapshot = daemon->snapshot, *then;
	struct event_flow flow;
	struct event event;

	if (event_attribute(record, snapshot, &daemon->rulebook, &event) != 0) {
		stream->n_foreign++;
		return;
	}
	then = history_attribute(&daemon->history, record, daemon->rulebook.nat64, &event);
	snapshot = then ? then : snapshot;
	event.created_usec = turn->now_usec;
	event.time_usec = record->has_timestamp ? record->timestamp_usec : turn->now_usec;
	if (!ledger_record(daemon, &event, &flow))
		return;
	if (!event.flow)
		event.sequence = ++stream->sequence;
	event.culprit = culprit_of(daemon, snapshot, &event);
	if (event.culprit)
		ledger_remember(daemon, event.culprit);
	stream_write(daemon, &event);
}

struct pf_nflog_counts stream_nflog_counts(const struct stream *stream)
{
	struct pf_nflog_counts counts = stream->closed;

	if (stream->nflog) {
		struct pf_nflog_counts open = pf_nflog_counts(stream->nflog);
		counts.received += open.received;
		counts.lost += open.lost;
		counts.malformed += open.malformed;
	}
	return counts;
}

/* Polls for writing only while something waits. */
static void flush(struct stream *stream)
{
	int r = output_flush(stream->output);

	if (r < 0 && !stream->is_reader_gone) {
		stream->is_reader_gone = true;
		diag_reader_gone(r);
	}
	if (stream->output_source)
		(void)sd_event_source_set_enabled(stream->output_source,
						  r == 1 ? SD_EVENT_ON : SD_EVENT_OFF);
}

void stream_flush(struct daemon *daemon)
{
	seam_flush(daemon); /* first: somebody waits there */
	flush(&daemon->stream);
}

/* How many messages there were; negative: none could be read, which is said. */
static int take_some(struct daemon *daemon)
{
	struct turn turn = {daemon, clock_usec(CLOCK_REALTIME)};
	int r = pf_nflog_dispatch(daemon->stream.nflog, MESSAGES_PER_CALL, on_record, &turn);

	if (r < 0)
		diag_cannot("read from NFLOG", r);
	return r;
}

/* The kernel collects messages while they are many, and tells each at once while they are few. */
static void adapt(struct daemon *daemon, uint64_t n)
{
	struct stream *stream = &daemon->stream;

	if (!stream->nflog || !tempo_count(&stream->tempo, n, clock_usec(CLOCK_MONOTONIC)))
		return;
	uint32_t threshold = stream->tempo.is_busy ? daemon->config->nflog.queue_threshold : 1;
	int r = pf_nflog_set_queue_threshold(stream->nflog, threshold);
	if (r < 0 && r != -EAGAIN) /* there was no room for the answer: it is done */
		diag_cannot("set the queue threshold of the NFLOG group", r);
}

void stream_calm(struct daemon *daemon)
{
	adapt(daemon, 0);
}

void stream_drain(struct daemon *daemon)
{
	uint64_t begun = clock_usec(CLOCK_MONOTONIC), n = 0;

	if (!daemon->stream.nflog)
		return;
	for (unsigned i = 0; i < CALLS_PER_TURN; i++) {
		int r = take_some(daemon);
		n += r > 0 ? (uint64_t)r : 0;
		if (r < MESSAGES_PER_CALL || clock_usec(CLOCK_MONOTONIC) - begun > TURN_USEC)
			break;
	}
	adapt(daemon, n);
	stream_flush(daemon);
}

static int on_nflog(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	stream_drain(userdata);
	return 0;
}

static int on_writable(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *daemon = userdata;

	flush(&daemon->stream);
	return 0;
}

static int group_open(const struct config *config, struct pf_nflog **ret_nflog)
{
	struct pf_nflog_options options = {
		.group = (uint16_t)config->nflog.group,
		.copy_bytes = config->nflog.copy_bytes,
		.kernel_buffer = 128u << 10,
		.queue_threshold = 1,
		.flush_centiseconds = (config->nflog.flush_milliseconds + 9) / 10,
		.socket_buffer = config->nflog.socket_buffer,
	};
	int r = pf_nflog_open(&options, ret_nflog);

	if (r == -EBUSY)
		diag_group_held(options.group);
	else if (r < 0)
		diag_cannot("open the NFLOG group", r);
	return r;
}

void stream_close_nflog(struct daemon *daemon)
{
	struct stream *stream = &daemon->stream;

	if (!stream->nflog)
		return;
	int r = pf_nflog_unbind(stream->nflog);
	if (r < 0)
		diag_cannot("give the NFLOG group back", r);
	while (daemon->snapshot && take_some(daemon) > 0)
		; /* what waits is bounded by nflog.socketBuffer */
	stream_flush(daemon);
	struct pf_nflog_counts counts = pf_nflog_counts(stream->nflog);
	stream->closed.received += counts.received;
	stream->closed.lost += counts.lost;
	stream->closed.malformed += counts.malformed;
	stream->nflog_source = sd_event_source_disable_unref(stream->nflog_source);
	stream->nflog = pf_nflog_free(stream->nflog);
}

int stream_open_nflog(struct daemon *daemon, const struct config *config)
{
	struct stream *stream = &daemon->stream;
	sd_event_source *source = NULL;
	struct pf_nflog *nflog;
	int r = group_open(config, &nflog);

	if (r < 0)
		return r;
	r = sd_event_add_io(daemon->loop, &source, pf_nflog_fd(nflog), EPOLLIN, on_nflog, daemon);
	if (r >= 0)
		r = sd_event_source_set_priority(source, PRIORITY_NFLOG);
	if (r < 0) {
		sd_event_source_disable_unref(source);
		pf_nflog_free(nflog);
		return r;
	}
	stream_close_nflog(daemon);
	stream->tempo = (struct tempo){};
	stream->nflog = nflog;
	stream->nflog_source = source;
	return 0;
}

int stream_change_nflog(struct daemon *daemon, const struct config *config)
{
	const struct config *before = daemon->config;

	if (!memcmp(&before->nflog, &config->nflog, sizeof(config->nflog)))
		return 0;
	if (before->nflog.group != config->nflog.group)
		return stream_open_nflog(daemon, config);
	stream_close_nflog(daemon); /* nobody can hold a group twice, not even we */
	int r = stream_open_nflog(daemon, config);
	int again = r < 0 ? stream_open_nflog(daemon, before) : 0; /* if not, work() tries again */
	return again < 0 ? again : r;
}

int stream_open(struct daemon *daemon)
{
	static const char digits[] = "0123456789abcdef";
	struct stream *stream = &daemon->stream;
	uint8_t random[8];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return -errno;
	for (size_t i = 0; i < sizeof(random); i++) {
		stream->agent_id[2 * i] = digits[random[i] >> 4];
		stream->agent_id[2 * i + 1] = digits[random[i] & 15];
	}
	stream->context = (struct event_context){
		.node_name = daemon->node_name,
		.cluster_name = daemon->config->events.cluster_name,
		.version = PODFENCE_VERSION,
		.agent_id = stream->agent_id,
	};
	int r = output_new(STDOUT_FILENO, daemon->config->events.buffer, &stream->output);
	if (r < 0)
		return r;
	if (output_fd(stream->output) >= 0) {
		r = sd_event_add_io(daemon->loop, &stream->output_source, output_fd(stream->output),
				    EPOLLOUT, on_writable, daemon);
		if (!r)
			r = sd_event_source_set_enabled(stream->output_source, SD_EVENT_OFF);
	}
	return r < 0 ? r : stream_open_nflog(daemon, daemon->config);
}

void stream_event(struct daemon *daemon, const struct agent_event *event)
{
	struct stream *stream = &daemon->stream;
	struct agent_event stamped = *event;

	stamped.time_usec = clock_usec(CLOCK_REALTIME);
	stamped.sequence = ++stream->sequence;
	buffer_clear(&stream->line);
	agent_event_format(&stamped, &stream->context, &stream->line);
	write_line(daemon, true);
	flush(stream);
	seam_flush(daemon);
}

void stream_tell(struct daemon *daemon, const char *action, const char *message,
		 const struct pf_nft_culprit *culprit)
{
	const struct agent_event event = {
		.action = action,
		.message = message,
		.pid = culprit ? culprit->pid : 0,
		.process = culprit ? culprit->process : NULL,
	};

	stream_event(daemon, &event);
}

void stream_done(struct daemon *daemon)
{
	struct stream *stream = &daemon->stream;

	stream_close_nflog(daemon);
	if (stream->output && daemon->snapshot) {
		struct output_counts output = output_counts(stream->output);
		const struct pf_nflog_counts nflog = stream->closed;
		diag_stopped(&(struct diag_totals){
			.events_written = output.lines_written,
			.events_dropped = output.lines_dropped,
			.records_received = nflog.received,
			.records_lost = nflog.lost,
			.records_malformed = nflog.malformed,
			.records_foreign = stream->n_foreign,
		});
	}
	sd_event_source_disable_unref(stream->output_source);
	output_free(stream->output);
	buffer_done(&stream->line);
}
