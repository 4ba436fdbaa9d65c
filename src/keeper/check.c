/* The self-check: could this executable go on where the keeper is now? It reads the very state,
 * and changes nothing. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "keeper/child.h"
#include "keeper/keeper.h"
#include "keeper/state.h"

static int check_board(const struct hf_state *s, struct hf_error *e)
{
    struct hf_board *board;
    int rc = hf_board_attach(&s->setup.capacity, &s->board, HF_BOARD_CONTROLLER, 0, &board, e);

    if (rc)
        return rc;
    rc = hf_board_check(board, s->setup.workers, e);
    hf_board_free(board);
    return rc;
}

static int check(struct hf_state *s, struct hf_error *e)
{
    struct hf_programs own = {.own = -1, .gateway = s->next_gateway_fd};
    int rc = check_board(s, e);

    if (rc)
        return rc;
    hf_str_copy(hf_str(hf_build), own.build, sizeof(own.build));
    return hf_programs_check(&own, "its " HF_PROGRAM_GATEWAY, e);
}

int hf_keeper_check(void)
{
    static struct hf_state s;
    struct hf_check_result r = {.magic = HF_CHECK_MAGIC};
    struct hf_error e = {0};

    hf_log_init("self-check", HF_LOG_INFO);
    if (hf_state_read(&s, &e) || check(&s, &e))
        hf_str_copy(hf_str(e.text), r.text, sizeof(r.text));
    memcpy(r.build, hf_build, sizeof(r.build));
    if (s.result_fd < 0 || pwrite(s.result_fd, &r, sizeof(r), 0) != sizeof(r)) {
        fprintf(stderr, "holdfast: %s\n", r.text[0] ? r.text : "cannot write the result");
        return 2;
    }
    return r.text[0] ? 1 : 0;
}
