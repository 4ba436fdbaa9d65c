/* continuity/report.h - what the ledger says about a period: availability against a target.
 *
 * By time and by requests, each as a range: unknown time counted as down, and as up; a target is
 * judged by the lower. The budget is the downtime that the target allows in the whole period (a
 * year: 99.99 % allows 52m33s); time before a service's first booked second is neither used nor
 * observed. Seconds between its first and its last that no interval covers are unknown. Pure. */
#pragma once
#include <jansson.h>

#include "base/str.h"
#include "base/time.h"
#include "continuity/ledger.h"

struct hf_report_query {
    int64_t from, to;    /* the period, wall seconds, to excluded */
    double target;       /* percent, 0 < target <= 100: 99.99 */
    const char *service; /* NULL: all */
};

/* The calendar year in UTC, 1970 .. 9999. */
HF_MUST_CHECK int hf_report_year(int year, int64_t *ret_from, int64_t *ret_to);

struct hf_report_use {
    int64_t down, degraded, unknown; /* seconds */
    uint64_t failed;                 /* requests */
};

struct hf_report_service {
    char name[HF_CONTINUITY_NAME];
    int64_t from, to; /* first and last booked second in the period, to excluded */
    int64_t up, degraded, down, unknown;
    int64_t down_planned;
    uint64_t requests, failed, unseen_ok; /* unseen_ok: answered well in unknown time */
    int64_t allowed;                      /* seconds down in the whole period */
};

struct hf_report_event {
    char name[HF_CONTINUITY_NAME]; /* "": none owns it */
    enum hf_cause cause;
    bool planned;
    struct hf_report_use use;
};

struct hf_report {
    struct hf_report_query query;
    struct hf_report_service *services; /* by name */
    size_t services_n;
    struct hf_report_use causes[HF_CAUSES];
    struct hf_report_use planned, unplanned;
    struct hf_report_event *events; /* in the order of their first second */
    size_t events_n;
    struct hf_ledger_entry *outages; /* intervals that are not up, by time; neighbours joined */
    size_t outages_n;
    const struct hf_ledger_view *view;
};

/* Of the view's entries and the intervals that are open. The view must outlive the report; of time
 * that two writers booked, the first one counts. Query: HF_EINVAL. */
HF_MUST_CHECK int hf_report_make(const struct hf_ledger_view *view, const struct hf_interval *open,
                                 size_t open_n, const struct hf_report_query *query,
                                 struct hf_report *ret);
void hf_report_done(struct hf_report *r);

/* A part of a whole in percent, for people: rounded down to 5 decimals, so that 100.00000 means
 * all of it. Of nothing: "-". */
#define HF_REPORT_PERCENT 32
char *hf_report_percent(uint64_t part, uint64_t whole, char buf[HF_REPORT_PERCENT]);

/* "1d2h", "52m33s", "8h45m12s": to the second. */
#define HF_REPORT_DURATION 32
char *hf_report_duration(int64_t seconds, char buf[HF_REPORT_DURATION]);

json_t *hf_report_to_json(const struct hf_report *r);
void hf_report_to_text(const struct hf_report *r, struct hf_text *ret);
