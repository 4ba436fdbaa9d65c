#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "orchestrator/internal.h"
#include "orchestrator/output.h"

static char folder[64];
static struct hf_loop *loop;
static struct hf_store *store;
static struct hf_catalog *catalog;
static struct hf_orchestrator *o;
static struct hf_config *config;
static char retired[8][HF_INSTANCE_ID], crash_text[1200];
static int retired_count, stopped_count, crash_count;

/* --- hooks --- */

static bool port_in_use(void *ctx, uint16_t port)
{
    (void)ctx;
    (void)port;
    return false;
}

/* That it is retired must be in the store by now. */
static void on_retired(void *ctx, struct hf_instance *i)
{
    struct hf_store_op op = {.verb = HF_STORE_GET, .kind = "slots", .key = "orders"};
    HF_AUTOFREE char *expected =
        hf_asprintf("\"%s\",\"ordinal\":%c,\"role\":\"retired\"", i->id, i->id[strlen("orders-")]);
    struct hf_store_answer answer = {0};

    (void)ctx;
    assert_true(retired_count < 8);
    assert_int_equal(hf_store_wait(store, &op, &answer), 0);
    assert_non_null(strstr(answer.docs[0].value, expected));
    hf_store_answer_done(&answer);
    snprintf(retired[retired_count++], HF_INSTANCE_ID, "%s", i->id);
}

static void on_crash_loop(void *ctx, struct hf_instance *i, const char *text)
{
    (void)ctx;
    assert_int_equal(i->state, HF_INSTANCE_FAILED);
    snprintf(crash_text, sizeof(crash_text), "%s", text);
    crash_count++;
}

static void on_stopped(void *ctx)
{
    (void)ctx;
    stopped_count++;
}

/* --- a controller's life --- */

static struct hf_config *parse(const char *services)
{
    HF_AUTOFREE char *text = hf_asprintf("state: %s\n"
                                         "gateway: { listen: [\"127.0.0.1:18080\"] }\n"
                                         "nodes: { a: {}, b: {} }\n"
                                         "ports: 21000-21999\n"
                                         "services:\n%s",
                                         folder, services);
    struct hf_config_errors errors = {0};
    struct hf_config *c = NULL;

    if (hf_config_parse("test.yaml", hf_str(text), &c, &errors))
        hf_config_errors_print(&errors, stderr);
    assert_non_null(c);
    return c;
}

/* The service "orders" as `command`, of versions 1 and 2. */
enum { TERM = 7 };

static struct hf_config *orders(unsigned replicas, const char *command)
{
    HF_AUTOFREE char *text =
        hf_asprintf("  orders:\n"
                    "    route: [{ path: / }]\n"
                    "    command: [\"" INSTANCE_HELPER "\", %s]\n"
                    "    version: \"1\"\n"
                    "    versions: { \"1\": { directory: / }, \"2\": { directory: /usr } }\n"
                    "    replicas: %u\n"
                    "    environment: { MODE: \"{node}-{port}\", KEY: { file: %s/key } }\n"
                    "    stop: { timeout: 200ms }\n"
                    "    log: { size: 4KiB }\n",
                    command, replicas, folder);

    return parse(text);
}

static void controller_starts(struct hf_config *config_take)
{
    struct hf_orchestrator_options options = {.hooks = {.port_in_use = port_in_use,
                                                        .on_retired = on_retired,
                                                        .on_crash_loop = on_crash_loop,
                                                        .on_stopped = on_stopped}};
    struct hf_service *s;
    struct hf_error e = {0};

    assert_int_equal(hf_loop_new(&loop, &e), 0);
    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, &e), 0);
    catalog = hf_catalog_new();
    assert_int_equal(hf_catalog_service_add(catalog, "orders", &s), 0);
    options.loop = loop;
    options.store = store;
    options.catalog = catalog;
    options.term = TERM;
    config = config_take;
    retired_count = stopped_count = crash_count = 0;
    assert_int_equal(hf_orchestrator_new(&options, config, &o, &e), 0);
}

/* As if it was killed: nothing is told to anybody, the instances run on. */
static void controller_ends(void)
{
    store = hf_store_free(store);
    o = hf_orchestrator_free(o);
    catalog = hf_catalog_free(catalog);
    loop = hf_loop_free(loop);
    config = hf_config_unref(config);
}

#define WAIT_UNTIL(condition)                                                                      \
    do {                                                                                           \
        struct hf_mono limit = hf_mono_add(hf_mono_now(), hf_seconds(20));                         \
        while (!(condition)) {                                                                     \
            if (!hf_mono_before(hf_mono_now(), limit))                                             \
                fail_msg("never: %s", #condition);                                                 \
            hf_loop_turn(loop, hf_ms(50));                                                         \
        }                                                                                          \
    } while (0)

static void append(const char *name, const char *text)
{
    HF_AUTOFREE char *path = hf_asprintf("%s/%s", folder, name);
    FILE *f = fopen(path, "a");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    (void)state;
    hf_log_level_set(HF_LOG_ERROR + 1);
    snprintf(folder, sizeof(folder), "/tmp/hf-process-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    append("key", "s3cret\n");
    return 0;
}

static void remove_tree(const char *path)
{
    char *argv[] = {(char[]){"rm"}, (char[]){"-rf"}, hf_strdup(path), NULL};
    pid_t pid = fork();

    if (pid == 0)
        execv("/bin/rm", argv);
    waitpid(pid, NULL, 0);
    hf_free(argv[2]);
}

static int tear_down(void **state)
{
    struct hf_orchestrator_instance all[8];
    size_t n = o ? hf_orchestrator_list(o, NULL, all, 8) : 0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        if (all[i].pid > 0) {
            kill(-all[i].pid, SIGKILL);
            waitpid(all[i].pid, NULL, 0);
        }
    }
    controller_ends();
    remove_tree(folder);
    return 0;
}

/* --- looking --- */

static struct hf_orchestrator_slot slot_of(uint32_t ordinal)
{
    struct hf_orchestrator_slot slots[8];
    size_t n = hf_orchestrator_slots(o, "orders", slots, 8);

    assert_true(ordinal <= n);
    return slots[ordinal - 1];
}

static struct hf_orchestrator_instance instance_of(const char *id)
{
    struct hf_orchestrator_instance i = {0};

    if (hf_orchestrator_find(o, id, &i))
        i.state = HF_PROCESS_GONE;
    return i;
}

static struct hf_orchestrator_instance current(uint32_t ordinal)
{
    struct hf_orchestrator_slot slot = slot_of(ordinal);

    return instance_of(slot.current);
}

static struct hf_instance *shown(const char *id)
{
    return hf_catalog_instance_find(catalog, id);
}

static bool runs(const struct hf_orchestrator_instance i)
{
    return i.pid > 0 && (i.state == HF_PROCESS_STARTING || i.state == HF_PROCESS_RUNNING);
}

static void health_says_ready(const char *id)
{
    hf_instance_state_set(catalog, shown(id), HF_INSTANCE_READY, "by the test");
}

static bool has_said(const char *id, const char *text)
{
    HF_AUTOFREE char *path = hf_output_path(folder, "orders", id);
    HF_AUTOTEXT struct hf_text tail = {0};

    hf_output_tail(path, 100, &tail);
    return tail.p && strstr(tail.p, text);
}

static bool process_exists(pid_t pid)
{
    struct hf_proc proc;

    return hf_proc_read(pid, &proc) == 0 && proc.state != 'Z';
}

/* --- the tests --- */

static void slots_are_filled_over_the_nodes(void **state)
{
    struct hf_orchestrator_instance one, two;
    char expected[64];

    (void)state;
    controller_starts(orders(2, "describe"));
    WAIT_UNTIL(runs(current(1)) && runs(current(2)));
    one = current(1);
    two = current(2);
    assert_string_equal(one.node, "a");
    assert_string_equal(two.node, "b");
    assert_int_not_equal(one.port, two.port);
    assert_true(strncmp(one.id, "orders-1-", 9) == 0 && strlen(one.id) == 13);
    WAIT_UNTIL(has_said(one.id, "ready"));
    snprintf(expected, sizeof(expected), "environment MODE=a-%u\n", one.port);
    assert_true(has_said(one.id, expected));
    snprintf(expected, sizeof(expected), "environment PORT=%u\n", one.port);
    assert_true(has_said(one.id, expected));
    assert_true(has_said(one.id, "\nenvironment KEY=s3cret\n"));
    snprintf(expected, sizeof(expected), "environment HOLDFAST_INSTANCE=%s\n", one.id);
    assert_true(has_said(one.id, expected));
    assert_true(has_said(one.id, "environment HOLDFAST_NODE=a\nenvironment HOLDFAST_VERSION=1\n"));
    assert_true(has_said(one.id, "\nenvironment PATH="));
    assert_true(has_said(one.id, "\nfd 0\nfd 1\nfd 2\nfiles "));
    assert_string_equal(shown(one.id)->version, "1");
    assert_int_equal(shown(one.id)->address.port, one.port);
    assert_true(shown(one.id)->process);
    assert_string_equal(hf_catalog_service_find(catalog, "orders")->version, "1");
}

/* So that a controller which was superseded can write nothing any more. */
static void the_record_carries_the_term(void **state)
{
    const struct hf_store_op get = {HF_STORE_GET, .kind = "slots", .key = "orders"};
    struct hf_store_answer answer;

    (void)state;
    controller_starts(orders(1, "serve"));
    WAIT_UNTIL(hf_catalog_instance_count(catalog) == 1);
    WAIT_UNTIL(hf_store_pending(store) == 0);
    assert_int_equal(hf_store_wait(store, &get, &answer), 0);
    assert_int_equal(answer.docs[0].term, TERM);
    hf_store_answer_done(&answer);
    controller_ends();
}

static void the_log_is_rotated_under_the_writer(void **state)
{
    char line[201], name[200];
    struct hf_orchestrator_instance one;
    struct stat st;

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    line[200] = '\0';
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    one = current(1);
    snprintf(name, sizeof(name), "logs/orders/%s.log", one.id);
    for (int n = 0; n < 30; n++)
        append(name, line);
    instance_rotate(instance_at(service_find(o, "orders")->instances.next));
    HF_AUTOFREE char *path = hf_asprintf("%s/%s", folder, name);
    HF_AUTOFREE char *older = hf_asprintf("%s.1", path);
    assert_int_equal(stat(older, &st), 0);
    assert_true(st.st_size >= 6000);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 100);
}

static void a_killed_one_is_shown_failed_and_replaced(void **state)
{
    struct hf_orchestrator_instance first;

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    first = current(1);
    health_says_ready(first.id);
    assert_int_equal(current(1).state, HF_PROCESS_RUNNING);
    kill(first.pid, SIGKILL);
    WAIT_UNTIL(shown(first.id)->state == HF_INSTANCE_FAILED);
    assert_string_equal(shown(first.id)->why, "killed by SIGKILL");
    assert_int_equal(shown(first.id)->pid, 0);
    WAIT_UNTIL(runs(current(1)) && strcmp(current(1).id, first.id) != 0);
    assert_int_not_equal(current(1).port, first.port);
    WAIT_UNTIL(!shown(first.id));
    assert_int_equal(hf_catalog_instance_count(catalog), 1);
}

static void a_crash_loop_ends_with_the_last_words(void **state)
{
    struct hf_config *better;

    (void)state;
    controller_starts(orders(1, "exit, \"3\""));
    WAIT_UNTIL(crash_count == 1);
    assert_string_equal(crash_text, "exit status 3, before it was ready: one | two | three");
    assert_true(slot_of(1).given_up);
    assert_string_equal(shown(slot_of(1).current)->why, crash_text);
    better = orders(1, "wait");
    hf_orchestrator_configure(o, better);
    hf_config_unref(better);
    assert_false(slot_of(1).given_up);
    WAIT_UNTIL(runs(current(1)));
    assert_int_equal(crash_count, 1);
}

static void what_cannot_be_run_says_why(void **state)
{
    (void)state;
    controller_starts(parse("  orders:\n"
                            "    route: [{ path: / }]\n"
                            "    command: [./orders, \"{port}\"]\n"
                            "    version: \"1\"\n"));
    WAIT_UNTIL(slot_of(1).current[0] && shown(slot_of(1).current)->state == HF_INSTANCE_FAILED);
    assert_non_null(
        strstr(shown(slot_of(1).current)->why, "cannot run ./orders: No such file or directory"));
}

static void one_that_is_not_ready_in_time_is_stopped_and_tried_again(void **state)
{
    struct hf_orchestrator_instance first;

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    first = current(1);
    hf_instance_state_set(catalog, shown(first.id), HF_INSTANCE_FAILED, "not ready within 30s");
    WAIT_UNTIL(!process_exists(first.pid));
    WAIT_UNTIL(runs(current(1)) && strcmp(current(1).id, first.id) != 0);
}

static void a_stubborn_one_is_killed_with_its_children(void **state)
{
    struct hf_orchestrator_instance first;
    struct hf_mono begin;

    (void)state;
    controller_starts(orders(1, "tree"));
    WAIT_UNTIL(runs(current(1)));
    first = current(1);
    WAIT_UNTIL(has_said(first.id, "ready\nready"));
    begin = hf_mono_now();
    hf_orchestrator_stop_all(o);
    WAIT_UNTIL(stopped_count == 1);
    /* the leader obeyed SIGTERM; its deaf child did not outlive it */
    assert_false(process_exists(first.pid));
    WAIT_UNTIL(kill(-first.pid, 0) != 0);
    assert_true(hf_mono_sub(hf_mono_now(), begin).ns < hf_seconds(10).ns);
}

static void deaf_to_sigterm_gets_sigkill(void **state)
{
    struct hf_orchestrator_instance first;
    struct hf_mono begin;

    (void)state;
    controller_starts(orders(1, "stubborn"));
    WAIT_UNTIL(runs(current(1)));
    first = current(1);
    WAIT_UNTIL(has_said(first.id, "ready"));
    begin = hf_mono_now();
    assert_int_equal(hf_orchestrator_stop(o, first.id, NULL), 0);
    assert_int_equal(instance_of(first.id).state, HF_PROCESS_STOPPING);
    assert_int_equal(hf_orchestrator_stop(o, first.id, NULL), 0);
    WAIT_UNTIL(!process_exists(first.pid));
    assert_true(hf_mono_sub(hf_mono_now(), begin).ns >= hf_ms(200).ns);
    WAIT_UNTIL(runs(current(1))); /* the slot still wants one */
    assert_int_equal(hf_orchestrator_stop(o, "orders-9-none", NULL), HF_ENOENT);
}

static void a_candidate_is_accepted(void **state)
{
    struct hf_orchestrator_instance old;
    char id[HF_INSTANCE_ID], again[HF_INSTANCE_ID];

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    old = current(1);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 2, "2", id, NULL), HF_ENOENT);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "3", id, NULL), HF_ENOENT);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "2", id, NULL), 0);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "2", again, NULL), 0);
    assert_string_equal(id, again);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "1", again, NULL), HF_EEXIST);
    assert_true(shown(id)->candidate);
    WAIT_UNTIL(runs(instance_of(id)) && hf_store_pending(store) == 0);
    hf_orchestrator_configure(o, config); /* an older record is still being stored */
    WAIT_UNTIL(hf_store_pending(store) == 1);
    assert_int_equal(hf_orchestrator_accept(o, "orders", 1, "orders-1-none", NULL), HF_ENOENT);
    assert_int_equal(hf_orchestrator_accept(o, "orders", 1, id, NULL), 0);
    assert_int_equal(hf_orchestrator_accept(o, "orders", 1, id, NULL), 0);
    assert_false(shown(id)->candidate);
    assert_string_equal(slot_of(1).version, "2");
    assert_int_equal(retired_count, 0); /* not before it is durable */
    WAIT_UNTIL(retired_count == 1);
    assert_string_equal(retired[0], old.id);
    assert_true(process_exists(old.pid)); /* it is for others to drain it */
    assert_int_equal(hf_orchestrator_stop(o, old.id, NULL), 0);
    WAIT_UNTIL(!shown(old.id));
    assert_false(process_exists(old.pid));
    assert_true(runs(instance_of(id)));
}

static void a_candidate_that_dies_is_not_restarted(void **state)
{
    struct hf_orchestrator_instance candidate;
    char id[HF_INSTANCE_ID];

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "2", id, NULL), 0);
    WAIT_UNTIL(runs(instance_of(id)));
    candidate = instance_of(id);
    /* A signal that no sanitizer catches. */
    kill(candidate.pid, SIGUSR2);
    WAIT_UNTIL(shown(id)->state == HF_INSTANCE_FAILED);
    assert_non_null(strstr(shown(id)->why, "killed by SIGUSR2"));
    assert_int_equal(hf_orchestrator_accept(o, "orders", 1, id, NULL), HF_EREFUSED);
    assert_string_equal(slot_of(1).candidate, id);
    assert_int_equal(hf_orchestrator_abort(o, "orders", 1, NULL), 0);
    assert_int_equal(hf_orchestrator_abort(o, "orders", 1, NULL), 0);
    WAIT_UNTIL(!shown(id));
    assert_int_equal(retired_count, 0);
    assert_string_equal(slot_of(1).version, "1");
    assert_true(runs(current(1)));
}

static void the_next_controller_adopts_all(void **state)
{
    struct hf_orchestrator_instance one, two;
    char candidate[HF_INSTANCE_ID];

    (void)state;
    controller_starts(orders(2, "wait"));
    WAIT_UNTIL(runs(current(1)) && runs(current(2)));
    one = current(1);
    two = current(2);
    health_says_ready(one.id);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "2", candidate, NULL), 0);
    WAIT_UNTIL(runs(instance_of(candidate)));
    WAIT_UNTIL(hf_store_pending(store) == 0);
    controller_ends();
    kill(two.pid, SIGKILL); /* while nobody looks */
    waitpid(two.pid, NULL, 0);

    controller_starts(orders(2, "wait"));
    assert_int_equal(current(1).pid, one.pid);
    assert_string_equal(current(1).id, one.id);
    assert_int_equal(current(1).state, HF_PROCESS_RUNNING);
    assert_int_equal(shown(one.id)->state, HF_INSTANCE_READY);
    assert_int_equal(shown(one.id)->pid, one.pid);
    assert_string_equal(slot_of(1).candidate, candidate);
    assert_true(shown(candidate)->candidate);
    assert_int_equal(shown(candidate)->state, HF_INSTANCE_STARTING);
    assert_null(shown(two.id));
    WAIT_UNTIL(runs(current(2)));
    kill(one.pid, SIGKILL); /* an adopted one is watched too */
    WAIT_UNTIL(shown(one.id)->state == HF_INSTANCE_FAILED);
    WAIT_UNTIL(runs(current(1)) && strcmp(current(1).id, one.id) != 0);
}

static void a_retired_one_is_told_again_to_the_next_controller(void **state)
{
    struct hf_orchestrator_instance old;
    char id[HF_INSTANCE_ID];

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    old = current(1);
    assert_int_equal(hf_orchestrator_begin(o, "orders", 1, "2", id, NULL), 0);
    WAIT_UNTIL(runs(instance_of(id)));
    assert_int_equal(hf_orchestrator_accept(o, "orders", 1, id, NULL), 0);
    WAIT_UNTIL(retired_count == 1);
    controller_ends();

    controller_starts(orders(1, "wait"));
    assert_string_equal(slot_of(1).version, "2"); /* though the configuration says 1 */
    assert_string_equal(slot_of(1).current, id);
    assert_int_equal(retired_count, 0);
    WAIT_UNTIL(retired_count == 1);
    assert_string_equal(retired[0], old.id);
    assert_int_equal(hf_orchestrator_stop(o, old.id, NULL), 0);
    WAIT_UNTIL(!shown(old.id));
}

/* The store as a controller leaves it that dies between the start of a process and its record. */
static void edit_record(const char *from, const char *to)
{
    struct hf_store_op op = {.verb = HF_STORE_GET, .kind = "slots", .key = "orders"};
    struct hf_store_answer answer = {0};
    HF_AUTOTEXT struct hf_text text = {0};
    const char *at;

    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, NULL), 0);
    assert_int_equal(hf_store_wait(store, &op, &answer), 0);
    at = strstr(answer.docs[0].value, from);
    assert_non_null(at);
    hf_text_addf(&text, "%.*s%s%s", (int)(at - answer.docs[0].value), answer.docs[0].value, to,
                 at + strcspn(at, ",}"));
    op.verb = HF_STORE_PUT;
    op.term = TERM;
    op.revision = answer.docs[0].revision;
    op.value = hf_text_str(&text);
    hf_store_answer_done(&answer);
    assert_int_equal(hf_store_wait(store, &op, &answer), 0);
    hf_store_answer_done(&answer);
    store = hf_store_free(store);
    loop = hf_loop_free(loop);
}

static void one_whose_pid_was_never_stored_is_found_by_its_token(void **state)
{
    struct hf_orchestrator_instance one;

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)) && hf_store_pending(store) == 0);
    one = current(1);
    controller_ends();
    edit_record("\"pid\":", "\"pid\":0");
    controller_starts(orders(1, "wait"));
    assert_int_equal(current(1).pid, one.pid);
}

static void a_pid_that_was_used_again_is_not_touched(void **state)
{
    struct hf_orchestrator_instance one;

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)) && hf_store_pending(store) == 0);
    one = current(1);
    controller_ends();
    edit_record("\"start\":", "\"start\":1");
    edit_record("\"token\":", "\"token\":\"00000000000000000000000000000000\"");
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    assert_int_not_equal(current(1).pid, one.pid);
    assert_true(process_exists(one.pid)); /* whoever that is now */
    kill(one.pid, SIGKILL);
    waitpid(one.pid, NULL, 0);
}

static void a_boot_ends_all_instances(void **state)
{
    struct hf_orchestrator_instance one;

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)) && hf_store_pending(store) == 0);
    one = current(1);
    controller_ends();
    edit_record("\"boot\":", "\"boot\":\"00000000-0000-0000-0000-000000000000\"");
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    assert_int_not_equal(current(1).pid, one.pid);
    kill(one.pid, SIGKILL);
    waitpid(one.pid, NULL, 0);
}

static void a_record_that_does_not_check_out_is_refused(void **state)
{
    struct hf_orchestrator_options options = {0};
    struct hf_orchestrator *none = NULL;
    struct hf_error e = {0};

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)) && hf_store_pending(store) == 0);
    kill(current(1).pid, SIGKILL);
    waitpid(current(1).pid, NULL, 0);
    controller_ends();
    edit_record("\"slots\":[{\"ordinal\":", "\"slots\":[{\"ordinal\":0");
    assert_int_equal(hf_loop_new(&loop, NULL), 0);
    assert_int_equal(hf_store_open("sqlite", folder, loop, &store, NULL), 0);
    catalog = hf_catalog_new();
    config = orders(1, "wait");
    options = (struct hf_orchestrator_options){.loop = loop, .store = store, .catalog = catalog};
    assert_int_equal(hf_orchestrator_new(&options, config, &none, &e), HF_ECORRUPT);
    assert_non_null(strstr(e.text, "slots/orders"));
    assert_null(none);
}

static void slots_too_many_and_services_gone_are_retired(void **state)
{
    struct hf_config *next;

    (void)state;
    controller_starts(orders(2, "wait"));
    WAIT_UNTIL(runs(current(1)) && runs(current(2)));
    next = orders(1, "wait");
    hf_orchestrator_configure(o, next);
    hf_config_unref(next);
    WAIT_UNTIL(retired_count == 1);
    assert_true(strncmp(retired[0], "orders-2-", 9) == 0);
    assert_int_equal(hf_orchestrator_slots(o, "orders", NULL, 0), 1);
    next = parse("  carts:\n    route: [{ path: / }]\n    command: [\"" INSTANCE_HELPER
                 "\", wait, \"{port}\"]\n"
                 "    version: \"1\"\n");
    hf_orchestrator_configure(o, next);
    hf_config_unref(next);
    WAIT_UNTIL(retired_count == 2);
    assert_true(strncmp(retired[1], "orders-1-", 9) == 0);
    assert_true(runs(instance_of(retired[1])));
    assert_int_equal(hf_orchestrator_stop(o, retired[0], NULL), 0);
    assert_int_equal(hf_orchestrator_stop(o, retired[1], NULL), 0);
    WAIT_UNTIL(hf_orchestrator_list(o, "orders", NULL, 0) == 0);
    WAIT_UNTIL(hf_orchestrator_list(o, "carts", NULL, 0) == 1);
}

/* The keeper reaps what is adopted, and tells how it ended. */
static void the_keeper_knows_how_an_orphan_ended(void **state)
{
    struct hf_orchestrator_instance one;
    int status;

    (void)state;
    controller_starts(orders(1, "wait"));
    WAIT_UNTIL(runs(current(1)));
    one = current(1);
    health_says_ready(one.id);
    kill(one.pid, SIGTERM);
    waitpid(one.pid, &status, 0); /* as a parent that is not the orchestrator would */
    hf_orchestrator_orphan_exited(o, one.pid, status);
    assert_int_equal(shown(one.id)->state, HF_INSTANCE_FAILED);
    assert_string_equal(shown(one.id)->why, "killed by SIGTERM");
    WAIT_UNTIL(runs(current(1)) && strcmp(current(1).id, one.id) != 0);
    one = current(1);
    health_says_ready(one.id);
    kill(one.pid, SIGKILL);
    waitpid(one.pid, &status, 0);
    WAIT_UNTIL(shown(one.id)->state == HF_INSTANCE_FAILED); /* its end is seen first */
    assert_string_equal(shown(one.id)->why, "went away");
    hf_orchestrator_orphan_exited(o, one.pid, status);
    assert_string_equal(shown(one.id)->why, "killed by SIGKILL");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slots_are_filled_over_the_nodes),
        TEST(the_record_carries_the_term),
        TEST(the_log_is_rotated_under_the_writer),
        TEST(a_killed_one_is_shown_failed_and_replaced),
        TEST(a_crash_loop_ends_with_the_last_words),
        TEST(what_cannot_be_run_says_why),
        TEST(one_that_is_not_ready_in_time_is_stopped_and_tried_again),
        TEST(a_stubborn_one_is_killed_with_its_children),
        TEST(deaf_to_sigterm_gets_sigkill),
        TEST(a_candidate_is_accepted),
        TEST(a_candidate_that_dies_is_not_restarted),
        TEST(the_next_controller_adopts_all),
        TEST(a_retired_one_is_told_again_to_the_next_controller),
        TEST(one_whose_pid_was_never_stored_is_found_by_its_token),
        TEST(a_pid_that_was_used_again_is_not_touched),
        TEST(a_boot_ends_all_instances),
        TEST(a_record_that_does_not_check_out_is_refused),
        TEST(slots_too_many_and_services_gone_are_retired),
        TEST(the_keeper_knows_how_an_orphan_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
