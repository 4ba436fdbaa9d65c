/* board/handover.h - what the keeper hands to the processes that it starts, and the messages
 * between keeper and controller. All fixed-size, so that the keeper parses nothing.
 *
 * The keeper starts a child with the hand-over in a sealed memory file at descriptor
 * HF_HANDOVER_FD; the descriptors named in it are inherited under the same numbers, all others are
 * closed. SIGPIPE is ignored in the child; it leads a session of its own. The role stands in
 * argv[0], so that `ps` shows it.
 *
 * The socket between keeper and controller outlives a controller: what one did not read, the next
 * one finds. So a message tells what happened, not what is; the slots on the board tell what is. */
#pragma once
#include "board/board.h"

#define HF_ROLE_NAME_SETUP "holdfast: setup"
#define HF_ROLE_NAME_CONTROLLER "holdfast: controller"
#define HF_ROLE_NAME_GATEWAY "holdfast: gateway"
#define HF_ROLE_NAME_KEEPER "holdfast: keeper"    /* takes over from the keeper that it was */
#define HF_ROLE_NAME_CHECK "holdfast: self-check" /* finds out if it could */
#define HF_ROLE_NAME_BUILD "holdfast: build"      /* writes its hf_build to HF_HANDOVER_FD */
#define HF_ROLE_NAME_SANDBOX "holdfast: sandbox"  /* tries a struct hf_sandbox_setup from there */

enum {
    HF_HANDOVER_FD = 3,
    HF_PATH_SIZE = 512, /* of every path in these structs, its NUL included */
    HF_STOP_MS_MAX = 24 * 3600 * 1000,
    HF_TLS_BYTES_MAX = 4 << 20, /* of a bundle */
    HF_BUILD_SIZE = 40,         /* of the name of a build, its NUL included */
};

/* Of which build this executable is; tools/build-id makes it for each executable. Executables that
 * work together are of one build. */
extern const char hf_build[HF_BUILD_SIZE];

/* In the state folder: the plan published last, for a gateway that starts without a controller. */
#define HF_LAST_PLAN "plan"

/* In the state folder: the text of the configuration in force, for the next controller. */
#define HF_ACCEPTED "accepted.yaml"

#define HF_SETUP_MAGIC UINT64_C(0x70757465536648) /* "HfSetup" */

/* What the gateway gives up before it reads a client's first byte (gateway/sandbox.h). */
struct hf_sandbox_setup {
    uint32_t off;         /* 1: nothing */
    uint32_t change_user; /* 1: holdfast runs as root, the gateway becomes uid and gid */
    uint32_t uid, gid;
};

/* What the keeper must know of the configuration. A child of its own, which may parse, makes it
 * and writes it to HF_HANDOVER_FD. */
struct hf_setup {
    uint64_t magic;
    uint32_t layout, size;
    struct hf_board_capacity capacity;
    uint32_t n_listeners;                       /* at least 1 */
    struct hf_addr listeners[HF_LISTENERS_MAX]; /* as configured; the plan names them so */
    struct hf_addr bound[HF_LISTENERS_MAX];     /* in a hand-over: with the ports that they got */
    struct hf_addr
        admin; /* the controller listens there; the keeper only finds out if it is free */
    char state[HF_PATH_SIZE];      /* absolute; the keeper makes it with mode 0700 */
    char config[HF_PATH_SIZE];     /* absolute */
    char access_log[HF_PATH_SIZE]; /* absolute; "" off */
    uint32_t stop_ms;              /* how long a stop may take before the keeper insists */
    uint32_t keep_instances;       /* 1: a stop leaves the instances running */
    uint32_t workers;              /* of a gateway; at most capacity.workers */
    uint32_t drain_ms; /* a gateway that was replaced ends at the latest then; 0: with its last
                          connection */
    struct hf_sandbox_setup sandbox; /* never grows */
};

enum hf_role { HF_ROLE_CONTROLLER, HF_ROLE_GATEWAY };

/* The keeper may be of another version than what it starts: fields are only ever added, here before
 * `board`, in hf_setup at its end; see board/parts.h. */
struct hf_handover {
    uint64_t magic; /* HF_BOARD_MAGIC */
    uint32_t layout, size;
    char build[HF_BUILD_SIZE]; /* of the executable that the keeper means to start */
    uint32_t role;
    uint32_t slot; /* gateway: its claimed slot */
    int32_t keeper_pid;
    int32_t keeper_fd;     /* SOCK_SEQPACKET to the keeper; a gateway's is its own */
    int32_t tls_fd;        /* the bundle (net/tls_bundle.h) in force; -1: none */
    int32_t access_log_fd; /* gateway: O_APPEND; -1: off */
    int32_t last_plan_fd;  /* gateway: STATE/plan as it was at the start; -1: there was none */
    int32_t listener_fd[HF_LISTENERS_MAX]; /* gateway: listening sockets, setup.n_listeners */
    struct hf_board_fds board;
    struct hf_setup setup;
};

/* Reads and checks the hand-over of this process, which is of the given build, and closes
 * HF_HANDOVER_FD. The descriptors that it names are open and close-on-exec then. */
HF_MUST_CHECK int hf_handover_read(const char *build, struct hf_handover *ret, struct hf_error *e);

/* Keeper: a sealed memory file that holds h. Returns the descriptor, close-on-exec. */
HF_MUST_CHECK int hf_handover_write(const struct hf_handover *h, struct hf_error *e);

/* What another version wrote was taken into s: s is of this program's layout from then on. */
void hf_setup_adopt(struct hf_setup *s);

HF_MUST_CHECK int hf_setup_check(const struct hf_setup *s, struct hf_error *e);

/* Calls back with each descriptor that h names, HF_HANDOVER_FD not included. */
void hf_handover_each_fd(const struct hf_handover *h, void (*each)(int fd));

enum hf_keeper_message_type {
    HF_KEEPER_GATEWAY_STARTED = 1, /* keeper -> controller: slot, pid */
    HF_KEEPER_GATEWAY_ENDED,       /* keeper -> controller: slot, pid, status */
    HF_KEEPER_ORPHAN_ENDED,        /* keeper -> controller: pid, status (as waitpid gives it) */
    HF_KEEPER_RELOAD,              /* keeper -> controller: SIGHUP came */
    HF_KEEPER_STOP_INSTANCES, /* keeper -> controller: the gateways are gone; stop, then exit */
    HF_KEEPER_STOP_LIMIT,     /* controller -> keeper: status: setup.stop_ms by the present file */
    HF_KEEPER_TLS, /* controller -> keeper -> gateways: the descriptor of a new bundle comes with it
                    */
    HF_KEEPER_CONTROLLER_STARTED, /* controller -> keeper: pid: it serves its API */
    HF_KEEPER_SWITCH,             /* controller -> keeper: a request, for another gateway */
    HF_KEEPER_UPGRADE,            /* controller -> keeper: a request, for other executables */
    HF_KEEPER_REPORT,          /* keeper -> controller: a report: how far the latest request is */
    HF_KEEPER_GATEWAY_RETIRED, /* keeper -> controller: slot, pid: another one serves */
    HF_KEEPER_RETIRED_ENDED,   /* keeper -> controller: slot, pid, status */
};

/* Unused fields are 0. What is no message or of an unknown type is ignored, and logged. Requests
 * and reports begin with one, and grow at their ends: who gets a shorter one reads 0 for the rest.
 */
struct hf_keeper_message {
    uint32_t type;
    uint32_t slot;
    int32_t pid, status;
};

/* A change that takes another gateway. It is made whole or not at all, one at a time; reports say
 * how it goes. */
struct hf_keeper_request {
    struct hf_keeper_message head;
    uint64_t id;       /* stands in the reports */
    uint32_t drain_ms; /* as in hf_setup, for the gateway that is replaced */
    /* HF_KEEPER_SWITCH: */
    uint32_t workers, n_listeners;
    struct hf_addr listeners[HF_LISTENERS_MAX];
    char path[HF_PATH_SIZE]; /* of the access log; HF_KEEPER_UPGRADE: of the executable; "" the path
                                from which the present one was started */
};

/* In this order; each is begun when the one before has succeeded. */
enum hf_keeper_step {
    HF_KEEPER_STEP_NONE,
    HF_KEEPER_STEP_CHECK,      /* the new executable reads the state that it would take over */
    HF_KEEPER_STEP_GATEWAY,    /* the new gateway starts; when it serves, the old one is retired */
    HF_KEEPER_STEP_CONTROLLER, /* the controller is replaced */
    HF_KEEPER_STEP_KEEPER,     /* the keeper becomes the new executable */
    /* or, where a later step has failed: */
    HF_KEEPER_STEP_BACK_CONTROLLER,
    HF_KEEPER_STEP_BACK_GATEWAY,
    HF_KEEPER_STEPS,
};
enum hf_keeper_outcome { HF_REPORT_UNDER_WAY, HF_REPORT_DONE, HF_REPORT_FAILED };

struct hf_keeper_report {
    struct hf_keeper_message head;
    uint64_t id;
    uint32_t kind;    /* HF_KEEPER_SWITCH or _UPGRADE; 0: there was no request yet */
    uint32_t step;    /* enum hf_keeper_step: under way, or the last one */
    uint32_t outcome; /* enum hf_keeper_outcome */
    int32_t gateway, old_gateway, controller; /* pids, once they are known */
    uint32_t workers, n_listeners;
    struct hf_addr listeners[HF_LISTENERS_MAX], bound[HF_LISTENERS_MAX]; /* in force */
    char access_log[HF_PATH_SIZE];
    char program[HF_PATH_SIZE];
    char build[HF_BUILD_SIZE];
    char text[384]; /* why it was not done */
};
