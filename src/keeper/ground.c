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

static int open_listeners(struct hf_ground *g, struct hf_error *e)
{
    for (uint32_t i = 0; i < g->setup.n_listeners; i++) {
        int fd = listen_for("gateway.listen", &g->setup.listeners[i], e), rc;
        if (fd < 0)
            return fd;
        g->listener_fd[i] = fd;
        rc = resolve_port(fd, &g->setup.bound[i], e);
        if (rc)
            return rc;
    }
    return 0;
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

static int open_access_log(struct hf_ground *g, struct hf_error *e)
{
    if (!g->setup.access_log[0])
        return 0;
    g->access_log_fd =
        open(g->setup.access_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return g->access_log_fd < 0
               ? hf_error_errno(e, HF_EIO, "cannot open the access log %s", g->setup.access_log)
               : 0;
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
        rc = open_access_log(&g, e);
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
