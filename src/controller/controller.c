#include "controller/controller.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/log.h"
#include "controller/publisher.h"

int hf_controller_main(const struct hf_handover *h)
{
    struct hf_error e;
    struct hf_board *board;
    struct hf_loop *loop;
    struct hf_publisher *p;
    struct hf_config *config;
    static struct hf_config_errors errors;
    struct hf_catalog *cat = hf_catalog_new();
    if (hf_loop_new(&loop, &e) ||
        hf_board_attach(&h->setup.capacity, &h->board, HF_BOARD_CONTROLLER, 0, &board, &e)) {
        hf_err("%s", e.text);
        return 1;
    }
    if (hf_publisher_new(loop, board, cat, h->setup.state, &p, &e)) {
        hf_err("%s", e.text);
        return 1;
    }
    if (hf_config_load(h->setup.config, &config, &errors))
        return 1;
    for (size_t i = 0; i < config->n_services; i++) {
        struct hf_service *s;
        struct hf_instance *in;
        if (hf_catalog_service_add(cat, config->services[i].name, &s))
            return 1;
        hf_service_config_set(cat, s, &config->services[i]);
        for (size_t k = 0; k < config->services[i].n_instances; k++) {
            char id[100];
            snprintf(id, sizeof(id), "%s-%zu", s->name, k);
            struct hf_instance_spec spec = {
                .id = id, .address = config->services[i].instances[k].address, .weight = 100};
            if (hf_catalog_instance_add(cat, s, &spec, &in))
                return 1;
            hf_instance_state_set(cat, in, HF_INSTANCE_READY, "test");
        }
    }
    hf_publisher_configure(p, config);
    hf_info("generation %llu", (unsigned long long)hf_publisher_publish(p));
    for (;;) {
        hf_loop_turn(loop, hf_ms(200));
        char b[64];
        if (recv(h->keeper_fd, b, sizeof b, MSG_DONTWAIT) == 16 && b[0] == HF_KEEPER_STOP_INSTANCES)
            return 0;
    }
}
