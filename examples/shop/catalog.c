/* shop/catalog.c - the shop's catalogue, a service as teams write them: it knows nothing of
 * holdfast and exits at once on SIGTERM.
 *
 *     GET /catalog/items/ID                one item
 *     GET /catalog/feed/ID?ms=M&chunks=N   a price feed: N lines over M milliseconds
 *     GET /-/ready
 *
 * It is run in its release's folder and reads `release.conf` there ("season NAME"). */
#include "shop/server.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char season[32] = "spring";

static void answer_item(struct shop_client *client, const struct shop_request *request)
{
    const char *id = request->target + strlen("/catalog/items/");
    char body[512];

    snprintf(body, sizeof(body),
             "{\"item\":\"%.64s\",\"season\":\"%s\",\"price\":%u.%02u,\"checksum\":\"%08x\"}\n", id,
             season, request->checksum % 90 + 10, request->checksum % 100, request->checksum);
    shop_answer(client, 200, body);
}

static void handle(struct shop_client *client, const struct shop_request *request)
{
    if (strcmp(request->method, "GET") != 0)
        shop_answer(client, 404, "{\"error\":\"only GET here\"}\n");
    else if (strcmp(request->target, "/-/ready") == 0)
        shop_answer(client, 200, "{\"status\":\"OK\",\"name\":\"catalog\"}\n");
    else if (strncmp(request->target, "/catalog/items/", 15) == 0)
        answer_item(client, request);
    else if (strncmp(request->target, "/catalog/feed/", 14) == 0)
        shop_stream_lines(client, request);
    else
        shop_answer(client, 404, "{\"error\":\"no such page\"}\n");
}

static void read_release(void)
{
    FILE *file = fopen("release.conf", "re");

    if (!file)
        return;
    if (fscanf(file, "season %31[a-z]", season) != 1)
        fprintf(stderr, "catalog: release.conf names no season\n");
    fclose(file);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'}, {"version", required_argument, NULL, 'v'}, {0}};
    struct shop_server server = {.version = "0", .handle = handle};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p')
            server.port = atoi(optarg);
        else if (option == 'v')
            server.version = optarg;
        else
            return 2;
    }
    if (server.port < 1 || server.port > 65535) {
        fprintf(stderr, "usage: catalog --port N [--version V]\n");
        return 2;
    }
    read_release();
    fprintf(stderr, "catalog %s (%s) on port %d\n", server.version, season, server.port);
    return shop_serve(&server);
}
