/* `holdfast status` and `holdfast services`. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/ask.h"
#include "cli/term.h"

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static enum hf_colour colour_of(const char *state)
{
    static const struct {
        const char *state;
        enum hf_colour colour;
    } colours[] = {{"ready", HF_GREEN},     {"up", HF_GREEN},    {"failed", HF_RED},
                   {"ejected", HF_RED},     {"down", HF_RED},    {"starting", HF_YELLOW},
                   {"draining", HF_YELLOW}, {"stopped", HF_DIM}, {"degraded", HF_YELLOW}};

    for (size_t i = 0; i < HF_COUNT(colours); i++) {
        if (strcmp(colours[i].state, state) == 0)
            return colours[i].colour;
    }
    return HF_PLAIN;
}

static size_t count_ready(const json_t *service)
{
    size_t i, ready = 0;
    json_t *instance;

    json_array_foreach(json_object_get(service, "instances"), i, instance) ready +=
        strcmp(text(instance, "state"), "ready") == 0;
    return ready;
}

/* The first instance that does not serve although it should; NULL: none. */
static const json_t *find_trouble(const json_t *service)
{
    size_t i;
    json_t *instance;

    json_array_foreach(json_object_get(service, "instances"), i, instance)
    {
        const char *state = text(instance, "state");
        if (strcmp(state, "failed") == 0 || strcmp(state, "ejected") == 0)
            return instance;
    }
    return NULL;
}

static void print_services(const json_t *status)
{
    static const char *const headings[] = {"SERVICE",   "VERSION", "STATE", ">READY",
                                           ">REQUESTS", ">FAILED", "WHY",   NULL};
    struct hf_table *t = hf_table_new(headings);
    char requests[HF_TERM_NUMBER], failed[HF_TERM_NUMBER];
    const json_t *trouble;
    json_t *s;
    size_t i;

    json_array_foreach(json_object_get(status, "services"), i, s)
    {
        long long failures = number(s, "failed");
        hf_table_cell(t, HF_PLAIN, "%s", text(s, "name"));
        hf_table_cell(t, HF_PLAIN, "%s", text(s, "version"));
        hf_table_cell(t, colour_of(text(s, "state")), "%s", text(s, "state"));
        hf_table_cell(t, HF_PLAIN, "%zu/%zu", count_ready(s),
                      json_array_size(json_object_get(s, "instances")));
        hf_table_cell(t, HF_PLAIN, "%s",
                      hf_term_number((unsigned long long)number(s, "requests"), requests));
        hf_table_cell(t, failures ? HF_RED : HF_PLAIN, "%s",
                      hf_term_number((unsigned long long)failures, failed));
        trouble = find_trouble(s);
        if (trouble)
            hf_table_cell(t, HF_PLAIN, "%s %s: %s", text(trouble, "id"), text(trouble, "state"),
                          text(trouble, "why"));
        else
            hf_table_cell(t, HF_PLAIN, "%s", "");
    }
    hf_table_print(t, stdout);
    hf_table_free(t);
}

static void add_instance(struct hf_table *t, const json_t *i)
{
    hf_table_cell(t, HF_PLAIN, "%s", text(i, "id"));
    hf_table_cell(t, HF_PLAIN, "%s", text(i, "node"));
    hf_table_cell(t, HF_PLAIN, "%s", text(i, "version"));
    hf_table_cell(t, colour_of(text(i, "state")), "%s", text(i, "state"));
    hf_table_cell(t, HF_PLAIN, "%s", text(i, "address"));
    if (number(i, "pid"))
        hf_table_cell(t, HF_PLAIN, "%lld", number(i, "pid"));
    else
        hf_table_cell(t, HF_PLAIN, "-");
    hf_table_cell(t, HF_PLAIN, "%lld", number(i, "in_flight"));
    hf_table_cell(t, HF_DIM, "%s", text(i, "why"));
}

static void print_instances(const json_t *status)
{
    static const char *const headings[] = {"INSTANCE", "NODE",       "VERSION", "STATE", "ADDRESS",
                                           ">PID",     ">IN FLIGHT", "WHY",     NULL};
    struct hf_table *t = hf_table_new(headings);
    json_t *service, *instance;
    size_t i, j;

    json_array_foreach(json_object_get(status, "services"), i, service)
    {
        json_array_foreach(json_object_get(service, "instances"), j, instance)
            add_instance(t, instance);
    }
    hf_table_print(t, stdout);
    hf_table_free(t);
}

static void print_gateways(const json_t *status)
{
    json_t *list = json_object_get(status, "gateway"), *g;
    size_t i;

    if (json_array_size(list) == 0)
        printf("%sno gateway runs%s\n", hf_term_on(HF_RED), hf_term_off(HF_RED));
    json_array_foreach(list, i, g)
        printf("gateway pid %lld %s, slot %lld, plan %lld, %lld connections%s%s%s\n",
               number(g, "pid"), text(g, "state"), number(g, "slot"), number(g, "generation"),
               number(g, "connections"), hf_term_on(HF_RED),
               json_is_false(json_object_get(g, "sandbox")) ? ", without its sandbox" : "",
               hf_term_off(HF_RED));
}

static void print_release(const json_t *status)
{
    const json_t *r = json_object_get(status, "release");

    if (!json_is_object(r))
        return;
    printf("\n%srelease%s %s %s -> %s: %s", hf_term_on(HF_BOLD), hf_term_off(HF_BOLD),
           text(r, "service"), text(r, "from"), text(r, "to"), text(r, "state"));
    if (text(r, "step")[0])
        printf(", %s", text(r, "step"));
    if (text(r, "why")[0])
        printf(" (%s)", text(r, "why"));
    putchar('\n');
}

static void print_status(const json_t *status)
{
    const json_t *plan = json_object_get(status, "plan");
    char age[32];

    printf("%sholdfast %s%s  plan %lld, published %s ago\n", hf_term_on(HF_BOLD),
           text(status, "version"), hf_term_off(HF_BOLD), number(plan, "generation"),
           hf_duration_format(hf_ms(number(plan, "age_ms")), age, sizeof(age)));
    print_gateways(status);
    putchar('\n');
    print_services(status);
    putchar('\n');
    print_instances(status);
    print_release(status);
}

/* Draws over what was drawn before; on what is no terminal, beneath it. */
static int watch(const struct hf_command *c)
{
    const struct hf_ask ask = {.method = HF_METHOD_GET, .target = "/v1/status", .quiet = true};
    const struct timespec second = {.tv_sec = 1};
    bool terminal = isatty(STDOUT_FILENO);

    for (;;) {
        HF_AUTOTEXT struct hf_text answer = {0};
        int exit_status = hf_ask_text(c, &ask, &answer);
        json_t *status = exit_status ? NULL : json_loadb(answer.p, answer.n, 0, NULL);
        fputs(terminal ? "\033[H\033[2J" : "", stdout);
        if (status)
            print_status(status);
        else
            printf("%s\n", answer.p ? answer.p : "");
        fputs(terminal ? "" : "\n", stdout);
        json_decref(status);
        if (fflush(stdout) == EOF)
            return HF_EXIT_FAILED;
        nanosleep(&second, NULL);
    }
}

static int show(const struct hf_command *c, const char *target, void (*print)(const json_t *))
{
    const struct hf_ask ask = {.method = HF_METHOD_GET, .target = target};
    json_t *answer;
    int exit_status = hf_ask_json(c, &ask, &answer);

    if (exit_status)
        return exit_status;
    print(answer);
    json_decref(answer);
    return HF_EXIT_DONE;
}

int hf_command_status(const struct hf_command *c)
{
    if (c->watch && !c->json)
        return watch(c);
    return show(c, "/v1/status", c->json ? hf_ask_print : print_status);
}

int hf_command_services(const struct hf_command *c)
{
    return show(c, "/v1/services", c->json ? hf_ask_print : print_services);
}
