/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * org.varlink.service, which every varlink service has: what this is, and what can be asked of it. */
#include <string.h>

#include "control/connection.h"

#define SERVICE "org.varlink.service"

static const char service_description[] =
	"# What every varlink service can be asked.\n"
	"interface " SERVICE "\n"
	"\n"
	"method GetInfo() -> (\n"
	"  vendor: string,\n"
	"  product: string,\n"
	"  version: string,\n"
	"  url: string,\n"
	"  interfaces: []string\n"
	")\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"error InterfaceNotFound (interface: string)\n"
	"error MethodNotFound (method: string)\n"
	"error MethodNotImplemented (method: string)\n"
	"error InvalidParameter (parameter: string)\n"
	"error PermissionDenied ()\n"
	"error ExpectedMore ()\n";

static int start_info(struct control_request *request)
{
	const char *bad;

	if (call_parameters(request->parameters, NULL, 0, NULL, &bad) != 0)
		return control_fail_parameter(request, bad);
	return CONTROL_DONE;
}

static int get_info(struct control_request *request, struct json *reply)
{
	const struct control_options *options = control_request_options(request);

	json_string(reply, "vendor", "podfence");
	json_string(reply, "product", "podfenced");
	json_string(reply, "version", options->version);
	json_string(reply, "url", options->url);
	json_array_begin(reply, "interfaces");
	json_string(reply, NULL, SERVICE);
	json_string(reply, NULL, options->interface->name);
	json_array_end(reply);
	return CONTROL_DONE;
}

struct description {
	const char *interface;
};

static int start_description(struct control_request *request)
{
	static const struct call_field fields[] = {
		{"interface", CALL_STRING, true, CALL_METHOD_MAX,
		 offsetof(struct description, interface)},
	};
	const char *bad;

	if (call_parameters(request->parameters, fields, 1, request->state, &bad) != 0)
		return control_fail_parameter(request, bad);
	return CONTROL_DONE;
}

static int get_description(struct control_request *request, struct json *reply)
{
	const struct control_interface *interface = control_request_options(request)->interface;
	const struct description *wanted = request->state;
	bool is_ours = !strcmp(wanted->interface, interface->name);

	if (!is_ours && strcmp(wanted->interface, SERVICE) != 0) {
		json_string(control_fail(request, SERVICE ".InterfaceNotFound"), "interface",
			    wanted->interface);
		return CONTROL_FAILED;
	}
	json_string(reply, "description", is_ours ? interface->description : service_description);
	return CONTROL_DONE;
}

static const struct control_method service_methods[] = {
	{SERVICE ".GetInfo", false, 0, start_info, get_info, NULL},
	{SERVICE ".GetInterfaceDescription", false, sizeof(struct description), start_description,
	 get_description, NULL},
};

static const struct control_method *find(const struct control_method *methods, size_t n,
					 const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(methods[i].name, name))
			return &methods[i];
	return NULL;
}

const struct control_method *control_find_method(const struct control_interface *interface,
						 const char *name)
{
	const struct control_method *method =
		find(service_methods, sizeof(service_methods) / sizeof(service_methods[0]), name);

	return method ? method : find(interface->methods, interface->n_methods, name);
}

static bool is_of(const char *method, const char *interface)
{
	size_t n = strlen(interface);

	return !strncmp(method, interface, n) && method[n] == '.' && !strchr(method + n + 1, '.');
}

bool control_has_interface(const struct control_interface *interface, const char *method)
{
	return is_of(method, SERVICE) || is_of(method, interface->name);
}
