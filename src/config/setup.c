#include "config/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/user.h"

static int put_path(const char *key, const char *path, char ret[HF_PATH_SIZE], struct hf_error *e)
{
    if (strlen(path) >= HF_PATH_SIZE)
        return hf_error_set(e, HF_ELIMIT, "%s is a path of %zu bytes; expected at most %d", key,
                            strlen(path), HF_PATH_SIZE - 1);
    hf_str_copy(hf_str(path), ret, HF_PATH_SIZE);
    return 0;
}

static uint32_t count_workers(uint32_t wanted)
{
    long n = wanted ? (long)wanted : sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > HF_BOARD_WORKERS_MAX ? HF_BOARD_WORKERS_MAX : (uint32_t)n;
}

/* The gateway's own time, then the slowest service's, and some air. */
uint32_t hf_setup_stop_ms(const struct hf_config *c)
{
    int64_t instances = 0;

    for (size_t i = 0; i < c->n_services; i++) {
        const struct hf_config_service *s = &c->services[i];
        int64_t ms = s->n_versions ? hf_duration_ms(s->stop.timeout) : 0;
        if (ms > instances)
            instances = ms;
    }
    return (uint32_t)(hf_duration_ms(c->gateway.lame_duck) + hf_duration_ms(c->gateway.drain) +
                      instances + 5000);
}

/* Only root can make the gateway another user; without a wish it becomes nobody then. */
static int sandbox_from_config(const struct hf_config_gateway *g, struct hf_sandbox_setup *ret,
                               struct hf_error *e)
{
    struct hf_sandbox_setup s = {.off = g->sandbox == HF_SANDBOX_OFF};
    uint32_t own = geteuid();
    int rc = hf_gateway_user_find(g->user, &s.uid, &s.gid, e);

    if (rc)
        return hf_error_prefix(e, "gateway.user");
    if (own != 0 && g->user && !s.off && s.uid != own)
        return hf_error_set(e, HF_EREFUSED,
                            "gateway.user is \"%s\", and holdfast does not run as root; expected "
                            "root, or the user who starts it (number %u), or no gateway.user",
                            g->user, own);
    s.change_user = own == 0 && !s.off;
    *ret = s;
    return 0;
}

int hf_setup_from_config(const struct hf_config *c, struct hf_setup *ret, struct hf_error *e)
{
    struct hf_setup s = {
        .magic = HF_SETUP_MAGIC,
        .layout = HF_BOARD_LAYOUT,
        .size = sizeof(s),
        .capacity = {.workers = HF_BOARD_WORKERS_MAX,
                     .services = c->board.services,
                     .endpoints = c->board.endpoints,
                     .routes = c->board.routes},
        .n_listeners = (uint32_t)c->gateway.n_listen,
        .admin = c->admin.listen,
        .stop_ms = hf_setup_stop_ms(c),
        .workers = count_workers(c->gateway.workers),
        .drain_ms = (uint32_t)hf_duration_ms(c->gateway.drain_timeout),
    };
    int code;

    for (uint32_t i = 0; i < s.n_listeners; i++)
        s.listeners[i] = c->gateway.listen[i].address;
    if ((code = sandbox_from_config(&c->gateway, &s.sandbox, e)) ||
        (code = put_path("state", c->state, s.state, e)) ||
        (code = put_path("the configuration", c->file, s.config, e)) ||
        (c->gateway.access_log &&
         (code = put_path("gateway.access_log", c->gateway.access_log, s.access_log, e))))
        return code;
    *ret = s;
    return 0;
}

int hf_setup_state(const struct hf_setup *s, struct hf_error *e)
{
    char path[HF_PATH_SIZE];
    struct stat st;

    hf_str_copy(hf_str(s->state), path, sizeof(path));
    for (char *p = path + 1;; p++) {
        char c = *p;
        if (c && c != '/')
            continue;
        *p = 0;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return hf_error_errno(e, HF_EIO, "the state folder %s cannot be made", s->state);
        *p = c;
        if (!c)
            break;
    }
    if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return hf_error_set(e, HF_EIO, "%s is not a folder; expected the state folder", s->state);
    if (st.st_mode & 0022)
        return hf_error_set(e, HF_EIO,
                            "the state folder %s can be written to by others (mode %04o); "
                            "expected 0700",
                            s->state, (unsigned)st.st_mode & 07777);
    if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
        return hf_error_errno(e, HF_EIO, "the state folder %s cannot be written to", s->state);
    return 0;
}
