/* Bringing a configuration into force: at the start, and again at a reload. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/setup.h"
#include "controller/internal.h"

/* Every service of the catalogue is in the ledger. */
static void account_services(struct hf_controller *c)
{
    HF_AUTOFREE const char **names =
        hf_alloc_array(hf_catalog_service_count(c->catalog) + 1, sizeof(*names));
    size_t n = 0;

    if (!c->account)
        return;
    HF_LIST_EACH (l, hf_catalog_services(c->catalog)) {
        if (hf_service_at(l)->config)
            names[n++] = hf_service_at(l)->name;
    }
    if (hf_account_services(c->account, names, n, hf_wall_now()))
        hf_err("the ledger cannot take this many services");
}

static void request_configured_versions(struct hf_controller *c)
{
    if (!c->releases)
        return;
    HF_LIST_EACH (l, hf_catalog_services(c->catalog)) {
        struct hf_service *s = hf_service_at(l);
        if (s->config && s->config->command.n)
            hf_release_configured(c->releases, s);
    }
}

static void tell_keeper(const struct hf_controller *c)
{
    const struct hf_keeper_message m = {.type = HF_KEEPER_STOP_LIMIT,
                                        .status = (int32_t)hf_setup_stop_ms(c->config)};

    if (send(c->keeper.fd, &m, sizeof(m), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(m))
        hf_warn("cannot tell the keeper how long a stop may take: %s", strerror(errno));
}

/* ---- the accepted text: what a controller that starts takes if the file has become a bad one ----
 */

static char *accepted_path(const struct hf_controller *c)
{
    return hf_asprintf("%s/" HF_ACCEPTED, c->handover->setup.state);
}

/* What the thread needs: a copy, since the configuration's references are the loop's. */
struct keeping {
    char *path;
    size_t n;
    char text[];
};

static void write_accepted(void *ctx_take)
{
    struct keeping *k = ctx_take;

    if (hf_file_replace(k->path, k->text, k->n))
        hf_err("cannot write %s, another controller may need a valid configuration file: %s",
               k->path, strerror(errno));
    hf_free(k->path);
    hf_free(k);
}

static void keep_accepted(const struct hf_controller *c)
{
    const struct hf_str text = c->config->text;
    struct keeping *k = hf_alloc(sizeof(*k) + text.n);

    k->path = accepted_path(c);
    k->n = text.n;
    memcpy(k->text, text.p, text.n);
    if (hf_slow_run(c->slow, write_accepted, k)) {
        hf_err("cannot write %s yet, the disk is too slow", k->path);
        hf_free(k->path);
        hf_free(k);
    }
}

int hf_controller_load(struct hf_controller *c, struct hf_error *e)
{
    HF_AUTOFREE struct hf_config_errors *errors = hf_alloc(sizeof(*errors));
    HF_AUTOFREE char *copy = accepted_path(c);
    HF_AUTOTEXT struct hf_text text = {0};
    const char *file = c->handover->setup.config;
    struct hf_config *accepted = NULL, *config = NULL;
    int rc;

    if (hf_config_load_copy(copy, file, &accepted, errors)) /* the first controller of a run */
        accepted = NULL;
    rc = hf_config_load(file, &config, errors);
    if (!rc && accepted)
        rc = hf_config_diff_reload(accepted, config, errors);
    if (!rc) {
        hf_config_unref(accepted);
        c->config = config;
        return 0;
    }
    hf_config_unref(config);
    hf_config_errors_format(errors, &text);
    if (!accepted)
        return hf_error_set(e, rc, "%s", text.p);
    hf_err("refused, what was in force before stays: %s", text.p);
    c->config = accepted;
    return 0;
}

void hf_controller_apply(struct hf_controller *c, struct hf_config *config)
{
    struct hf_config *old = c->config;

    c->config = hf_config_ref(config);
    hf_publisher_configure(c->publisher, config);
    hf_fleet_apply(&c->fleet, config);
    if (c->orchestrator)
        hf_orchestrator_configure(c->orchestrator, config);
    tell_keeper(c);
    account_services(c);
    request_configured_versions(c);
    hf_config_unref(old);
    keep_accepted(c);
}

/* ---- reloading ---- */

struct hf_reload {
    struct hf_controller *controller;
    struct hf_config *config;
    struct hf_certificates *certificates;
    void (*done)(void *ctx, int rc, const char *text);
    void *ctx;
};

static void refuse(struct hf_controller *c, const struct hf_reload *r, int rc, const char *why)
{
    hf_events_add(c->events, "configuration", NULL, "refused: %s", why);
    r->done(r->ctx, rc, why);
}

static void bring_into_force(struct hf_controller *c, const struct hf_reload *r)
{
    bool same = strcmp(c->config->digest, r->config->digest) == 0;
    HF_AUTOTEXT struct hf_text text = {0};

    /* first: the plan may name a listener that needs them */
    hf_issuer_take(c->issuer, r->certificates);
    hf_controller_apply(c, r->config);
    hf_config_unref(r->config);
    hf_publisher_publish(c->publisher);
    hf_text_addf(&text, "%s is in force%s", c->config->file, same ? ", unchanged" : "");
    hf_events_add(c->events, "configuration", NULL, "%s", text.p);
    r->done(r->ctx, 0, text.p);
}

static void drop(const struct hf_reload *r)
{
    hf_certificates_free(r->certificates);
    hf_config_unref(r->config);
}

static void on_switched(void *ctx, const struct hf_keeper_report *report)
{
    struct hf_controller *c = ctx;
    struct hf_reload *r = c->reloading;

    c->reloading = NULL;
    if (report->outcome == HF_REPORT_DONE) {
        bring_into_force(c, r);
    } else {
        refuse(c, r, HF_EREFUSED, report->text);
        drop(r);
    }
    hf_free(r);
}

/* Another gateway first, where sockets or workers change; only then is the file in force. */
static void take(struct hf_controller *c, const struct hf_reload *r)
{
    struct hf_setup setup;
    struct hf_error e = {0};
    int rc = hf_setup_from_config(r->config, &setup, &e);

    if (!rc && !hf_changes_differ(&c->changes, &setup)) {
        bring_into_force(c, r);
        return;
    }
    if (!rc)
        rc = hf_changes_switch(&c->changes, &setup, on_switched, c, &e);
    if (rc) {
        refuse(c, r, rc, e.text);
        drop(r);
        return;
    }
    c->reloading = hf_alloc(sizeof(*r));
    *c->reloading = *r;
}

void hf_controller_reload(struct hf_controller *c, hf_reload_done *done, void *ctx)
{
    HF_AUTOFREE struct hf_config_errors *errors = hf_alloc(sizeof(*errors));
    HF_AUTOFREE struct hf_config_errors *warnings = hf_alloc(sizeof(*warnings));
    HF_AUTOTEXT struct hf_text text = {0};
    struct hf_reload r = {.controller = c, .done = done, .ctx = ctx};
    int rc;

    if (c->reloading) {
        done(ctx, HF_EAGAIN, "another reload is under way");
        return;
    }
    rc = hf_config_load(c->handover->setup.config, &r.config, errors);
    if (!rc) {
        rc = hf_config_diff_reload(c->config, r.config, errors);
        if (!rc)
            rc = hf_certificates_load(r.config, &r.certificates, errors, warnings);
        if (rc)
            hf_config_unref(r.config);
    }
    if (!rc) {
        take(c, &r);
        return;
    }
    hf_config_errors_format(errors, &text);
    refuse(c, &r, rc, text.p);
}

static void on_caught_up(void *ctx, const struct hf_keeper_report *report)
{
    struct hf_controller *c = ctx;

    if (report->outcome == HF_REPORT_DONE)
        hf_publisher_publish(c->publisher);
    else
        hf_events_add(c->events, "configuration", NULL,
                      "listeners and workers are not as configured: %s", report->text);
}

void hf_controller_catch_up(struct hf_controller *c)
{
    struct hf_setup setup;
    struct hf_error e = {0};
    int rc = hf_setup_from_config(c->config, &setup, &e);

    if (!rc && hf_changes_differ(&c->changes, &setup))
        rc = hf_changes_switch(&c->changes, &setup, on_caught_up, c, &e);
    if (rc)
        hf_err("listeners and workers are not as configured: %s", e.text);
}
