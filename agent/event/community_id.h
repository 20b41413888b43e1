/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stdint.h>

#include <podfence/packet.h>

#define COMMUNITY_ID_DIGEST 20
#define COMMUNITY_ID_TEXT   31 /* "1:", 28 characters of base64, NUL */

/* Community ID version 1 of a packet that is IP and no later fragment. Pure. */
void community_id_digest(const struct pf_packet *packet, uint16_t seed,
			 uint8_t ret_digest[static COMMUNITY_ID_DIGEST]);
/* With seed 0, as network.community_id wants it. */
void community_id_text(const struct pf_packet *packet, char text[static COMMUNITY_ID_TEXT]);
