#include "window.h"

#include <string.h>

static const char *const kind_names[FAILURE_COUNT] = {
    [FAILURE_NONE] = "none",     [FAILURE_REFUSED] = "refused", [FAILURE_CONNECT] = "connect",
    [FAILURE_RESET] = "reset",   [FAILURE_CLOSED] = "closed",   [FAILURE_FRAMING] = "framing",
    [FAILURE_STATUS] = "status", [FAILURE_BODY] = "body",       [FAILURE_SLOW] = "slow",
};

/* 16 buckets to each doubling: within 6 % of the true value. */
static unsigned bucket_of(uint64_t us)
{
    unsigned shift = 0;

    while (us >> shift >= 32)
        shift++;
    return shift * 16 + (unsigned)(us >> shift);
}

static uint64_t bucket_value(unsigned bucket)
{
    if (bucket < 32)
        return bucket;
    unsigned shift = bucket / 16 - 1;

    return (uint64_t)(bucket - shift * 16) << shift;
}

static uint64_t percentile(const struct window *w, double share)
{
    uint64_t want = (uint64_t)((double)w->measured * share), seen = 0;

    for (unsigned i = 0; i < WINDOW_BUCKETS; i++) {
        seen += w->buckets[i];
        if (seen > want)
            return bucket_value(i);
    }
    return 0;
}

void window_begin(struct window *w, const char *name, unsigned target_count, uint64_t now_us)
{
    memset(w, 0, sizeof(*w));
    snprintf(w->name, sizeof(w->name), "%s", name);
    w->begin_us = now_us;
    w->target_count = target_count;
    for (unsigned i = 0; i < target_count; i++)
        w->targets[i].last_success_us = now_us;
}

static void add_failure(struct window *w, const struct window_result *r, uint64_t now_us)
{
    w->targets[r->target].failed++;
    w->kinds[r->kind]++;
    if (w->failed < WINDOW_FAILURES) {
        struct window_failure *f = &w->failures[w->failed];

        f->at_us = now_us - w->begin_us;
        f->took_us = r->took_us;
        f->target = r->target;
        f->kind = r->kind;
        snprintf(f->detail, sizeof(f->detail), "%s", r->detail);
    }
    w->failed++;
    w->failed_posts += r->post;
}

static void add_version(struct window *w, const char *name)
{
    if (!*name)
        return;
    for (unsigned i = 0; i < WINDOW_VERSIONS; i++) {
        if (!*w->versions[i].name)
            snprintf(w->versions[i].name, sizeof(w->versions[i].name), "%s", name);
        if (strcmp(w->versions[i].name, name) == 0) {
            w->versions[i].requests++;
            return;
        }
    }
}

void window_add(struct window *w, const struct window_result *r, uint64_t now_us)
{
    struct window_target *t = &w->targets[r->target];

    w->requests++;
    w->posts += r->post;
    w->streams += r->stream;
    w->bytes += r->bytes;
    t->requests++;
    add_version(w, r->version);
    if (r->kind != FAILURE_NONE) {
        add_failure(w, r, now_us);
    } else {
        if (now_us - t->last_success_us > t->gap_us)
            t->gap_us = now_us - t->last_success_us;
        t->last_success_us = now_us;
    }
    if (r->stream)
        return;
    unsigned bucket = bucket_of(r->took_us);

    w->buckets[bucket < WINDOW_BUCKETS ? bucket : WINDOW_BUCKETS - 1]++;
    w->measured++;
    if (r->took_us > t->worst_us)
        t->worst_us = r->took_us;
    if (r->took_us > w->worst_us)
        w->worst_us = r->took_us;
}

static void merge_target(struct window_target *t, const struct window_target *from)
{
    t->requests += from->requests;
    t->failed += from->failed;
    if (from->worst_us > t->worst_us)
        t->worst_us = from->worst_us;
    if (from->gap_us > t->gap_us)
        t->gap_us = from->gap_us;
    t->last_success_us = from->last_success_us;
}

static void merge_versions(struct window *w, const struct window *from)
{
    for (unsigned i = 0; i < WINDOW_VERSIONS && *from->versions[i].name; i++) {
        for (unsigned k = 0; k < WINDOW_VERSIONS; k++) {
            if (!*w->versions[k].name)
                memcpy(w->versions[k].name, from->versions[i].name, sizeof(w->versions[k].name));
            if (strcmp(w->versions[k].name, from->versions[i].name) == 0) {
                w->versions[k].requests += from->versions[i].requests;
                break;
            }
        }
    }
}

void window_merge(struct window *w, const struct window *from)
{
    for (uint64_t i = 0; i < from->failed && i < WINDOW_FAILURES; i++) {
        if (w->failed + i >= WINDOW_FAILURES)
            break;
        w->failures[w->failed + i] = from->failures[i];
        w->failures[w->failed + i].at_us += from->begin_us - w->begin_us;
    }
    w->requests += from->requests;
    w->failed += from->failed;
    w->failed_posts += from->failed_posts;
    w->posts += from->posts;
    w->streams += from->streams;
    w->bytes += from->bytes;
    w->measured += from->measured;
    if (from->worst_us > w->worst_us)
        w->worst_us = from->worst_us;
    for (unsigned i = 0; i < FAILURE_COUNT; i++)
        w->kinds[i] += from->kinds[i];
    for (unsigned i = 0; i < WINDOW_BUCKETS; i++)
        w->buckets[i] += from->buckets[i];
    for (unsigned i = 0; i < w->target_count; i++)
        merge_target(&w->targets[i], &from->targets[i]);
    merge_versions(w, from);
}

/* A JSON string; everything that is not plain ASCII becomes \u00XX. */
static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c < 0x20 || *c > 0x7e || *c == '"' || *c == '\\')
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

static uint64_t gap_of(const struct window_target *t, uint64_t now_us)
{
    uint64_t open = t->last_success_us < now_us ? now_us - t->last_success_us : 0;

    return open > t->gap_us ? open : t->gap_us;
}

static void print_failures(const struct window *w, FILE *out, const char *const *names)
{
    fputs(",\"failures\":[", out);
    for (uint64_t i = 0; i < w->failed && i < WINDOW_FAILURES; i++) {
        const struct window_failure *f = &w->failures[i];

        fprintf(out, "%s{\"target\":", i ? "," : "");
        print_text(out, names[f->target]);
        fprintf(out,
                ",\"kind\":\"%s\",\"at_ms\":%.1f,\"took_ms\":%.1f,\"detail\":", kind_names[f->kind],
                ms(f->at_us), ms(f->took_us));
        print_text(out, f->detail);
        fputc('}', out);
    }
    fputc(']', out);
}

static void print_counts(const struct window *w, FILE *out)
{
    fputs(",\"kinds\":{", out);
    for (unsigned i = 1; i < FAILURE_COUNT; i++)
        fprintf(out, "%s\"%s\":%llu", i > 1 ? "," : "", kind_names[i],
                (unsigned long long)w->kinds[i]);
    fputs("},\"versions\":{", out);
    for (unsigned i = 0; i < WINDOW_VERSIONS && *w->versions[i].name; i++) {
        fputs(i ? "," : "", out);
        print_text(out, w->versions[i].name);
        fprintf(out, ":%llu", (unsigned long long)w->versions[i].requests);
    }
    fputc('}', out);
}

static uint64_t print_targets(const struct window *w, FILE *out, const char *const *names,
                              uint64_t now_us)
{
    uint64_t gap_us = 0;

    fputs(",\"targets\":[", out);
    for (unsigned i = 0; i < w->target_count; i++) {
        const struct window_target *t = &w->targets[i];
        uint64_t gap = gap_of(t, now_us);

        if (gap > gap_us && strncmp(names[i], "STREAM", 6) != 0)
            gap_us = gap;
        fprintf(out, "%s{\"target\":", i ? "," : "");
        print_text(out, names[i]);
        fprintf(out, ",\"requests\":%llu,\"failed\":%llu,\"worst_ms\":%.3f,\"gap_ms\":%.3f}",
                (unsigned long long)t->requests, (unsigned long long)t->failed, ms(t->worst_us),
                ms(gap));
    }
    fputc(']', out);
    return gap_us;
}

void window_print(const struct window *w, FILE *out, const char *const *names, unsigned in_flight,
                  uint64_t now_us)
{
    fputs("{\"window\":", out);
    print_text(out, w->name);
    fprintf(out,
            ",\"seconds\":%.3f,\"requests\":%llu,\"failed\":%llu,\"failed_posts\":%llu,"
            "\"refused\":%llu,\"posts\":%llu,\"streams\":%llu,\"bytes\":%llu,\"in_flight\":%u",
            (double)(now_us - w->begin_us) / 1e6, (unsigned long long)w->requests,
            (unsigned long long)w->failed, (unsigned long long)w->failed_posts,
            (unsigned long long)w->kinds[FAILURE_REFUSED], (unsigned long long)w->posts,
            (unsigned long long)w->streams, (unsigned long long)w->bytes, in_flight);
    fprintf(out, ",\"median_ms\":%.3f,\"p99_ms\":%.3f,\"worst_ms\":%.3f", ms(percentile(w, 0.5)),
            ms(percentile(w, 0.99)), ms(w->worst_us));
    print_counts(w, out);
    uint64_t gap_us = print_targets(w, out, names, now_us);

    fprintf(out, ",\"gap_ms\":%.3f", ms(gap_us));
    print_failures(w, out, names);
    fputs("}\n", out);
    fflush(out);
}
