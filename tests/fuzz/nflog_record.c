/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Any bytes as a netlink message, and what came through as a packet: the way of every record. */
#include <podfence/nflog.h>
#include <podfence/packet.h>

#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void check(const struct pf_nflog_record *record, const uint8_t *message, size_t length)
{
	struct pf_packet packet;

	require(memchr(record->prefix, '\0', sizeof(record->prefix)));
	require(record->source_mac_length <= sizeof(record->source_mac));
	require(record->has_timestamp || !record->timestamp_usec);
	require(record->payload || !record->payload_length);
	if (record->payload)
		require(record->payload >= message &&
			record->payload_length <= length - (size_t)(record->payload - message));
	(void)!pf_packet_parse(record->payload, record->payload_length, record->ethertype, &packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	uint8_t *message = malloc(length ? length : 1); /* aligned, and no byte longer */
	struct pf_nflog_record record;

	if (!message)
		abort();
	memcpy(message, bytes, length);
	int r = pf_nflog_record_parse(message, length, &record);
	require(r == 0 || r == PF_NFLOG_E_MALFORMED || r == PF_NFLOG_E_OTHER);
	if (!r)
		check(&record, message, length);
	free(message);
	return 0;
}
