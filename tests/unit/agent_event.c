/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * Events of the agent itself. The whole line stands in tests/golden/events, where it is held against ECS
 * with those of flows. */
#include "event/agent_event.h"
#include "golden.h"
#include "scene.h"
#include "test.h"

static void format(const struct agent_event *event, struct buffer *buffer)
{
	agent_event_format(event, &scene_context, buffer);
	buffer_add_char(buffer, '\0');
	assert_false(buffer->is_broken);
}

static void a_line_is_ecs(void **state)
{
	struct buffer buffer = BUFFER_INIT;

	format(&(struct agent_event){"rules-tampered", "somebody changed the rules", 4711,
				     "iptables \"x\"", SCENE_NOW, 9},
	       &buffer);
	assert_golden("../events/agent-tampered.json", buffer.bytes);
	buffer_done(&buffer);
}

static void what_is_not_known_is_left_out(void **state)
{
	struct buffer buffer = BUFFER_INIT;

	format(&(struct agent_event){"rules-tampered", "m", 0, "", SCENE_NOW, 1}, &buffer);
	assert_null(strstr(buffer.bytes, "\"process\""));
	buffer_clear(&buffer);
	format(&(struct agent_event){"rules-tampered", "m", 7, NULL, SCENE_NOW, 1}, &buffer);
	assert_non_null(strstr(buffer.bytes, "\"process\":{\"pid\":7}"));
	buffer_done(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_ecs),
		cmocka_unit_test(what_is_not_known_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
