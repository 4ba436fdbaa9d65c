/* orchestrator/spawn.h - starts a program in a session of its own, with nothing of ours but what it
 * is given.
 * Owner: the caller. Runs in: controller. Waits until the program was executed or could not be,
 * which takes as long as its folder and file take to be opened. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum { HF_USER_GROUPS = 64 };

struct hf_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[HF_USER_GROUPS];
    int group_count;
    char home[256];
};

/* Asks the system's user database, which may block. HF_ENOENT if there is no such user;
 * HF_EREFUSED if we are not root and it is another user than we are. */
HF_MUST_CHECK int hf_user_find(const char *name, struct hf_user *ret, struct hf_error *e);

struct hf_spawn {
    char *const *argv; /* argv[0] is looked for in the PATH of envp unless it holds a slash */
    char *const *envp;
    const char *directory;      /* entered first, so argv[0] may be relative to it; NULL: stay */
    int output;                 /* becomes stdout and stderr; stdin is /dev/null */
    const struct hf_user *user; /* NULL: as we are */
};

struct hf_spawned {
    pid_t pid; /* also its process group and session */
    int pidfd; /* readable when it has exited; close-on-exec; the caller closes it */
};

/* Every other descriptor is closed, signals are at their defaults and none is blocked, the soft
 * limit of open files is 65536 or the hard limit if that is less. On failure no process is left,
 * and the text says what could not be done: "cannot run ./orders: No such file or directory". */
HF_MUST_CHECK int hf_spawn(const struct hf_spawn *spawn, struct hf_spawned *ret,
                           struct hf_error *e);
