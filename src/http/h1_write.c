#include "http/h1_write.h"

#include "http/h1_scan.h"

static const char *const reasons[600] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [208] = "Already Reported",
    [226] = "IM Used",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [305] = "Use Proxy",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [511] = "Network Authentication Required",
};

struct hf_str hf_http_reason(unsigned status)
{
    const char *text = status < HF_COUNT(reasons) ? reasons[status] : NULL;

    return text ? hf_str(text) : HF_STR("Unknown");
}

size_t hf_decimal(uint64_t v, char buf[HF_DECIMAL_MOST])
{
    uint64_t limit = 10;
    size_t n = 1;

    for (; n < HF_DECIMAL_MOST && v >= limit; n++)
        limit *= 10;
    for (size_t i = n; i-- > 0; v /= 10)
        buf[i] = (char)('0' + v % 10);
    return n;
}

static void put_escape(struct hf_h1_out *o, unsigned char ch)
{
    char text[6] = {'\\', (char)ch};

    if (ch == '"' || ch == '\\') {
        hf_h1_put(o, (struct hf_str){text, 2});
        return;
    }
    memcpy(text + 1, "u00", 3);
    text[4] = "0123456789abcdef"[ch >> 4];
    text[5] = "0123456789abcdef"[ch & 15];
    hf_h1_put(o, (struct hf_str){text, sizeof(text)});
}

void hf_h1_put_escaped(struct hf_h1_out *o, struct hf_str s)
{
    const char *p = s.p, *end = s.p + s.n;

    while (p < end) {
        const char *odd = hf_scan_plain(p, end);
        hf_h1_put(o, (struct hf_str){p, (size_t)(odd - p)});
        p = odd;
        if (p < end)
            put_escape(o, (unsigned char)*p++);
    }
}

void hf_h1_put_decimal(struct hf_h1_out *o, uint64_t v)
{
    char buf[HF_DECIMAL_MOST];

    if (!o->full && o->end - o->p >= HF_DECIMAL_MOST) {
        o->p += hf_decimal(v, o->p);
        return;
    }
    hf_h1_put(o, (struct hf_str){buf, hf_decimal(v, buf)});
}

void hf_h1_put_hex(struct hf_h1_out *o, uint64_t v)
{
    char digits[16], *p = digits + sizeof(digits);

    do {
        *--p = "0123456789abcdef"[v & 15];
        v >>= 4;
    } while (v);
    hf_h1_put(o, (struct hf_str){p, (size_t)(digits + sizeof(digits) - p)});
}

void hf_h1_put_status(struct hf_h1_out *o, unsigned status, struct hf_str reason)
{
    HF_H1_PUT(o, "HTTP/1.1 ");
    hf_h1_put_decimal(o, status);
    HF_H1_PUT(o, " ");
    hf_h1_put(o, reason.n ? reason : hf_http_reason(status));
    HF_H1_PUT(o, "\r\n");
}

void hf_h1_put_chunk(struct hf_h1_out *o, uint64_t n)
{
    hf_h1_put_hex(o, n);
    HF_H1_PUT(o, "\r\n");
}

static void two_digits(char *p, int64_t v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
}

/* Days since 1970-01-01 to a date: eras of 400 years that begin on 1 March, so that the leap day
 * is the last of its year. */
static void date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t of_era = z - era * 146097;
    int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153; /* 0: March */

    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = y + era * 400 + (*month <= 2);
}

struct hf_str hf_date(struct hf_date_cache *cache, struct hf_wall now)
{
    static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t second = now.ns < 0 ? 0 : hf_wall_seconds(now);
    int64_t days = second / 86400, in_day = second % 86400, year, month, day;
    char *t = cache->text;

    if (second == cache->second && t[0])
        return (struct hf_str){t, HF_DATE_TEXT};
    date_from_days(days, &year, &month, &day);
    memcpy(t, "Thu, 01 Jan 1970 00:00:00 GMT", HF_DATE_TEXT);
    memcpy(t, weekdays[(days + 4) % 7], 3);
    two_digits(t + 5, day);
    memcpy(t + 8, months[month - 1], 3);
    two_digits(t + 12, year / 100);
    two_digits(t + 14, year % 100);
    two_digits(t + 17, in_day / 3600);
    two_digits(t + 20, in_day / 60 % 60);
    two_digits(t + 23, in_day % 60);
    cache->second = second;
    return (struct hf_str){t, HF_DATE_TEXT};
}
