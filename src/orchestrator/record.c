/* The document of each service: "slots"/SERVICE holds its slots and its instances together, so that
 * each step - an intent, an acceptance - is one write, whole or not at all. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "orchestrator/internal.h"

static const char kind[] = "slots";

enum { AGAIN_MS = 500 };

static const char *const role_names[] = {
    [HF_CURRENT] = "current", [HF_CANDIDATE] = "candidate", [HF_RETIRED] = "retired"};

/* --- writing --- */

static json_t *slot_json(const struct slot *slot)
{
    return json_pack("{s:i, s:s, s:s}", "ordinal", (int)slot->ordinal, "node", slot->node,
                     "version", slot->version);
}

static json_t *instance_json(const struct instance *i, const char *boot)
{
    return json_pack("{s:s, s:i, s:s, s:s, s:s, s:i, s:s, s:i, s:I, s:s, s:b}", "id", i->id,
                     "ordinal", (int)i->ordinal, "role", role_names[i->role], "version", i->version,
                     "node", i->node, "port", (int)i->port, "token", i->token, "pid", (int)i->pid,
                     "start", (json_int_t)i->start, "boot", boot, "ready",
                     (int)i->process.was_ready);
}

static char *record_text(const struct service *s)
{
    json_t *slots = json_array(), *instances = json_array();
    json_t *record = json_pack("{s:o, s:o}", "slots", slots, "instances", instances);
    char *text;

    HF_LIST_EACH (it, &s->slots) {
        json_array_append_new(slots, slot_json(slot_at(it)));
    }
    HF_LIST_EACH (it, &s->instances) {
        if (instance_alive(instance_at(it)))
            json_array_append_new(instances, instance_json(instance_at(it), s->o->boot));
    }
    text = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    return text;
}

void record_changed(struct service *s)
{
    s->generation++;
    look_soon(s->o);
}

/* What waited for the record to be durable. A retired one that the catalogue does not show is in no
 * plan: there is nothing to drain. */
static void act_on_stored(struct service *s)
{
    struct hf_orchestrator *o = s->o;

    HF_LIST_EACH (it, &s->instances) {
        struct instance *i = instance_at(it);
        if (i->told || i->change > s->stored)
            continue;
        i->told = true;
        if (i->process.state == HF_PROCESS_INTENDED) {
            instance_stored(i);
        } else if (i->role == HF_RETIRED && instance_alive(i)) {
            if (i->shown) {
                o->hooks.on_retired(o->hooks.ctx, i->shown);
            } else {
                i->asked = true;
                instance_stop(i);
            }
        }
    }
}

static void on_saved(void *ctx, const struct hf_store_answer *answer)
{
    struct service *s = ctx;

    if (answer->error.code) {
        s->saving = s->stored;
        if (answer->error.code == HF_ECONFLICT)
            s->revision = answer->revision; /* nobody else writes here: what we know is right */
        hf_warn("slots not stored service=%s error=\"%s\"", s->name, answer->error.text);
        if (answer->error.code != HF_EREFUSED)
            hf_timer_after(s->o->loop, &s->again, hf_ms(AGAIN_MS));
        return;
    }
    s->revision = answer->revision;
    s->stored = s->saving;
    act_on_stored(s);
    record_save(s);
}

void record_save(struct service *s)
{
    char *text;
    struct hf_store_op op;
    int rc;

    if (s->saving != s->stored || s->generation == s->stored || hf_timer_armed(&s->again))
        return;
    text = record_text(s);
    op = (struct hf_store_op){.verb = HF_STORE_PUT,
                              .kind = kind,
                              .key = s->name,
                              .revision = s->revision,
                              .term = s->o->term,
                              .value = hf_str(text)};
    rc = hf_store_submit(s->o->store, &op, on_saved, s);
    free(text);
    if (rc == 0) {
        s->saving = s->generation;
    } else if (rc != HF_EREFUSED) { /* refused: the store is closing, and so are we */
        hf_warn("slots not stored service=%s error=%s", s->name, hf_error_name(rc));
        hf_timer_after(s->o->loop, &s->again, hf_ms(AGAIN_MS));
    }
}

/* --- reading --- */

static bool take(char *field, size_t size, const char *text)
{
    return (size_t)snprintf(field, size, "%s", text) < size;
}

static bool read_slot(struct service *s, const json_t *json)
{
    const char *node, *version;
    int ordinal;

    if (json_unpack((json_t *)(uintptr_t)json, "{s:i, s:s, s:s}", "ordinal", &ordinal, "node",
                    &node, "version", &version) ||
        ordinal < 1 || strlen(node) >= HF_NODE_NAME || strlen(version) >= HF_VERSION_TEXT ||
        slot_find(s, (uint32_t)ordinal))
        return false;
    slot_new(s, (uint32_t)ordinal, node, version);
    return true;
}

static bool read_role(const char *text, enum hf_orchestrator_role *ret)
{
    for (size_t i = 0; i < HF_COUNT(role_names); i++) {
        if (strcmp(text, role_names[i]) == 0) {
            *ret = (enum hf_orchestrator_role)i;
            return true;
        }
    }
    return false;
}

/* Its place: that of its role in its slot, if it is free. */
static bool seat(struct instance *i)
{
    struct instance **place;

    i->slot = i->role == HF_RETIRED ? NULL : slot_find(i->service, i->ordinal);
    if (!i->slot)
        return i->role == HF_RETIRED;
    place = i->role == HF_CURRENT ? &i->slot->current : &i->slot->candidate;
    if (*place)
        return false;
    *place = i;
    return true;
}

static void leave(struct instance *i)
{
    if (i->slot && i->slot->current == i)
        i->slot->current = NULL;
    if (i->slot && i->slot->candidate == i)
        i->slot->candidate = NULL;
    instance_free(i);
}

/* One that ended while no controller ran is only cleaned up after; its slot starts another. */
static bool read_instance(struct service *s, const json_t *json)
{
    const char *id, *role, *version, *node, *token, *boot;
    int ordinal, port, pid, ready;
    json_int_t start;
    struct instance *i;

    if (json_unpack((json_t *)(uintptr_t)json,
                    "{s:s, s:i, s:s, s:s, s:s, s:i, s:s, s:i, s:I, s:s, s:b}", "id", &id, "ordinal",
                    &ordinal, "role", &role, "version", &version, "node", &node, "port", &port,
                    "token", &token, "pid", &pid, "start", &start, "boot", &boot, "ready",
                    &ready) ||
        ordinal < 1 || port < 1 || port > UINT16_MAX || pid < 0)
        return false;
    i = instance_blank(s);
    i->ordinal = (uint32_t)ordinal;
    i->port = (uint16_t)port;
    i->pid = pid;
    i->start = (uint64_t)start;
    if (!take(i->id, sizeof(i->id), id) || !take(i->version, sizeof(i->version), version) ||
        !take(i->node, sizeof(i->node), node) || !take(i->token, sizeof(i->token), token) ||
        strlen(token) != TOKEN_SIZE - 1 || !read_role(role, &i->role) || !seat(i)) {
        instance_free(i);
        return false;
    }
    if (!instance_adopt(i, boot, ready)) {
        hf_warn("instance ended while no controller ran service=%s instance=%s version=%s", s->name,
                id, version);
        if (strcmp(boot, s->o->boot) == 0)
            hf_proc_signal_all(token, 0, SIGKILL); /* what it left behind */
        leave(i);
    }
    return true;
}

static int read_record(struct hf_orchestrator *o, const struct hf_store_doc *doc,
                       struct hf_error *e)
{
    json_error_t at;
    json_t *record = json_loadb(doc->value, doc->n, 0, &at), *entry;
    struct service *s;
    bool good = json_is_object(record) && strlen(doc->key) < HF_SERVICE_NAME;
    size_t n;

    if (good) {
        s = service_new(o, doc->key);
        s->revision = doc->revision;
        json_array_foreach(json_object_get(record, "slots"), n, entry)
        {
            good = good && read_slot(s, entry);
        }
        json_array_foreach(json_object_get(record, "instances"), n, entry)
        {
            good = good && read_instance(s, entry);
        }
        record_changed(s); /* what waits for it to be durable goes on then */
    }
    json_decref(record);
    return good ? 0
                : hf_error_set(e, HF_ECORRUPT, "the stored document %s/%s does not check out", kind,
                               doc->key);
}

int record_load(struct hf_orchestrator *o, struct hf_error *e)
{
    struct hf_store_op op = {.verb = HF_STORE_LIST, .kind = kind};
    struct hf_store_answer answer = {0};
    int rc = hf_store_wait(o->store, &op, &answer);

    if (rc)
        hf_error_set(e, rc, "%s", answer.error.text);
    for (size_t i = 0; rc == 0 && i < answer.docs_n; i++)
        rc = read_record(o, &answer.docs[i], e);
    hf_store_answer_done(&answer);
    return rc;
}
