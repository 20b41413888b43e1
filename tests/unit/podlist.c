/* SPDX-License-Identifier: GPL-2.0-or-later
 * SPDX-FileCopyrightText: podfence authors
 *
 * A recorded list, lists made by hand for every message, and ten thousand pods in little memory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kube/podlist.h"

#include "test.h"
#include "text.h"

struct outcome {
	int result;
	struct pod_list *list; /* NULL where the document was refused */
	char *said;
};

static void outcome_done(struct outcome *outcome)
{
	pod_list_free(outcome->list);
	free(outcome->said);
}

static struct outcome read_text(const char *text, size_t length, size_t chunk, const char *node)
{
	struct outcome outcome = {};
	struct podlist *podlist;
	struct report report;
	size_t said_length;
	FILE *stream = open_memstream(&outcome.said, &said_length);

	assert_non_null(stream);
	report_init(&report);
	assert_int_equal(podlist_new("p", node, &report, &podlist), 0);
	for (size_t at = 0; at < length && !outcome.result; at += chunk)
		outcome.result = podlist_feed(podlist, text + at,
					      length - at < chunk ? length - at : chunk);
	if (!outcome.result)
		outcome.result = podlist_finish(podlist, &outcome.list);
	if (outcome.result)
		assert_int_equal(podlist_feed(podlist, "{", 1), outcome.result);
	podlist_free(podlist);
	report_print(&report, stream);
	report_done(&report);
	fclose(stream);
	assert_int_equal(!outcome.result, !!outcome.list);
	return outcome;
}

static char *file_text(const char *name, size_t *ret_length)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_DATA"), name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	char *text = malloc(1 << 20);
	assert_non_null(text);
	*ret_length = fread(text, 1, 1 << 20, file);
	fclose(file);
	return text;
}

/* All of a list, one pod a line. */
static char *list_text(const struct pod_list *list)
{
	char text[PF_ADDRESS_TEXT], *made;
	size_t length;
	FILE *stream = open_memstream(&made, &length);

	assert_non_null(stream);
	for (size_t i = 0; i < list->n_pods; i++) {
		const struct pod *pod = list->pods[i];
		fprintf(stream, "%s/%s %s on %s in %s%s account=%s owner=%s/%s/%s of %s/%s",
			pod->namespace, pod->name, pod->uid, pod->node, pod->cgroup_uid,
			pod->is_host_network ? " host" : "", pod->service_account, pod->owner_kind,
			pod->owner_name, pod->owner_uid, pod->workload_kind, pod->workload_name);
		for (size_t k = 0; k < pod->labels.n_labels; k++)
			fprintf(stream, " %s=%s", pod->labels.labels[k].key,
				pod->labels.labels[k].value);
		for (size_t k = 0; k < pod->n_addresses; k++)
			fprintf(stream, " %s", pf_address_format(&pod->addresses[k], text));
		for (size_t k = 0; k < pod->n_containers; k++)
			fprintf(stream, " [%s %s %s %.8s%s]", pod->containers[k].name,
				pod->containers[k].image, pod->containers[k].runtime,
				pod->containers[k].id, pod->containers[k].is_init ? " init" : "");
		fputc('\n', stream);
	}
	fclose(stream);
	return made;
}

#define BUSYBOX "docker.io/library/busybox:lab containerd"
static const char recorded[] =
	"default/guaranteed d6199218-3134-4005-a070-a4123d04c43e on node1 in "
	"d6199218-3134-4005-a070-a4123d04c43e host account= owner=// of / app=g 10.0.2.15 "
	"[main " BUSYBOX " b126a2b1]\n"
	"default/hostnet a6bf5bdf-ad9c-4da2-ba2d-b8498bd4b202 on node1 in "
	"a6bf5bdf-ad9c-4da2-ba2d-b8498bd4b202 host account= owner=// of / app=hostnet 10.0.2.15 "
	"[main " BUSYBOX " c08749d5]\n"
	"default/web 982e9bb6-3249-45fe-9e40-d9200b337a04 on node1 in "
	"982e9bb6-3249-45fe-9e40-d9200b337a04 account= owner=// of / app=web tier=front 10.244.1.2 "
	"[main " BUSYBOX " acfbaa74]\n"
	"payments/api-7c9d8b5f6-x2k4q 510d698f-0e72-4d8d-834c-8d3a3791915c on node1 in "
	"510d698f-0e72-4d8d-834c-8d3a3791915c account= "
	"owner=ReplicaSet/api-7c9d8b5f6/3c133961-69fe-406d-b65f-8bee2ec136ec of Deployment/api "
	"app=api pod-template-hash=7c9d8b5f6 10.244.1.3 "
	"[api " BUSYBOX " 9ef8b17a] [sidecar " BUSYBOX " 70a26a00]\n";

static void a_recorded_list_is_the_same_in_chunks_of_any_size(void **state)
{
	size_t length;
	char *text = file_text("pods-list.json", &length);

	for (size_t chunk = 1; chunk <= 65; chunk++) {
		struct outcome outcome = read_text(text, length, chunk == 65 ? length : chunk,
						   "node1");
		assert_string_equal(outcome.said, "");
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.list->n_refused, 0);
		char *made = list_text(outcome.list);
		assert_string_equal(made, recorded);
		free(made);
		outcome_done(&outcome);
	}
	struct outcome other = read_text(text, length, length, "node2");
	assert_int_equal(other.list->n_pods, 0);
	assert_string_equal(other.said, "");
	outcome_done(&other);
	free(text);
}

static void a_list_that_is_cut_is_refused(void **state)
{
	size_t length;
	char *text = file_text("pods-list.json", &length);

	while (length && text[length - 1] != '}')
		length--;
	for (size_t n = 0; n < length; n += n < 512 || length - n < 512 ? 1 : 97) {
		struct outcome outcome = read_text(text, n, 4096, "node1");
		assert_int_equal(outcome.result, PODLIST_E_INVALID);
		assert_non_null(strstr(outcome.said, n ? ": ends in the middle of the list\n"
						       : "p:1: is empty\n"));
		outcome_done(&outcome);
	}
	free(text);
}

#define LIST(items) "{\"kind\":\"PodList\",\"items\":[" items "]}"
#define META(extra) "\"metadata\":{\"namespace\":\"a\",\"name\":\"b\",\"uid\":\"u\"" extra "}"
#define POD(extra)  "{" META("") extra "}"
#define NAMED(name, uid, extra)                                                                    \
	"{\"metadata\":{\"namespace\":\"a\",\"name\":\"" name "\",\"uid\":\"" uid "\"" extra "}}"
#define STATUS(text) ",\"status\":{" text "}"
#define SPEC(text)   ",\"spec\":{" text "}"

/* Documents that are refused whole. */
static const struct {
	const char *text, *said;
} refused[] = {
	{"", "p:1: is empty\n"},
	{" \n ", "p:2: ends in the middle of the list\n"},
	{"[]", "p:1: no JSON list: an object is expected (byte 1)\n"},
	{"\n\nx", "p:3: no JSON list: an object is expected (byte 3)\n"},
	{"\xef\xbb\xbf{}", "p:1: no JSON list: an object is expected (byte 1)\n"},
	{"{}", "p:1: kind: missing\n"},
	{"{\"kind\":\"PodList\"}", "p:1: items: missing\n"},
	{"{\"items\":[]}", "p:1: kind: missing\n"},
	{"{\"items\":[],\"kind\":\"ServiceList\"}",
	 "p:1: kind: \"ServiceList\" is neither PodList nor List\n"},
	{"{\"kind\":\"Pod\",\"metadata\":{}}", "p:1: kind: \"Pod\" is neither PodList nor List\n"},
	{"{\"kind\":5}", "p:1: kind: \"\" is neither PodList nor List\n"},
	{"{\"kind\":null}", "p:1: kind: \"\" is neither PodList nor List\n"},
	{"{\"kind\":\"Pod\\nList\"}", "p:1: kind: \"Pod?List\" is neither PodList nor List\n"},
	{"{\"kind\":\"List\",\"kind\":\"List\"}", "p:1: kind stands twice\n"},
	{"{\"items\":[],\"items\":[]}", "p:1: no JSON list: items stands twice (byte 21)\n"},
	{"{\"items\":{}}", "p:1: no JSON list: items is no list (byte 10)\n"},
	{"{\"items\":null}", "p:1: no JSON list: items is no list (byte 10)\n"},
	{"{\"it\\u0065ms\":[]}", "p:1: no JSON list: no key of a list (byte 5)\n"},
	{"{\"it\xc3\xa9ms\":[]}", "p:1: no JSON list: no key of a list (byte 5)\n"},
	{"{\"kind\":\"List\",\"items\":[],\"metadata\":{\"continue\":\"abc\"}}",
	 "p:1: metadata.continue: only one page of a list\n"},
	/* what stands around the values */
	{"{,}", "p:1: no JSON list: a key or } is expected (byte 2)\n"},
	{"{\"kind\" \"List\"}", "p:1: no JSON list: a colon is expected (byte 9)\n"},
	{"{\"kind\":}", "p:1: no JSON list: a value is expected (byte 9)\n"},
	{"{\"kind\":\"List\" \"a\":1}", "p:1: no JSON list: a comma or } is expected (byte 16)\n"},
	{"{\"kind\":\"List\",}", "p:1: no JSON list: a key is expected (byte 16)\n"},
	{"{\"items\":[,]}", "p:1: no JSON list: an item or ] is expected (byte 11)\n"},
	{"{\"items\":[{}{}]}", "p:1: no JSON list: a comma or ] is expected (byte 13)\n"},
	{"{\"kind\":\"List\",\"items\":[],}", "p:1: no JSON list: a key is expected (byte 27)\n"},
	{LIST("") "x", "p:1: no JSON list: something follows the list (byte 30)\n"},
	{LIST("") LIST(""), "p:1: no JSON list: something follows the list (byte 30)\n"},
	/* what stands in them */
	{"{\"a\":tru}", "p:1: no JSON: a: unexpected end of data\n"},
	{"{\"a\":truf}", "p:1: no JSON: a: boolean expected\n"},
	{"{\"a\":[}]}", "p:1: no JSON: a: unexpected character\n"},
	{"{\"a\":{]}", "p:1: no JSON: a: quoted object property name expected\n"},
	{"{\"a\":\"\x01\"}", "p:1: no JSON list: a character that stands in no value (byte 7)\n"},
	{"{\"a\":[\x01]}", "p:1: no JSON list: a character that stands in no value (byte 7)\n"},
	{LIST("{\"a\":}"), "p:1: no JSON: items[0]: unexpected character\n"},
	{LIST(POD("") ",\n{\"a\":'b'}"), "p:2: no JSON: items[1]: unexpected character\n"},
	{LIST("{\"a\":1,}"), "p:1: no JSON: items[0]: unexpected character\n"},
	{LIST("{\"a\":[1,]}"), "p:1: no JSON: items[0]: unexpected character\n"},
	{LIST("{\"a\":1} // b"), "p:1: no JSON list: a comma or ] is expected (byte 36)\n"},
	{LIST("{\"a\":\"\xff\"}"), "p:1: no JSON: items[0]: invalid utf-8 string\n"},
	{LIST("{\"a\":\"\n\"}"),
	 "p:1: no JSON list: a character that stands in no value (byte 34)\n"},
};

static void documents_are_refused(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		for (size_t chunk = 1; chunk < 100; chunk += 98) {
			struct outcome outcome = read_text(refused[i].text, strlen(refused[i].text),
							   chunk, NULL);
			size_t n = strlen(outcome.said), m = strlen(refused[i].said);
			assert_int_equal(outcome.result, PODLIST_E_INVALID);
			/* Items before it may have been named. */
			assert_string_equal(outcome.said + (n > m ? n - m : 0), refused[i].said);
			outcome_done(&outcome);
		}
	static const char with_nul[] = "{\"kind\":\"List\",\"x\":\0,\"items\":[]}";
	struct outcome outcome = read_text(with_nul, sizeof(with_nul) - 1, 7, NULL);
	assert_string_equal(outcome.said, "p:1: no JSON list: a value is expected (byte 20)\n");
	outcome_done(&outcome);
}

/* Items that are refused, alone; the rest of the list counts. */
static const struct {
	const char *item, *said;
} refused_items[] = {
	{"5", "p: items[0]: is no object\n"},
	{"null", "p: items[0]: is no object\n"},
	{"\"a\"", "p: items[0]: is no object\n"},
	{"[[]]", "p: items[0]: is no object\n"},
	{"{}", "p: items[0]: metadata.namespace: missing\np: items[0]: metadata.name: missing\n"
	       "p: items[0]: metadata.uid: missing\n"},
	{"{\"kind\":\"Service\"," META("") "}",
	 "p: items[0] (a/b): kind: is \"Service\", not Pod\n"},
	{"{\"kind\":7," META("") "}", "p: items[0] (a/b): kind: is a number, not a text\n"},
	{"{\"metadata\":[]}", "p: items[0]: metadata: is a list, not an object\n"},
	{"{\"metadata\":{\"namespace\":\"a\",\"name\":\"b\"}}",
	 "p: items[0] (a/b): metadata.uid: missing\n"},
	{NAMED("b", "", ""), "p: items[0] (a/b): metadata.uid: missing\n"},
	{NAMED("b", "u/../v", ""), "p: items[0] (a/b): metadata.uid: \"u/../v\" is no uid\n"},
	{NAMED("b", "0123456789012345678901234567890123456789012345678901234567890123", ""),
	 "p: items[0] (a/b): metadata.uid: "
	 "\"0123456789012345678901234567890123456789012345678901234567890123\" is no uid\n"},
	{NAMED("b", "u\\u0000v", ""), "p: items[0] (a/b): metadata.uid: holds a NUL byte\n"
				      "p: items[0] (a/b): metadata.uid: missing\n"},
	{NAMED("B\\u001b[2J\\\"", "u", ""),
	 "p: items[0]: metadata.name: \"B?[2J\"\" is no name a pod can have\n"},
	{"{\"metadata\":{\"namespace\":\"a.b\",\"name\":\"c\",\"uid\":\"u\"}}",
	 "p: items[0]: metadata.namespace: \"a.b\" is no name a pod can have\n"},
	{"{\"metadata\":{\"namespace\":7,\"name\":\"c\",\"uid\":\"u\"}}",
	 "p: items[0]: metadata.namespace: is a number, not a text\n"
	 "p: items[0]: metadata.namespace: missing\n"},
	{POD(SPEC("\"hostNetwork\":\"true\"")),
	 "p: items[0] (a/b): spec.hostNetwork: is a text, not true or false\n"},
	{POD(SPEC("\"nodeName\":\"Node 1\"")),
	 "p: items[0] (a/b): spec.nodeName: \"Node 1\" is no name a node can have\n"},
	{POD(SPEC("\"nodeName\":{}")),
	 "p: items[0] (a/b): spec.nodeName: is an object, not a text\n"},
	{POD(",\"spec\":true"), "p: items[0] (a/b): spec: is true or false, not an object\n"},
	{POD(STATUS("\"phase\":[]")), "p: items[0] (a/b): status.phase: is a list, not a text\n"},
};

static void items_are_refused_alone(void **state)
{
	for (size_t i = 0; i < sizeof(refused_items) / sizeof(refused_items[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text), LIST("%s," NAMED("z", "z", "")),
			 refused_items[i].item);
		struct outcome outcome = read_text(text, strlen(text), 9, NULL);
		assert_string_equal(outcome.said, refused_items[i].said);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.list->n_refused, 1);
		assert_int_equal(outcome.list->n_pods, 1);
		assert_string_equal(outcome.list->pods[0]->name, "z");
		outcome_done(&outcome);
	}
}

#define HASH "0123456789abcdef0123456789abcdef"
#define BARE "a/b u on  in u account= owner=// of /"
#define OWNER(kind, name)                                                                          \
	",\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"n\",\"uid\":\"x\"},{\"kind\":\"" kind \
	"\",\"name\":\"" name "\",\"uid\":\"o\",\"controller\":true}]"
#define LABELS(text)	 ",\"labels\":{" text "}"
#define TEMPLATE	 LABELS("\"pod-template-hash\":\"5d8f9\"")
#define ANNOTATION(hash) ",\"annotations\":{\"kubernetes.io/config.hash\":\"" hash "\"}"
#define PODS(text)	 "{" META(text) "}"

/* One item each: what becomes of it, and what is said. */
static const struct {
	const char *item, *made, *said;
} pods[] = {
	{POD(""), BARE "\n", ""},
	{"{\"kind\":\"Pod\",\"apiVersion\":\"v1\"," META("") "}", BARE "\n", ""},
	{POD(SPEC("\"nodeName\":\"n1\",\"hostNetwork\":true,\"serviceAccountName\":\"sa\"")),
	 "a/b u on n1 in u host account=sa owner=// of /\n", ""},
	{POD(SPEC("\"hostNetwork\":false,\"serviceAccountName\":\"S A\"")), BARE "\n",
	 "p: items[0] (a/b): spec.serviceAccountName: \"S A\" is no name; left out\n"},
	/* finished */
	{POD(STATUS("\"phase\":\"Succeeded\"")), "", ""},
	{POD(STATUS("\"phase\":\"Failed\"")), "", ""},
	{POD(STATUS("\"phase\":\"Pending\"")), BARE "\n", ""},
	/* static pods */
	{PODS(ANNOTATION(HASH)), "a/b u on  in " HASH " account= owner=// of /\n", ""},
	{PODS(ANNOTATION("982e9bb6-3249-45fe-9e40-d9200b337a04")), BARE "\n",
	 "p: items[0] (a/b): metadata.annotations[kubernetes.io/config.hash]: "
	 "\"982e9bb6-3249-45fe-9e40-d9200b337a04\" is no hash of a kubelet; ignored\n"},
	{PODS(",\"annotations\":[]"), BARE "\n",
	 "p: items[0] (a/b): metadata.annotations: is a list, not an object\n"},
	/* owners */
	{PODS(OWNER("ReplicaSet", "web-5d8f9") TEMPLATE),
	 "a/b u on  in u account= owner=ReplicaSet/web-5d8f9/o of Deployment/web "
	 "pod-template-hash=5d8f9\n",
	 ""},
	{PODS(OWNER("ReplicaSet", "web-5d8f9")),
	 "a/b u on  in u account= owner=ReplicaSet/web-5d8f9/o of ReplicaSet/web-5d8f9\n", ""},
	{PODS(OWNER("ReplicaSet", "web-15d8f9") TEMPLATE),
	 "a/b u on  in u account= owner=ReplicaSet/web-15d8f9/o of ReplicaSet/web-15d8f9 "
	 "pod-template-hash=5d8f9\n",
	 ""},
	{PODS(OWNER("ReplicaSet", "-5d8f9") TEMPLATE),
	 "a/b u on  in u account= owner=ReplicaSet/-5d8f9/o of ReplicaSet/-5d8f9 "
	 "pod-template-hash=5d8f9\n",
	 ""},
	{PODS(OWNER("Job", "backup-5d8f9") TEMPLATE),
	 "a/b u on  in u account= owner=Job/backup-5d8f9/o of Job/backup-5d8f9 "
	 "pod-template-hash=5d8f9\n",
	 ""},
	{PODS(OWNER("StatefulSet", "d\\nb")), BARE "\n",
	 "p: items[0] (a/b): metadata.ownerReferences: \"StatefulSet\" \"d?b\" is no owner; left "
	 "out\n"},
	{PODS(",\"ownerReferences\":[5,{\"controller\":true}]"), BARE "\n",
	 "p: items[0] (a/b): metadata.ownerReferences: \"\" \"\" is no owner; left out\n"},
	{PODS(",\"ownerReferences\":[{\"controller\":\"true\"},{}]"), BARE "\n", ""},
	/* labels */
	{PODS(LABELS("\"z\":\"1\",\"a.io/b_c\":\"x.Y-z_0\",\"e\":\"\"")),
	 BARE " a.io/b_c=x.Y-z_0 e= z=1\n", ""},
	{PODS(LABELS("\"k\":\"0123456789012345678901234567890123456789012345678901234567890123\"")),
	 BARE "\n",
	 "p: items[0] (a/b): metadata.labels: the value of k is no label value; left out\n"},
	{PODS(LABELS(
		 "\"k\":5,\"l\":null,\"m\":\"a b\",\"n\":\"\\\"\",\"o\":\"a\\u0000\",\"p\":\"1\"")),
	 BARE " p=1\n",
	 "p: items[0] (a/b): metadata.labels: the value of k is no label value; left out\n"
	 "p: items[0] (a/b): metadata.labels: the value of l is no label value; left out\n"
	 "p: items[0] (a/b): metadata.labels: the value of m is no label value; left out\n"
	 "p: items[0] (a/b): metadata.labels: the value of n is no label value; left out\n"
	 "p: items[0] (a/b): metadata.labels: the value of o is no label value; left out\n"},
	{PODS(LABELS("\"k\\u001b[2J\":\"a\",\"\":\"b\",\"q\\\"\":\"c\"")), BARE "\n",
	 "p: items[0] (a/b): metadata.labels: \"k?[2J\" is no label key; left out\n"
	 "p: items[0] (a/b): metadata.labels: \"\" is no label key; left out\n"
	 "p: items[0] (a/b): metadata.labels: \"q\"\" is no label key; left out\n"},
	{PODS(",\"labels\":\"a=b\""), BARE "\n",
	 "p: items[0] (a/b): metadata.labels: is a text, not an object\n"},
	/* addresses */
	{POD(STATUS(
		 "\"podIP\":\"10.0.0.1\",\"podIPs\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"FD00::1\"}]")),
	 BARE " 10.0.0.1 fd00::1\n", ""},
	{POD(STATUS("\"podIP\":\"\",\"podIPs\":[{},5,{\"ip\":\"10.0.0.1/8\"},{\"ip\":5}]")),
	 BARE "\n",
	 "p: items[0] (a/b): status.podIPs: holds something else than objects\n"
	 "p: items[0] (a/b): status.podIPs: \"10.0.0.1/8\" is no address; left out\n"
	 "p: items[0] (a/b): status.podIPs: is a number, not a text\n"},
	/* containers */
	{POD(SPEC("\"containers\":[{\"name\":\"c\",\"image\":\"r.io:5000/i@sha256:0a\"},"
		  "{\"name\":\"d\",\"image\":\"i\"}],\"initContainers\":[{\"name\":\"i\",\"image\":"
		  "\"j\"}],"
		  "\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"k\"}]")
		     STATUS("\"containerStatuses\":[{\"name\":\"d\",\"image\":\"sha256:1\","
			    "\"containerID\":\"cri-o://ab\"},{\"name\":\"x\",\"image\":\"y\","
			    "\"containerID\":\"\"}],\"initContainerStatuses\":[{\"name\":\"i\","
			    "\"containerID\":\"docker://01\"}],\"ephemeralContainerStatuses\":"
			    "[{\"name\":\"e\",\"containerID\":\"containerd://02\"}]")),
	 BARE " [i j docker 01 init] [c r.io:5000/i@sha256:0a  ] [d i cri-o ab] [x y  ]"
	      " [e k containerd 02]\n",
	 ""},
	{POD(STATUS("\"containerStatuses\":[{\"name\":\"c\",\"containerID\":\"containerd://XY\"},"
		    "{\"name\":\"d\",\"containerID\":\"abc\"},{\"name\":\"e\",\"containerID\":\"://"
		    "a\"},"
		    "{\"name\":\"A b\"},7,{\"name\":\"f\",\"image\":\"a\\tb\"}]")),
	 BARE " [c   ] [d   ] [e   ] [f   ]\n",
	 "p: items[0] (a/b): status.containerStatuses: containerID \"containerd://XY\" is no "
	 "container id; left out\n"
	 "p: items[0] (a/b): status.containerStatuses: containerID \"abc\" is no container id; "
	 "left "
	 "out\n"
	 "p: items[0] (a/b): status.containerStatuses: containerID \"://a\" is no container id; "
	 "left "
	 "out\n"
	 "p: items[0] (a/b): status.containerStatuses: \"A b\" is no container; left out\n"
	 "p: items[0] (a/b): status.containerStatuses: holds something else than objects\n"
	 "p: items[0] (a/b): status.containerStatuses: image \"a?b\" is no image; left out\n"},
};

static void pods_are_made(void **state)
{
	for (size_t i = 0; i < sizeof(pods) / sizeof(pods[0]); i++) {
		char text[2048];
		snprintf(text, sizeof(text), LIST("%s"), pods[i].item);
		struct outcome outcome = read_text(text, strlen(text), 5, NULL);
		assert_string_equal(outcome.said, pods[i].said);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.list->n_refused, 0);
		char *made = list_text(outcome.list);
		assert_string_equal(made, pods[i].made);
		free(made);
		outcome_done(&outcome);
	}
}

#define CREATED(time) ",\"creationTimestamp\":\"" time "\""
#define OLD	      CREATED("2026-11-23T16:19:32Z")
#define NEW	      CREATED("2026-11-23T16:20:00Z")

/* Lists of several: the uids that stay, in order. */
static const struct {
	const char *items, *uids, *said;
} several[] = {
	{NAMED("c", "1", "") "," NAMED("a", "2", "") ",{\"metadata\":{\"namespace\":\"Z\"}}",
	 "2 1 ",
	 "p: items[2]: metadata.namespace: \"Z\" is no name a pod can have\n"
	 "p: items[2]: metadata.name: missing\np: items[2]: metadata.uid: missing\n"},
	{NAMED("c", "1", "") "," NAMED("b", "1", "") "," NAMED("a", "1", ""), "1 ",
	 "p: items[1]: a/b has the uid of items[0]; left out\n"
	 "p: items[2]: a/a has the uid of items[0]; left out\n"},
	{NAMED("a", "1", OLD) "," NAMED("a", "2", NEW), "2 ",
	 "p: items[0]: a/a has the name of items[1]; left out\n"},
	{NAMED("a", "2", NEW) "," NAMED("a", "1", OLD), "2 ",
	 "p: items[1]: a/a has the name of items[0]; left out\n"},
	{NAMED("a", "2", OLD) "," NAMED("a", "1", OLD), "2 ",
	 "p: items[1]: a/a has the name of items[0]; left out\n"},
	{NAMED("a", "2", "") "," NAMED("a", "1", OLD), "1 ",
	 "p: items[0]: a/a has the name of items[1]; left out\n"},
	{NAMED("a", "2", CREATED("tomorrow")) "," NAMED("a", "1", OLD), "1 ",
	 "p: items[0] (a/a): metadata.creationTimestamp: \"tomorrow\" is no time; left out\n"
	 "p: items[0]: a/a has the name of items[1]; left out\n"},
	/* one of them is finished: two pods of a Job or of a StatefulSet */
	{"{\"metadata\":{\"namespace\":\"a\",\"name\":\"a\",\"uid\":\"1\"},\"status\":{\"phase\":"
	 "\"Failed\"}}," NAMED("a", "2", ""),
	 "2 ", ""},
	{"{\"metadata\":{\"namespace\":\"a-b\",\"name\":\"a\",\"uid\":\"1\"}},"
	 "{\"metadata\":{\"namespace\":\"a\",\"name\":\"z\",\"uid\":\"2\"}}",
	 "2 1 ", ""},
};

static void several_pods_are_settled(void **state)
{
	for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++) {
		char text[2048], uids[64] = "";
		snprintf(text, sizeof(text),
			 "{\"apiVersion\":\"v1\",\"items\":[%s],\"kind\":\"List\"}\n",
			 several[i].items);
		struct outcome outcome = read_text(text, strlen(text), 64, NULL);
		assert_string_equal(outcome.said, several[i].said);
		for (size_t k = 0; k < outcome.list->n_pods; k++) {
			strcat(uids, outcome.list->pods[k]->uid);
			strcat(uids, " ");
		}
		assert_string_equal(uids, several[i].uids);
		outcome_done(&outcome);
	}
}

static void pods_of_other_nodes_are_not_judged(void **state)
{
	static const char text[] = LIST(
		"{\"spec\":{\"nodeName\":\"n2\"},\"metadata\":{\"name\":\"\"}},"
		"{\"metadata\":{\"name\":\"unscheduled\"}}," POD(SPEC("\"nodeName\":\"n1\"")));
	struct outcome outcome = read_text(text, sizeof(text) - 1, 3, "n1");

	assert_string_equal(outcome.said, "");
	assert_int_equal(outcome.list->n_pods, 1);
	assert_int_equal(outcome.list->n_refused, 0);
	outcome_done(&outcome);
}

static struct outcome read_repeated(const char *head, const char *unit, size_t n, const char *tail)
{
	char *text = text_repeat(head, unit, n, tail);
	struct outcome outcome = read_text(text, strlen(text), 16384, NULL);

	free(text);
	return outcome;
}

#define HEAD "{\"kind\":\"PodList\",\"items\":["
#define TAIL "," NAMED("z", "z", "") "]}"

static void hostile_items_are_bounded(void **state)
{
	static const struct {
		const char *head, *unit;
		size_t n;
		const char *tail, *said;
	} cases[] = {
		{HEAD "{\"a\":\"", "0123456789abcdef", (PODLIST_ITEM_MAX >> 4) + 1, "\"}" TAIL,
		 "p: items[0]: is larger than 4 MiB\n"},
		{HEAD "{" META(",\"labels\":{\"k\":\"v\"}") ",\"spec\":{\"containers\":[",
		 "{\"name\":\"c\"},", 200000, "{}]}}" TAIL,
		 "p: items[0] (a/b): spec.containers: has more than 256 items; the others are left "
		 "out\n"},
		{HEAD "{" META("") ",\"status\":{\"podIPs\":[", "{\"ip\":\"10.0.0.1\"},", 64,
		 "{}]}}" TAIL,
		 "p: items[0] (a/b): status.podIPs: has more than 64 items; the others are left "
		 "out\n"},
		{HEAD "{" META("") ",\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"", "i",
		 1025, "\"}]}}" TAIL, "p: items[0] (a/b): spec.containers: image \"iiii"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome = read_repeated(cases[i].head, cases[i].unit, cases[i].n,
						       cases[i].tail);
		assert_memory_equal(outcome.said, cases[i].said, strlen(cases[i].said));
		assert_int_equal(outcome.result, 0);
		assert_string_equal(outcome.list->pods[outcome.list->n_pods - 1]->name, "z");
		outcome_done(&outcome);
	}
}

static void deep_items_are_refused(void **state)
{
	for (unsigned depth = 60; depth < 70; depth++) {
		char *open = text_repeat(HEAD "{\"a\":", "[", depth, "");
		char *text = text_repeat(open, "]", depth, "}" TAIL);
		struct outcome outcome = read_text(text, strlen(text), 16384, NULL);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.list->n_refused, 1);
		assert_int_equal(outcome.list->n_pods, 1);
		assert_string_equal(outcome.said,
				    depth < 64 ? "p: items[0]: metadata.namespace: missing\n"
						 "p: items[0]: metadata.name: missing\n"
						 "p: items[0]: metadata.uid: missing\n"
					       : "p: items[0]: is nested deeper than 64 levels\n");
		outcome_done(&outcome);
		free(open);
		free(text);
	}
	struct outcome outcome = read_repeated(HEAD "{\"a\":", "[", 5 << 20, "");
	assert_string_equal(outcome.said, "p:1: ends in the middle of the list\n");
	outcome_done(&outcome);
}

static void long_labels_are_left_out(void **state)
{
	static const struct {
		size_t length, n_labels;
	} cases[] = {{1, 1}, {317, 1}, {318, 0}, {65536, 0}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome =
			read_repeated(HEAD "{\"metadata\":{\"namespace\":\"a\","
					   "\"name\":\"b\",\"uid\":\"u\",\"labels\":{\"",
				      "k", cases[i].length, "\":\"v\"}}}]}");
		assert_int_equal(outcome.list->n_pods, 1);
		assert_int_equal(outcome.list->pods[0]->labels.n_labels, cases[i].n_labels);
		assert_int_equal(!outcome.said[0], cases[i].n_labels);
		assert_true(strlen(outcome.said) < 256);
		outcome_done(&outcome);
	}
}

static void members_beside_the_items_are_bounded(void **state)
{
	struct outcome outcome = read_repeated("{\"kind\":\"List\",\"items\":[],\"a\":\"", "x",
					       65534, "\"}");
	assert_string_equal(outcome.said, "");
	outcome_done(&outcome);
	outcome = read_repeated("{\"kind\":\"List\",\"items\":[],\"a\":\"", "x", 65535, "\"}");
	assert_string_equal(
		outcome.said,
		"p:1: no JSON list: a member beside the items is too large (byte 65568)\n");
	outcome_done(&outcome);
}

static long peak_kilobytes(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss;
}

/* The recorded list's last pod with other names, `n` times. */
static void feed_copies(struct podlist *podlist, unsigned n)
{
	size_t length;
	char *text = file_text("pods-list.json", &length);

	text[length] = '\0';
	char *item = strstr(text, "\"name\": \"api-7c9d8b5f6-x2k4q\"");
	assert_non_null(item);
	while (*item != '{')
		item--;
	for (item--; *item != '{';)
		item--;
	char *end = strrchr(text, ']');
	assert_non_null(end);
	*end = '\0';
	assert_int_equal(podlist_feed(podlist, HEAD, strlen(HEAD)), 0);
	char *name = strstr(item, "x2k4q"), *uid = strstr(item, "510d698f");
	for (unsigned i = 0; i < n; i++) {
		char number[9];
		snprintf(number, sizeof(number), "%08u", i);
		memcpy(name, number + 3, 5);
		memcpy(uid, number, 8);
		if (i)
			assert_int_equal(podlist_feed(podlist, ",", 1), 0);
		assert_int_equal(podlist_feed(podlist, item, (size_t)(end - item)), 0);
	}
	assert_int_equal(podlist_feed(podlist, "]}", 2), 0);
	free(text);
}

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#endif

static void ten_thousand_pods_need_little_memory(void **state)
{
	struct podlist *podlist;
	struct pod_list *list;
	struct report report;
	long before = peak_kilobytes();

	report_init(&report);
	assert_int_equal(podlist_new("p", "node1", &report, &podlist), 0);
	feed_copies(podlist, 10000);
	assert_int_equal(podlist_finish(podlist, &list), 0);
	podlist_free(podlist);
	assert_true(report_is_empty(&report));
	assert_int_equal(list->n_pods, 10000);
	assert_string_equal(list->pods[9999]->name, "api-7c9d8b5f6-09999");
	assert_string_equal(list->pods[9999]->workload_name, "api");
	pod_list_free(list);
	report_done(&report);
#ifndef HAS_ADDRESS_SANITIZER /* it keeps what was freed for a while */
	assert_in_range(peak_kilobytes() - before, 0, 64 << 10);
#else
	(void)before;
#endif
}

static void lists_are_shared(void **state)
{
	struct outcome outcome = read_text(LIST(POD("")), strlen(LIST(POD(""))), 1, NULL);
	struct pod_list *second = pod_list_ref(outcome.list);

	outcome_done(&outcome);
	assert_string_equal(second->pods[0]->name, "b");
	pod_list_free(second);
	second = pod_list_empty();
	assert_non_null(second);
	assert_int_equal(second->n_pods, 0);
	pod_list_free(second);
	assert_null(pod_list_free(NULL));
	assert_null(podlist_free(NULL));
	assert_null(pod_free(NULL));
}

static void files_are_read(void **state)
{
	char path[4096];
	struct pod_list *list = NULL;
	struct report report;

	report_init(&report);
	snprintf(path, sizeof(path), "%s/pods-list.json", getenv("TEST_DATA"));
	assert_int_equal(podlist_read(path, NULL, &report, &list), 0);
	assert_int_equal(list->n_pods, 4);
	pod_list_free(list);
	assert_int_equal(podlist_read("/nonexistent", NULL, &report, &list), -ENOENT);
	assert_int_equal(podlist_read("/tmp", NULL, &report, &list), -EISDIR);
	assert_true(report_is_empty(&report));
	assert_int_equal(podlist_read("/dev/null", NULL, &report, &list), PODLIST_E_INVALID);
	assert_string_equal(report.entries[0].place, "/dev/null:1");
	assert_string_equal(report.entries[0].text, "is empty");
	report_done(&report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			ten_thousand_pods_need_little_memory), /* first: it looks at a peak */
		cmocka_unit_test(a_recorded_list_is_the_same_in_chunks_of_any_size),
		cmocka_unit_test(a_list_that_is_cut_is_refused),
		cmocka_unit_test(documents_are_refused),
		cmocka_unit_test(items_are_refused_alone),
		cmocka_unit_test(pods_are_made),
		cmocka_unit_test(several_pods_are_settled),
		cmocka_unit_test(pods_of_other_nodes_are_not_judged),
		cmocka_unit_test(hostile_items_are_bounded),
		cmocka_unit_test(deep_items_are_refused),
		cmocka_unit_test(long_labels_are_left_out),
		cmocka_unit_test(members_beside_the_items_are_bounded),
		cmocka_unit_test(lists_are_shared),
		cmocka_unit_test(files_are_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
