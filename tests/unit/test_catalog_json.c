#include "test.h"

#include <string.h>

#include "catalog/json.h"

static struct hf_instance *setup(struct hf_catalog *c)
{
    struct hf_service *s = NULL;
    struct hf_node *n = NULL;
    struct hf_instance *i = NULL;
    struct hf_instance_spec spec = {
        .id = "orders-a-1", .version = "1.0.0", .node = "a", .process = true, .pid = 4711};

    assert_int_equal(hf_addr_parse(HF_STR("127.0.0.1:20001"), &spec.address), 0);
    assert_int_equal(hf_catalog_node_add(c, "a", &n), 0);
    assert_int_equal(hf_catalog_service_add(c, "orders", &s), 0);
    assert_int_equal(hf_service_version_set(c, s, "1.0.0", "0.9.0"), 0);
    hf_service_candidate_share_set(c, s, 1250);
    assert_int_equal(hf_catalog_instance_add(c, s, &spec, &i), 0);
    return i;
}

static void whole(void **state)
{
    struct hf_catalog *c = hf_catalog_new();
    struct hf_instance *i = setup(c);
    json_t *j, *expected;

    (void)state;
    hf_instance_state_set(c, i, HF_INSTANCE_READY, "2 of 2 checks passed");
    i->since_wall = (struct hf_wall){0};
    j = hf_catalog_json(c);
    expected = json_loads(
        "{\"revision\": 6, \"nodes\": [{\"name\": \"a\", \"instances\": 1}], \"services\": [{"
        "\"name\": \"orders\", \"version\": \"1.0.0\", \"previous\": \"0.9.0\","
        "\"candidateShare\": 12.5, \"states\": {\"starting\": 0, \"ready\": 1, \"draining\": 0,"
        "\"ejected\": 0, \"failed\": 0, \"stopped\": 0}, \"instances\": [{"
        "\"id\": \"orders-a-1\", \"service\": \"orders\", \"version\": \"1.0.0\", \"node\": \"a\","
        "\"address\": \"127.0.0.1:20001\", \"state\": \"ready\", \"why\": \"2 of 2 checks passed\","
        "\"since\": \"1970-01-01T00:00:00.000Z\", \"process\": true, \"pid\": 4711,"
        "\"candidate\": false, \"weight\": 100}]}]}",
        0, NULL);
    assert_non_null(expected);
    assert_true(json_equal(j, expected));
    json_decref(expected);
    json_decref(j);
    hf_catalog_free(c);
}

/* A service's own words are quoted: bytes that are not UTF-8 must not lose the whole answer. */
static void odd_bytes(void **state)
{
    struct hf_catalog *c = hf_catalog_new();
    struct hf_instance *i = setup(c);
    struct hf_addr address = i->address;
    json_t *j;

    (void)state;
    hf_instance_process_set(c, i, 0, &address);
    hf_instance_state_set(c, i, HF_INSTANCE_FAILED, "exit status 1: caf\xe9 \"\n");
    j = hf_catalog_json_instance(i);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "why")), "exit status 1: caf? ' ");
    assert_true(json_is_null(json_object_get(j, "pid")));
    json_decref(j);
    hf_catalog_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(odd_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
