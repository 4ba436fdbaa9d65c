/* origin - the scripted instance of the system tests; naive, like the services it stands for: it
 * exits at once on SIGTERM and knows nothing of holdfast.
 *
 *     GET  /echo/ANY                 200, with the checksum of the request
 *     POST /post                     200, the same; the body's id is appended to --journal
 *     GET  /stream/ANY?ms=M&chunks=N N lines over M milliseconds
 *     GET  /slow?ms=M                200 after M milliseconds
 *     GET  /status/NNN               that status
 *     GET  /-/ready                  200, or 503 while --ready-after has not passed
 *
 * A path may have any prefix before these. Options may also stand in `origin.conf` in the folder
 * that it is run in, one "name value" a line, so that two versions can differ. */
#include "shop/server.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    const char *version;
    const char *journal;
    const char *name;
    const char *smoke_fails_on; /* /smoke answers 500 if that is the name */
    int port, journal_fd;
    int fail;        /* one request in N gets 500; 0 none */
    int smoke_fails; /* /smoke answers 500 */
    int hang;        /* requests other than /-/ready are never answered */
    int ready_after; /* ms; negative: never */
    int delay;       /* ms before each answer */
    int crash;       /* exit with this code at start */
    int crash_after; /* exit with 3 after so many ms */
} option = {.version = "0", .name = "origin", .journal_fd = -1};

static struct timespec started;
static atomic_uint request_count;

static long running_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - started.tv_sec) * 1000 + (now.tv_nsec - started.tv_nsec) / 1000000;
}

static void answer_checksum(struct shop_client *client, const struct shop_request *request)
{
    char body[512];

    snprintf(body, sizeof(body), "{\"name\":\"%s\",\"version\":\"%s\",\"checksum\":\"%08x\"}\n",
             option.name, option.version, request->checksum);
    shop_answer(client, 200, body);
}

/* The id is what stands between the quotes after "id":. */
static void journal_id(const struct shop_request *request)
{
    char line[160];
    const char *at = memmem(request->body, request->body_len, "\"id\":\"", 6);
    int len;

    if (!at || option.journal_fd < 0)
        return;
    at += 6;
    size_t left = request->body_len - (size_t)(at - request->body);
    const char *end = memchr(at, '"', left);

    if (!end)
        return;
    len = snprintf(line, sizeof(line), "%.*s\n", (int)(end - at), at);
    if (write(option.journal_fd, line, (size_t)len) != len)
        perror("origin: journal");
}

static void answer_ready(struct shop_client *client)
{
    bool ready = option.ready_after >= 0 && running_ms() >= option.ready_after;

    shop_answer(client, ready ? 200 : 503,
                ready ? "{\"status\":\"OK\"}\n" : "{\"status\":\"no\"}\n");
}

static bool smoke_fails(void)
{
    return option.smoke_fails ||
           (option.smoke_fails_on && strcmp(option.smoke_fails_on, option.name) == 0);
}

static void handle(struct shop_client *client, const struct shop_request *request)
{
    const char *target = request->target, *at;

    if (strcmp(target, "/-/ready") == 0) {
        answer_ready(client);
        return;
    }
    while (option.hang)
        pause();
    if (option.delay)
        shop_sleep_ms(option.delay);
    if (strstr(target, "/smoke") && smoke_fails()) {
        shop_answer(client, 500, "{\"error\":\"smoke\"}\n");
        return;
    }
    if (option.fail && !strstr(target, "/smoke") &&
        (atomic_fetch_add(&request_count, 1) + 1) % (unsigned)option.fail == 0) {
        shop_answer(client, 500, "{\"error\":\"told to\"}\n");
        return;
    }
    if ((at = strstr(target, "/status/"))) {
        shop_answer(client, atoi(at + 8), "{\"status\":\"as asked\"}\n");
    } else if (strstr(target, "/stream")) {
        shop_stream_lines(client, request);
    } else if (strstr(target, "/slow")) {
        shop_sleep_ms(shop_query_number(target, "ms", 1000));
        answer_checksum(client, request);
    } else {
        if (strcmp(request->method, "POST") == 0)
            journal_id(request);
        answer_checksum(client, request);
    }
}

static bool set_number(const char *name, const char *value)
{
    static const struct {
        const char *name;
        int *where;
    } numbers[] = {
        {"port", &option.port},
        {"fail", &option.fail},
        {"smoke-fails", &option.smoke_fails},
        {"hang", &option.hang},
        {"ready-after", &option.ready_after},
        {"delay", &option.delay},
        {"crash", &option.crash},
        {"crash-after", &option.crash_after},
    };

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(numbers[i].name, name) == 0) {
            *numbers[i].where = atoi(value);
            return true;
        }
    }
    return false;
}

static void set_option(const char *name, const char *value)
{
    if (strcmp(name, "version") == 0)
        option.version = strdup(value);
    else if (strcmp(name, "name") == 0)
        option.name = strdup(value);
    else if (strcmp(name, "journal") == 0)
        option.journal = strdup(value);
    else if (strcmp(name, "smoke-fails-on") == 0)
        option.smoke_fails_on = strdup(value);
    else if (!set_number(name, value)) {
        fprintf(stderr, "origin: unknown option %s\n", name);
        exit(2);
    }
}

static void read_file(void)
{
    FILE *file = fopen("origin.conf", "re");
    char name[32], value[256];

    if (!file)
        return;
    while (fscanf(file, "%31s %255s", name, value) == 2)
        set_option(name, value);
    fclose(file);
}

static void *crash_later(void *unused)
{
    (void)unused;
    shop_sleep_ms(option.crash_after);
    fprintf(stderr, "origin: crashing, as told\n");
    _exit(3);
}

int main(int argc, char **argv)
{
    struct shop_server server = {.handle = handle};
    pthread_t thread;

    clock_gettime(CLOCK_MONOTONIC, &started);
    read_file();
    for (int i = 1; i < argc; i += 2) {
        if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc) {
            fprintf(stderr, "origin: options are --name value\n");
            return 2;
        }
        set_option(argv[i] + 2, argv[i + 1]);
    }
    if (option.crash) {
        fprintf(stderr, "origin: crashing at start, as told\n");
        return option.crash;
    }
    if (option.journal)
        option.journal_fd = open(option.journal, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (option.journal && option.journal_fd < 0) {
        fprintf(stderr, "origin: cannot open %s: %s\n", option.journal, strerror(errno));
        return 1;
    }
    if (option.crash_after && pthread_create(&thread, NULL, crash_later, NULL))
        return 1;
    server.port = option.port;
    server.version = option.version;
    fprintf(stderr, "origin %s on port %d\n", option.version, option.port);
    return shop_serve(&server);
}
