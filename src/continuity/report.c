#include "continuity/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

int hf_report_year(int year, int64_t *ret_from, int64_t *ret_to)
{
    struct tm first = {.tm_year = year - 1900, .tm_mday = 1};
    struct tm next = {.tm_year = year - 1899, .tm_mday = 1};

    if (year < 1970 || year > 9999)
        return HF_EINVAL;
    *ret_from = (int64_t)timegm(&first);
    *ret_to = (int64_t)timegm(&next);
    return 0;
}

/* ---- collecting ---- */

/* A part of an interval: its requests in proportion, and no failed one is lost by rounding. */
static void cut(struct hf_interval *i, int64_t from, int64_t to)
{
    int64_t whole = hf_interval_length(i), part;

    if (i->from < from)
        i->from = from;
    if (i->to > to)
        i->to = to;
    part = hf_interval_length(i);
    if (part >= whole || part <= 0)
        return;
    i->failed = (uint64_t)(((__int128)i->failed * part + whole - 1) / whole);
    i->requests = (uint64_t)(((__int128)i->requests * part + whole - 1) / whole);
}

static int by_service_and_time(const void *x, const void *y)
{
    const struct hf_interval *a = &((const struct hf_ledger_entry *)x)->interval;
    const struct hf_interval *b = &((const struct hf_ledger_entry *)y)->interval;
    int rc = strcmp(a->service, b->service);

    return rc ? rc : (a->from > b->from) - (a->from < b->from);
}

static int by_time(const void *x, const void *y)
{
    const struct hf_interval *a = &((const struct hf_ledger_entry *)x)->interval;
    const struct hf_interval *b = &((const struct hf_ledger_entry *)y)->interval;

    return a->from != b->from ? (a->from > b->from) - (a->from < b->from)
                              : strcmp(a->service, b->service);
}

static int64_t allowed(const struct hf_report_query *q)
{
    /* In units of a millionth of a percent, so that 99.99 is what it says. */
    int64_t missing = INT64_C(100000000) - (int64_t)(q->target * 1e6 + 0.5);

    return (int64_t)((__int128)(q->to - q->from) * missing / 100000000);
}

static struct hf_report_service *service_row(struct hf_report *r, const struct hf_interval *i)
{
    struct hf_report_service *row = r->services_n ? &r->services[r->services_n - 1] : NULL;

    if (row && strcmp(row->name, i->service) == 0)
        return row;
    r->services = hf_realloc(r->services, r->services_n + 1, sizeof(*r->services));
    row = &r->services[r->services_n++];
    *row =
        (struct hf_report_service){.from = i->from, .to = i->from, .allowed = allowed(&r->query)};
    memcpy(row->name, i->service, sizeof(row->name));
    return row;
}

static struct hf_report_event *event_row(struct hf_report *r, const struct hf_interval *i)
{
    struct hf_report_event *row;

    for (size_t n = 0; n < r->events_n; n++) {
        row = &r->events[n];
        if (row->cause == i->cause && row->planned == i->planned &&
            strcmp(row->name, i->event) == 0)
            return row;
    }
    r->events = hf_realloc(r->events, r->events_n + 1, sizeof(*r->events));
    row = &r->events[r->events_n++];
    *row = (struct hf_report_event){.cause = i->cause, .planned = i->planned};
    memcpy(row->name, i->event, sizeof(row->name));
    return row;
}

static void add_use(struct hf_report_use *use, const struct hf_interval *i)
{
    int64_t length = hf_interval_length(i);

    use->down += i->state == HF_SECOND_DOWN ? length : 0;
    use->degraded += i->state == HF_SECOND_DEGRADED ? length : 0;
    use->unknown += i->state == HF_SECOND_UNKNOWN ? length : 0;
    use->failed += i->failed;
}

static bool same_outage(const struct hf_ledger_entry *last, const struct hf_ledger_entry *next)
{
    const struct hf_interval *a = &last->interval, *b = &next->interval;

    return a->to == b->from && a->state == b->state && a->cause == b->cause &&
           a->planned == b->planned && strcmp(a->service, b->service) == 0 &&
           strcmp(a->event, b->event) == 0 && last->why == next->why;
}

static void add_outage(struct hf_report *r, const struct hf_ledger_entry *entry)
{
    struct hf_ledger_entry *last = r->outages_n ? &r->outages[r->outages_n - 1] : NULL;

    if (last && same_outage(last, entry)) {
        last->interval.to = entry->interval.to;
        last->interval.requests += entry->interval.requests;
        last->interval.failed += entry->interval.failed;
        return;
    }
    if ((r->outages_n & (r->outages_n - 1)) == 0)
        r->outages =
            hf_realloc(r->outages, r->outages_n ? r->outages_n * 2 : 1, sizeof(*r->outages));
    r->outages[r->outages_n++] = *entry;
}

static void add_interval(struct hf_report *r, struct hf_report_service *row,
                         const struct hf_ledger_entry *entry)
{
    const struct hf_interval *i = &entry->interval;
    int64_t length = hf_interval_length(i);

    row->up += i->state == HF_SECOND_UP ? length : 0;
    row->degraded += i->state == HF_SECOND_DEGRADED ? length : 0;
    row->down += i->state == HF_SECOND_DOWN ? length : 0;
    row->unknown += i->state == HF_SECOND_UNKNOWN ? length : 0;
    row->down_planned += i->state == HF_SECOND_DOWN && i->planned ? length : 0;
    row->requests += i->requests;
    row->failed += i->failed;
    if (i->state == HF_SECOND_UNKNOWN && i->requests > i->failed)
        row->unseen_ok += i->requests - i->failed;
    row->to = i->to;
    if (i->state != HF_SECOND_UP)
        add_outage(r, entry);
}

/* In the order of service and time; fills the holes that no writer booked. */
static void add_entry(struct hf_report *r, struct hf_ledger_entry *entry)
{
    struct hf_report_service *row;

    cut(&entry->interval, r->query.from, r->query.to);
    if (hf_interval_length(&entry->interval) <= 0)
        return;
    row = service_row(r, &entry->interval);
    cut(&entry->interval, row->to, r->query.to);
    if (hf_interval_length(&entry->interval) <= 0)
        return;
    if (entry->interval.from > row->to) {
        struct hf_ledger_entry hole = {
            .interval = {.from = row->to, .to = entry->interval.from, .cause = HF_CAUSE_UNKNOWN}};
        memcpy(hole.interval.service, row->name, sizeof(row->name));
        add_interval(r, row, &hole);
    }
    add_interval(r, row, entry);
}

static void add_totals(struct hf_report *r)
{
    if (r->outages_n)
        qsort(r->outages, r->outages_n, sizeof(*r->outages), by_time);
    for (size_t i = 0; i < r->outages_n; i++) {
        const struct hf_interval *outage = &r->outages[i].interval;
        add_use(&r->causes[outage->cause], outage);
        add_use(outage->planned ? &r->planned : &r->unplanned, outage);
        add_use(&event_row(r, outage)->use, outage);
    }
}

int hf_report_make(const struct hf_ledger_view *view, const struct hf_interval *open, size_t open_n,
                   const struct hf_report_query *query, struct hf_report *ret)
{
    struct hf_report r = {.query = *query, .view = view};
    struct hf_ledger_entry *all;
    size_t n = 0;

    if (query->from < 0 || query->from >= query->to || !(query->target > 0) || query->target > 100)
        return HF_EINVAL;
    all = hf_alloc_array(view->entries_n + open_n, sizeof(*all));
    for (size_t i = 0; i < view->entries_n; i++)
        all[n++] = view->entries[i];
    for (size_t i = 0; i < open_n; i++)
        all[n++] = (struct hf_ledger_entry){.interval = open[i]};
    qsort(all, n, sizeof(*all), by_service_and_time);
    for (size_t i = 0; i < n; i++) {
        if (!query->service || strcmp(query->service, all[i].interval.service) == 0)
            add_entry(&r, &all[i]);
    }
    hf_free(all);
    add_totals(&r);
    *ret = r;
    return 0;
}

void hf_report_done(struct hf_report *r)
{
    hf_free(r->services);
    hf_free(r->events);
    hf_free(r->outages);
    *r = (struct hf_report){0};
}

/* ---- figures for people ---- */

char *hf_report_percent(uint64_t part, uint64_t whole, char buf[HF_REPORT_PERCENT])
{
    unsigned long long parts;

    if (whole == 0)
        return hf_str_copy(HF_STR("-"), buf, HF_REPORT_PERCENT);
    parts = (unsigned long long)((unsigned __int128)part * 10000000 / whole);
    snprintf(buf, HF_REPORT_PERCENT, "%llu.%05llu", parts / 100000, parts % 100000);
    return buf;
}

char *hf_report_duration(int64_t seconds, char buf[HF_REPORT_DURATION])
{
    static const struct {
        int64_t seconds;
        char letter;
    } units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int n = 0;

    if (seconds < 0) {
        buf[n++] = '-';
        seconds = -seconds;
    }
    for (size_t i = 0; i < HF_COUNT(units); i++) {
        int64_t count = seconds / units[i].seconds;
        if (count || (units[i].letter == 's' && n == 0))
            n += snprintf(buf + n, HF_REPORT_DURATION - (size_t)n, "%lld%c", (long long)count,
                          units[i].letter);
        seconds %= units[i].seconds;
    }
    buf[n] = 0;
    return buf;
}
