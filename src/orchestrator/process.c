/* One instance: its intent, its process, its end. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "orchestrator/command.h"
#include "orchestrator/internal.h"
#include "orchestrator/output.h"
#include "orchestrator/spawn.h"

enum {
    LAST_WORDS_LINES = 5,
    LOGS_KEPT = 10,    /* of instances that are gone, for each service */
    STOP_SECONDS = 10, /* of a service that is not configured any more */
    LOOPBACK = 127,
};

#define instance_log(level, i, fmt, ...)                                                           \
    hf_log(level, fmt " service=%s instance=%s version=%s", ##__VA_ARGS__, (i)->service->name,     \
           (i)->id, (i)->version)

static struct hf_addr address_of(const struct instance *i)
{
    return (struct hf_addr){.family = HF_ADDR_IP4, .port = i->port, .ip = {LOOPBACK, 0, 0, 1}};
}

static struct hf_catalog *catalog_of(const struct instance *i)
{
    return i->service->o->catalog;
}

bool instance_alive(const struct instance *i)
{
    return i->process.state != HF_PROCESS_GONE;
}

/* --- made and unmade --- */

static void on_deadline(struct hf_timer *t);
static void on_exit_event(struct hf_watch *w, uint32_t events);

struct instance *instance_blank(struct service *s)
{
    struct instance *i = hf_alloc(sizeof(*i));

    i->service = s;
    i->pidfd = -1;
    i->exit = (struct hf_watch){.fd = -1, .on_event = on_exit_event};
    hf_timer_init(&i->deadline, on_deadline);
    hf_list_append(&s->instances, &i->link);
    return i;
}

static void unwatch(struct instance *i)
{
    hf_timer_stop(&i->deadline);
    if (i->pidfd < 0)
        return;
    hf_loop_unwatch(i->service->o->loop, &i->exit);
    close(i->pidfd);
    i->pidfd = -1;
}

void instance_free(struct instance *i)
{
    unwatch(i);
    hf_timer_done(&i->deadline);
    hf_link_remove(&i->link);
    hf_free(i);
}

static void random_text(char *buf, size_t size, const char *letters, unsigned count)
{
    unsigned char bytes[TOKEN_SIZE];

    assert(size <= sizeof(bytes));
    hf_random_secret(bytes, size);
    for (size_t n = 0; n + 1 < size; n++)
        buf[n] = letters[bytes[n] % count];
    buf[size - 1] = '\0';
}

/* Without letters that look alike. */
static void choose_id(struct instance *i)
{
    char suffix[5];

    do {
        random_text(suffix, sizeof(suffix), "23456789abcdefghjkmnpqrstuvwxyz", 31);
        snprintf(i->id, sizeof(i->id), "%s-%u-%s", i->service->name, i->ordinal, suffix);
    } while (hf_catalog_instance_find(catalog_of(i), i->id));
}

static bool port_taken(void *ctx, uint16_t port)
{
    struct hf_orchestrator *o = ctx;

    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->instances) {
            if (instance_at(it)->port == port && instance_alive(instance_at(it)))
                return true;
        }
    }
    return o->hooks.port_in_use(o->hooks.ctx, port);
}

int instance_new(struct slot *slot, enum hf_orchestrator_role role, const char *version,
                 struct instance **ret, struct hf_error *e)
{
    struct service *s = slot->service;
    struct hf_orchestrator *o = s->o;
    const struct hf_port_range range = {o->config->ports.first, o->config->ports.last};
    struct instance *i;
    uint16_t port;
    int rc = hf_ports_choose(&range, &o->next_port, port_taken, o, &port, e);

    if (rc)
        return rc;
    i = instance_blank(s);
    i->slot = slot;
    i->ordinal = slot->ordinal;
    i->role = role;
    i->port = port;
    snprintf(i->version, sizeof(i->version), "%s", version);
    snprintf(i->node, sizeof(i->node), "%s", slot->node);
    choose_id(i);
    random_text(i->token, sizeof(i->token), "0123456789abcdef", 16);
    instance_show(i);
    record_changed(s);
    i->change = s->generation;
    *ret = i;
    return 0;
}

/* The catalogue's limits are those of the configuration, and ids are unique: it cannot refuse. */
void instance_show(struct instance *i)
{
    struct hf_service *s = hf_catalog_service_find(catalog_of(i), i->service->name);
    const struct hf_instance_spec spec = {.id = i->id,
                                          .version = i->version,
                                          .node = i->node,
                                          .address = address_of(i),
                                          .process = true,
                                          .candidate = i->role == HF_CANDIDATE,
                                          .pid = i->pid};

    if (!s && hf_catalog_service_add(catalog_of(i), i->service->name, &s))
        return;
    if (hf_catalog_instance_add(catalog_of(i), s, &spec, &i->shown))
        i->shown = NULL;
}

static void show_state(struct instance *i, enum hf_instance_state state, const char *why)
{
    if (!i->shown)
        return;
    if (i->shown->state == state)
        hf_instance_why_set(catalog_of(i), i->shown, "%s", why);
    else if (hf_instance_state_allowed(i->shown->state, state))
        hf_instance_state_set(catalog_of(i), i->shown, state, "%s", why);
}

static void show_process(struct instance *i)
{
    struct hf_addr address = address_of(i);

    if (i->shown)
        hf_instance_process_set(catalog_of(i), i->shown, i->pid, &address);
}

/* --- the start --- */

static int watch(struct instance *i, pid_t pid, int pidfd, struct hf_error *e)
{
    i->exit.fd = pidfd;
    if (hf_loop_watch(i->service->o->loop, &i->exit, EPOLLIN))
        return hf_error_errno(e, HF_EIO, "cannot watch the process of %s", i->id);
    i->pidfd = pidfd;
    i->pid = i->last_pid = pid;
    return 0;
}

static int run(struct instance *i, const struct hf_config_version *v, int output,
               struct hf_error *e)
{
    const struct hf_config_service *config = i->service->config;
    struct hf_command_values values = {.service = i->service->name,
                                       .version = i->version,
                                       .instance = i->id,
                                       .node = i->node,
                                       .token = i->token,
                                       .port = i->port};
    struct hf_command command;
    struct hf_spawned spawned;
    struct hf_spawn spawn = {.output = output};
    struct hf_user user;
    int rc;

    if (config->user) {
        rc = hf_user_find(config->user, &user, e);
        if (rc)
            return rc;
        spawn.user = &user;
        values.home = user.home;
    }
    rc = hf_command_build(config, v, &values, &command, e);
    if (rc)
        return rc;
    spawn.argv = command.argv.p;
    spawn.envp = command.environment.p;
    spawn.directory = command.directory;
    rc = hf_spawn(&spawn, &spawned, e);
    hf_command_done(&command);
    if (rc)
        return rc;
    rc = watch(i, spawned.pid, spawned.pidfd, e);
    if (rc) {
        kill(-spawned.pid, SIGKILL);
        waitpid(spawned.pid, NULL, 0);
        close(spawned.pidfd);
    }
    return rc;
}

static int log_in_use(void *ctx, const char *id)
{
    const struct service *s = ctx;

    HF_LIST_EACH (it, &s->instances) {
        if (strcmp(instance_at(it)->id, id) == 0)
            return 1;
    }
    return 0;
}

static char *log_path(const struct instance *i)
{
    return hf_output_path(i->service->o->config->state, i->service->name, i->id);
}

static int start(struct instance *i, struct hf_error *e)
{
    struct service *s = i->service;
    const struct hf_config_version *v =
        s->config ? hf_config_version_find(s->config, i->version) : NULL;
    HF_AUTOFREE char *path = log_path(i);
    HF_AUTOCLOSE int output = -1;

    if (!v)
        return hf_error_set(e, HF_ENOENT, "the configuration has no version %s", i->version);
    hf_output_prune(s->o->config->state, s->name, LOGS_KEPT, log_in_use, s);
    output = hf_output_open(path, e);
    return output < 0 ? output : run(i, v, output, e);
}

static void feed(struct instance *i, enum hf_process_event event);

static void spawn_now(struct instance *i)
{
    struct hf_error e = {0};
    struct hf_proc proc;

    if (start(i, &e)) {
        instance_ended(i, e.text);
        return;
    }
    if (hf_proc_read(i->pid, &proc) == 0)
        i->start = proc.start;
    instance_log(HF_LOG_INFO, i, "instance started pid=%d port=%u node=%s", (int)i->pid, i->port,
                 i->node);
    record_changed(i->service);
    show_process(i);
    feed(i, HF_PROCESS_SPAWNED);
}

void instance_stored(struct instance *i)
{
    feed(i, HF_PROCESS_STORED);
}

/* Opened before it is looked at again, so that the process which is watched is the one that was
 * found. */
static bool watch_found(struct instance *i, const struct hf_proc *found)
{
    int pidfd = (int)syscall(SYS_pidfd_open, found->pid, 0);
    struct hf_proc now;

    if (pidfd < 0)
        return false;
    if (hf_proc_read(found->pid, &now) || now.start != found->start || now.state == 'Z' ||
        watch(i, found->pid, pidfd, NULL)) {
        close(pidfd);
        return false;
    }
    i->start = found->start;
    return true;
}

bool instance_adopt(struct instance *i, const char *boot, bool was_ready)
{
    struct hf_orchestrator *o = i->service->o;
    pid_t pid = i->pid;
    struct hf_proc found;

    i->pid = 0;
    if (strcmp(boot, o->boot) != 0)
        return false;
    if (pid ? hf_proc_read(pid, &found) != 0 || found.start != i->start
            : hf_proc_find_token(i->token, &found) != 0)
        return false;
    if (!watch_found(i, &found))
        return false;
    i->told = i->role != HF_RETIRED;
    instance_show(i);
    instance_log(HF_LOG_INFO, i, "instance adopted pid=%d port=%u", (int)i->pid, i->port);
    feed(i, HF_PROCESS_SPAWNED);
    if (was_ready && i->role != HF_RETIRED) {
        feed(i, HF_PROCESS_READY);
        show_state(i, HF_INSTANCE_READY, "adopted, was ready");
    }
    if (!pid)
        record_changed(i->service);
    return true;
}

/* --- the end --- */

/* What it started in its session and left behind. The group number cannot belong to others while
 * there is somebody in it. */
static void kill_leftovers(const struct instance *i, pid_t pid)
{
    if (pid > 0 && kill(-pid, 0) == 0)
        hf_proc_signal_all(i->token, pid, SIGKILL);
}

/* Fills text with why, and the last words of one that was never ready. */
static void describe_end(const struct instance *i, const char *why, char *text, size_t size)
{
    char words[1024];
    int n;

    n = snprintf(text, size, "%s%s", why, i->process.was_ready ? "" : ", before it was ready");
    if (i->process.was_ready || n >= (int)size - 8)
        return;
    hf_orchestrator_last_words(i->service->o, i->shown, words,
                               sizeof(words) < size - (size_t)n - 2 ? sizeof(words)
                                                                    : size - (size_t)n - 2);
    if (words[0])
        snprintf(text + n, size - (size_t)n, ": %s", words);
}

/* An unasked end: when its slot tries again, or gives up. */
static void plan_restart(struct instance *i, const char *why)
{
    struct hf_orchestrator *o = i->service->o;
    struct slot *slot = i->slot;
    struct hf_mono now = hf_mono_now();
    char text[1200];

    slot->retry_at = hf_mono_add(now, hf_restart_next(&slot->restart, &i->process, now));
    if (!slot->restart.given_up)
        return;
    describe_end(i, why, text, sizeof(text));
    instance_log(HF_LOG_ERROR, i, "crash loop slot=%u failures=%u why=\"%s\"", slot->ordinal,
                 slot->restart.failures, text);
    if (i->shown)
        o->hooks.on_crash_loop(o->hooks.ctx, i->shown, text);
}

/* The catalogue hears of it first, so that no plan sends anything there. */
void instance_ended(struct instance *i, const char *why)
{
    bool unasked = !i->asked, failed_before = i->shown && i->shown->state == HF_INSTANCE_FAILED;
    pid_t pid = i->pid;
    char text[200];

    if (hf_process_step(&i->process, HF_PROCESS_EXITED, hf_mono_now()) != HF_PROCESS_CLEAN)
        return;
    unwatch(i);
    i->pid = 0;
    if (!unasked)
        show_state(i, HF_INSTANCE_STOPPED, "stopped");
    else if (!failed_before) {
        describe_end(i, why, text, sizeof(text));
        show_state(i, HF_INSTANCE_FAILED, text);
    }
    show_process(i);
    kill_leftovers(i, pid);
    instance_log(unasked ? HF_LOG_WARN : HF_LOG_INFO, i, "instance ended pid=%d why=\"%s\"",
                 (int)pid, why);
    if (i->role == HF_RETIRED)
        i->forget = true;
    else if (i->role == HF_CURRENT && unasked)
        plan_restart(i, why);
    record_changed(i->service);
    look_soon(i->service->o);
}

const char *exit_text(int status, char *buf, size_t size)
{
    const char *name;

    if (WIFEXITED(status)) {
        snprintf(buf, size, "exit status %d", WEXITSTATUS(status));
    } else {
        name = sigabbrev_np(WTERMSIG(status));
        snprintf(buf, size, "killed by %s%s%s", name ? "SIG" : "a signal", name ? name : "",
                 WCOREDUMP(status) ? ", core dumped" : "");
    }
    return buf;
}

/* One that was adopted is not our child: the keeper reaps it and tells how it ended. */
static void on_exit_event(struct hf_watch *w, uint32_t events)
{
    struct instance *i = HF_CONTAINER(w, struct instance, exit);
    char text[64];
    int status;
    pid_t pid = waitpid(i->pid, &status, WNOHANG);

    (void)events;
    if (pid == 0)
        return;
    instance_ended(i, pid > 0 ? exit_text(status, text, sizeof(text)) : "went away");
}

void hf_orchestrator_orphan_exited(struct hf_orchestrator *o, pid_t pid, int status)
{
    char text[64];

    exit_text(status, text, sizeof(text));
    HF_LIST_EACH (at, &o->services) {
        HF_LIST_EACH (it, &service_at(at)->instances) {
            struct instance *i = instance_at(it);
            if (i->last_pid != pid)
                continue;
            if (instance_alive(i) && i->pid == pid)
                instance_ended(i, text);
            else if (!instance_alive(i) && !i->asked && i->shown)
                show_state(i, HF_INSTANCE_FAILED, text);
        }
    }
}

/* --- events --- */

static void terminate(struct instance *i, int sig)
{
    instance_log(HF_LOG_INFO, i, "instance told to stop pid=%d signal=SIG%s", (int)i->pid,
                 sigabbrev_np(sig));
    /* Not reaped yet: the number is its own. */
    if (i->pidfd >= 0 && syscall(SYS_pidfd_send_signal, i->pidfd, 0, NULL, 0) == 0)
        kill(-i->pid, sig);
    hf_timer_set(i->service->o->loop, &i->deadline, i->process.deadline);
}

static void kill_all(struct instance *i)
{
    instance_log(HF_LOG_WARN, i, "instance does not stop, is killed pid=%d", (int)i->pid);
    hf_proc_signal_all(i->token, i->pid, SIGKILL);
    hf_timer_set(i->service->o->loop, &i->deadline, i->process.deadline);
}

static void feed(struct instance *i, enum hf_process_event event)
{
    const struct hf_config_service *config = i->service->config;

    switch (hf_process_step(&i->process, event, hf_mono_now())) {
    case HF_PROCESS_SPAWN:
        spawn_now(i);
        break;
    case HF_PROCESS_TERMINATE:
        terminate(i, config ? config->stop.signal : SIGTERM);
        break;
    case HF_PROCESS_KILL:
        kill_all(i);
        break;
    case HF_PROCESS_CLEAN: /* the intent alone: nothing runs */
        show_state(i, HF_INSTANCE_STOPPED, "not wanted any more");
        i->forget = i->role == HF_RETIRED;
        record_changed(i->service);
        look_soon(i->service->o);
        break;
    case HF_PROCESS_NOTHING:
        break;
    }
}

static void on_deadline(struct hf_timer *t)
{
    feed(HF_CONTAINER(t, struct instance, deadline), HF_PROCESS_DEADLINE);
}

void instance_ready(struct instance *i)
{
    bool was_ready = i->process.was_ready;

    feed(i, HF_PROCESS_READY);
    if (!was_ready && i->process.was_ready)
        record_changed(i->service);
}

/* asked is for the caller to set: a stop after a failure is none that was asked for. */
void instance_stop(struct instance *i)
{
    const struct hf_config_service *config = i->service->config;

    i->process.stop_timeout = config ? config->stop.timeout : hf_seconds(STOP_SECONDS);
    feed(i, HF_PROCESS_STOP);
}

void instance_retire(struct instance *i)
{
    i->role = HF_RETIRED;
    i->slot = NULL;
    i->told = false;
    if (!instance_alive(i)) {
        i->forget = true;
    } else if (i->process.state == HF_PROCESS_INTENDED) {
        i->asked = true;
        instance_stop(i);
    }
    record_changed(i->service);
    i->change = i->service->generation;
    look_soon(i->service->o);
}

void instance_rotate(struct instance *i)
{
    HF_AUTOFREE char *path = log_path(i);
    struct hf_error e;

    if (i->service->config &&
        hf_output_rotate(path, i->service->config->log.size, i->service->config->log.keep, &e) < 0)
        instance_log(HF_LOG_WARN, i, "log not rotated error=\"%s\"", e.text);
}

char *hf_orchestrator_last_words(const struct hf_orchestrator *o, const struct hf_instance *i,
                                 char *buf, size_t size)
{
    HF_AUTOFREE char *path = NULL;

    buf[0] = '\0';
    if (!i)
        return buf;
    path = hf_output_path(o->config->state, i->service->name, i->id);
    return hf_output_last_words(path, LAST_WORDS_LINES, buf, size);
}
