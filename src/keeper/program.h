/* keeper/program.h - the two executables of which the keeper starts its children.
 * Both are opened once and started from their descriptors ever after: whatever is put in their
 * place under a running keeper, a child that is started again is of the build that runs. Owner: the
 * caller. Runs in: keeper. */
#pragma once
#include "board/handover.h"

#define HF_PROGRAM_GATEWAY "holdfast-gateway"

struct hf_programs {
    int own;                   /* the keeper's own: setup and controller */
    int gateway;               /* beside it, or where it is installed */
    char build[HF_BUILD_SIZE]; /* both are of this one */
    char path[HF_PATH_SIZE];   /* by which the keeper's own was started */
};

/* Opens both, and has the gateway's executable say of which build it is: HF_EREFUSED if that is not
 * the given one, the keeper's own. */
HF_MUST_CHECK int hf_programs_open(const char *build, struct hf_programs *ret, struct hf_error *e);
void hf_programs_close(struct hf_programs *p);

/* Opens the keeper's executable at that path, and the gateway's beside it or where it is installed.
 * Nothing is started, so build stays empty: see hf_programs_check(). */
HF_MUST_CHECK int hf_programs_open_others(const char *path, struct hf_programs *ret,
                                          struct hf_error *e);

/* Has the gateway's executable say of which build it is, and compares; gateway_path is for the
 * message. Waits for it. */
HF_MUST_CHECK int hf_programs_check(const struct hf_programs *p, const char *gateway_path,
                                    struct hf_error *e);
