#include "release/smoke.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "board/plan.h"
#include "config/placeholder.h"
#include "http/client.h"
#include "http/grpc.h"
#include "orchestrator/environment.h"
#include "orchestrator/output.h"
#include "orchestrator/spawn.h"

enum {
    BODY_MOST = 1 << 20, /* in which the expected text is looked for */
    LOG_SIZE = 1 << 20,
    LAST_LINES = 5,
};

struct check {
    const char *method;
    char *path, *body;
    bool grpc;
    unsigned expect; /* status; of a gRPC call: grpc-status */
};

struct hf_smoke {
    struct hf_smoke_options options; /* config and instance are not valid any more */
    struct check *checks;
    size_t n_checks, at;
    struct hf_duration timeout;
    struct hf_addr address;
    unsigned proxy_version;
    bool http2;
    char *host;
    struct hf_http_call *call;

    struct hf_strings argv, envp;
    char *directory, *log;
    struct hf_watch exit; /* fd -1: no command is running */
    pid_t pid;
    struct hf_timer timer; /* the command's deadline; before it, the first turn */
    struct hf_mono began;
};

static void next(struct hf_smoke *s);

static void HF_PRINTF(3, 4) done(struct hf_smoke *s, bool passed, const char *fmt, ...)
{
    char text[320];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    hf_timer_stop(&s->timer);
    s->options.on_done(s->options.ctx, passed, text);
}

/* --- requests --- */

static void on_response(const struct hf_http_result *r, void *arg)
{
    struct hf_smoke *s = arg;
    const struct check *c = &s->checks[s->at];

    s->call = NULL;
    if (c->grpc && !r->code && r->status == 200 && r->grpc_status != c->expect) {
        if (r->grpc_status == HF_GRPC_MISSING)
            done(s, false, "%s %.100s: no grpc-status, expected %u", c->method, c->path, c->expect);
        else
            done(s, false, "%s %.100s: grpc-status %u, expected %u", c->method, c->path,
                 r->grpc_status, c->expect);
    } else if (r->code) {
        done(s, false, "%s %.100s: %.150s", c->method, c->path, r->error ? r->error : "failed");
    } else if (r->status != (c->grpc ? 200 : c->expect)) {
        done(s, false, "%s %.100s: status %u, expected %u", c->method, c->path, r->status,
             c->grpc ? 200 : c->expect);
    } else if (c->body && !memmem(r->body.p, r->body.n, c->body, strlen(c->body))) {
        done(s, false, "%s %.100s: the body does not contain \"%.80s\"%s", c->method, c->path,
             c->body, r->truncated ? " in its first 1 MiB" : "");
    } else {
        s->at++;
        next(s);
    }
}

static void request(struct hf_smoke *s)
{
    static const struct hf_http_field grpc_fields[] = {
        {{"content-type", 12}, {"application/grpc", 16}},
        {{"te", 2}, {"trailers", 8}},
    };
    static const char empty_message[5];
    const struct check *c = &s->checks[s->at];
    struct hf_http_call_options o = {
        .address = s->address,
        .method = strcmp(c->method, "GET") == 0 ? HF_METHOD_GET : HF_METHOD_POST,
        .target = hf_str(c->path),
        .host = hf_str(s->host),
        .http2 = s->http2,
        .deadline = s->timeout,
        .proxy_version = s->proxy_version,
        .body_most = BODY_MOST,
        .on_done = on_response,
        .arg = s,
    };

    if (c->grpc) {
        o.fields = grpc_fields;
        o.n_fields = HF_COUNT(grpc_fields);
        o.body = (struct hf_str){empty_message, sizeof(empty_message)};
    }
    s->call = hf_http_call(s->options.loop, &o);
}

/* --- the command --- */

static void end_command(struct hf_smoke *s, int *ret_status)
{
    siginfo_t info = {0};

    if (s->exit.fd < 0)
        return;
    /* Its group, so that what it started does not stay behind. */
    kill(-s->pid, SIGKILL);
    hf_loop_unwatch(s->options.loop, &s->exit);
    while (waitid(P_PIDFD, (id_t)s->exit.fd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    *ret_status = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
    close(s->exit.fd);
    s->exit.fd = -1;
}

static void passed(struct hf_smoke *s, const char *command)
{
    char lasted[32];

    hf_duration_format(hf_mono_sub(hf_loop_now(s->options.loop), s->began), lasted, sizeof(lasted));
    if (s->n_checks == 0 && !command)
        done(s, true, "no smoke requests and no test are configured");
    else if (s->n_checks == 0)
        done(s, true, "%s passed in %s", command, lasted);
    else
        done(s, true, "%zu smoke request%s%s%s passed in %s", s->n_checks,
             s->n_checks == 1 ? "" : "s", command ? " and " : "", command ? command : "", lasted);
}

static void on_exit_command(struct hf_watch *w, uint32_t events)
{
    struct hf_smoke *s = HF_CONTAINER(w, struct hf_smoke, exit);
    char words[200];
    int status = 0;

    (void)events;
    end_command(s, &status);
    if (status == 0) {
        passed(s, "the test command");
        return;
    }
    hf_output_last_words(s->log, LAST_LINES, words, sizeof(words));
    if (status > 128)
        done(s, false, "the test command was ended by signal %d%s%s", status - 128,
             words[0] ? ": " : "", words);
    else
        done(s, false, "the test command exited with %d%s%s", status, words[0] ? ": " : "", words);
}

static void command(struct hf_smoke *s)
{
    HF_AUTOCLOSE int output = -1;
    struct hf_error e = {0};
    struct hf_spawned spawned;

    if (hf_output_rotate(s->log, LOG_SIZE, 1, &e) < 0 ||
        (output = hf_output_open(s->log, &e)) < 0 ||
        hf_spawn(
            &(struct hf_spawn){
                .argv = s->argv.p, .envp = s->envp.p, .directory = s->directory, .output = output},
            &spawned, &e) < 0) {
        done(s, false, "the test command: %.200s", e.text);
        return;
    }
    s->pid = spawned.pid;
    s->exit.fd = spawned.pidfd;
    s->exit.on_event = on_exit_command;
    if (hf_loop_watch(s->options.loop, &s->exit, EPOLLIN) < 0) {
        int status;
        end_command(s, &status);
        done(s, false, "the test command cannot be watched");
        return;
    }
    hf_timer_after(s->options.loop, &s->timer, s->timeout);
}

/* --- both --- */

static void next(struct hf_smoke *s)
{
    if (s->at < s->n_checks)
        request(s);
    else if (s->argv.n)
        command(s);
    else
        passed(s, NULL);
}

static void on_timer(struct hf_timer *t)
{
    struct hf_smoke *s = HF_CONTAINER(t, struct hf_smoke, timer);
    char limit[32];
    int status;

    if (s->exit.fd < 0) {
        s->began = hf_loop_now(s->options.loop);
        next(s);
        return;
    }
    end_command(s, &status);
    done(s, false, "the test command did not end within %s",
         hf_duration_format(s->timeout, limit, sizeof(limit)));
}

static void copy_checks(struct hf_smoke *s, const struct hf_config_release *release)
{
    s->checks = hf_alloc_array(release->n_smoke + 1, sizeof(*s->checks));
    s->n_checks = release->n_smoke;
    for (size_t i = 0; i < release->n_smoke; i++) {
        const struct hf_config_smoke *from = &release->smoke[i];
        s->checks[i] = (struct check){
            .method = from->get    ? "GET"
                      : from->post ? "POST"
                                   : "gRPC",
            .path = hf_strdup(from->get    ? from->get
                              : from->post ? from->post
                                           : from->grpc),
            .grpc = from->grpc,
            .body = from->body ? hf_strdup(from->body) : NULL,
            .expect = from->expect,
        };
    }
}

static void copy_command(struct hf_smoke *s, const struct hf_config_service *config,
                         const struct hf_instance *i)
{
    const struct hf_config_version *version = hf_config_version_find(config, i->version);
    char port[8], address[HF_ADDR_TEXT];
    const char *path = getenv("PATH"), *home = getenv("HOME");
    struct hf_placeholders values = {port, i->version, i->id, i->node, config->name};

    snprintf(port, sizeof(port), "%u", i->address.port);
    for (size_t n = 0; n < config->release.test.n; n++) {
        HF_AUTOTEXT struct hf_text text = {0};
        hf_placeholder_expand(config->release.test.argv[n], &values, &text);
        hf_strings_add(&s->argv, text.p ? text.p : "");
    }
    hf_environment_set(&s->envp, "PATH", path ? path : "/usr/local/bin:/usr/bin:/bin");
    hf_environment_set(&s->envp, "HOME", home ? home : "/");
    hf_environment_set(&s->envp, "HOLDFAST_SERVICE", config->name);
    hf_environment_set(&s->envp, "HOLDFAST_VERSION", i->version);
    hf_environment_set(&s->envp, "HOLDFAST_INSTANCE", i->id);
    hf_environment_set(&s->envp, "HOLDFAST_NODE", i->node);
    hf_environment_set(&s->envp, "HOLDFAST_ADDRESS", hf_addr_format(&i->address, address));
    if (version && version->directory)
        s->directory = hf_strdup(version->directory);
    s->log = hf_output_path(s->options.state, config->name, "release-test");
}

struct hf_smoke *hf_smoke_new(const struct hf_smoke_options *options)
{
    struct hf_smoke *s = hf_alloc(sizeof(*s));
    const struct hf_config_service *config = options->config;

    s->options = *options;
    s->options.config = NULL;
    s->options.instance = NULL;
    s->exit.fd = -1;
    s->timeout = config->release.timeout;
    s->address = options->instance->address;
    s->proxy_version = config->proxy_protocol;
    s->http2 = config->protocol != HF_PROTOCOL_HTTP1;
    s->host = hf_strdup(config->n_route ? config->route[0].host : "");
    copy_checks(s, &config->release);
    copy_command(s, config, options->instance);
    hf_timer_init(&s->timer, on_timer);
    hf_timer_after(options->loop, &s->timer, hf_ms(0));
    return s;
}

struct hf_smoke *hf_smoke_free(struct hf_smoke *s)
{
    int status;

    if (!s)
        return NULL;
    hf_http_cancel(s->call);
    end_command(s, &status);
    hf_timer_done(&s->timer);
    for (size_t i = 0; i < s->n_checks; i++) {
        hf_free(s->checks[i].path);
        hf_free(s->checks[i].body);
    }
    hf_free(s->checks);
    hf_strings_done(&s->argv);
    hf_strings_done(&s->envp);
    hf_free(s->directory);
    hf_free(s->log);
    hf_free(s->host);
    return hf_free(s);
}
