/* The data plane's own program. The keeper starts it; nobody else has a use for it. */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/sandbox.h"

#ifdef HF_SANITIZED
/* What a sanitizer cannot do in the sandbox: trace the process, to look for leaks at its end; start
 * a program that knows the names of places. */
static int sandboxed = 1;

int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return sandboxed;
}

const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "external_symbolizer_path=";
}
#endif

static int gateway_role(void)
{
    struct hf_handover h;
    struct hf_error e;

    prctl(PR_SET_NAME, "hf-gateway");
    hf_log_init("gateway", HF_LOG_INFO);
    if (hf_handover_read(hf_build, &h, &e)) {
        fprintf(stderr, "holdfast-gateway: %s\n", e.text);
        return 2;
    }
#ifdef HF_SANITIZED
    sandboxed = !h.setup.sandbox.off;
#endif
    return hf_gateway_main(&h);
}

static int build_role(void)
{
    return write(HF_HANDOVER_FD, hf_build, sizeof(hf_build)) == sizeof(hf_build) ? 0 : 3;
}

/* Finds out whether the gateway could go into its sandbox here, and says why not. */
static int sandbox_role(void)
{
    struct hf_sandbox_setup setup;
    struct hf_error e = {0};

    if (pread(HF_HANDOVER_FD, &setup, sizeof(setup), 0) != sizeof(setup))
        return 3;
    if (hf_sandbox_drop(&setup, &e) || hf_sandbox_close(&e)) {
        fprintf(stderr,
                "holdfast: the gateway's sandbox does not work here: %s; "
                "`gateway.sandbox: off` starts it without\n",
                e.text);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 1 && strcmp(argv[0], HF_ROLE_NAME_GATEWAY) == 0)
        return gateway_role();
    if (argc == 1 && strcmp(argv[0], HF_ROLE_NAME_BUILD) == 0)
        return build_role();
    if (argc == 1 && strcmp(argv[0], HF_ROLE_NAME_SANDBOX) == 0)
        return sandbox_role();
    fprintf(stderr, "holdfast-gateway %s is a part of holdfast; `holdfast run` starts it\n",
            hf_build);
    return 2;
}
