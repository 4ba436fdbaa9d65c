/* One binary: the commands for people, and the roles in which the keeper starts it again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "controller/controller.h"
#include "gateway/gateway.h"
#include "keeper/keeper.h"

static int with_handover(const char *process, int (*role)(const struct hf_handover *))
{
    struct hf_handover h;
    struct hf_error e;

    hf_log_init(process, HF_LOG_INFO);
    if (hf_handover_read(&h, &e)) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return 2;
    }
    return role(&h);
}

static int gateway_role(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    prctl(PR_SET_NAME, "hf-gateway");
    return with_handover("gateway", hf_gateway_main);
}

static int controller_role(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    prctl(PR_SET_NAME, "hf-controller");
    return with_handover("controller", hf_controller_main);
}

/* STAND-IN until config/setup.h is there: "state DIR", "listen ADDRESS", "workers N" by line. */
static int setup_role(int argc, char **argv)
{
    struct hf_setup s = {.magic = HF_SETUP_MAGIC,
                         .layout = HF_BOARD_LAYOUT,
                         .size = sizeof(s),
                         .capacity = {2, 64, 256, 256},
                         .stop_ms = 10000};
    FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
    char key[32], value[HF_PATH_SIZE];

    if (!f)
        return 1;
    snprintf(s.config, sizeof(s.config), "%s", argv[1]);
    while (fscanf(f, "%31s %511s", key, value) == 2) {
        if (strcmp(key, "state") == 0)
            snprintf(s.state, sizeof(s.state), "%s", value);
        else if (strcmp(key, "access_log") == 0)
            snprintf(s.access_log, sizeof(s.access_log), "%s", value);
        else if (strcmp(key, "workers") == 0)
            s.capacity.workers = (uint32_t)atoi(value);
        else if (strcmp(key, "stop_ms") == 0)
            s.stop_ms = (uint32_t)atoi(value);
        else if (hf_addr_parse(hf_str(value), &s.listeners[s.n_listeners++]))
            return 1;
    }
    fclose(f);
    return write(HF_HANDOVER_FD, &s, sizeof(s)) == sizeof(s) ? 0 : 1;
}

static const struct {
    const char *argv0;
    int (*main)(int argc, char **argv);
} roles[] = {
    {HF_ROLE_NAME_GATEWAY, gateway_role},
    {HF_ROLE_NAME_CONTROLLER, controller_role},
    {HF_ROLE_NAME_SETUP, setup_role},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < HF_COUNT(roles); i++) {
        if (strcmp(argv[0], roles[i].argv0) == 0)
            return roles[i].main(argc, argv);
    }
    if (argc >= 4 && strcmp(argv[1], "run") == 0 && strcmp(argv[2], "-c") == 0)
        return hf_keeper_run(argv[3], argc > 4 && strcmp(argv[4], "--keep-instances") == 0);
    puts("holdfast " HF_VERSION);
    return 0;
}
