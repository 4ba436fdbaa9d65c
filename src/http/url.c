#include "http/url.h"

void hf_url_split(struct hf_str origin, struct hf_str *path, struct hf_str *query)
{
    const char *mark = origin.n ? memchr(origin.p, '?', origin.n) : NULL;

    *path = origin;
    *query = (struct hf_str){0};
    if (mark) {
        path->n = (size_t)(mark - origin.p);
        *query = (struct hf_str){mark + 1, origin.n - path->n - 1};
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = hf_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at the front of s stands for, or -1. */
static int escaped(struct hf_str s)
{
    int high, low;

    if (s.n < 3)
        return -1;
    high = hex_digit(s.p[1]);
    low = hex_digit(s.p[2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static bool unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Normal at sight: anything that needs a closer look says no. */
static bool plainly_normal(struct hf_str path)
{
    char last = 0;

    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        if (c == '%' || c == '\\' || c == ';' || (last == '/' && (c == '/' || c == '.')))
            return false;
        last = c;
    }
    return path.n && path.p[0] == '/';
}

/* Escapes in one spelling. Returns the length written, at most path.n, or 0 for a path to refuse.
 */
static size_t spell(struct hf_str path, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < path.n; i++) {
        int c = (unsigned char)path.p[i];
        if (c == '\\')
            return 0;
        if (c != '%') {
            to[n++] = (char)c;
            continue;
        }
        c = escaped((struct hf_str){path.p + i, path.n - i});
        if (c <= 0 || c == '\\')
            return 0;
        i += 2;
        if (unreserved(c)) {
            to[n++] = (char)c;
            continue;
        }
        to[n++] = '%';
        to[n++] = "0123456789ABCDEF"[c >> 4];
        to[n++] = "0123456789ABCDEF"[c & 15];
    }
    return n;
}

enum segment { NAME, EMPTY, DOT, DOTS, HIDDEN };

static bool dots(struct hf_str s)
{
    return s.n >= 1 && s.n <= 2 && s.p[0] == '.' && s.p[s.n - 1] == '.';
}

/* HIDDEN: a reader who cuts off parameters, or undoes %2F early, would see dots. */
static enum segment judge(struct hf_str s)
{
    const char *end = s.p + s.n, *part = s.p;

    if (s.n == 0)
        return EMPTY;
    if (dots(s))
        return s.n == 1 ? DOT : DOTS;
    for (const char *p = s.p; p <= end; p++) {
        bool slash = end - p >= 3 && memcmp(p, "%2F", 3) == 0;
        if (p < end && *p != ';' && !slash)
            continue;
        if (dots((struct hf_str){part, (size_t)(p - part)}))
            return HIDDEN;
        if (slash)
            part = p + 3;
    }
    return NAME;
}

/* Takes empty and dot segments out, in place. The path begins with "/". Returns the new length, or
 * 0 for a path to refuse. */
static size_t fold(char *buf, size_t n)
{
    size_t out = 1, i = 1;

    while (i < n) {
        char *slash = memchr(buf + i, '/', n - i);
        size_t end = slash ? (size_t)(slash - buf) : n, length = end - i;
        enum segment kind = judge((struct hf_str){buf + i, length});
        if (kind == HIDDEN || (kind == DOTS && out == 1))
            return 0;
        if (kind == DOTS) {
            out--; /* the slash; then back behind the one before */
            while (buf[out - 1] != '/')
                out--;
        } else if (kind == NAME) {
            memmove(buf + out, buf + i, length);
            out += length;
            if (slash)
                buf[out++] = '/';
        }
        i = end + 1;
    }
    return out;
}

int hf_path_normalise(struct hf_str path, char *buf, size_t size, struct hf_str *ret)
{
    size_t n;

    if (plainly_normal(path)) {
        *ret = path;
        return 0;
    }
    if (path.n == 0 || path.p[0] != '/')
        return HF_EINVAL;
    if (size < path.n)
        return HF_ELIMIT;
    n = spell(path, buf);
    if (n)
        n = fold(buf, n);
    if (n == 0)
        return HF_EINVAL;
    *ret = (struct hf_str){buf, n};
    return 0;
}

bool hf_path_below(struct hf_str path, struct hf_str prefix)
{
    if (!hf_str_starts(path, prefix))
        return false;
    return path.n == prefix.n || prefix.n == 0 || prefix.p[prefix.n - 1] == '/' ||
           path.p[prefix.n] == '/';
}

int hf_url_decode(struct hf_str s, bool query, char *buf, size_t size, struct hf_str *ret)
{
    size_t n = 0;

    if (size < s.n)
        return HF_ELIMIT;
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];
        if (c == '%') {
            c = escaped((struct hf_str){s.p + i, s.n - i});
            i += 2;
        } else if (c == '+' && query) {
            c = ' ';
        }
        if (c <= 0)
            return HF_EINVAL;
        buf[n++] = (char)c;
    }
    *ret = (struct hf_str){buf, n};
    return 0;
}

void hf_url_encode(struct hf_text *t, struct hf_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (unreserved((unsigned char)s.p[i]))
            hf_text_add(t, (struct hf_str){s.p + i, 1});
        else
            hf_text_addf(t, "%%%02X", (unsigned char)s.p[i]);
    }
}

int hf_query_get(struct hf_str query, struct hf_str name, char *buf, size_t size,
                 struct hf_str *ret)
{
    while (query.n) {
        const char *amp = memchr(query.p, '&', query.n);
        struct hf_str pair = {query.p, amp ? (size_t)(amp - query.p) : query.n}, value = {0}, key;
        const char *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
        size_t skip = pair.n + (amp != NULL);
        query.p += skip;
        query.n -= skip;
        if (equals) {
            value = (struct hf_str){equals + 1, pair.n - (size_t)(equals - pair.p) - 1};
            pair.n -= value.n + 1;
        }
        /* a name that does not fit, or does not decode, is another one */
        if (hf_url_decode(pair, true, buf, size, &key) == 0 && hf_str_eq(key, name))
            return hf_url_decode(value, true, buf, size, ret);
    }
    return HF_ENOENT;
}
