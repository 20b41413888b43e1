/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

/* The result says whether it worked: the compiler insists that somebody looks. */
#define PF_MUST_CHECK	     __attribute__((warn_unused_result))
#define PF_PRINTF(at, first) __attribute__((format(printf, at, first)))
