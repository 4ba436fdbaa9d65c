#include "test.h"

#include <string.h>

#include "base/random.h"
#include "continuity/report.h"

#define JAN_1 INT64_C(1767225600) /* 2026 */

static char stream[] = "ledger/a/1";
static struct hf_ledger_entry entries[2000];
static struct hf_ledger_view view;
static struct hf_report report;
static struct hf_report_query query;

static int set_up(void **state)
{
    (void)state;
    memset(entries, 0, sizeof(entries));
    view = (struct hf_ledger_view){.entries = entries};
    query = (struct hf_report_query){.target = 99.99};
    return hf_report_year(2026, &query.from, &query.to);
}

static int tear_down(void **state)
{
    (void)state;
    hf_report_done(&report);
    return 0;
}

static struct hf_interval *add(const char *service, enum hf_second_state s, int64_t from, int64_t n,
                               uint64_t requests, uint64_t failed)
{
    struct hf_ledger_entry *entry = &entries[view.entries_n++];

    entry->stream = stream;
    entry->sequence = view.entries_n;
    entry->interval = (struct hf_interval){
        .state = s, .from = from, .to = from + n, .requests = requests, .failed = failed};
    hf_str_copy(hf_str(service), entry->interval.service, HF_CONTINUITY_NAME);
    hf_interval_blame(&entry->interval, NULL);
    return &entry->interval;
}

static void make(void)
{
    assert_int_equal(hf_report_make(&view, NULL, 0, &query, &report), 0);
}

static void a_target_allows_so_much_downtime(void **state)
{
    const struct {
        int year;
        double target;
        const char *allowed;
    } cases[] = {{2026, 99.99, "52m33s"}, {2024, 99.99, "52m42s"}, {2026, 99.9, "8h45m36s"},
                 {2026, 99.999, "5m15s"}, {2026, 100, "0s"},       {2026, 99, "3d15h36m"}};
    char text[HF_REPORT_DURATION];

    (void)state;
    for (size_t i = 0; i < HF_COUNT(cases); i++) {
        set_up(NULL);
        assert_int_equal(hf_report_year(cases[i].year, &query.from, &query.to), 0);
        query.target = cases[i].target;
        add("orders", HF_SECOND_UP, query.from, 60, 60, 0);
        make();
        assert_string_equal(hf_report_duration(report.services[0].allowed, text), cases[i].allowed);
        hf_report_done(&report);
    }
    assert_int_equal(hf_report_year(1969, &query.from, &query.to), HF_EINVAL);
    query.target = 0;
    assert_int_equal(hf_report_make(&view, NULL, 0, &query, &report), HF_EINVAL);
}

static void unknown_makes_a_range_and_the_lower_counts(void **state)
{
    json_t *json, *service;

    (void)state;
    add("orders", HF_SECOND_UP, JAN_1, 6000, 60000, 10);
    add("orders", HF_SECOND_DOWN, JAN_1 + 6000, 1000, 90, 90);
    add("orders", HF_SECOND_UNKNOWN, JAN_1 + 7000, 2500, 10, 0);
    add("orders", HF_SECOND_UP, JAN_1 + 9500, 500, 0, 0);
    make();
    json = hf_report_to_json(&report);
    service = json_array_get(json_object_get(json, "services"), 0);
    assert_float_equal(
        json_real_value(json_object_get(json_object_get(service, "availability_by_time"), "low")),
        65, 1e-9);
    assert_float_equal(
        json_real_value(json_object_get(json_object_get(service, "availability_by_time"), "high")),
        90, 1e-9);
    assert_float_equal(json_real_value(json_object_get(
                           json_object_get(service, "availability_by_requests"), "low")),
                       (60000 - 10) * 100.0 / 60100, 1e-9);
    assert_float_equal(json_real_value(json_object_get(
                           json_object_get(service, "availability_by_requests"), "high")),
                       (60100 - 100) * 100.0 / 60100, 1e-9);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(service, "downtime"),
                                                        "remaining_seconds")),
                     3153 - 3500);
    assert_true(json_is_false(json_object_get(service, "target_met")));
    assert_int_equal(json_array_size(json_object_get(json, "intervals")), 2);
    json_decref(json);
}

static void holes_between_are_unknown(void **state)
{
    (void)state;
    add("orders", HF_SECOND_UP, JAN_1 + 100, 100, 0, 0);
    add("orders", HF_SECOND_UP, JAN_1 + 300, 100, 0, 0);
    make();
    assert_int_equal(report.services[0].unknown, 100);
    assert_int_equal(report.services[0].up, 200);
    assert_int_equal(report.services[0].from, JAN_1 + 100); /* before: not observed, nothing used */
    assert_int_equal(report.outages_n, 1);
    assert_int_equal(report.outages[0].interval.from, JAN_1 + 200);
    assert_int_equal(report.causes[HF_CAUSE_UNKNOWN].unknown, 100);
}

static void it_tells_planned_cause_and_event(void **state)
{
    struct hf_claim release = {
        .event = "release orders 2", .cause = HF_CAUSE_RELEASE, .planned = true};
    HF_AUTOTEXT struct hf_text text = {0};

    (void)state;
    hf_interval_blame(add("orders", HF_SECOND_DOWN, JAN_1, 10, 100, 80), &release);
    add("orders", HF_SECOND_UP, JAN_1 + 10, 10, 100, 0);
    hf_interval_blame(add("orders", HF_SECOND_DEGRADED, JAN_1 + 20, 5, 100, 3), &release);
    add("carts", HF_SECOND_DOWN, JAN_1 + 3, 7, 10, 10);
    entries[3].who = "ann";
    entries[3].why = "the <cable>";
    make();
    assert_int_equal(report.services_n, 2);
    assert_string_equal(report.services[0].name, "carts");
    assert_int_equal(report.services[1].down_planned, 10);
    assert_int_equal(report.planned.down, 10);
    assert_int_equal(report.planned.degraded, 5);
    assert_int_equal(report.unplanned.down, 7);
    assert_int_equal(report.causes[HF_CAUSE_RELEASE].failed, 83);
    assert_int_equal(report.events_n, 2);
    assert_string_equal(report.events[0].name, release.event);
    assert_int_equal(report.events[0].use.down, 10);
    assert_int_equal(report.outages_n, 3);
    assert_string_equal(report.outages[1].interval.service, "carts");
    hf_report_to_text(&report, &text);
    assert_non_null(strstr(text.p, "2026-01-01T00:00:00Z to 2027-01-01T00:00:00Z, target 99.99 %"));
    assert_non_null(strstr(text.p, "release, planned: release orders 2\n"));
    assert_non_null(strstr(text.p, "(ann: the <cable>)"));
    query.service = "carts";
    hf_report_done(&report);
    make();
    assert_int_equal(report.services_n, 1);
}

static void a_period_cuts_and_midnight_does_not_show(void **state)
{
    (void)state;
    add("orders", HF_SECOND_DOWN, JAN_1 - 100, 100, 50, 50);
    add("orders", HF_SECOND_DOWN, JAN_1, 86400, 86400, 86400);
    add("orders", HF_SECOND_DOWN, JAN_1 + 86400, 100, 10, 10);
    make();
    assert_int_equal(report.services[0].down, 86500);
    assert_int_equal(report.outages_n, 1);
    assert_int_equal(report.outages[0].interval.failed, 86410);
    hf_report_done(&report);
    query.from = JAN_1 + 1000;
    query.to = JAN_1 + 2000;
    make();
    assert_int_equal(report.services[0].down, 1000);
    assert_int_equal(report.services[0].requests, 1000);
}

static void what_is_open_counts_and_nothing_counts_twice(void **state)
{
    struct hf_interval open = {.service = "orders",
                               .state = HF_SECOND_UP,
                               .from = JAN_1 + 50,
                               .to = JAN_1 + 150,
                               .requests = 100};

    (void)state;
    add("orders", HF_SECOND_DOWN, JAN_1, 100, 10, 10);
    assert_int_equal(hf_report_make(&view, &open, 1, &query, &report), 0);
    assert_int_equal(report.services[0].down, 100);
    assert_int_equal(report.services[0].up, 50);
    assert_int_equal(report.services[0].to, JAN_1 + 150);
    assert_int_equal(report.services[0].requests, 60);
}

/* Random intervals with holes and overlaps: the parts make up what was observed. */
static void the_parts_are_the_whole(void **state)
{
    struct hf_random r;

    (void)state;
    hf_random_seed(&r, 7);
    for (int round = 0; round < 50; round++) {
        int64_t at[2] = {JAN_1, JAN_1}, total = 0;
        set_up(NULL);
        for (int i = 0; i < 1000; i++) {
            unsigned which = hf_random_below(&r, 2);
            int64_t n = 1 + hf_random_below(&r, 1000);
            add(which ? "orders" : "carts", hf_random_below(&r, 4),
                at[which] + (int64_t)hf_random_below(&r, 3) * 10, n, 10, 1);
            at[which] += n;
        }
        make();
        for (size_t i = 0; i < report.services_n; i++) {
            const struct hf_report_service *s = &report.services[i];
            assert_int_equal(s->up + s->degraded + s->down + s->unknown, s->to - s->from);
            total += s->degraded + s->down + s->unknown;
        }
        for (size_t i = 0; i < report.outages_n; i++)
            total -= hf_interval_length(&report.outages[i].interval);
        assert_int_equal(total, 0);
        for (size_t i = 0; i < report.events_n; i++)
            total += report.events[i].use.down + report.events[i].use.unknown;
        assert_int_equal(total, report.planned.down + report.planned.unknown +
                                    report.unplanned.down + report.unplanned.unknown);
        hf_report_done(&report);
    }
}

static void figures_are_never_rounded_up(void **state)
{
    char text[HF_REPORT_PERCENT], d[HF_REPORT_DURATION];

    (void)state;
    assert_string_equal(hf_report_percent(31535999, 31536000, text), "99.99999");
    assert_string_equal(hf_report_percent(999999999, 1000000000, text), "99.99999");
    assert_string_equal(hf_report_percent(5, 5, text), "100.00000");
    assert_string_equal(hf_report_percent(0, 0, text), "-");
    assert_string_equal(hf_report_duration(0, d), "0s");
    assert_string_equal(hf_report_duration(-90, d), "-1m30s");
    assert_string_equal(hf_report_duration(90061, d), "1d1h1m1s");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_target_allows_so_much_downtime),
        TEST(unknown_makes_a_range_and_the_lower_counts),
        TEST(holes_between_are_unknown),
        TEST(it_tells_planned_cause_and_event),
        TEST(a_period_cuts_and_midnight_does_not_show),
        TEST(what_is_open_counts_and_nothing_counts_twice),
        TEST(the_parts_are_the_whole),
        TEST(figures_are_never_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
