#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/catalog.h"

struct recorder {
    struct hf_catalog_observer observer;
    struct hf_catalog *catalog;
    char text[1024];
    bool reacts; /* makes a failed instance start again, from within the callback */
};

static void record(struct hf_catalog_observer *o, const struct hf_change *change)
{
    static const char *const names[] = {"added", "removed", "state", "fields"};
    struct recorder *r = HF_CONTAINER(o, struct recorder, observer);
    size_t n = strlen(r->text);

    snprintf(r->text + n, sizeof(r->text) - n, "%s %s;", names[change->what],
             change->instance ? change->instance->id : change->service->name);
    if (r->reacts && change->what == HF_CHANGE_STATE && change->instance &&
        change->instance->state == HF_INSTANCE_FAILED)
        hf_instance_state_set(r->catalog, change->instance, HF_INSTANCE_STARTING, "again");
}

static struct hf_instance *add(struct hf_catalog *c, struct hf_service *s, const char *id)
{
    struct hf_instance *i = NULL;
    struct hf_instance_spec spec = {.id = id, .version = "1.0.0", .node = "a"};

    assert_int_equal(hf_catalog_instance_add(c, s, &spec, &i), 0);
    return i;
}

/* Each pair of states, written out once more: a change of the table has to be meant. */
static void transitions(void **state)
{
    static const char *const expected[HF_INSTANCE_STATES] = {
        /*                          to: S R D E F X */
        [HF_INSTANCE_STARTING] = "-yyyyy", [HF_INSTANCE_READY] = "--yyyy",
        [HF_INSTANCE_DRAINING] = "-y--yy", [HF_INSTANCE_EJECTED] = "-yy-yy",
        [HF_INSTANCE_FAILED] = "y-y--y",   [HF_INSTANCE_STOPPED] = "y-----",
    };

    (void)state;
    for (int from = 0; from < HF_INSTANCE_STATES; from++) {
        for (int to = 0; to < HF_INSTANCE_STATES; to++) {
            if (hf_instance_state_allowed(from, to) != (expected[from][to] == 'y'))
                fail_msg("%s -> %s", hf_instance_state_name(from), hf_instance_state_name(to));
        }
    }
    assert_false(hf_instance_state_allowed(HF_INSTANCE_STATES, HF_INSTANCE_READY));
    assert_false(hf_instance_state_allowed(HF_INSTANCE_READY, HF_INSTANCE_STATES));
}

static void names(void **state)
{
    (void)state;
    for (int a = 0; a < HF_INSTANCE_STATES; a++) {
        assert_string_not_equal(hf_instance_state_name(a), "unknown");
        for (int b = 0; b < a; b++)
            assert_string_not_equal(hf_instance_state_name(a), hf_instance_state_name(b));
    }
    assert_string_equal(hf_instance_state_name(HF_INSTANCE_STATES), "unknown");
}

static void services_and_instances(void **state)
{
    struct hf_catalog *c = hf_catalog_new();
    struct hf_service *orders = NULL, *other = NULL;
    struct hf_instance *i, *again = NULL;
    struct hf_instance_spec same = {.id = "orders-a-1"};

    (void)state;
    assert_int_equal(hf_catalog_service_add(c, "orders", &orders), 0);
    assert_int_equal(hf_catalog_service_add(c, "catalog", &other), 0);
    assert_int_equal(hf_catalog_service_add(c, "orders", &other), HF_EEXIST);
    assert_int_equal(hf_catalog_service_add(c, "", &other), HF_EINVAL);
    assert_string_equal(other->name, "catalog"); /* untouched on failure */
    assert_ptr_equal(hf_catalog_services(c)->next, &other->link);
    assert_ptr_equal(hf_catalog_service_find(c, "orders"), orders);
    assert_null(hf_catalog_service_find(c, "order"));

    i = add(c, orders, "orders-a-1");
    assert_int_equal(i->state, HF_INSTANCE_STARTING);
    assert_int_equal(i->weight, 100);
    assert_int_equal(hf_catalog_instance_add(c, other, &same, &again), HF_EEXIST);
    assert_ptr_equal(hf_catalog_instance_find(c, "orders-a-1"), i);
    add(c, orders, "orders-b-2");
    assert_int_equal(hf_catalog_instance_count(c), 2);
    assert_true(hf_instance_state_set(c, i, HF_INSTANCE_READY, "2 of %d checks passed", 2));
    assert_false(hf_instance_state_set(c, i, HF_INSTANCE_READY, "once more"));
    assert_string_equal(i->why, "2 of 2 checks passed");
    assert_true(i->since_wall.ns > 0);
    assert_int_equal(hf_service_count(orders, HF_INSTANCE_READY), 1);
    assert_int_equal(hf_service_count(orders, HF_INSTANCE_STARTING), 1);
    hf_catalog_service_remove(c, orders);
    assert_int_equal(hf_catalog_instance_count(c), 0);
    assert_int_equal(hf_catalog_service_count(c), 1);
    assert_null(hf_catalog_instance_find(c, "orders-a-1"));
    hf_catalog_free(c);
}

static void too_long(void **state)
{
    struct hf_catalog *c = hf_catalog_new();
    struct hf_service *s = NULL;
    struct hf_node *n = NULL;
    struct hf_instance *i = NULL;
    char long_name[300];
    struct hf_instance_spec id = {.id = long_name}, version = {.id = "x", .version = long_name};

    (void)state;
    memset(long_name, 'x', sizeof(long_name));
    long_name[HF_INSTANCE_ID] = 0;
    assert_int_equal(hf_catalog_service_add(c, long_name, &s), HF_EINVAL);
    assert_int_equal(hf_catalog_node_add(c, long_name, &n), HF_EINVAL);
    assert_int_equal(hf_catalog_service_add(c, "s", &s), 0);
    assert_int_equal(hf_catalog_instance_add(c, s, &id, &i), HF_EINVAL);
    assert_int_equal(hf_catalog_instance_add(c, s, &version, &i), HF_EINVAL);
    assert_int_equal(hf_service_version_set(c, s, "2", long_name), HF_EINVAL);
    assert_string_equal(s->version, "");
    assert_null(i);
    hf_catalog_free(c);
}

static void nodes(void **state)
{
    struct hf_catalog *c = hf_catalog_new();
    struct hf_node *a = NULL, *b = NULL;

    (void)state;
    assert_int_equal(hf_catalog_node_add(c, "b", &b), 0);
    assert_int_equal(hf_catalog_node_add(c, "a", &a), 0);
    assert_int_equal(hf_catalog_node_add(c, "a", &b), HF_EEXIST);
    assert_ptr_equal(hf_catalog_node_find(c, "b"), b);
    assert_ptr_equal(hf_node_at(hf_catalog_nodes(c)->next), b); /* the order of addition */
    hf_catalog_node_remove(c, b);
    assert_null(hf_catalog_node_find(c, "b"));
    hf_catalog_free(c);
}

static void observers_and_revision(void **state)
{
    struct hf_catalog *c = hf_catalog_new();
    struct recorder r = {.observer.on_change = record, .catalog = c, .reacts = true};
    struct hf_addr address = {0};
    struct hf_service *s = NULL;
    struct hf_instance *i;
    uint64_t revision;

    (void)state;
    hf_catalog_observe(c, &r.observer);
    assert_int_equal(hf_catalog_service_add(c, "s", &s), 0);
    i = add(c, s, "i");
    hf_instance_process_set(c, i, 12, &address);
    hf_instance_state_set(c, i, HF_INSTANCE_READY, "ready");
    revision = hf_catalog_revision(c);
    hf_instance_state_set(c, i, HF_INSTANCE_READY, "ready");
    hf_instance_candidate_set(c, i, false);
    hf_instance_weight_set(c, i, 100);
    hf_service_candidate_share_set(c, s, 0);
    hf_instance_why_set(c, i, "%s", "ready");
    assert_int_equal(hf_catalog_revision(c), revision); /* nothing changed */
    hf_instance_state_set(c, i, HF_INSTANCE_FAILED, "exit status 1");
    assert_int_equal(i->state, HF_INSTANCE_STARTING); /* by the observer */
    hf_instance_why_set(c, i, "failing, but the \"%s\"", "last");
    assert_string_equal(i->why, "failing, but the 'last'");
    hf_instance_candidate_set(c, i, true);
    hf_instance_weight_set(c, i, 10);
    hf_service_candidate_share_set(c, s, 1000);
    assert_int_equal(hf_service_version_set(c, s, "2", NULL), 0);
    assert_int_equal(hf_catalog_revision(c), revision + 7);
    hf_catalog_service_remove(c, s);
    assert_string_equal(r.text,
                        "added s;added i;fields i;state i;state i;state i;fields i;fields i;"
                        "fields i;fields s;fields s;removed i;removed s;");
    hf_catalog_unobserve(c, &r.observer);
    assert_int_equal(hf_catalog_service_add(c, "t", &s), 0);
    assert_null(strstr(r.text, "added t"));
    hf_catalog_free(c);
}

/* A transition that is not in the table is a programmer's error: the process stops. */
static void impossible_transition(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    if (pid == 0) {
        struct hf_catalog *c = hf_catalog_new();
        struct hf_service *s = NULL;
        if (!freopen("/dev/null", "w", stderr) || hf_catalog_service_add(c, "s", &s))
            _exit(1);
        struct hf_instance *i = add(c, s, "i");
        hf_instance_state_set(c, i, HF_INSTANCE_STOPPED, "gone");
        hf_instance_state_set(c, i, HF_INSTANCE_READY, "risen");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transitions),
        cmocka_unit_test(names),
        cmocka_unit_test(services_and_instances),
        cmocka_unit_test(too_long),
        cmocka_unit_test(nodes),
        cmocka_unit_test(observers_and_revision),
        cmocka_unit_test(impossible_transition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
