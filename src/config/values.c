#include "config/values.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "config/placeholder.h"
#include "net/addr.h"

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool letter(char c)
{
    return hf_lower(c) >= 'a' && hf_lower(c) <= 'z';
}

static const struct {
    const char *name;
    uint64_t bytes;
} byte_units[] = {{"GiB", UINT64_C(1) << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}};

int hf_bytes_parse(const char *text, uint64_t *ret)
{
    size_t n = strspn(text, "0123456789");
    uint64_t value;

    if (hf_str_to_u64((struct hf_str){text, n}, &value))
        return HF_EINVAL;
    for (size_t i = 0; i < HF_COUNT(byte_units); i++) {
        if (strcmp(text + n, byte_units[i].name) == 0) {
            if (value > UINT64_MAX / byte_units[i].bytes)
                return HF_EINVAL;
            *ret = value * byte_units[i].bytes;
            return 0;
        }
    }
    return HF_EINVAL;
}

char *hf_bytes_format(uint64_t bytes, char *buf, size_t size)
{
    size_t i = 0;

    while (bytes % byte_units[i].bytes || (bytes == 0 && byte_units[i].bytes > 1))
        i++;
    snprintf(buf, size, "%llu%s", (unsigned long long)(bytes / byte_units[i].bytes),
             byte_units[i].name);
    return buf;
}

int hf_decimal_parse(const char *text, size_t n, unsigned digits, uint64_t *ret)
{
    const char *point = memchr(text, '.', n);
    size_t whole = point ? (size_t)(point - text) : n;
    uint64_t value, fraction = 0;
    size_t behind = point ? n - whole - 1 : 0;

    if (whole > 9 || behind > digits || hf_str_to_u64((struct hf_str){text, whole}, &value))
        return HF_EINVAL;
    if (point && hf_str_to_u64((struct hf_str){point + 1, behind}, &fraction))
        return HF_EINVAL;
    for (unsigned i = 0; i < digits; i++) {
        value *= 10;
        if (i >= behind)
            fraction *= 10;
    }
    *ret = value + fraction;
    return 0;
}

int hf_share_parse(const char *text, uint32_t *ret)
{
    size_t n = strlen(text);
    uint64_t value;

    if (n < 2 || text[n - 1] != '%' || hf_decimal_parse(text, n - 1, 2, &value) || value > 10000)
        return HF_EINVAL;
    *ret = (uint32_t)value;
    return 0;
}

char *hf_share_format(uint32_t share, char *buf, size_t size)
{
    unsigned whole = share / 100, rest = share % 100;

    if (rest == 0)
        snprintf(buf, size, "%u%%", whole);
    else if (rest % 10 == 0)
        snprintf(buf, size, "%u.%u%%", whole, rest / 10);
    else
        snprintf(buf, size, "%u.%02u%%", whole, rest);
    return buf;
}

char *hf_duration_exact(int64_t ms, char *buf, size_t size)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t i = 0;

    while (ms % units[i].ms)
        i++;
    if (ms == 0)
        snprintf(buf, size, "0");
    else
        snprintf(buf, size, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
    return buf;
}

/* Bytes of `first`, then of `rest`, at most `most` in all. */
static bool made_of(const char *text, bool (*first)(char), bool (*rest)(char), size_t most)
{
    size_t n = strlen(text);

    if (n == 0 || n > most || !first(text[0]))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!rest(text[i]))
            return false;
    }
    return true;
}

static bool name_first(char c)
{
    return digit(c) || (c >= 'a' && c <= 'z');
}
static bool name_rest(char c)
{
    return name_first(c) || c == '-';
}
static bool version_first(char c)
{
    return digit(c) || letter(c);
}
static bool version_rest(char c)
{
    return version_first(c) || (c && strchr("._+-", c));
}
static bool variable_first(char c)
{
    return letter(c) || c == '_';
}
static bool variable_rest(char c)
{
    return variable_first(c) || digit(c);
}
static bool user_first(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z');
}
static bool user_rest(char c)
{
    return user_first(c) || digit(c) || c == '-';
}

bool hf_name_check(const char *text, char *why, size_t size)
{
    (void)why, (void)size;
    return made_of(text, name_first, name_rest, 63);
}

bool hf_node_name_check(const char *text, char *why, size_t size)
{
    (void)why, (void)size;
    return made_of(text, name_first, name_rest, 32);
}

bool hf_version_name_check(const char *text, char *why, size_t size)
{
    (void)why, (void)size;
    return made_of(text, version_first, version_rest, 63);
}

bool hf_variable_name_check(const char *text, char *why, size_t size)
{
    if (hf_str_starts(hf_str(text), HF_STR("HOLDFAST_"))) {
        snprintf(why, size, "is holdfast's own");
        return false;
    }
    return made_of(text, variable_first, variable_rest, 128);
}

bool hf_user_name_check(const char *text, char *why, size_t size)
{
    (void)why, (void)size;
    return made_of(text, user_first, user_rest, 32);
}

bool hf_template_check(const char *text, char *why, size_t size)
{
    struct hf_str unknown;

    if (hf_placeholder_check(text, &unknown))
        return true;
    snprintf(why, size, "has the unknown placeholder %.*s", unknown.n > 40 ? 40 : (int)unknown.n,
             unknown.p);
    return false;
}

bool hf_host_check(const char *text, char *why, size_t size)
{
    size_t n = strlen(text);
    struct hf_addr ip;

    if (n == 0)
        return true;
    if (strchr(text, ':') && text[0] != '[') {
        snprintf(why, size, "has a port");
        return false;
    }
    if (text[0] == '[')
        return text[n - 1] == ']' && !hf_addr_parse_ip((struct hf_str){text + 1, n - 2}, &ip) &&
               ip.family == HF_ADDR_IP6;
    if (n > 253 || text[0] == '.' || text[0] == '-' || text[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!variable_rest(text[i]) && text[i] != '.' && text[i] != '-')
            return false;
        if (text[i] == '.' && text[i + 1] == '.')
            return false;
    }
    return true;
}

static bool is_number(const char *label, size_t n)
{
    size_t digits = 0;

    while (digits < n && digit(label[digits]))
        digits++;
    return digits == n;
}

/* Labels of letters, digits and inner '-', 1 to 63 of them, with one dot between. The last one is
 * no number, so that a mistyped address is not taken for a name. One dot at the end is fine: the
 * system's search list is not tried then. */
bool hf_host_name_check(const char *text, char *why, size_t size)
{
    size_t n = strlen(text);

    if (n > 1 && text[n - 1] == '.')
        n--;
    if (n == 0 || n > 253) {
        snprintf(why, size, n ? "has a host of more than 253 bytes" : "has no host");
        return false;
    }
    for (size_t at = 0, label; at <= n; at += label + 1) {
        label = strcspn(text + at, ".");
        if (label > n - at)
            label = n - at;
        if (label == 0 || label > 63) {
            snprintf(why, size, "has a label of %s", label ? "more than 63 bytes" : "no bytes");
            return false;
        }
        if (text[at] == '-' || text[at + label - 1] == '-') {
            snprintf(why, size, "has a label that begins or ends with '-'");
            return false;
        }
        for (size_t i = at; i < at + label; i++) {
            if (!version_first(text[i]) && text[i] != '-') {
                snprintf(why, size, "has a host with other than letters, digits, '-' and '.'");
                return false;
            }
        }
        if (at + label == n && is_number(text + at, label)) {
            snprintf(why, size, "is not an address, and no name ends with a number");
            return false;
        }
    }
    return true;
}

bool hf_url_path_check(const char *text, char *why, size_t size)
{
    (void)why, (void)size;
    if (text[0] != '/' || strlen(text) > 2048)
        return false;
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '#')
            return false;
    }
    return true;
}

/* Requests are routed by their path in its normal form: an escape has capital digits, and stands
 * only where the plain character could not. */
static bool normal_escape(const char *p)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *high = p[1] ? strchr(digits, p[1]) : NULL;
    const char *low = high && p[2] ? strchr(digits, p[2]) : NULL;
    char c = low ? (char)((high - digits) * 16 + (low - digits)) : 'x';

    return low && !version_first(c) && !(c && strchr("-._~\\", c)) && c;
}

bool hf_prefix_check(const char *text, char *why, size_t size)
{
    size_t n = strlen(text);

    if (!hf_url_path_check(text, why, size) || n > 1024)
        return false;
    if (n > 1 && text[n - 1] == '/') {
        snprintf(why, size, "ends with a slash");
        return false;
    }
    for (const char *p = text; (p = strchr(p, '%')); p++) {
        if (!normal_escape(p)) {
            snprintf(why, size, "has an escape that is not needed, or not in capitals");
            return false;
        }
    }
    if (strchr(text, '\\'))
        return false;
    if (strchr(text, '?')) {
        snprintf(why, size, "has a query");
        return false;
    }
    for (const char *p = text; (p = strchr(p, '/')); p++) {
        size_t segment = strcspn(p + 1, "/");
        if (n > 1 && (segment == 0 || (segment == 1 && p[1] == '.') ||
                      (segment == 2 && p[1] == '.' && p[2] == '.'))) {
            snprintf(why, size, "has an empty, \".\" or \"..\" segment");
            return false;
        }
    }
    return true;
}

/* In the place of the host only {host} makes sense, and only behind it the others. */
bool hf_redirect_check(const char *text, char *why, size_t size)
{
    static const char *const names[] = {"{host}", "{path}", "{rest}"};
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : NULL;

    if ((host && strchr("/{", host[0]) && strncmp(host, "{host}", 6) != 0) ||
        (!host && (text[0] != '/' || text[1] == '/')))
        return false;
    for (const char *p = text; *p; p++) {
        size_t i = 0;
        if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || strchr("\"<>\\^`|", *p))
            return false;
        if (*p == '}') {
            snprintf(why, size, "has a } without {");
            return false;
        }
        if (*p != '{')
            continue;
        while (i < HF_COUNT(names) && strncmp(p, names[i], strlen(names[i])) != 0)
            i++;
        if (i == HF_COUNT(names)) {
            snprintf(why, size, "has an unknown placeholder %.*s", (int)strcspn(p, "}") + 1, p);
            return false;
        }
        p += strlen(names[i]) - 1;
    }
    return true;
}
