/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * One NFLOG message to a record. The attributes come from the kernel, yet every length is checked:
 * the fuzz target feeds this what it likes, and a newer kernel may too. Walked by hand in one pass,
 * because this runs for every logged packet. */
#include <podfence/nflog.h>

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>

static uint32_t read32(const void *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return ntohl(value);
}

/* A time that cannot be is no time; the record is worth keeping without it. */
static void read_timestamp(const void *bytes, struct pf_nflog_record *record)
{
	struct nfulnl_msg_packet_timestamp stamp;

	memcpy(&stamp, bytes, sizeof(stamp));
	uint64_t seconds = be64toh(stamp.sec), usec = be64toh(stamp.usec);
	if (usec >= 1000000 || seconds > UINT64_MAX / 2000000)
		return;
	record->has_timestamp = true;
	record->timestamp_usec = seconds * 1000000 + usec;
}

static void read_hwaddr(const void *bytes, struct pf_nflog_record *record)
{
	struct nfulnl_msg_packet_hw hw;

	memcpy(&hw, bytes, sizeof(hw));
	uint16_t length = ntohs(hw.hw_addrlen);
	if (length > sizeof(record->source_mac))
		return; /* InfiniBand and the like: simply not kept */
	record->source_mac_length = (uint8_t)length;
	memcpy(record->source_mac, hw.hw_addr, length);
}

static bool read_prefix(const char *bytes, size_t length, struct pf_nflog_record *record)
{
	size_t n = strnlen(bytes, length);

	if (n == length || n >= sizeof(record->prefix))
		return false;
	memcpy(record->prefix, bytes, n + 1);
	return true;
}

static size_t minimum_length(unsigned type)
{
	switch (type) {
	case NFULA_PACKET_HDR: return sizeof(struct nfulnl_msg_packet_hdr);
	case NFULA_TIMESTAMP: return sizeof(struct nfulnl_msg_packet_timestamp);
	case NFULA_HWADDR: return sizeof(struct nfulnl_msg_packet_hw);
	case NFULA_PREFIX: return 1;
	case NFULA_MARK:
	case NFULA_IFINDEX_INDEV:
	case NFULA_IFINDEX_OUTDEV:
	case NFULA_IFINDEX_PHYSINDEV:
	case NFULA_UID:
	case NFULA_GID:
	case NFULA_SEQ: return 4;
	default: return 0;
	}
}

static bool read_attribute(unsigned type, const uint8_t *bytes, size_t length,
			   struct pf_nflog_record *record)
{
	struct nfulnl_msg_packet_hdr header;

	if (length < minimum_length(type))
		return false;
	switch (type) {
	case NFULA_PACKET_HDR:
		memcpy(&header, bytes, sizeof(header));
		record->ethertype = ntohs(header.hw_protocol);
		record->hook = header.hook;
		break;
	case NFULA_MARK: record->mark = read32(bytes); break;
	case NFULA_IFINDEX_INDEV: record->link_in = read32(bytes); break;
	case NFULA_IFINDEX_OUTDEV: record->link_out = read32(bytes); break;
	case NFULA_IFINDEX_PHYSINDEV: record->port_in = read32(bytes); break;
	case NFULA_UID:
		record->has_uid = true;
		record->uid = read32(bytes);
		break;
	case NFULA_GID:
		record->has_gid = true;
		record->gid = read32(bytes);
		break;
	case NFULA_SEQ:
		record->has_sequence = true;
		record->sequence = read32(bytes);
		break;
	case NFULA_TIMESTAMP: read_timestamp(bytes, record); break;
	case NFULA_HWADDR: read_hwaddr(bytes, record); break;
	case NFULA_PREFIX: return read_prefix((const char *)bytes, length, record);
	case NFULA_PAYLOAD:
		record->payload = bytes;
		record->payload_length = length;
		break;
	}
	return true;
}

int pf_nflog_record_parse(const void *message, size_t length, struct pf_nflog_record *ret_record)
{
	const uint8_t *bytes = message;
	struct nlmsghdr header;
	struct nfgenmsg generic;
	struct pf_nflog_record record;

	if (length < sizeof(header))
		return PF_NFLOG_E_MALFORMED;
	memcpy(&header, bytes, sizeof(header));
	if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > length)
		return PF_NFLOG_E_MALFORMED;
	if (header.nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return PF_NFLOG_E_OTHER;
	if (header.nlmsg_len < NLMSG_HDRLEN + sizeof(generic))
		return PF_NFLOG_E_MALFORMED;
	memcpy(&generic, bytes + NLMSG_HDRLEN, sizeof(generic));

	memset(&record, 0, offsetof(struct pf_nflog_record, prefix) + 1);
	record.family = generic.nfgen_family;
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(generic)), end = header.nlmsg_len;
	while (at + sizeof(struct nlattr) <= end) {
		struct nlattr attribute;
		memcpy(&attribute, bytes + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > end - at)
			return PF_NFLOG_E_MALFORMED;
		if (!read_attribute(attribute.nla_type & NLA_TYPE_MASK, bytes + at + NLA_HDRLEN,
				    attribute.nla_len - NLA_HDRLEN, &record))
			return PF_NFLOG_E_MALFORMED;
		at += NLA_ALIGN(attribute.nla_len);
	}
	*ret_record = record;
	return 0;
}
