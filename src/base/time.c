#include "base/time.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct hf_mono hf_mono_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (struct hf_mono){ts.tv_sec * HF_NS_PER_S + ts.tv_nsec};
}

struct hf_wall hf_wall_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (struct hf_wall){ts.tv_sec * HF_NS_PER_S + ts.tv_nsec};
}

char *hf_wall_format(struct hf_wall t, char buf[HF_WALL_TEXT])
{
    time_t s = (time_t)(t.ns / HF_NS_PER_S);
    struct tm tm;
    char date[24];

    gmtime_r(&s, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf, HF_WALL_TEXT, "%s.%03dZ", date, (int)(t.ns % HF_NS_PER_S / HF_NS_PER_MS));
    return buf;
}

int hf_wall_parse(const char *text, struct hf_wall *ret)
{
    struct tm tm = {0};
    const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t ns = 0;

    if (!p)
        return HF_EINVAL;
    if (*p == '.') {
        int64_t unit = HF_NS_PER_S / 10;
        for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
            ns += (*p - '0') * unit;
    }
    if (strcmp(p, "Z") != 0)
        return HF_EINVAL;
    ret->ns = (int64_t)timegm(&tm) * HF_NS_PER_S + ns;
    return 0;
}

char *hf_duration_format(struct hf_duration d, char *buf, size_t size)
{
    int64_t ms = hf_duration_ms(d), s = ms / 1000;

    if (ms < 1000)
        snprintf(buf, size, "%lldms", (long long)ms);
    else if (ms < 60000 && ms % 1000)
        snprintf(buf, size, "%lld.%llds", (long long)s, (long long)(ms % 1000 / 100));
    else if (s < 60)
        snprintf(buf, size, "%llds", (long long)s);
    else if (s < 3600)
        snprintf(buf, size, s % 60 ? "%lldm%llds" : "%lldm", (long long)(s / 60),
                 (long long)(s % 60));
    else
        snprintf(buf, size, s % 3600 / 60 ? "%lldh%lldm" : "%lldh", (long long)(s / 3600),
                 (long long)(s % 3600 / 60));
    return buf;
}

int hf_duration_parse(const char *text, struct hf_duration *ret)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
    char *end;
    double value;

    if (*text < '0' || *text > '9')
        return HF_EINVAL;
    errno = 0;
    value = strtod(text, &end);
    if (errno || !isfinite(value))
        return HF_EINVAL;
    if (*end == 0 && value == 0) {
        ret->ns = 0;
        return 0;
    }
    for (size_t i = 0; i < HF_COUNT(units); i++) {
        if (strcmp(end, units[i].name) == 0) {
            if (value * units[i].ns > 3.2e17) /* ten years */
                return HF_EINVAL;
            ret->ns = (int64_t)(value * units[i].ns);
            return 0;
        }
    }
    return HF_EINVAL;
}
