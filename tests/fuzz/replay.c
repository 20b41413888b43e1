/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Runs a fuzz target over every file of its corpus and prints TAP: a crash that was found once
 * stays an ordinary test for ever. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static int run_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return -1;
	static uint8_t bytes[8 << 20];
	size_t length = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	/* An exact allocation, so that the sanitizer sees the first byte read beyond the input. */
	uint8_t *exact = malloc(length ? length : 1);
	if (!exact)
		return -1;
	for (size_t i = 0; i < length; i++)
		exact[i] = bytes[i];
	LLVMFuzzerTestOneInput(exact, length);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	struct dirent **names;
	int n = scandir(argv[1], &names, NULL, alphasort);
	if (n < 0) {
		perror(argv[1]);
		return 2;
	}
	unsigned ran = 0;
	int failed = 0;
	for (int i = 0; i < n; i++) {
		char path[4096];
		if (names[i]->d_name[0] != '.') {
			snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name);
			int r = run_file(path);
			printf("%s %u - %s\n", r < 0 ? "not ok" : "ok", ++ran, names[i]->d_name);
			failed |= r < 0;
		}
		free(names[i]);
	}
	free(names);
	printf("1..%u\n", ran);
	if (!ran)
		fprintf(stderr, "%s: no corpus file\n", argv[1]);
	return failed || !ran;
}
