/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Every packet that was stopped or audited is in one element or one counter, every message that was sent was
 * received or lost. */
#include "ledger/books.h"

int64_t class_books_difference(const struct class_books *books)
{
	uint64_t found = books->ledger + books->overflow + books->unkept;

	if (found < books->counted_before)
		return (int64_t)(books->counted_before - found);
	if (found > books->counted)
		return -(int64_t)(found - books->counted);
	return 0;
}

int64_t books_difference(const struct books *books)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < LEDGER_CLASS_N; i++) {
		int64_t one = class_books_difference(&books->classes[i]);
		sum += one < 0 ? -one : one;
	}
	return sum;
}

int64_t books_unheard(const struct books *books)
{
	return (int64_t)(books->logged - books->received - books->lost);
}

bool books_balance(const struct books *books)
{
	return !books_difference(books) && !books_unheard(books);
}
