#include "http/h1_parse.h"

#include "http/h1_scan.h"
#include "net/addr.h"

enum {
    HOST_MOST = 255,
    NAMES_MOST = 16,       /* fields that Connection may name */
    CONNECTION_MOST = 512, /* bytes of all Connection fields: the list is walked for each field */
};

/* A head in the making. Where the bytes end: `most` if the limit on the head cuts there. */
struct head_cursor {
    const char *p, *end;
    bool cut, line_done;
};

static ssize_t out_of_bytes(const struct head_cursor *c)
{
    return c->cut ? -HF_H1_HEAD_LONG : 0;
}

static ssize_t name_error(const char *p, bool first)
{
    if (*p == ' ' || *p == '\t')
        return first ? -HF_H1_FOLD : -HF_H1_FIELD_SPACE;
    return *p == '\n' ? -HF_H1_BARE_LF : -HF_H1_FIELD_NAME;
}

static ssize_t value_error(const char *p)
{
    return *p == '\n' ? -HF_H1_BARE_LF : -HF_H1_CONTROL;
}

/* One field line; 1, or 0 for too few bytes, or an error. */
static inline __attribute__((always_inline)) ssize_t field_line(const char **at, const char *end,
                                                                struct hf_h1_field *ret)
{
    const char *name = *at, *p = hf_scan_name(name, end), *value, *last;

    if (p == end)
        return 0;
    if (__builtin_expect(*p != ':' || p == name, 0))
        return name_error(p, p == name);
    ret->name = (struct hf_str){name, (size_t)(p - name)};
    p++;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    value = p;
    p = hf_scan_value(p, end);
    if (p == end)
        return 0;
    if (__builtin_expect(*p != '\r', 0))
        return value_error(p);
    if (end - p < 2)
        return 0;
    if (p[1] != '\n')
        return -HF_H1_BARE_CR;
    last = p;
    while (last > value && (last[-1] == ' ' || last[-1] == '\t'))
        last--;
    ret->value = (struct hf_str){value, (size_t)(last - value)};
    ret->id = (uint8_t)hf_field_find(ret->name);
    *at = p + 2;
    return 1;
}

/* > 0: the empty line is behind c->p; 0: too few bytes; or an error. */
static ssize_t field_lines(struct head_cursor *c, struct hf_h1_field *fields, unsigned capacity,
                           unsigned *n_fields)
{
    const char *p = c->p, *end = c->end;
    unsigned n = 0;

    for (;; n++) {
        ssize_t rc;
        if (p == end)
            return out_of_bytes(c);
        if (*p == '\r') {
            if (end - p < 2)
                return out_of_bytes(c);
            if (p[1] != '\n')
                return -HF_H1_BARE_CR;
            c->p = p + 2;
            *n_fields = n;
            return 1;
        }
        if (n == capacity)
            return -HF_H1_FIELDS_MANY;
        rc = field_line(&p, end, &fields[n]);
        if (rc <= 0)
            return rc ? rc : out_of_bytes(c);
    }
}

ssize_t hf_h1_parse_fields(struct hf_str bytes, struct hf_h1_field *fields, unsigned capacity,
                           unsigned *n_fields)
{
    struct head_cursor c = {.p = bytes.p, .end = bytes.p + bytes.n};
    ssize_t rc = field_lines(&c, fields, capacity, n_fields);

    return rc > 0 ? c.p - bytes.p : rc;
}

/* "HTTP/1.1" at c->p; moves behind it. 1, 0 or an error, which is `bad` for no version at all. */
static ssize_t version(struct head_cursor *c, enum hf_h1_error bad, uint8_t *minor)
{
    const char *p = c->p;
    size_t n = (size_t)(c->end - p);

    if (n >= 8 && memcmp(p, "HTTP/1.", 7) == 0 && (p[7] == '1' || p[7] == '0')) {
        *minor = p[7] == '1';
        c->p += 8;
        return 1;
    }
    for (size_t i = 0; i < 8; i++) {
        if (i == n)
            return out_of_bytes(c);
        if (i == 5 || i == 7 ? p[i] < '0' || p[i] > '9' : p[i] != "HTTP/1.1"[i])
            return -(ssize_t)bad;
    }
    return -HF_H1_VERSION_UNSUPPORTED;
}

/* CRLF at c->p, which ends the first line; anything else there is `bad`. */
static ssize_t line_end(struct head_cursor *c, enum hf_h1_error bad)
{
    const char *p = c->p;

    if (p == c->end)
        return out_of_bytes(c);
    if (*p != '\r')
        return *p == '\n' ? -HF_H1_BARE_LF : -(ssize_t)bad;
    if (c->end - p < 2)
        return out_of_bytes(c);
    if (p[1] != '\n')
        return -HF_H1_BARE_CR;
    c->p = p + 2;
    c->line_done = true;
    return 1;
}

enum hf_method hf_h1_method_find(struct hf_str m)
{
    static const struct hf_str names[] = {
        [HF_METHOD_GET] = {"GET", 3},         [HF_METHOD_HEAD] = {"HEAD", 4},
        [HF_METHOD_POST] = {"POST", 4},       [HF_METHOD_PUT] = {"PUT", 3},
        [HF_METHOD_DELETE] = {"DELETE", 6},   [HF_METHOD_OPTIONS] = {"OPTIONS", 7},
        [HF_METHOD_TRACE] = {"TRACE", 5},     [HF_METHOD_PATCH] = {"PATCH", 5},
        [HF_METHOD_CONNECT] = {"CONNECT", 7},
    };

    if (m.n == 3 && memcmp(m.p, "GET", 3) == 0)
        return HF_METHOD_GET;
    for (unsigned i = HF_METHOD_HEAD; i < HF_COUNT(names); i++) {
        if (hf_str_eq(m, names[i]))
            return (enum hf_method)i;
    }
    return HF_METHOD_OTHER;
}

static ssize_t request_line(struct head_cursor *c, uint32_t most, struct hf_h1_head *ret)
{
    const char *line = c->p, *p;
    const char *stop =
        c->end - line > HF_H1_METHOD_MOST + 1 ? line + HF_H1_METHOD_MOST + 1 : c->end;
    ssize_t rc;

    p = hf_scan_name(line, stop);
    if (p - line > HF_H1_METHOD_MOST)
        return -HF_H1_METHOD_LONG;
    if (p == c->end)
        return out_of_bytes(c);
    if (*p != ' ' || p == line)
        return -HF_H1_METHOD;
    ret->method = (struct hf_str){line, (size_t)(p - line)};
    ret->target.p = ++p;
    p = hf_scan_target(p, c->end);
    ret->target.n = (size_t)(p - ret->target.p);
    if (p - line > (ssize_t)most)
        return -HF_H1_LINE_LONG;
    if (p == c->end)
        return out_of_bytes(c);
    if (*p != ' ' || ret->target.n == 0)
        return *p == '\r' || *p == '\n' ? -HF_H1_VERSION : -HF_H1_TARGET_BYTE;
    c->p = p + 1;
    if (c->p + 8 - line > (ssize_t)most)
        return -HF_H1_LINE_LONG;
    rc = version(c, HF_H1_VERSION, &ret->minor);
    return rc > 0 ? line_end(c, HF_H1_VERSION) : rc;
}

unsigned hf_h1_status_code(const char *p)
{
    unsigned d0 = (unsigned)p[0] - '0', d1 = (unsigned)p[1] - '0', d2 = (unsigned)p[2] - '0';

    return d0 >= 1 && d0 <= 5 && d1 <= 9 && d2 <= 9 ? d0 * 100 + d1 * 10 + d2 : 0;
}

/* The space behind the status is often left out with the reason, which harms nobody. */
static ssize_t status_line(struct head_cursor *c, uint32_t most, struct hf_h1_head *ret)
{
    const char *line = c->p, *p;
    ssize_t rc = version(c, HF_H1_STATUS_LINE, &ret->minor);

    if (rc <= 0)
        return rc;
    p = c->p;
    for (int i = 0; i < 4; i++) {
        if (p + i == c->end)
            return out_of_bytes(c);
        if (i == 0 ? p[i] != ' ' : p[i] < '0' || p[i] > '9')
            return -HF_H1_STATUS_LINE;
    }
    ret->status = (uint16_t)hf_h1_status_code(p + 1);
    if (!ret->status)
        return -HF_H1_STATUS_LINE;
    c->p = p += 4;
    if (p == c->end)
        return out_of_bytes(c);
    ret->reason = (struct hf_str){p, 0};
    if (*p == ' ') {
        ret->reason.p = ++p;
        p = hf_scan_value(p, c->end);
        ret->reason.n = (size_t)(p - ret->reason.p);
    }
    if (p - line > (ssize_t)most)
        return -HF_H1_LINE_LONG;
    c->p = p;
    return line_end(c, HF_H1_STATUS_LINE);
}

void hf_h1_index_fields(struct hf_h1_head *head)
{
    uint64_t seen = 0, twice = 0;

    for (unsigned i = 0; i < head->n_fields; i++) {
        uint64_t bit = HF_FIELD_BIT(head->fields[i].id);
        if (seen & bit)
            twice |= bit;
        else
            head->at[head->fields[i].id] = (uint8_t)i;
        seen |= bit;
    }
    head->seen = seen & ~HF_FIELD_BIT(HF_FIELD_OTHER);
    head->twice = twice & ~HF_FIELD_BIT(HF_FIELD_OTHER);
}

bool hf_h1_list_next(struct hf_str *rest, struct hf_str *ret)
{
    while (rest->n) {
        const char *comma = memchr(rest->p, ',', rest->n);
        size_t n = comma ? (size_t)(comma - rest->p) : rest->n;
        struct hf_str element = hf_str_trim((struct hf_str){rest->p, n});
        rest->p += comma ? n + 1 : n;
        rest->n -= comma ? n + 1 : n;
        if (element.n) {
            *ret = element;
            return true;
        }
    }
    return false;
}

static unsigned connection_option(struct hf_str option)
{
    if (option.n == 10 && hf_scan_same(option.p, "keep-alive", 10))
        return HF_CONNECTION_KEEP_ALIVE;
    if (option.n == 5 && hf_scan_same(option.p, "close", 5))
        return HF_CONNECTION_CLOSE;
    if (option.n == 7 && hf_scan_same(option.p, "upgrade", 7))
        return HF_CONNECTION_UPGRADE;
    return HF_CONNECTION_NAMES;
}

/* What is nearly always there, alone; 0 for anything else. */
static unsigned connection_plain(const struct hf_h1_head *head)
{
    struct hf_str value = head->fields[head->at[HF_FIELD_CONNECTION]].value;
    unsigned option;

    if (head->twice & HF_FIELD_BIT(HF_FIELD_CONNECTION))
        return 0;
    option = connection_option(value);
    return option == HF_CONNECTION_NAMES ? 0 : option;
}

static ssize_t connection_lists(struct hf_h1_head *head)
{
    size_t bytes = 0, names = 0;

    for (unsigned i = 0; i < head->n_fields; i++) {
        struct hf_str rest = head->fields[i].value, option;
        if (head->fields[i].id != HF_FIELD_CONNECTION)
            continue;
        bytes += rest.n;
        if (bytes > CONNECTION_MOST)
            return -HF_H1_CONNECTION_BAD;
        while (hf_h1_list_next(&rest, &option)) {
            unsigned bit = connection_option(option);
            const char *end = option.p + option.n;
            names += bit == HF_CONNECTION_NAMES;
            if (hf_scan_name(option.p, end) != end || names > NAMES_MOST)
                return -HF_H1_CONNECTION_BAD;
            head->connection |= (uint8_t)bit;
        }
    }
    return 1;
}

static ssize_t read_connection(struct hf_h1_head *head)
{
    head->connection = 0;
    if (!(head->seen & HF_FIELD_BIT(HF_FIELD_CONNECTION)))
        return 1;
    head->connection = (uint8_t)connection_plain(head);
    return head->connection ? 1 : connection_lists(head);
}

bool hf_h1_hop_by_hop_named(const struct hf_h1_head *head, struct hf_str name)
{
    for (unsigned i = 0; i < head->n_fields; i++) {
        struct hf_str rest = head->fields[i].value, option;
        if (head->fields[i].id != HF_FIELD_CONNECTION)
            continue;
        while (hf_h1_list_next(&rest, &option)) {
            if (hf_str_eq_nocase(option, name))
                return true;
        }
    }
    return false;
}

const struct hf_h1_field *hf_h1_field_named(const struct hf_h1_head *head, struct hf_str name)
{
    for (unsigned i = 0; i < head->n_fields; i++) {
        if (hf_str_eq_nocase(head->fields[i].name, name))
            return &head->fields[i];
    }
    return NULL;
}

static bool read_port(const char *p, const char *end, unsigned *ret)
{
    unsigned number = 0;

    if (end - p > 5)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        number = number * 10 + (unsigned)(*p - '0');
    }
    *ret = number;
    return number <= 65535;
}

bool hf_h1_read_authority(struct hf_str a, unsigned usual, struct hf_str *host, unsigned *port)
{
    const char *end = a.p + a.n, *p;

    *port = usual;
    if (a.n == 0 || a.n > HOST_MOST)
        return false;
    if (a.p[0] == '[') {
        struct hf_addr ip;
        p = memchr(a.p, ']', a.n);
        if (!p || hf_addr_parse_ip((struct hf_str){a.p + 1, (size_t)(p - a.p) - 1}, &ip) ||
            ip.family != HF_ADDR_IP6)
            return false;
        p++;
    } else {
        p = hf_scan_host(a.p, end);
        if (p == a.p)
            return false;
    }
    *host = (struct hf_str){a.p, (size_t)(p - a.p)};
    if (p < end && *p != ':')
        return false;
    return end - p < 2 || read_port(p + 1, end, port);
}

/* RFC 9112 3.2.2: the host in the target counts; one that contradicts it is an attack. */
static ssize_t absolute_form(struct hf_h1_head *head, unsigned field_port)
{
    struct hf_str t = head->target, host;
    const char *end = t.p + t.n, *authority = t.p + 7, *p = authority;
    unsigned port;

    while (p < end && *p != '/' && *p != '?')
        p++;
    if (!hf_h1_read_authority((struct hf_str){authority, (size_t)(p - authority)}, 80, &host,
                              &port))
        return -HF_H1_HOST_BAD;
    if (head->authority.n && (!hf_str_eq_nocase(host, head->host) || port != field_port))
        return -HF_H1_HOST_DIFFERS;
    if (p < end && *p == '?')
        return -HF_H1_TARGET_FORM; /* the path must not be empty: RFC 9112 3.2.1 */
    head->host = host;
    head->authority = (struct hf_str){authority, (size_t)(p - authority)};
    if (p < end)
        head->origin = (struct hf_str){p, (size_t)(end - p)};
    else
        head->origin = head->method_id == HF_METHOD_OPTIONS ? HF_STR("*") : HF_STR("/");
    return 1;
}

static ssize_t read_host(struct hf_h1_head *head, unsigned *port)
{
    const struct hf_h1_field *f = hf_h1_field(head, HF_FIELD_HOST);

    head->authority = head->host = (struct hf_str){0};
    if (!f)
        return head->minor ? -HF_H1_HOST_MISSING : 1;
    if (head->twice & HF_FIELD_BIT(HF_FIELD_HOST))
        return -HF_H1_HOST_TWICE;
    if (!hf_h1_read_authority(f->value, 80, &head->host, port))
        return -HF_H1_HOST_BAD;
    head->authority = f->value;
    return 1;
}

/* What can be judged only with the whole head at hand. */
static ssize_t finish_request(struct hf_h1_head *head)
{
    struct hf_str t = head->target;
    unsigned port = 80;
    ssize_t rc;

    hf_h1_index_fields(head);
    head->status = 0;
    head->reason = (struct hf_str){0};
    head->method_id = (uint8_t)hf_h1_method_find(head->method);
    if (head->method_id == HF_METHOD_CONNECT)
        return -HF_H1_CONNECT;
    rc = read_host(head, &port);
    if (rc > 0)
        rc = read_connection(head);
    if (rc <= 0)
        return rc;
    head->origin = t;
    if (t.p[0] == '/')
        return 1;
    if (t.p[0] == '*' && t.n == 1)
        return head->method_id == HF_METHOD_OPTIONS ? 1 : -HF_H1_ASTERISK;
    if (t.n > 7 && hf_str_eq_nocase((struct hf_str){t.p, 7}, HF_STR("http://")))
        return absolute_form(head, port);
    return -HF_H1_TARGET_FORM;
}

static ssize_t finish_response(struct hf_h1_head *head)
{
    hf_h1_index_fields(head);
    head->method = head->target = head->origin = head->authority = head->host = (struct hf_str){0};
    head->method_id = HF_METHOD_OTHER;
    return read_connection(head);
}

/* Is there something new for the parser to judge: the end of the head, a bare line feed, or a
 * limit? Otherwise moves *scanned to where the next look begins. Called once the first line is
 * known to be whole and good. */
static bool worth_parsing(struct hf_str bytes, size_t *scanned, const struct hf_h1_limits *limits)
{
    size_t i = *scanned;

    if (bytes.n >= limits->head)
        return true;
    for (;;) {
        const char *lf = i < bytes.n ? memchr(bytes.p + i, '\n', bytes.n - i) : NULL;
        if (!lf)
            break;
        i = (size_t)(lf - bytes.p);
        if (lf[-1] != '\r')
            return true;
        if (bytes.n - i < 2 || (bytes.n - i == 2 && lf[1] == '\r'))
            break;
        if (lf[1] == '\r')
            return true; /* the empty line, or a bare CR */
        i++;
    }
    *scanned = bytes.n - 2 > *scanned ? bytes.n - 2 : *scanned;
    return false;
}

/* One empty line before a request is ignored: RFC 9112 2.2. */
static ssize_t skip_empty_line(struct head_cursor *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->p == c->end)
            return out_of_bytes(c);
        if (*c->p != '\r')
            return *c->p == '\n' ? -HF_H1_BARE_LF : 1;
        if (c->end - c->p < 2)
            return out_of_bytes(c);
        if (c->p[1] != '\n')
            return -HF_H1_BARE_CR;
        if (i == 0)
            c->p += 2;
    }
    return -HF_H1_EMPTY_LINES;
}

/* While the first line is not whole, it is looked at again with each call: that finds garbage at
 * once, and its limit bounds the cost. */
static ssize_t parse(struct hf_str bytes, size_t *scanned, const struct hf_h1_limits *limits,
                     bool request, struct hf_h1_head *ret)
{
    bool cut = bytes.n >= limits->head;
    struct head_cursor c = {bytes.p, bytes.p + (cut ? limits->head : bytes.n), cut, false};
    unsigned capacity = limits->fields < HF_H1_FIELDS ? limits->fields : HF_H1_FIELDS;
    ssize_t rc = 1;

    if (*scanned && !worth_parsing(bytes, scanned, limits))
        return 0;
    if (request)
        rc = skip_empty_line(&c);
    if (rc > 0)
        rc = request ? request_line(&c, limits->line, ret) : status_line(&c, limits->line, ret);
    if (rc > 0)
        rc = field_lines(&c, ret->fields, capacity, &ret->n_fields);
    if (rc > 0)
        rc = request ? finish_request(ret) : finish_response(ret);
    *scanned = rc == 0 && c.line_done ? bytes.n - 2 : 0;
    return rc > 0 ? c.p - bytes.p : rc;
}

ssize_t hf_h1_parse_request(struct hf_str bytes, size_t *scanned, const struct hf_h1_limits *limits,
                            struct hf_h1_head *ret)
{
    return parse(bytes, scanned, limits, true, ret);
}

ssize_t hf_h1_parse_response(struct hf_str bytes, size_t *scanned,
                             const struct hf_h1_limits *limits, struct hf_h1_head *ret)
{
    return parse(bytes, scanned, limits, false, ret);
}
