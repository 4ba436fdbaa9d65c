/* The commands for people, and the roles in which the keeper starts this program again. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "config/certificates.h"
#include "config/setup.h"
#include "controller/controller.h"
#include "keeper/keeper.h"

static int controller_role(int argc, char **argv)
{
    struct hf_handover h;
    struct hf_error e;

    (void)argc;
    (void)argv;
    prctl(PR_SET_NAME, "hf-controller");
    hf_log_init("controller", HF_LOG_INFO);
    if (hf_handover_read(hf_build, &h, &e)) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return 2;
    }
    return hf_controller_main(&h);
}

static int write_setup(const struct hf_config *config)
{
    struct hf_setup setup;
    struct hf_error e = {0};

    if (hf_setup_from_config(config, &setup, &e) || hf_setup_state(&setup, &e)) {
        fprintf(stderr, "holdfast: %s\n", e.text);
        return 1;
    }
    return write(HF_HANDOVER_FD, &setup, sizeof(setup)) == sizeof(setup) ? 0 : 3;
}

/* `holdfast: setup FILE`: checks the configuration and writes what the keeper needs of it. */
static int setup_role(int argc, char **argv)
{
    struct hf_config_errors errors = {0}, warnings = {0};
    struct hf_certificates *certificates;
    struct hf_config *config;
    int status;

    prctl(PR_SET_NAME, "hf-setup");
    if (argc != 2)
        return 2;
    if (hf_config_load(argv[1], &config, &errors)) {
        hf_config_errors_print(&errors, stderr);
        return 1;
    }
    if (hf_certificates_load(config, &certificates, &errors, &warnings)) {
        hf_config_errors_print(&errors, stderr);
        hf_config_unref(config);
        return 1;
    }
    hf_config_warnings_print(&warnings, stderr);
    hf_certificates_free(certificates);
    status = write_setup(config);
    hf_config_unref(config);
    return status;
}

static int keeper_role(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    prctl(PR_SET_NAME, "holdfast"); /* as before it became another executable */
    return hf_keeper_resume();
}

static int check_role(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    prctl(PR_SET_NAME, "hf-self-check");
    return hf_keeper_check();
}

static const struct {
    const char *argv0;
    int (*main)(int argc, char **argv);
} roles[] = {
    {HF_ROLE_NAME_CONTROLLER, controller_role},
    {HF_ROLE_NAME_SETUP, setup_role},
    {HF_ROLE_NAME_KEEPER, keeper_role},
    {HF_ROLE_NAME_CHECK, check_role},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < HF_COUNT(roles); i++) {
        if (strcmp(argv[0], roles[i].argv0) == 0)
            return roles[i].main(argc, argv);
    }
    return hf_cli_main(argc, argv, hf_keeper_run);
}
