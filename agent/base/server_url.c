/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * libcurl, which will use the URL, judges it. Its parser lets the one pass that it will take; what
 * would end up behind our paths, or beside our credentials, is ours to refuse. */
#include "base/server_url.h"

#include <stdbool.h>
#include <string.h>

#include <curl/curl.h>

static bool is_http(CURLU *url)
{
	char *scheme;

	if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
		return false;
	bool is_good = !strcmp(scheme, "http") || !strcmp(scheme, "https");
	curl_free(scheme);
	return is_good;
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text;

	if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
		return false;
	curl_free(text);
	return true;
}

void server_url_trim(char *url)
{
	size_t n = strlen(url);

	while (n && url[n - 1] == '/')
		url[--n] = '\0';
}

const char *server_url_problem(const char *text)
{
	CURLU *url = curl_url();
	const char *problem = NULL;

	if (!url)
		return "cannot be judged: no memory";
	/* Without CURLU_GUESS_SCHEME a scheme is needed, without CURLU_NO_AUTHORITY a host. A lone
	 * "?" or "#" is no part to libcurl. */
	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK || !is_http(url))
		problem = "is no http or https URL";
	else if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		problem = "holds a user; that does not belong into a URL";
	else if (strpbrk(text, "?#"))
		problem = "has a query or fragment";
	curl_url_cleanup(url);
	return problem;
}
