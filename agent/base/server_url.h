/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors */
#pragma once

/* What is wrong with a text as the URL of a server, to which paths are appended: NULL where nothing
 * is, else the rest of a sentence ("is no http or https URL"). A password in it is not repeated. */
const char *server_url_problem(const char *text);
/* Cuts the slashes at the end of one that is good. */
void server_url_trim(char *url);
