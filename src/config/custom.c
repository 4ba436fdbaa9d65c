#include "config/custom.h"

#include <signal.h>
#include <string.h>

#include "board/plan.h"
#include "config/values.h"

enum { ARGV_MAX = 256, ARGUMENT_MAX = 4096 };

HF_CUSTOM_PARSE(hf_custom_store)
{
    if (value->kind != HF_YAML_SCALAR)
        return HF_EINVAL;
    if (strncmp(value->text, "mongodb", 7) == 0) { /* not shown: it may hold a password */
        hf_reader_error(r, path, value, "mongodb is not supported yet; expected sqlite");
        return 0;
    }
    if (strcmp(value->text, row->fallback) != 0)
        return HF_EINVAL;
    *(uint32_t *)out = HF_CONFIG_STORE_SQLITE;
    return 0;
}

HF_CUSTOM_PARSE(hf_custom_file)
{
    struct hf_config_file *file = out;

    (void)path;
    if (value->kind != HF_YAML_SCALAR || !*value->text)
        return HF_EINVAL;
    file->path = hf_reader_file(r, value->text);
    file->place = (struct hf_config_place){value->line, value->column};
    return strlen(file->path) > (size_t)row->most ? HF_EINVAL : 0;
}

HF_CUSTOM_PARSE(hf_custom_networks)
{
    struct hf_network *networks;
    uint32_t i = 0;

    if (value->kind != HF_YAML_LIST || value->n > HF_PLAN_TRUSTED)
        return HF_EINVAL;
    networks = hf_pool_alloc(r->pool, value->n, sizeof(*networks));
    for (const struct hf_yaml *e = value->first; e; e = e->next, i++) {
        struct hf_path step = {path, NULL, i};
        static const struct hf_row one = {.expected = "a network such as 10.0.0.0/8 or fd00::/8"};
        if (e->kind != HF_YAML_SCALAR || hf_network_parse(hf_str(e->text), &networks[i]))
            hf_reader_unexpected(r, &step, &one, e);
    }
    *(struct hf_network **)out = networks;
    *(size_t *)(void *)((char *)out - row->offset + row->count_offset) = value->n;
    return 0;
}

/* "10.0.0.53", "10.0.0.53:5353", "::1", "[::1]:5353" */
static int parse_server(const char *text, struct hf_addr *ret)
{
    struct hf_addr address;

    if (hf_addr_parse_ip(hf_str(text), &address) == 0)
        address.port = 53;
    else if (hf_addr_parse(hf_str(text), &address) || address.port == 0)
        return HF_EINVAL;
    *ret = address;
    return 0;
}

HF_CUSTOM_PARSE(hf_custom_servers)
{
    struct hf_addr *servers;
    uint32_t i = 0;

    if (value->kind != HF_YAML_LIST || value->n == 0 || value->n > HF_CONFIG_NAME_SERVERS)
        return HF_EINVAL;
    servers = hf_pool_alloc(r->pool, value->n, sizeof(*servers));
    for (const struct hf_yaml *e = value->first; e; e = e->next, i++) {
        struct hf_path step = {path, NULL, i};
        static const struct hf_row one = {.expected =
                                              "an address such as 10.0.0.53 or \"127.0.0.1:8600\""};
        if (e->kind != HF_YAML_SCALAR || parse_server(e->text, &servers[i]))
            hf_reader_unexpected(r, &step, &one, e);
    }
    *(struct hf_addr **)out = servers;
    *(size_t *)(void *)((char *)out - row->offset + row->count_offset) = value->n;
    return 0;
}

HF_CUSTOM_PARSE(hf_custom_instance)
{
    struct hf_config_instance *instance = (void *)((char *)out - row->offset);
    struct hf_addr address = {0};
    const char *colon;
    uint64_t port;
    char why[120] = "", *host;

    if (value->kind != HF_YAML_SCALAR)
        return HF_EINVAL;
    if (hf_addr_parse(hf_str(value->text), &address) == 0) {
        instance->address = address;
        return address.port ? 0 : HF_EINVAL;
    }
    colon = strrchr(value->text, ':');
    if (!colon || strchr(value->text, ':') != colon || strchr(value->text, '[') ||
        hf_str_to_u64(hf_str(colon + 1), &port) || port == 0 || port > 65535)
        return HF_EINVAL;
    host = hf_pool_strndup(r->pool, value->text, (size_t)(colon - value->text));
    if (!hf_host_name_check(host, why, sizeof(why))) {
        hf_reader_error(r, path, value, "%s; expected %s", why, row->expected);
        return 0;
    }
    for (char *p = host; *p; p++)
        *p = hf_lower(*p);
    instance->host = host;
    instance->address.port = (uint16_t)port;
    return 0;
}

HF_CUSTOM_PARSE(hf_custom_argv)
{
    struct hf_config_argv *argv = out;
    uint32_t i = 0;

    (void)row;
    if (value->kind != HF_YAML_LIST || value->n == 0 || value->n > ARGV_MAX)
        return HF_EINVAL;
    argv->argv = hf_pool_alloc(r->pool, value->n + 1, sizeof(char *));
    argv->n = value->n;
    argv->place = (struct hf_config_place){value->line, value->column};
    for (const struct hf_yaml *e = value->first; e; e = e->next, i++) {
        struct hf_path step = {path, NULL, i};
        static const struct hf_row one = {.expected = "a text of at most 4096 bytes"};
        char why[120] = "";
        argv->argv[i] = hf_pool_strdup(r->pool, e->kind == HF_YAML_SCALAR ? e->text : "");
        if (e->kind != HF_YAML_SCALAR || strlen(e->text) > ARGUMENT_MAX || (i == 0 && !*e->text))
            hf_reader_unexpected(r, &step, &one, e);
        else if (!hf_template_check(e->text, why, sizeof(why)))
            hf_reader_error(r, &step, e,
                            "%s; expected {port}, {version}, {instance}, {node} or {service}", why);
    }
    return 0;
}

HF_CUSTOM_PARSE(hf_custom_ports)
{
    struct {
        uint16_t first, last;
    } *ports = out;
    const char *dash;
    uint64_t first, last;

    (void)r, (void)path, (void)row;
    if (value->kind != HF_YAML_SCALAR || !(dash = strchr(value->text, '-')) ||
        hf_str_to_u64((struct hf_str){value->text, (size_t)(dash - value->text)}, &first) ||
        hf_str_to_u64(hf_str(dash + 1), &last) || first < 1024 || last > 65535 || first > last)
        return HF_EINVAL;
    ports->first = (uint16_t)first;
    ports->last = (uint16_t)last;
    return 0;
}

HF_CUSTOM_PARSE(hf_custom_target)
{
    uint64_t target;
    size_t n;

    (void)r, (void)path, (void)row;
    if (value->kind != HF_YAML_SCALAR)
        return HF_EINVAL;
    n = strlen(value->text);
    if (n && value->text[n - 1] == '%')
        n--;
    if (hf_decimal_parse(value->text, n, 4, &target) || target == 0 || target >= 1000000)
        return HF_EINVAL;
    *(uint32_t *)out = (uint32_t)target;
    return 0;
}

static const struct {
    const char *name;
    int number;
} signals[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
               {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"KILL", SIGKILL}};

HF_CUSTOM_PARSE(hf_custom_signal)
{
    (void)r, (void)path, (void)row;
    for (size_t i = 0; value->kind == HF_YAML_SCALAR && i < HF_COUNT(signals); i++) {
        if (strcmp(value->text, signals[i].name) == 0) {
            *(int *)out = signals[i].number;
            return 0;
        }
    }
    return HF_EINVAL;
}

const char *hf_signal_name(int number)
{
    for (size_t i = 0; i < HF_COUNT(signals); i++) {
        if (signals[i].number == number)
            return signals[i].name;
    }
    return "unknown";
}
