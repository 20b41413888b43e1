/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

#include <stddef.h>

#include <podfence/address.h>

/* The text of pf_address_format(), without printf: for event lines, where an address stands four
 * times and inet_ntop() would take longer than all the rest. Returns the length; the text ends with
 * a NUL. */
size_t address_text(const struct pf_address *address, char buffer[static PF_ADDRESS_TEXT]);
