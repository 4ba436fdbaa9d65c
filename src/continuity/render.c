/* The writing half of continuity/report.h: a report as JSON, and as tables for people. */
#include <stdio.h>

#include "continuity/report.h"

enum { RANGE_TEXT = 2 * HF_REPORT_PERCENT };

static const char *time_text(int64_t second, char buf[HF_WALL_TEXT])
{
    hf_wall_format((struct hf_wall){second * HF_NS_PER_S}, buf);
    memcpy(buf + strlen(buf) - 5, "Z", 2); /* whole seconds: drops .000 */
    return buf;
}

static json_t *time_json(int64_t second)
{
    char buf[HF_WALL_TEXT];
    return json_string(time_text(second, buf));
}

/* ---- figures that both show ---- */

static uint64_t observed(const struct hf_report_service *s)
{
    return (uint64_t)(s->to - s->from);
}

static uint64_t time_low(const struct hf_report_service *s)
{
    return observed(s) - (uint64_t)s->down - (uint64_t)s->unknown;
}

static uint64_t time_high(const struct hf_report_service *s)
{
    return observed(s) - (uint64_t)s->down;
}

static uint64_t answered(const struct hf_report_service *s)
{
    return s->requests > s->failed ? s->requests - s->failed : 0;
}

/* By the lower: unknown time may have been down. */
static int64_t remaining(const struct hf_report_service *s)
{
    return s->allowed - s->down - s->unknown;
}

/* ---- JSON ---- */

static json_t *percent_json(uint64_t part, uint64_t whole)
{
    return whole ? json_real((double)part * 100 / (double)whole) : json_null();
}

static json_t *range_json(uint64_t low, uint64_t high, uint64_t whole)
{
    return json_pack("{s:o, s:o}", "low", percent_json(low, whole), "high",
                     percent_json(high, whole));
}

static json_t *use_json(const struct hf_report_use *use)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "down_seconds", (json_int_t)use->down,
                     "degraded_seconds", (json_int_t)use->degraded, "unknown_seconds",
                     (json_int_t)use->unknown, "failed_requests", (json_int_t)use->failed);
}

static json_t *seconds_json(const struct hf_report_service *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "observed", (json_int_t)observed(s), "up",
                     (json_int_t)s->up, "degraded", (json_int_t)s->degraded, "down",
                     (json_int_t)s->down, "down_planned", (json_int_t)s->down_planned, "unknown",
                     (json_int_t)s->unknown);
}

static json_t *service_json(const struct hf_report *r, const struct hf_report_service *s)
{
    uint64_t period = (uint64_t)(r->query.to - r->query.from);
    uint64_t low = (uint64_t)(s->down + s->unknown), high = (uint64_t)s->down;
    json_t *json = json_pack("{s:s, s:o, s:o, s:o}", "service", s->name, "from", time_json(s->from),
                             "to", time_json(s->to), "seconds", seconds_json(s));

    json_object_set_new(json, "requests", json_integer((json_int_t)s->requests));
    json_object_set_new(json, "failed", json_integer((json_int_t)s->failed));
    json_object_set_new(json, "availability_by_time",
                        range_json(time_low(s), time_high(s), observed(s)));
    json_object_set_new(json, "availability_by_requests",
                        range_json(answered(s) - s->unseen_ok, answered(s), s->requests));
    json_object_set_new(json, "availability_of_period",
                        range_json(period - low, period - high, period));
    json_object_set_new(json, "downtime",
                        json_pack("{s:I, s:{s:I, s:I}, s:I}", "allowed_seconds",
                                  (json_int_t)s->allowed, "used_seconds", "low", (json_int_t)high,
                                  "high", (json_int_t)low, "remaining_seconds",
                                  (json_int_t)remaining(s)));
    json_object_set_new(json, "target_met", json_boolean(remaining(s) >= 0));
    return json;
}

static json_t *outage_json(const struct hf_ledger_entry *entry)
{
    const struct hf_interval *i = &entry->interval;
    json_t *json =
        json_pack("{s:s, s:s, s:o, s:o, s:I, s:I, s:I, s:s, s:b, s:s}", "service", i->service,
                  "state", hf_second_state_name(i->state), "from", time_json(i->from), "to",
                  time_json(i->to), "seconds", (json_int_t)hf_interval_length(i), "requests",
                  (json_int_t)i->requests, "failed", (json_int_t)i->failed, "cause",
                  hf_cause_name(i->cause), "planned", i->planned, "event", i->event);

    if (entry->stream)
        json_object_set_new(
            json, "record",
            json_sprintf("%s#%llu", entry->stream, (unsigned long long)entry->sequence));
    if (entry->who)
        json_object_set_new(json, "corrected",
                            json_pack("{s:s, s:s}", "who", entry->who, "why", entry->why));
    return json;
}

static json_t *chains_json(const struct hf_ledger_view *view)
{
    json_t *list = json_array();

    for (size_t i = 0; view && i < view->streams_n; i++) {
        const struct hf_ledger_stream *s = &view->streams[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:I, s:b, s:s}", "stream", s->name, "records",
                                        (json_int_t)s->chain.sequence, "whole", s->broken.code == 0,
                                        "error", s->broken.code ? s->broken.text : ""));
    }
    return list;
}

json_t *hf_report_to_json(const struct hf_report *r)
{
    json_t *services = json_array(), *causes = json_object(), *events = json_array();
    json_t *outages = json_array(), *json;

    for (size_t i = 0; i < r->services_n; i++)
        json_array_append_new(services, service_json(r, &r->services[i]));
    for (int i = HF_CAUSE_RELEASE; i < HF_CAUSES; i++) {
        const struct hf_report_use *use = &r->causes[i];
        if (use->down || use->degraded || use->unknown)
            json_object_set_new(causes, hf_cause_name((enum hf_cause)i), use_json(use));
    }
    for (size_t i = 0; i < r->events_n; i++) {
        json_t *event = use_json(&r->events[i].use);
        json_object_set_new(event, "event", json_string(r->events[i].name));
        json_object_set_new(event, "cause", json_string(hf_cause_name(r->events[i].cause)));
        json_object_set_new(event, "planned", json_boolean(r->events[i].planned));
        json_array_append_new(events, event);
    }
    for (size_t i = 0; i < r->outages_n; i++)
        json_array_append_new(outages, outage_json(&r->outages[i]));
    json = json_pack("{s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o}", "from", time_json(r->query.from),
                     "to", time_json(r->query.to), "target", r->query.target, "services", services,
                     "causes", causes, "planned", use_json(&r->planned), "unplanned",
                     use_json(&r->unplanned), "events", events);
    json_object_set_new(json, "intervals", outages);
    json_object_set_new(json, "ledger", chains_json(r->view));
    return json;
}

/* ---- text ---- */

/* "99.99123" or "99.99123..100.00000". */
static char *range_text(uint64_t low, uint64_t high, uint64_t whole, char buf[RANGE_TEXT])
{
    char a[HF_REPORT_PERCENT], b[HF_REPORT_PERCENT];

    if (low == high || whole == 0)
        return hf_str_copy(hf_str(hf_report_percent(low, whole, a)), buf, RANGE_TEXT);
    snprintf(buf, RANGE_TEXT, "%s..%s", hf_report_percent(low, whole, a),
             hf_report_percent(high, whole, b));
    return buf;
}

static void services_text(const struct hf_report *r, struct hf_text *t)
{
    char by_time[RANGE_TEXT], by_requests[RANGE_TEXT];
    char down[HF_REPORT_DURATION], unknown[HF_REPORT_DURATION], limit[HF_REPORT_DURATION];
    char left[HF_REPORT_DURATION];

    hf_text_addf(t, "%-16s %-20s %-20s %9s %8s %9s %9s %9s %9s  %s\n", "SERVICE", "UP BY TIME %",
                 "UP BY REQUESTS %", "REQUESTS", "FAILED", "DOWN", "UNKNOWN", "ALLOWED", "REMAINS",
                 "TARGET");
    for (size_t i = 0; i < r->services_n; i++) {
        const struct hf_report_service *s = &r->services[i];
        hf_text_addf(t, "%-16s %-20s %-20s %9llu %8llu %9s %9s %9s %9s  %s\n", s->name,
                     range_text(time_low(s), time_high(s), observed(s), by_time),
                     range_text(answered(s) - s->unseen_ok, answered(s), s->requests, by_requests),
                     (unsigned long long)s->requests, (unsigned long long)s->failed,
                     hf_report_duration(s->down, down), hf_report_duration(s->unknown, unknown),
                     hf_report_duration(s->allowed, limit), hf_report_duration(remaining(s), left),
                     remaining(s) >= 0 ? "met" : "missed");
    }
}

static void use_text(struct hf_text *t, const char *what, const struct hf_report_use *use)
{
    char down[HF_REPORT_DURATION], degraded[HF_REPORT_DURATION], unknown[HF_REPORT_DURATION];

    if (use->down || use->degraded || use->unknown)
        hf_text_addf(t, "%-44s %9s %9s %9s %8llu\n", what, hf_report_duration(use->down, down),
                     hf_report_duration(use->degraded, degraded),
                     hf_report_duration(use->unknown, unknown), (unsigned long long)use->failed);
}

static void causes_text(const struct hf_report *r, struct hf_text *t)
{
    char what[HF_CONTINUITY_NAME + 40];

    hf_text_addf(t, "\n%-44s %9s %9s %9s %8s\n", "CAUSE, EVENT", "DOWN", "DEGRADED", "UNKNOWN",
                 "FAILED");
    use_text(t, "planned", &r->planned);
    use_text(t, "unplanned", &r->unplanned);
    for (int i = HF_CAUSE_RELEASE; i < HF_CAUSES; i++)
        use_text(t, hf_cause_name((enum hf_cause)i), &r->causes[i]);
    for (size_t i = 0; i < r->events_n; i++) {
        const struct hf_report_event *event = &r->events[i];
        snprintf(what, sizeof(what), "  %s: %s%s", hf_cause_name(event->cause),
                 event->name[0] ? event->name : "no event", event->planned ? " (planned)" : "");
        use_text(t, what, &event->use);
    }
}

static void outages_text(const struct hf_report *r, struct hf_text *t)
{
    char from[HF_WALL_TEXT], length[HF_REPORT_DURATION];

    hf_text_addf(t, "\n%-21s %9s  %-16s %-9s %9s %8s  %s\n", "FROM", "FOR", "SERVICE", "STATE",
                 "REQUESTS", "FAILED", "CAUSE");
    for (size_t n = 0; n < r->outages_n; n++) {
        const struct hf_ledger_entry *entry = &r->outages[n];
        const struct hf_interval *i = &entry->interval;
        hf_text_addf(t, "%-21s %9s  %-16s %-9s %9llu %8llu  %s%s%s%s", time_text(i->from, from),
                     hf_report_duration(hf_interval_length(i), length), i->service,
                     hf_second_state_name(i->state), (unsigned long long)i->requests,
                     (unsigned long long)i->failed, hf_cause_name(i->cause),
                     i->planned ? ", planned" : "", i->event[0] ? ": " : "", i->event);
        if (entry->who)
            hf_text_addf(t, " (%s: %s)", entry->who, entry->why);
        hf_text_add(t, HF_STR("\n"));
    }
}

void hf_report_to_text(const struct hf_report *r, struct hf_text *t)
{
    char from[HF_WALL_TEXT], to[HF_WALL_TEXT];

    hf_text_addf(t, "%s to %s, target %.6g %%\n\n", time_text(r->query.from, from),
                 time_text(r->query.to, to), r->query.target);
    services_text(r, t);
    if (r->outages_n) {
        causes_text(r, t);
        outages_text(r, t);
    }
    for (size_t i = 0; r->view && i < r->view->streams_n; i++) {
        const struct hf_ledger_stream *s = &r->view->streams[i];
        if (s->broken.code)
            hf_text_addf(t, "\nBROKEN: %s: %s; it is not used from there on\n", s->name,
                         s->broken.text);
    }
}
