#include "controller/issuer.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "board/handover.h"
#include "net/pass.h"

#define KIND "certificate" /* of the store's documents: the digest, and what was told of it */
#define LOOK hf_seconds(10)
#define AGAIN hf_seconds(1) /* when the keeper has too much to read */

enum { NEVER_TOLD = 1000, DAY_S = 24 * 3600 };
_Static_assert((int)HF_TLS_BUNDLE_MOST <= (int)HF_TLS_BYTES_MAX, "the keeper takes every bundle");

/* What was told of a certificate that expires. */
struct told {
    char digest[65];
    int days; /* NEVER_TOLD, 30, 7, 1, 0 */
    uint64_t revision;
    bool under_way;
};

struct hf_issuer {
    struct hf_issuer_options o;
    struct hf_config *config;             /* whose files are watched */
    struct hf_certificates *certificates; /* NULL: none could be read yet */
    uint64_t stamp;                       /* of the files, when they were last read */
    struct hf_tls_ticket_key keys[HF_TLS_TICKET_KEYS];
    uint32_t n_keys;
    int bundle; /* the newest; -1: none */
    bool unsent;
    struct told *told;
    size_t n_told;
    struct hf_timer look, again;
};

/* ---- ticket keys ---- */

bool hf_issuer_rotate(struct hf_tls_ticket_key *keys, uint32_t *n, struct hf_wall now)
{
    int64_t now_s = hf_wall_seconds(now);
    struct hf_tls_ticket_key fresh = {.made_wall_s = now_s};

    if (*n && now_s - keys[0].made_wall_s < HF_TLS_TICKET_ROTATE_H * INT64_C(3600))
        return false;
    hf_random_secret(fresh.name, sizeof(fresh.name));
    hf_random_secret(fresh.cipher, sizeof(fresh.cipher));
    hf_random_secret(fresh.mac, sizeof(fresh.mac));
    memmove(keys + 1, keys, (HF_TLS_TICKET_KEYS - 1) * sizeof(*keys));
    keys[0] = fresh;
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    *n = *n < HF_TLS_TICKET_KEYS ? *n + 1 : HF_TLS_TICKET_KEYS;
    return true;
}

/* ---- bundles ---- */

static bool same_content(int a, int b)
{
    const struct hf_tls_bundle *x, *y;
    bool same;

    if (a < 0 || hf_tls_bundle_open(a, &x, NULL))
        return false;
    if (hf_tls_bundle_open(b, &y, NULL)) {
        hf_tls_bundle_close(x);
        return false;
    }
    same = x->size == y->size && memcmp(x, y, x->size) == 0;
    hf_tls_bundle_close(x);
    hf_tls_bundle_close(y);
    return same;
}

static void send_bundle(struct hf_issuer *i)
{
    const struct hf_keeper_message m = {.type = HF_KEEPER_TLS};
    int rc = hf_pass_send(i->o.keeper_fd, &m, sizeof(m), i->bundle);

    i->unsent = rc == HF_EAGAIN;
    if (i->unsent)
        hf_timer_after(i->o.loop, &i->again, AGAIN);
    else if (rc)
        hf_warn("the keeper does not take the certificates");
}

/* Makes the bundle that belongs to what is known now, and sends it if it is another. */
static void issue(struct hf_issuer *i)
{
    struct hf_error e;
    int fd;

    if (!i->certificates || (i->certificates->n == 0 && i->bundle < 0))
        return; /* nobody speaks TLS, and nobody ever did */
    if (hf_issuer_rotate(i->keys, &i->n_keys, hf_wall_now()))
        hf_info("a new key for session tickets is in force");
    fd = hf_certificates_bundle(i->certificates, i->keys, i->n_keys, &e);
    if (fd < 0) {
        hf_err("the certificates cannot be used, the present ones stay: %s", e.text);
        return;
    }
    if (same_content(i->bundle, fd)) {
        close(fd);
        return;
    }
    if (i->bundle >= 0)
        close(i->bundle);
    i->bundle = fd;
    send_bundle(i);
}

static void on_again(struct hf_timer *t)
{
    struct hf_issuer *i = HF_CONTAINER(t, struct hf_issuer, again);

    if (i->unsent)
        send_bundle(i);
}

/* ---- expiry ---- */

int hf_issuer_notice(struct hf_wall expires, struct hf_wall now)
{
    static const int days[] = {0, 1, 7, 30};
    int64_t left = hf_wall_seconds(expires) - hf_wall_seconds(now);

    for (size_t i = 0; i < HF_COUNT(days); i++) {
        if (left <= (int64_t)days[i] * DAY_S)
            return days[i];
    }
    return -1;
}

static struct told *told_of(struct hf_issuer *i, const char *digest)
{
    for (size_t j = 0; j < i->n_told; j++) {
        if (strcmp(i->told[j].digest, digest) == 0)
            return &i->told[j];
    }
    i->told = hf_realloc(i->told, i->n_told + 1, sizeof(*i->told));
    i->told[i->n_told] = (struct told){.days = NEVER_TOLD};
    snprintf(i->told[i->n_told].digest, sizeof(i->told->digest), "%s", digest);
    return &i->told[i->n_told++];
}

static void tell(const struct hf_issuer *i, const struct hf_certificate *c, int days)
{
    char when[HF_WALL_TEXT];
    json_t *fields;

    hf_wall_format(c->expires, when);
    fields = json_pack("{s:s, s:s, s:s, s:i}", "certificate", c->config->certificate.path,
                       "subject", c->subject, "expires", when, "days", days);
    if (days)
        hf_events_add(
            i->o.events, KIND, fields, "certificate %s (%s) expires in less than %d %s, at %s",
            c->config->certificate.path, c->subject, days, days == 1 ? "day" : "days", when);
    else
        hf_events_add(i->o.events, KIND, fields, "certificate %s (%s) has expired, at %s",
                      c->config->certificate.path, c->subject, when);
    hf_warn("a certificate %s certificate=%s subject=\"%s\" expires=%s",
            days ? "expires soon" : "has expired", c->config->certificate.path, c->subject, when);
}

struct notice {
    struct hf_issuer *issuer;
    char digest[65];
    int days;
};

/* Stored: from now on it is known that it was told of, whatever becomes of this process. */
static void on_noted(void *ctx, const struct hf_store_answer *answer)
{
    HF_AUTOFREE struct notice *n = ctx;
    struct hf_issuer *i = n->issuer;
    struct told *t = told_of(i, n->digest);

    t->under_way = false;
    if (answer->error.code) {
        if (answer->error.code == HF_ECONFLICT)
            t->revision = answer->revision;
        return; /* the next look tries again */
    }
    t->revision = answer->revision;
    t->days = n->days;
    for (size_t j = 0; i->certificates && j < i->certificates->n; j++) {
        if (strcmp(i->certificates->certificates[j].digest, n->digest) == 0) {
            tell(i, &i->certificates->certificates[j], n->days);
            break;
        }
    }
}

static void note(struct hf_issuer *i, struct told *t, int days)
{
    struct notice *n = hf_alloc(sizeof(*n));
    char value[16];
    struct hf_store_op op = {HF_STORE_PUT, .kind = KIND, .key = n->digest, .revision = t->revision,
                             .term = i->o.term};

    snprintf(value, sizeof(value), "%d", days);
    op.value = hf_str(value);
    n->issuer = i;
    n->days = days;
    memcpy(n->digest, t->digest, sizeof(n->digest));
    t->under_way = hf_store_submit(i->o.store, &op, on_noted, n) == 0;
    if (!t->under_way)
        hf_free(n);
}

static void look_at_expiry(struct hf_issuer *i)
{
    for (size_t j = 0; i->certificates && j < i->certificates->n; j++) {
        const struct hf_certificate *c = &i->certificates->certificates[j];
        int days = hf_issuer_notice(c->expires, hf_wall_now());
        struct told *t;
        if (days < 0)
            continue;
        t = told_of(i, c->digest);
        if (days < t->days && !t->under_way)
            note(i, t, days);
    }
}

static int read_told(struct hf_issuer *i, struct hf_error *e)
{
    struct hf_store_op op = {HF_STORE_LIST, .kind = KIND};
    struct hf_store_answer answer;
    int rc = hf_store_wait(i->o.store, &op, &answer);

    if (rc)
        hf_error_set(e, rc, "cannot read what was told of certificates: %s", answer.error.text);
    for (size_t j = 0; !rc && j < answer.docs_n; j++) {
        struct told *t = told_of(i, answer.docs[j].key);
        t->revision = answer.docs[j].revision;
        t->days = atoi(answer.docs[j].value);
    }
    hf_store_answer_done(&answer);
    return rc;
}

/* ---- files ---- */

void hf_issuer_take(struct hf_issuer *i, struct hf_certificates *certificates_take)
{
    struct hf_config *config = hf_config_ref(certificates_take->config);

    hf_certificates_free(i->certificates);
    i->certificates = certificates_take;
    hf_config_unref(i->config);
    i->config = config;
    i->stamp = hf_certificates_stamp(config);
    issue(i);
    look_at_expiry(i);
}

static void log_lines(const struct hf_config_errors *errors, const char *prefix)
{
    for (uint32_t j = 0; j < errors->n; j++)
        hf_warn("%s: %s:%u:%u: %s", prefix, errors->file, errors->error[j].line,
                errors->error[j].column, errors->error[j].text);
}

void hf_issuer_load(struct hf_issuer *i, struct hf_config *config)
{
    HF_AUTOFREE struct hf_config_errors *errors = hf_alloc(sizeof(*errors));
    HF_AUTOFREE struct hf_config_errors *warnings = hf_alloc(sizeof(*warnings));
    uint64_t stamp = hf_certificates_stamp(config);
    struct hf_certificates *x;

    if (hf_certificates_load(config, &x, errors, warnings)) {
        hf_config_ref(config);
        hf_config_unref(i->config);
        i->config = config;
        log_lines(errors, "certificates refused, the present ones stay");
        hf_events_add(i->o.events, KIND, NULL, "certificates refused, the present ones stay: %s",
                      errors->error[0].text);
    } else {
        log_lines(warnings, "certificates");
        hf_issuer_take(i, x);
    }
    i->stamp = stamp; /* from before they were read: a change meanwhile is seen */
}

static void on_look(struct hf_timer *t)
{
    struct hf_issuer *i = HF_CONTAINER(t, struct hf_issuer, look);

    hf_timer_after(i->o.loop, t, LOOK);
    if (!i->config)
        return;
    if (hf_certificates_stamp(i->config) != i->stamp) {
        hf_info("the files of certificates have changed");
        hf_issuer_load(i, i->config);
    } else {
        issue(i); /* a new ticket key may be due */
        look_at_expiry(i);
    }
}

/* ---- from start to end ---- */

/* The ticket keys of the bundle in force stay in force. */
static void adopt(struct hf_issuer *i)
{
    const struct hf_tls_bundle *b;
    struct hf_error e;

    if (i->o.bundle_fd < 0)
        return;
    if (hf_tls_bundle_open(i->o.bundle_fd, &b, &e)) {
        hf_err("cannot go on with the keys for session tickets: %s", e.text);
        return;
    }
    i->n_keys = b->n_keys;
    memcpy(i->keys, b->keys, sizeof(i->keys));
    i->bundle = i->o.bundle_fd;
    hf_tls_bundle_close(b);
}

int hf_issuer_new(const struct hf_issuer_options *o, struct hf_issuer **ret, struct hf_error *e)
{
    struct hf_issuer *i = hf_alloc(sizeof(*i));
    int rc;

    i->o = *o;
    i->bundle = -1;
    rc = read_told(i, e);
    if (rc) {
        hf_free(i->told);
        hf_free(i);
        return rc;
    }
    adopt(i);
    hf_timer_init(&i->look, on_look);
    hf_timer_init(&i->again, on_again);
    hf_timer_after(o->loop, &i->look, LOOK);
    *ret = i;
    return 0;
}

struct hf_issuer *hf_issuer_free(struct hf_issuer *i)
{
    if (!i)
        return NULL;
    hf_timer_done(&i->look);
    hf_timer_done(&i->again);
    hf_certificates_free(i->certificates);
    hf_config_unref(i->config);
    if (i->bundle >= 0)
        close(i->bundle);
    OPENSSL_cleanse(i->keys, sizeof(i->keys));
    hf_free(i->told);
    return hf_free(i);
}
