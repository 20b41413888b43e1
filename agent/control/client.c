/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * The agent is believed not to be hostile, but not to be of the same version or in good health: sizes and
 * waiting are bounded here too. */
#include "control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/json.h"

#define REPLY_MAX  (16u << 20)
#define READ_PIECE 65536
#define DEPTH_MAX  32

struct control_client {
	int fd;
	struct buffer in;
	size_t scanned;
};

int control_client_open(const char *path, struct control_client **ret_client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	struct control_client *client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
	    connect(client->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;
		control_client_free(client);
		return -error;
	}
	*ret_client = client;
	return 0;
}

struct control_client *control_client_free(struct control_client *client)
{
	if (!client)
		return NULL;
	if (client->fd >= 0)
		close(client->fd);
	buffer_done(&client->in);
	free(client);
	return NULL;
}

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

int control_client_call(struct control_client *client, const char *method, const char *parameters,
			bool wants_more)
{
	struct buffer text = BUFFER_INIT;
	struct json json;

	json_init(&json, &text);
	json_object_begin(&json, NULL);
	json_string(&json, "method", method);
	if (parameters)
		json_raw(&json, "parameters", parameters, strlen(parameters));
	if (wants_more)
		json_boolean(&json, "more", true);
	json_object_end(&json);
	buffer_add_char(&text, '\0');
	int r = text.is_broken ? -ENOMEM : send_all(client->fd, text.bytes, text.length);
	buffer_done(&text);
	return r;
}

/* More bytes in the buffer. */
static int receive(struct control_client *client, unsigned seconds)
{
	struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
	int ready = poll(&poll_fd, 1, seconds ? (int)seconds * 1000 : -1);

	if (ready < 0)
		return errno == EINTR ? 0 : -errno;
	if (ready == 0)
		return -EAGAIN;
	if (client->in.length > REPLY_MAX)
		return -EBADMSG;
	char *room = buffer_extend(&client->in, READ_PIECE);
	if (!room)
		return -ENOMEM;
	ssize_t n = recv(client->fd, room, READ_PIECE, 0);
	int error = n < 0 ? errno : 0;
	client->in.length -= READ_PIECE - (n > 0 ? (size_t)n : 0);
	if (error)
		return error == EINTR ? 0 : -error;
	return n == 0 ? -EPIPE : 0;
}

static int parse(const char *text, size_t length, struct control_reply *reply)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	struct json_object *member;

	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	reply->tree = json_tokener_parse_ex(tokener, text, (int)length);
	json_tokener_free(tokener);
	if (json_object_get_type(reply->tree) != json_type_object)
		return -EBADMSG;
	if (json_object_object_get_ex(reply->tree, "error", &member))
		reply->error = json_object_get_string(member);
	if (json_object_object_get_ex(reply->tree, "continues", &member))
		reply->continues = json_object_get_boolean(member);
	if (!json_object_object_get_ex(reply->tree, "parameters", &reply->parameters)) {
		reply->parameters = json_object_new_object();
		if (!reply->parameters ||
		    json_object_object_add(reply->tree, "parameters", reply->parameters) < 0)
			return -ENOMEM;
	}
	return json_object_get_type(reply->parameters) == json_type_object ? 0 : -EBADMSG;
}

int control_client_reply(struct control_client *client, unsigned seconds,
			 struct control_reply *ret_reply)
{
	struct control_reply reply = {};
	struct buffer *in = &client->in;
	char *end = NULL;
	int r = 0;

	for (;;) {
		if (in->length > client->scanned)
			end = memchr(in->bytes + client->scanned, '\0',
				     in->length - client->scanned);
		if (end)
			break;
		client->scanned = in->length;
		r = receive(client, seconds);
		if (r < 0)
			return r;
	}
	size_t length = (size_t)(end - in->bytes);
	r = parse(in->bytes, length, &reply);
	in->length -= length + 1;
	memmove(in->bytes, end + 1, in->length);
	client->scanned = 0;
	if (r < 0)
		control_reply_done(&reply);
	else
		*ret_reply = reply;
	return r;
}

void control_reply_done(struct control_reply *reply)
{
	json_object_put(reply->tree);
	*reply = (struct control_reply){};
}
