/* config/yaml.h - a YAML text as a tree, each node with its place.
 * Not to be used outside of config/. Only what a configuration needs of YAML is taken: one
 * document of maps, lists and scalars. Anchors, aliases, tags, more documents, keys that are no
 * plain text, keys given twice, text that is not UTF-8 and what is too large or too deep are errors
 * with a place.
 * Owner: the pool. */
#pragma once
#include <stdint.h>

#include "base/str.h"
#include "config/errors.h"
#include "config/pool.h"

enum {
    HF_YAML_SIZE = 1024 * 1024, /* bytes of a document */
    HF_YAML_DEPTH = 12,
    HF_YAML_NODES = 100000,
    HF_YAML_ENTRIES = 2048, /* of one map or list */
};

enum hf_yaml_kind { HF_YAML_SCALAR, HF_YAML_LIST, HF_YAML_MAP };

struct hf_yaml {
    enum hf_yaml_kind kind;
    uint32_t line, column; /* from 1 */
    const char *text;      /* of a scalar, without NUL bytes inside */
    bool quoted;
    struct hf_yaml *parent;
    struct hf_yaml *key;  /* of a map's entry: a scalar; else NULL */
    struct hf_yaml *next; /* its next sibling */
    struct hf_yaml *first, *last;
    uint32_t n; /* children */
};

/* The root, which is a map; NULL if there are errors: they are added. */
struct hf_yaml *hf_yaml_parse(struct hf_str text, struct hf_pool *pool,
                              struct hf_config_errors *errors);

/* The value of a key, NULL if map has none (or is NULL, or no map). */
const struct hf_yaml *hf_yaml_get(const struct hf_yaml *map, const char *key);
