/* config/custom.h - values that are more than one plain scalar, or mean more than they say.
 * Not to be used outside of config/. Each is the parse of an HF_ROW_CUSTOM row. */
#pragma once
#include "config/schema.h"

#define HF_CUSTOM_PARSE(name)                                                                      \
    int name(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,            \
             const struct hf_yaml *value, void *out)

HF_CUSTOM_PARSE(hf_custom_store);    /* uint32_t, enum hf_config_store */
HF_CUSTOM_PARSE(hf_custom_file);     /* struct hf_config_file */
HF_CUSTOM_PARSE(hf_custom_networks); /* struct hf_network *, and its count at count_offset */
HF_CUSTOM_PARSE(hf_custom_servers);  /* struct hf_addr *, and its count at count_offset */
HF_CUSTOM_PARSE(hf_custom_instance); /* host and address of a struct hf_config_instance */
HF_CUSTOM_PARSE(hf_custom_argv);     /* struct hf_config_argv */
HF_CUSTOM_PARSE(hf_custom_ports);    /* struct { uint16_t first, last; } */
HF_CUSTOM_PARSE(hf_custom_target);   /* uint32_t, of 1,000,000 */
HF_CUSTOM_PARSE(hf_custom_signal);   /* int */

/* "TERM", as hf_custom_signal() takes it. */
const char *hf_signal_name(int number);
