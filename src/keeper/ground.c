#include "keeper/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/socket.h"

enum { BACKLOG = 4096 };

static int make_state(const char *path, struct hf_error *e)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return hf_error_errno(e, HF_EIO, "cannot make the state folder %s", path);
    if (access(path, R_OK | W_OK | X_OK) < 0)
        return hf_error_errno(e, HF_EIO, "cannot use the state folder %s", path);
    return 0;
}

/* What an earlier run had in force says nothing of this one. */
static int forget_accepted(const char *state, struct hf_error *e)
{
    char path[HF_PATH_SIZE + sizeof("/" HF_ACCEPTED)];

    snprintf(path, sizeof(path), "%s/" HF_ACCEPTED, state);
    if (unlink(path) < 0 && errno != ENOENT)
        return hf_error_errno(e, HF_EIO, "cannot remove %s", path);
    return 0;
}

/* The address with the port that was chosen for port 0. */
static int resolve_port(int fd, struct hf_addr *a, struct hf_error *e)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof(ss);

    if (getsockname(fd, (struct sockaddr *)&ss, &n) < 0)
        return hf_error_errno(e, HF_EIO, "cannot read the address of a listening socket");
    return hf_addr_from_sockaddr((struct sockaddr *)&ss, a);
}

/* Names the key of the configuration behind what the system said. */
static int listen_for(const char *key, const struct hf_addr *a, struct hf_error *e)
{
    int fd = hf_socket_listen(a, BACKLOG, e);
    size_t n = strlen(e->text);

    if (fd < 0)
        snprintf(e->text + n, sizeof(e->text) - n, " (%s)", key);
    return fd;
}

static int open_listener(struct hf_setup *setup, int fds[], uint32_t i, struct hf_error *e)
{
    int fd = listen_for("gateway.listen", &setup->listeners[i], e);

    if (fd < 0)
        return fd;
    fds[i] = fd;
    return resolve_port(fd, &setup->bound[i], e);
}

static int open_listeners(struct hf_ground *g, struct hf_error *e)
{
    int rc = 0;

    for (uint32_t i = 0; !rc && i < g->setup.n_listeners; i++)
        rc = open_listener(&g->setup, g->listener_fd, i, e);
    return rc;
}

/* The controller will listen there. That it cannot is better known before anything starts. */
static int check_admin(const struct hf_ground *g, struct hf_error *e)
{
    int fd = listen_for("admin.listen", &g->setup.admin, e);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int open_access_log(const char *path, int *ret, struct hf_error *e)
{
    int fd;

    if (!path[0])
        return 0;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot open the access log %s", path);
    *ret = fd;
    return 0;
}

int hf_ground_last_plan(const struct hf_ground *g)
{
    char path[HF_PATH_SIZE + sizeof("/" HF_LAST_PLAN)];

    snprintf(path, sizeof(path), "%s/" HF_LAST_PLAN, g->setup.state);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

int hf_ground_open(const struct hf_setup *setup, struct hf_ground *ret, struct hf_error *e)
{
    struct hf_ground g = {.setup = *setup, .access_log_fd = -1, .lock = {.fd = -1}};
    int rc = make_state(setup->state, e);

    memset(g.listener_fd, -1, sizeof(g.listener_fd));
    if (!rc)
        rc = hf_lock_take(setup->state, &g.lock, e);
    if (!rc)
        rc = forget_accepted(setup->state, e);
    if (!rc)
        rc = open_listeners(&g, e);
    if (!rc)
        rc = check_admin(&g, e);
    if (!rc)
        rc = open_access_log(setup->access_log, &g.access_log_fd, e);
    if (!rc)
        rc = hf_board_create(&setup->capacity, &g.board, e);
    if (rc) {
        hf_ground_close(&g);
        return rc;
    }
    *ret = g;
    return 0;
}

void hf_ground_close(struct hf_ground *g)
{
    g->board = hf_board_free(g->board);
    if (g->access_log_fd >= 0)
        close(g->access_log_fd);
    for (int i = 0; i < HF_LISTENERS_MAX; i++) {
        if (g->listener_fd[i] >= 0)
            close(g->listener_fd[i]);
    }
    if (g->lock.fd >= 0)
        hf_lock_drop(&g->lock);
}

/* ---- another gateway's ---- */

struct hf_ground_next hf_ground_same(const struct hf_ground *g)
{
    struct hf_ground_next next = {.setup = g->setup, .access_log_fd = g->access_log_fd};

    memcpy(next.listener_fd, g->listener_fd, sizeof(next.listener_fd));
    return next;
}

static bool has(const int fds[], int fd)
{
    for (int i = 0; i < HF_LISTENERS_MAX; i++) {
        if (fds[i] == fd)
            return true;
    }
    return false;
}

/* The socket of that configured address, unless it is given away already; or -1. */
static int find(const struct hf_ground *g, const struct hf_ground_next *next,
                const struct hf_addr *a, struct hf_addr *ret_bound)
{
    for (uint32_t i = 0; i < g->setup.n_listeners; i++) {
        if (hf_addr_eq(&g->setup.listeners[i], a) && !has(next->listener_fd, g->listener_fd[i])) {
            *ret_bound = g->setup.bound[i];
            return g->listener_fd[i];
        }
    }
    return -1;
}

static int take_listeners(const struct hf_ground *g, const struct hf_keeper_request *r,
                          struct hf_ground_next *next, struct hf_error *e)
{
    int rc = 0;

    next->setup.n_listeners = r->n_listeners;
    memset(next->setup.listeners, 0, sizeof(next->setup.listeners));
    memset(next->setup.bound, 0, sizeof(next->setup.bound));
    memset(next->listener_fd, -1, sizeof(next->listener_fd));
    for (uint32_t i = 0; i < r->n_listeners; i++) {
        next->setup.listeners[i] = r->listeners[i];
        next->listener_fd[i] = find(g, next, &r->listeners[i], &next->setup.bound[i]);
    }
    for (uint32_t i = 0; !rc && i < r->n_listeners; i++) {
        if (next->listener_fd[i] < 0)
            rc = open_listener(&next->setup, next->listener_fd, i, e);
    }
    return rc;
}

int hf_ground_prepare(const struct hf_ground *g, const struct hf_keeper_request *r,
                      struct hf_ground_next *ret, struct hf_error *e)
{
    struct hf_ground_next next = hf_ground_same(g);
    int rc;

    next.setup.workers = r->workers;
    if (r->n_listeners > HF_LISTENERS_MAX)
        return hf_error_set(e, HF_EINVAL, "the request has too many listeners");
    memcpy(next.setup.access_log, r->path, sizeof(next.setup.access_log));
    rc = take_listeners(g, r, &next, e);
    if (!rc)
        rc = hf_setup_check(&next.setup, e);
    if (!rc && strcmp(next.setup.access_log, g->setup.access_log) != 0) {
        next.access_log_fd = -1;
        rc = open_access_log(next.setup.access_log, &next.access_log_fd, e);
    }
    if (rc) {
        hf_ground_drop(g, &next);
        return rc;
    }
    *ret = next;
    return 0;
}

static void close_unless(const int keep[], int fd)
{
    if (fd >= 0 && !has(keep, fd))
        close(fd);
}

void hf_ground_adopt(struct hf_ground *g, const struct hf_ground_next *next)
{
    for (int i = 0; i < HF_LISTENERS_MAX; i++)
        close_unless(next->listener_fd, g->listener_fd[i]);
    if (g->access_log_fd >= 0 && g->access_log_fd != next->access_log_fd)
        close(g->access_log_fd);
    g->setup = next->setup;
    memcpy(g->listener_fd, next->listener_fd, sizeof(g->listener_fd));
    g->access_log_fd = next->access_log_fd;
}

void hf_ground_drop(const struct hf_ground *g, const struct hf_ground_next *next)
{
    for (int i = 0; i < HF_LISTENERS_MAX; i++)
        close_unless(g->listener_fd, next->listener_fd[i]);
    if (next->access_log_fd >= 0 && next->access_log_fd != g->access_log_fd)
        close(next->access_log_fd);
}
