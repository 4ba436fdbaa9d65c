#include "keeper/state.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "board/parts.h"

enum {
    PART_FIELDS = 1,
    PART_BOARD,
    PART_SETUP,
    PART_MEMBERS,
    PART_GENERATIONS,
    PART_REPORT,
    PART_KEPT
};

/* ---- save ---- */

static struct hf_state_member save_member(const struct hf_member *m)
{
    struct hf_state_member s = {.pid = m->pid,
                                .n_restarts = m->restart.n,
                                .next_restart = m->restart.next,
                                .started_ns = m->started.ns,
                                .again_ns = m->again.deadline_ns,
                                .delay_ns = m->restart.delay.ns};

    for (int i = 0; i < HF_RESTART_BURST; i++)
        s.restart_ns[i] = m->restart.at[i].ns;
    return s;
}

static void save_programs(const struct hf_keeper *k, struct hf_state *s)
{
    const struct hf_programs *now = &k->programs, *before = &k->change.before;

    s->own_fd = now->own;
    s->gateway_fd = now->gateway;
    s->before_own_fd = before->own;
    s->before_gateway_fd = before->gateway;
    memcpy(s->path, now->path, sizeof(s->path));
    memcpy(s->build, now->build, sizeof(s->build));
    memcpy(s->before_path, before->path, sizeof(s->before_path));
    memcpy(s->before_build, before->build, sizeof(s->before_build));
}

void hf_state_save(const struct hf_keeper *k, struct hf_state *ret)
{
    struct hf_state *s = ret;

    *s = (struct hf_state){
        .lock_fd = k->ground.lock.fd,
        .keeper_fd = k->mailbox.fd,
        .controller_fd = k->mailbox.controller_fd,
        .tls_fd = k->tls_fd,
        .access_log_fd = k->ground.access_log_fd,
        .next_gateway_fd = -1,
        .result_fd = -1,
        .phase = k->phase,
        .hurry = k->hurry,
        .incomplete = k->incomplete,
        .serving = k->serving,
        .greeted = k->greeted,
        .step = k->change.step,
        .drain_ms = k->change.drain_ms,
        .mailbox_lost = k->mailbox.lost,
        .deadline_ns = k->deadline.deadline_ns,
        .board = hf_board_fds_for(k->ground.board, HF_BOARD_KEEPER, 0),
        .setup = k->ground.setup,
        .member = {save_member(&k->gateway), save_member(&k->controller)},
        .report = k->change.report,
        .n_kept = k->mailbox.n,
    };
    memcpy(s->listener_fd, k->ground.listener_fd, sizeof(s->listener_fd));
    save_programs(k, s);
    for (int i = 0; i < HF_BOARD_SLOTS; i++) {
        const struct hf_generation *g = &k->generation[i];
        s->generation[i] = (struct hf_state_generation){.state = g->state,
                                                        .pid = g->pid,
                                                        .started_ns = g->started.ns,
                                                        .cut_ns = g->cut.ns,
                                                        .courier_fd = g->courier.fd,
                                                        .courier_waiting = g->courier.waiting};
    }
    for (unsigned i = 0; i < k->mailbox.n; i++)
        s->kept[i] = k->mailbox.kept[(k->mailbox.first + i) % HF_MAILBOX_KEPT];
}

int hf_state_write(const struct hf_state *s, struct hf_error *e)
{
    const struct hf_part parts[] = {
        {PART_FIELDS, 1, offsetof(struct hf_state, board), s},
        {PART_BOARD, 1, sizeof(s->board), &s->board},
        {PART_SETUP, 1, sizeof(s->setup), &s->setup},
        {PART_MEMBERS, HF_COUNT(s->member), sizeof(s->member[0]), s->member},
        {PART_GENERATIONS, HF_BOARD_SLOTS, sizeof(s->generation[0]), s->generation},
        {PART_REPORT, 1, sizeof(s->report), &s->report},
        {PART_KEPT, s->n_kept, sizeof(s->kept[0]), s->kept},
    };

    return hf_parts_write(HF_STATE_MAGIC, HF_BOARD_LAYOUT, parts, HF_COUNT(parts), e);
}

/* ---- read ---- */

static int take_parts(const struct hf_parts *p, struct hf_state *s)
{
    int kept;

    if (hf_parts_get(p, PART_FIELDS, s, offsetof(struct hf_state, board), 1) != 1 ||
        hf_parts_get(p, PART_BOARD, &s->board, sizeof(s->board), 1) != 1 ||
        hf_parts_get(p, PART_SETUP, &s->setup, sizeof(s->setup), 1) != 1 ||
        hf_parts_get(p, PART_MEMBERS, s->member, sizeof(s->member[0]), HF_COUNT(s->member)) !=
            (int)HF_COUNT(s->member) ||
        hf_parts_get(p, PART_GENERATIONS, s->generation, sizeof(s->generation[0]),
                     HF_BOARD_SLOTS) != HF_BOARD_SLOTS ||
        hf_parts_get(p, PART_REPORT, &s->report, sizeof(s->report), 1) != 1)
        return HF_ECORRUPT;
    kept = hf_parts_get(p, PART_KEPT, s->kept, sizeof(s->kept[0]), HF_MAILBOX_KEPT);
    s->n_kept = kept > 0 ? (uint32_t)kept : 0;
    hf_setup_adopt(&s->setup);
    return 0;
}

static bool texts_end(const struct hf_state *s)
{
    return memchr(s->path, 0, sizeof(s->path)) && memchr(s->build, 0, sizeof(s->build)) &&
           memchr(s->before_path, 0, sizeof(s->before_path)) &&
           memchr(s->before_build, 0, sizeof(s->before_build));
}

static bool generations_valid(const struct hf_state *s)
{
    for (uint32_t i = 0; i < HF_BOARD_SLOTS; i++) {
        const struct hf_state_generation *g = &s->generation[i];
        if (g->state > HF_GENERATION_RETIRED || (g->state != HF_GENERATION_NONE) != (g->pid > 0) ||
            (g->state == HF_GENERATION_SERVING) != (i == s->serving))
            return false;
    }
    return s->serving <= HF_NO_SLOT;
}

static bool members_valid(const struct hf_state *s)
{
    for (size_t i = 0; i < HF_COUNT(s->member); i++) {
        if (s->member[i].pid < 0 || s->member[i].n_restarts > HF_RESTART_BURST ||
            s->member[i].next_restart >= HF_RESTART_BURST)
            return false;
    }
    return true;
}

int hf_state_read(struct hf_state *ret, struct hf_error *e)
{
    static struct hf_state s; /* large for a stack */
    struct hf_parts parts;
    uint32_t layout;
    int rc;

    if (hf_parts_open(HF_HANDOVER_FD, HF_STATE_MAGIC, &parts, NULL))
        return hf_error_set(e, HF_ECORRUPT, "this process was not started by a holdfast keeper");
    memset(&s, 0, sizeof(s));
    s.before_own_fd = s.before_gateway_fd = s.next_gateway_fd = s.result_fd = -1;
    s.tls_fd = s.access_log_fd = -1;
    memset(&s.board, -1, sizeof(s.board));
    layout = parts.layout;
    rc = take_parts(&parts, &s);
    hf_parts_close(&parts);
    if (layout > HF_BOARD_LAYOUT)
        return hf_error_set(e, HF_ECORRUPT, "the keeper's state has layout %u, this reads up to %u",
                            layout, HF_BOARD_LAYOUT);
    if (!rc)
        rc = hf_setup_check(&s.setup, e);
    else
        hf_error_set(e, rc, "the keeper's state lacks a part");
    if (rc)
        return rc;
    if (!texts_end(&s) || !generations_valid(&s) || !members_valid(&s) ||
        s.phase > HF_PHASE_ENDED || s.step >= HF_KEEPER_STEPS)
        return hf_error_set(e, HF_ECORRUPT, "the keeper's state is out of bounds");
    *ret = s;
    return 0;
}

/* ---- restore ---- */

static void restore_timer(struct hf_keeper *k, struct hf_timer *t, int64_t deadline_ns)
{
    if (deadline_ns)
        hf_timer_set(k->loop, t, (struct hf_mono){deadline_ns});
}

static void restore_member(struct hf_keeper *k, struct hf_member *m,
                           const struct hf_state_member *s)
{
    m->pid = s->pid;
    m->started.ns = s->started_ns;
    m->restart.n = s->n_restarts;
    m->restart.next = s->next_restart;
    m->restart.delay.ns = s->delay_ns;
    for (int i = 0; i < HF_RESTART_BURST; i++)
        m->restart.at[i].ns = s->restart_ns[i];
    restore_timer(k, &m->again, s->again_ns);
}

static void restore_programs(struct hf_keeper *k, const struct hf_state *s)
{
    struct hf_programs *now = &k->programs, *before = &k->change.before;

    now->own = s->own_fd;
    now->gateway = s->gateway_fd;
    before->own = s->before_own_fd;
    before->gateway = s->before_gateway_fd;
    memcpy(now->path, s->path, sizeof(now->path));
    memcpy(now->build, s->build, sizeof(now->build));
    memcpy(before->path, s->before_path, sizeof(before->path));
    memcpy(before->build, s->before_build, sizeof(before->build));
}

static void restore_generations(struct hf_keeper *k, const struct hf_state *s)
{
    for (int i = 0; i < HF_BOARD_SLOTS; i++) {
        const struct hf_state_generation *from = &s->generation[i];
        struct hf_generation *g = &k->generation[i];
        g->state = from->state;
        g->pid = from->pid;
        g->started.ns = from->started_ns;
        g->cut.ns = from->cut_ns;
        g->courier.fd = from->state == HF_GENERATION_NONE ? -1 : from->courier_fd;
        g->courier.waiting = from->courier_waiting;
    }
    k->serving = s->serving;
    k->greeted = s->greeted;
}

int hf_state_restore(struct hf_keeper *k, const struct hf_state *s, struct hf_error *e)
{
    int rc =
        hf_board_attach(&s->setup.capacity, &s->board, HF_BOARD_KEEPER, 0, &k->ground.board, e);

    if (rc)
        return rc;
    k->ground.setup = s->setup;
    k->ground.access_log_fd = s->access_log_fd;
    memcpy(k->ground.listener_fd, s->listener_fd, sizeof(k->ground.listener_fd));
    hf_lock_keep(&k->ground.lock, s->lock_fd, s->member[0].pid, s->member[1].pid);
    k->mailbox.fd = s->keeper_fd;
    k->mailbox.controller_fd = s->controller_fd;
    k->mailbox.lost = s->mailbox_lost;
    k->mailbox.n = s->n_kept;
    memcpy(k->mailbox.kept, s->kept, sizeof(k->mailbox.kept));
    k->tls_fd = s->tls_fd;
    k->phase = (enum hf_phase)s->phase;
    k->hurry = s->hurry;
    k->incomplete = s->incomplete;
    restore_programs(k, s);
    restore_generations(k, s);
    restore_member(k, &k->gateway, &s->member[0]);
    restore_member(k, &k->controller, &s->member[1]);
    restore_timer(k, &k->deadline, s->deadline_ns);
    k->change.report = s->report;
    k->change.step = s->step;
    k->change.drain_ms = s->drain_ms;
    k->change.ground = hf_ground_same(&k->ground);
    return 0;
}

void hf_state_each_fd(const struct hf_state *s, void (*each)(int fd))
{
    const int single[] = {s->lock_fd,           s->keeper_fd,
                          s->controller_fd,     s->tls_fd,
                          s->access_log_fd,     s->own_fd,
                          s->gateway_fd,        s->before_own_fd,
                          s->before_gateway_fd, s->next_gateway_fd,
                          s->result_fd,         s->board.plan,
                          s->board.slots,       s->board.plan_read_only,
                          s->board.bell,        s->board.slots_read_only};

    for (size_t i = 0; i < HF_COUNT(single); i++) {
        if (single[i] >= 0)
            each(single[i]);
    }
    for (uint32_t i = 0; i < s->setup.n_listeners; i++) {
        if (s->listener_fd[i] >= 0)
            each(s->listener_fd[i]);
    }
    for (int i = 0; i < HF_BOARD_SLOTS; i++) {
        each(s->board.live[i]);
        each(s->board.live_read_only[i]);
        if (s->generation[i].state != HF_GENERATION_NONE && s->generation[i].courier_fd >= 0)
            each(s->generation[i].courier_fd);
    }
}
