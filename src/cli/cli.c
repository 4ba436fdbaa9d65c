#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"
#include "cli/ask.h"
#include "cli/command.h"

/* --- the table of commands --- */

static int run(const struct hf_command *c);
static int version(const struct hf_command *c);
static int help(const struct hf_command *c);

/* Options beyond -s and --json that a command takes. */
enum {
    TAKES_CONFIG = 1,
    TAKES_KEEP = 2,
    TAKES_WATCH = 4,
    TAKES_FOLLOW = 8,
    TAKES_YEAR = 16,
    TAKES_DRAIN = 32,
};

static const struct row {
    const char *name, *usage, *what;
    int least, most; /* arguments */
    unsigned options;
    int (*function)(const struct hf_command *c); /* NULL: comes with a later release */
} commands[] = {
    {"run", "run -c FILE [--keep-instances]", "serve until SIGTERM", 0, 0,
     TAKES_CONFIG | TAKES_KEEP, run},
    {"check", "check FILE", "check a configuration", 1, 1, 0, hf_command_check},
    {"status", "status [--watch]", "what is up, and what is under way", 0, 0, TAKES_WATCH,
     hf_command_status},
    {"services", "services", "services and their versions", 0, 0, 0, hf_command_services},
    {"release", "release SERVICE VERSION", "bring a service to a version, node by node", 2, 2, 0,
     hf_command_release},
    {"report", "report [--year Y]", "availability and downtime against the year", 0, 0, TAKES_YEAR,
     hf_command_report},
    {"events", "events [-f]", "what happened; -f goes on", 0, 0, TAKES_FOLLOW, hf_command_events},
    {"logs", "logs SERVICE", "the last lines that its instances wrote", 1, 1, 0, hf_command_logs},
    {"reload", "reload", "read the configuration again", 0, 0, 0, hf_command_reload},
    {"upgrade", "upgrade [PROGRAM] [--drain TIME]", "go over to another holdfast, step by step", 0,
     1, TAKES_DRAIN, hf_command_upgrade},
    {"version", "version", "version of this program", 0, 0, 0, version},
    {"help", "help [COMMAND]", "this text", 0, 1, 0, help},
    {.name = "apply"},
    {.name = "backup"},
    {.name = "block"},
    {.name = "drain"},
    {.name = "drill"},
    {.name = "evidence"},
    {.name = "failover"},
    {.name = "maintain"},
    {.name = "recovery"},
    {.name = "restore"},
    {.name = "scale"},
    {.name = "unblock"},
    {.name = "undo"},
    {.name = "undrain"},
};

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < HF_COUNT(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static int run(const struct hf_command *c)
{
    if (!c->config) {
        fprintf(stderr, "usage: holdfast run -c FILE [--keep-instances]\n");
        return HF_EXIT_USAGE;
    }
    return c->run(c->config, c->keep_instances);
}

static int version(const struct hf_command *c)
{
    if (c->json) {
        json_t *json = json_pack("{s:s, s:s}", "name", "holdfast", "version", HF_VERSION);
        hf_ask_print(json);
        json_decref(json);
    } else {
        puts("holdfast " HF_VERSION);
    }
    return HF_EXIT_DONE;
}

static void print_help(FILE *out)
{
    fputs("holdfast keeps HTTP services answering without interruption.\n\n", out);
    for (size_t i = 0; i < HF_COUNT(commands); i++) {
        if (commands[i].function)
            fprintf(out, "  holdfast %-32s %s\n", commands[i].usage, commands[i].what);
    }
    fputs("\n  -s, --state DIR   the state folder of the holdfast that is meant; without it\n"
          "                    $HOLDFAST_STATE, else ./state\n"
          "  --json            for programs\n\n"
          "Exit status: 0 done, 1 refused or failed, 2 usage, 3 holdfast is not reachable.\n",
          out);
}

static int help(const struct hf_command *c)
{
    const struct row *row = c->arguments[0] ? find(c->arguments[0]) : NULL;

    if (!c->arguments[0]) {
        print_help(stdout);
    } else if (row && row->function) {
        printf("holdfast %s\n\n  %s\n", row->usage, row->what);
    } else {
        fprintf(stderr, "holdfast: there is no command %s\n", c->arguments[0]);
        return HF_EXIT_USAGE;
    }
    return HF_EXIT_DONE;
}

/* --- the command line --- */

struct line {
    struct hf_command command;
    const char *name;
    int n_arguments;
    unsigned used; /* TAKES_* */
};

/* Refuses the whole line; returns false. */
static bool wrong(const char *fmt, ...) HF_PRINTF(1, 2);

static bool wrong(const char *fmt, ...)
{
    va_list ap;

    fputs("holdfast: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputs("\nusage: holdfast COMMAND [ARGUMENT...]; `holdfast help` lists them\n", stderr);
    return false;
}

static bool read_year(struct line *l, const char *text)
{
    uint64_t year;

    if (hf_str_to_u64(hf_str(text), &year) || year < 1970 || year > 9999)
        return wrong("--year %s: expected a year such as 2026", text);
    l->command.year = (int)year;
    return true;
}

/* The latest end of a gateway that was replaced. */
static bool read_drain(struct line *l, const char *text)
{
    struct hf_duration time;

    if (hf_duration_parse(text, &time) || time.ns < HF_NS_PER_MS ||
        time.ns > INT64_C(24) * 3600 * HF_NS_PER_S)
        return wrong("--drain %s: expected a time such as 30s or 10m, at most 24h", text);
    l->command.drain_ms = (uint32_t)hf_duration_ms(time);
    return true;
}

static bool is(const char *option, const char *name, const char *other)
{
    return strcmp(option, name) == 0 || (other && strcmp(option, other) == 0);
}

/* An option with a value: at *i, and behind it. */
static bool read_value_option(struct line *l, const char *option, const char *value)
{
    if (!value)
        return wrong("%s needs a value", option);
    if (is(option, "-s", "--state")) {
        l->command.state = value;
    } else if (is(option, "-c", "--config")) {
        l->command.config = value;
        l->used |= TAKES_CONFIG;
    } else if (is(option, "--drain", NULL)) {
        l->used |= TAKES_DRAIN;
        return read_drain(l, value);
    } else {
        l->used |= TAKES_YEAR;
        return read_year(l, value);
    }
    return true;
}

static bool read_option(struct line *l, const char *option)
{
    if (is(option, "--json", NULL)) {
        l->command.json = true;
    } else if (is(option, "--watch", NULL)) {
        l->command.watch = true;
        l->used |= TAKES_WATCH;
    } else if (is(option, "-f", "--follow")) {
        l->command.follow = true;
        l->used |= TAKES_FOLLOW;
    } else if (is(option, "--keep-instances", NULL)) {
        l->command.keep_instances = true;
        l->used |= TAKES_KEEP;
    } else if (is(option, "-h", "--help")) {
        l->name = "help";
    } else if (is(option, "-V", "--version")) {
        l->name = "version";
    } else {
        return wrong("there is no option %s", option);
    }
    return true;
}

static bool read_word(struct line *l, const char *word)
{
    if (!l->name) {
        l->name = word;
        return true;
    }
    if (l->n_arguments == (int)HF_COUNT(l->command.arguments))
        return wrong("%s: too many arguments", word);
    l->command.arguments[l->n_arguments++] = word;
    return true;
}

static bool read_line(struct line *l, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool has_value = is(word, "-s", "--state") || is(word, "-c", "--config") ||
                         is(word, "--year", NULL) || is(word, "--drain", NULL);
        bool fine = has_value        ? read_value_option(l, word, argv[i + 1])
                    : word[0] == '-' ? read_option(l, word)
                                     : read_word(l, word);
        if (!fine)
            return false;
        i += has_value;
    }
    return true;
}

static int call(struct line *l, const struct row *row)
{
    if (!row->function) {
        fprintf(stderr, "holdfast: %s: not yet; it comes with a later release\n", l->name);
        return HF_EXIT_FAILED;
    }
    if (l->n_arguments < row->least || l->n_arguments > row->most || l->used & ~row->options) {
        fprintf(stderr, "usage: holdfast %s\n", row->usage);
        return HF_EXIT_USAGE;
    }
    return row->function(&l->command);
}

int hf_cli_main(int argc, char **argv, int (*serve)(const char *config, bool keep_instances))
{
    const char *state = getenv("HOLDFAST_STATE");
    struct line l = {.command = {.state = state && state[0] ? state : "./state", .run = serve}};
    const struct row *row;
    int rc;

    if (!read_line(&l, argc, argv))
        return HF_EXIT_USAGE;
    if (!l.name) {
        fputs("usage: holdfast COMMAND [ARGUMENT...]\n\n", stderr);
        print_help(stderr);
        return HF_EXIT_USAGE;
    }
    row = find(l.name);
    if (!row) {
        wrong("there is no command %s", l.name);
        return HF_EXIT_USAGE;
    }
    rc = call(&l, row);
    if (rc == HF_EXIT_DONE && (fflush(stdout) || ferror(stdout))) {
        fprintf(stderr, "holdfast: the output cannot be written: %s\n", strerror(errno));
        return HF_EXIT_FAILED;
    }
    return rc;
}
