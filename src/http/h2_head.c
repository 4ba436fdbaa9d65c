#include "http/h2_head.h"

#include "http/h1_scan.h"

/* Fields that belong to a connection, and have no place in HTTP/2 (RFC 9113 8.2.2). */
#define OF_CONNECTION                                                                              \
    (HF_FIELD_BIT(HF_FIELD_CONNECTION) | HF_FIELD_BIT(HF_FIELD_KEEP_ALIVE) |                       \
     HF_FIELD_BIT(HF_FIELD_PROXY_CONNECTION) | HF_FIELD_BIT(HF_FIELD_TRANSFER_ENCODING) |          \
     HF_FIELD_BIT(HF_FIELD_UPGRADE))

void hf_h2_pack(char *at, struct hf_str name, struct hf_str value)
{
    uint32_t n[2] = {(uint32_t)name.n, (uint32_t)value.n};

    memcpy(at, n, sizeof(n));
    if (name.n)
        memcpy(at + sizeof(n), name.p, name.n);
    if (value.n)
        memcpy(at + sizeof(n) + name.n, value.p, value.n);
}

bool hf_h2_unpack(struct hf_str *packed, struct hf_str *name, struct hf_str *value)
{
    uint32_t n[2];

    if (packed->n < sizeof(n))
        return false;
    memcpy(n, packed->p, sizeof(n));
    *name = (struct hf_str){packed->p + sizeof(n), n[0]};
    *value = (struct hf_str){name->p + n[0], n[1]};
    packed->p += sizeof(n) + n[0] + n[1];
    packed->n -= sizeof(n) + n[0] + n[1];
    return true;
}

/* ---- the rules of RFC 9113 8.2.1 ---- */

static bool name_ok(struct hf_str name)
{
    const char *end = name.p + name.n;

    if (name.n == 0 || hf_scan_name(name.p, end) != end)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] >= 'A' && name.p[i] <= 'Z')
            return false;
    }
    return true;
}

static bool blank(char ch)
{
    return ch == ' ' || ch == '\t';
}

static bool value_ok(struct hf_str value)
{
    const char *end = value.p + value.n;

    if (value.n == 0)
        return true;
    return hf_scan_value(value.p, end) == end && !blank(value.p[0]) && !blank(end[-1]);
}

/* ---- sections ---- */

struct section {
    struct hf_h1_head *head;
    unsigned most;             /* fields */
    struct hf_h1_out *cookies; /* NULL: cookie fields stay as they are */
    bool regular;              /* a field that is no pseudo-header field was there */
};

static unsigned most_fields(const struct hf_h1_limits *limits)
{
    return limits->fields < HF_H1_FIELDS ? limits->fields : HF_H1_FIELDS;
}

/* A regular field of a head. */
static int add_field(struct section *s, struct hf_str name, struct hf_str value)
{
    struct hf_h1_head *head = s->head;
    struct hf_h1_field f = {name, value, 0};

    s->regular = true;
    if (!name_ok(name))
        return -HF_H1_FIELD_NAME;
    if (!value_ok(value))
        return -HF_H1_CONTROL;
    f.id = (uint8_t)hf_field_find(name);
    if (HF_FIELD_BIT(f.id) & OF_CONNECTION)
        return -HF_H1_H2_CONNECTION;
    if (f.id == HF_FIELD_TE && !hf_str_eq_nocase(value, HF_STR("trailers")))
        return -HF_H1_H2_CONNECTION;
    if (f.id == HF_FIELD_COOKIE && s->cookies) {
        if (head->seen & HF_FIELD_BIT(HF_FIELD_COOKIE))
            HF_H1_PUT(s->cookies, "; ");
        head->seen |= HF_FIELD_BIT(HF_FIELD_COOKIE);
        hf_h1_put(s->cookies, value);
        return 0;
    }
    if (head->n_fields == s->most)
        return -HF_H1_FIELDS_MANY;
    head->fields[head->n_fields++] = f;
    return 0;
}

/* Puts the crumbs back as one field. */
static int end_cookies(struct section *s, const char *from)
{
    struct hf_h1_head *head = s->head;

    if (s->cookies->full)
        return -HF_H1_HEAD_LONG;
    if (!(head->seen & HF_FIELD_BIT(HF_FIELD_COOKIE)))
        return 0;
    if (head->n_fields == s->most)
        return -HF_H1_FIELDS_MANY;
    head->fields[head->n_fields++] = (struct hf_h1_field){
        HF_STR("cookie"), {from, (size_t)(s->cookies->p - from)}, HF_FIELD_COOKIE};
    return 0;
}

struct pseudo {
    struct hf_str name;
    struct hf_str *to; /* p is set once it is there */
};

static int add_pseudo(const struct section *s, const struct pseudo *known, size_t n,
                      struct hf_str name, struct hf_str value)
{
    for (size_t i = 0; i < n; i++) {
        if (!hf_str_eq(known[i].name, name))
            continue;
        if (known[i].to->p || s->regular || !value_ok(value))
            return -HF_H1_H2_PSEUDO;
        *known[i].to = value;
        return 0;
    }
    return -HF_H1_H2_PSEUDO;
}

static int read_section(struct section *s, const struct pseudo *known, size_t n_known,
                        struct hf_str packed)
{
    struct hf_h1_head *head = s->head;
    const char *crumbs = s->cookies ? s->cookies->p : NULL;
    struct hf_str name, value;
    int rc = 0;

    head->n_fields = 0;
    head->seen = 0;
    head->connection = 0;
    head->minor = 1;
    while (!rc && hf_h2_unpack(&packed, &name, &value)) {
        if (name.n && name.p[0] == ':')
            rc = add_pseudo(s, known, n_known, name, value);
        else
            rc = add_field(s, name, value);
    }
    if (!rc && s->cookies)
        rc = end_cookies(s, crumbs);
    if (!rc)
        hf_h1_index_fields(head);
    return rc;
}

/* ---- requests ---- */

/* RFC 9113 8.3.1: the host field may stand beside :authority if it says the same. */
static int read_authority(struct hf_h1_head *head, struct hf_str authority, bool tls)
{
    const struct hf_h1_field *f = hf_h1_field(head, HF_FIELD_HOST);
    unsigned usual = tls ? 443 : 80, port, field_port;
    struct hf_str host;

    if (head->twice & HF_FIELD_BIT(HF_FIELD_HOST))
        return -HF_H1_HOST_TWICE;
    head->authority = authority;
    if (!authority.p && f)
        head->authority = f->value;
    if (!head->authority.p)
        return -HF_H1_HOST_MISSING;
    if (!hf_h1_read_authority(head->authority, usual, &head->host, &port))
        return -HF_H1_HOST_BAD;
    if (!authority.p || !f)
        return 0;
    if (!hf_h1_read_authority(f->value, usual, &host, &field_port))
        return -HF_H1_HOST_BAD;
    return hf_str_eq_nocase(host, head->host) && port == field_port ? 0 : -HF_H1_HOST_DIFFERS;
}

static int read_method(struct hf_h1_head *head)
{
    const char *end = head->method.p + head->method.n;

    if (!head->method.p || head->method.n == 0)
        return -HF_H1_H2_PSEUDO;
    if (hf_scan_name(head->method.p, end) != end)
        return -HF_H1_METHOD;
    if (head->method.n > HF_H1_METHOD_MOST)
        return -HF_H1_METHOD_LONG;
    head->method_id = (uint8_t)hf_h1_method_find(head->method);
    return 0;
}

static int read_path(struct hf_h1_head *head, uint32_t line)
{
    struct hf_str t = head->target;

    if (!t.p || t.n == 0)
        return -HF_H1_H2_PSEUDO;
    if (hf_scan_target(t.p, t.p + t.n) != t.p + t.n)
        return -HF_H1_TARGET_BYTE;
    if (t.n + head->method.n + 1 > line)
        return -HF_H1_LINE_LONG;
    head->origin = t;
    if (t.p[0] == '/')
        return 0;
    if (t.n != 1 || t.p[0] != '*')
        return -HF_H1_TARGET_FORM;
    return head->method_id == HF_METHOD_OPTIONS ? 0 : -HF_H1_ASTERISK;
}

/* What a whole section says: method, target, host. */
static int finish_request(struct hf_h1_head *head, struct hf_str authority, uint32_t line,
                          const struct hf_h2_request *more)
{
    bool tls = hf_str_eq_nocase(more->scheme, HF_STR("https"));
    int rc = read_method(head);

    if (rc)
        return rc;
    if (head->method_id == HF_METHOD_CONNECT && !more->protocol.p)
        return -HF_H1_CONNECT;
    if (more->protocol.p && (head->method_id != HF_METHOD_CONNECT || !authority.p))
        return -HF_H1_H2_PSEUDO;
    if (!more->scheme.p)
        return -HF_H1_H2_PSEUDO;
    if (!tls && !hf_str_eq_nocase(more->scheme, HF_STR("http")))
        return -HF_H1_TARGET_FORM;
    rc = read_path(head, line);
    return rc ? rc : read_authority(head, authority, tls);
}

int hf_h2_request_head(struct hf_str packed, bool ended, const struct hf_h1_limits *limits,
                       struct hf_h1_out *cookies, struct hf_h1_head *ret,
                       struct hf_h2_request *more, struct hf_h1_framing *framing)
{
    struct section s = {.head = ret, .most = most_fields(limits), .cookies = cookies};
    struct hf_str authority = {0};
    const struct pseudo known[] = {
        {HF_STR(":method"), &ret->method},      {HF_STR(":scheme"), &more->scheme},
        {HF_STR(":authority"), &authority},     {HF_STR(":path"), &ret->target},
        {HF_STR(":protocol"), &more->protocol},
    };
    int rc;

    ret->method = ret->target = ret->origin = ret->authority = ret->host = (struct hf_str){0};
    ret->reason = (struct hf_str){0};
    ret->status = 0;
    *more = (struct hf_h2_request){0};
    rc = read_section(&s, known, HF_COUNT(known), packed);
    if (!rc)
        rc = finish_request(ret, authority, limits->line, more);
    if (!rc)
        rc = hf_h1_request_framing(ret, framing);
    if (rc)
        return rc;
    if (ended && framing->length > 0)
        return -HF_H1_LENGTH_BAD;
    if (ended)
        framing->kind = HF_H1_BODY_NONE;
    else if (framing->kind == HF_H1_BODY_NONE)
        framing->kind = HF_H1_BODY_CHUNKED;
    framing->expect_continue = !ended && ret->seen & HF_FIELD_BIT(HF_FIELD_EXPECT) &&
                               (framing->kind == HF_H1_BODY_CHUNKED || framing->length > 0);
    return 0;
}

/* ---- responses ---- */

int hf_h2_response_head(struct hf_str packed, bool ended, const struct hf_h1_limits *limits,
                        enum hf_method method, struct hf_h1_head *ret,
                        struct hf_h1_framing *framing)
{
    struct section s = {.head = ret, .most = most_fields(limits)};
    struct hf_str status = {0};
    const struct pseudo known[] = {{HF_STR(":status"), &status}};
    int rc;

    ret->method = ret->target = ret->origin = ret->authority = ret->host = (struct hf_str){0};
    ret->reason = (struct hf_str){0};
    ret->method_id = HF_METHOD_OTHER;
    rc = read_section(&s, known, HF_COUNT(known), packed);
    if (rc)
        return rc;
    ret->status = status.n == 3 ? (uint16_t)hf_h1_status_code(status.p) : 0;
    if (!ret->status || ret->status == 101 || (ended && ret->status < 200))
        return -HF_H1_STATUS_LINE;
    rc = hf_h1_response_framing(ret, method, framing);
    if (rc)
        return rc;
    if (ended && framing->kind == HF_H1_BODY_LENGTH && framing->length > 0)
        return -HF_H1_LENGTH_BAD;
    if (ended)
        framing->kind = HF_H1_BODY_NONE;
    framing->keep_alive = true;
    return 0;
}

/* ---- trailers ---- */

int hf_h2_trailers(struct hf_str packed, struct hf_h1_trailers *ret)
{
    struct hf_str name, value;

    if (packed.n > HF_H1_TRAILER_BYTES)
        return -HF_H1_TRAILER_LONG;
    ret->n = 0;
    while (hf_h2_unpack(&packed, &name, &value)) {
        if (name.n && name.p[0] == ':')
            return -HF_H1_H2_PSEUDO;
        if (!name_ok(name))
            return -HF_H1_FIELD_NAME;
        if (!value_ok(value))
            return -HF_H1_CONTROL;
        if (hf_field_find(name) != HF_FIELD_OTHER)
            continue;
        if (ret->n == HF_H1_TRAILERS)
            return -HF_H1_TRAILER_LONG;
        ret->fields[ret->n++] = (struct hf_h1_field){name, value, HF_FIELD_OTHER};
    }
    return 0;
}
