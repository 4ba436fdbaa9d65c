#include "board/handover.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool path_valid(const char *path)
{
    return path[0] == '/' && memchr(path, 0, HF_PATH_SIZE) != NULL;
}

int hf_setup_check(const struct hf_setup *s, struct hf_error *e)
{
    const struct hf_board_capacity *c = &s->capacity;

    if (s->magic != HF_SETUP_MAGIC || s->layout != HF_BOARD_LAYOUT || s->size != sizeof(*s))
        return hf_error_set(e, HF_ECORRUPT, "the setup was made by another build");
    if (c->workers < 1 || c->workers > HF_BOARD_WORKERS_MAX || c->services < 1 ||
        c->services > HF_BOARD_SERVICES_MAX || c->endpoints < 1 ||
        c->endpoints > HF_BOARD_ENDPOINTS_MAX || c->routes < 1 || c->routes > HF_BOARD_ROUTES_MAX)
        return hf_error_set(e, HF_ECORRUPT, "the setup's capacities are out of bounds");
    if (s->n_listeners < 1 || s->n_listeners > HF_LISTENERS_MAX || s->stop_ms > HF_STOP_MS_MAX)
        return hf_error_set(e, HF_ECORRUPT, "the setup is out of bounds");
    for (uint32_t i = 0; i < s->n_listeners; i++) {
        if (s->listeners[i].family != HF_ADDR_IP4 && s->listeners[i].family != HF_ADDR_IP6)
            return hf_error_set(e, HF_ECORRUPT, "address %u of the setup is not valid", i);
    }
    if (s->admin.family != HF_ADDR_IP4 && s->admin.family != HF_ADDR_IP6)
        return hf_error_set(e, HF_ECORRUPT, "the admin address of the setup is not valid");
    if (!path_valid(s->state) || !path_valid(s->config) ||
        (s->access_log[0] && !path_valid(s->access_log)))
        return hf_error_set(e, HF_ECORRUPT, "a path of the setup is not valid");
    return 0;
}

void hf_handover_each_fd(const struct hf_handover *h, void (*each)(int fd))
{
    const int single[] = {h->keeper_fd,
                          h->tls_fd,
                          h->access_log_fd,
                          h->last_plan_fd,
                          h->board.plan,
                          h->board.slots,
                          h->board.bell,
                          h->board.plan_read_only,
                          h->board.slots_read_only};

    for (size_t i = 0; i < HF_COUNT(single); i++) {
        if (single[i] >= 0)
            each(single[i]);
    }
    for (int i = 0; i < HF_LISTENERS_MAX; i++) {
        if (h->listener_fd[i] >= 0)
            each(h->listener_fd[i]);
    }
    for (int i = 0; i < HF_BOARD_SLOTS; i++) {
        if (h->board.live[i] >= 0)
            each(h->board.live[i]);
        if (h->board.live_read_only[i] >= 0)
            each(h->board.live_read_only[i]);
    }
}

static void close_on_exec(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int hf_handover_read(const char *build, struct hf_handover *ret, struct hf_error *e)
{
    struct hf_handover h;
    ssize_t n = pread(HF_HANDOVER_FD, &h, sizeof(h), 0);
    size_t known = offsetof(struct hf_handover, role); /* the same in every build */

    if (n < (ssize_t)known || h.magic != HF_BOARD_MAGIC)
        return hf_error_set(e, HF_ECORRUPT, "this process was not started by a holdfast keeper");
    if (n != sizeof(h) || h.layout != HF_BOARD_LAYOUT || h.size != sizeof(h) ||
        strncmp(h.build, build, sizeof(h.build)) != 0)
        return hf_error_set(e, HF_EREFUSED, "the keeper means to start build %.*s, this is %s",
                            HF_BUILD_SIZE - 1, h.build, build);
    if (hf_setup_check(&h.setup, e))
        return HF_ECORRUPT;
    if (h.slot >= HF_BOARD_SLOTS)
        return hf_error_set(e, HF_ECORRUPT, "the hand-over names slot %u", h.slot);
    close(HF_HANDOVER_FD);
    hf_handover_each_fd(&h, close_on_exec);
    *ret = h;
    return 0;
}

int hf_handover_write(const struct hf_handover *h, struct hf_error *e)
{
    int fd = memfd_create("holdfast-handover", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return hf_error_errno(e, HF_EIO, "cannot make the hand-over file");
    if (write(fd, h, sizeof(*h)) != sizeof(*h) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        hf_error_errno(e, HF_EIO, "cannot write the hand-over file");
        close(fd);
        return HF_EIO;
    }
    return fd;
}
