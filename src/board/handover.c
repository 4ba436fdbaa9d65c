#include "board/handover.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "board/parts.h"

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
    if (s->workers < 1 || s->workers > c->workers)
        return hf_error_set(e, HF_ECORRUPT, "the setup's number of workers is out of bounds");
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

enum { PART_FIELDS = 1, PART_BOARD, PART_SETUP };

static struct hf_handover nothing(void)
{
    struct hf_handover h = {.keeper_fd = -1, .tls_fd = -1, .access_log_fd = -1, .last_plan_fd = -1};

    memset(h.listener_fd, -1, sizeof(h.listener_fd));
    memset(&h.board, -1, sizeof(h.board));
    return h;
}

void hf_setup_adopt(struct hf_setup *s)
{
    s->layout = HF_BOARD_LAYOUT;
    s->size = sizeof(*s);
}

/* The keeper may be of another version. */
static int take_parts(const struct hf_parts *p, struct hf_handover *ret)
{
    struct hf_handover h = nothing();

    if (hf_parts_get(p, PART_FIELDS, &h, offsetof(struct hf_handover, board), 1) != 1 ||
        hf_parts_get(p, PART_BOARD, &h.board, sizeof(h.board), 1) != 1 ||
        hf_parts_get(p, PART_SETUP, &h.setup, sizeof(h.setup), 1) != 1)
        return HF_ECORRUPT;
    h.magic = HF_BOARD_MAGIC;
    h.layout = HF_BOARD_LAYOUT;
    h.size = sizeof(h);
    hf_setup_adopt(&h.setup);
    *ret = h;
    return 0;
}

int hf_handover_read(const char *build, struct hf_handover *ret, struct hf_error *e)
{
    struct hf_handover h = {0};
    struct hf_parts parts;
    uint32_t layout;
    int rc;

    if (hf_parts_open(HF_HANDOVER_FD, HF_BOARD_MAGIC, &parts, NULL))
        return hf_error_set(e, HF_ECORRUPT, "this process was not started by a holdfast keeper");
    layout = parts.layout;
    rc = take_parts(&parts, &h);
    hf_parts_close(&parts);
    if (rc || layout > HF_BOARD_LAYOUT)
        return hf_error_set(e, HF_ECORRUPT, "the keeper's hand-over has layout %u, not %u", layout,
                            HF_BOARD_LAYOUT);
    if (strncmp(h.build, build, sizeof(h.build)) != 0)
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
    const struct hf_part parts[] = {
        {PART_FIELDS, 1, offsetof(struct hf_handover, board), h},
        {PART_BOARD, 1, sizeof(h->board), &h->board},
        {PART_SETUP, 1, sizeof(h->setup), &h->setup},
    };

    return hf_parts_write(HF_BOARD_MAGIC, HF_BOARD_LAYOUT, parts, HF_COUNT(parts), e);
}
