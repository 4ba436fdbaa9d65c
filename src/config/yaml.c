#include "config/yaml.h"

#include <assert.h>
#include <yaml.h>

struct builder {
    struct hf_pool *pool;
    struct hf_config_errors *errors;
    struct hf_yaml *root, *open; /* open: the map or list whose end has not come yet */
    struct hf_yaml *key;         /* of the entry that comes next in the open map */
    uint32_t depth, nodes, documents;
};

/* Length of the UTF-8 character at p (RFC 3629: shortest form, no surrogates), 0 if it is none. */
static size_t utf8(const unsigned char *p, size_t n)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (length == 0 || p[0] > 0xf4 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

/* What libyaml would say of odd bytes has no place. */
static bool check_bytes(struct hf_str text, struct hf_config_errors *errors)
{
    const unsigned char *p = (const unsigned char *)text.p;
    uint32_t line = 1, column = 1;

    for (size_t i = 0, length; i < text.n; i += length) {
        length = utf8(p + i, text.n - i);
        if (length == 0) {
            hf_config_errors_add(errors, line, column, "byte 0x%02x is not UTF-8; expected UTF-8",
                                 p[i]);
            return false;
        }
        if ((p[i] < 0x20 && p[i] != '\t' && p[i] != '\n' && p[i] != '\r') || p[i] == 0x7f) {
            hf_config_errors_add(errors, line, column,
                                 "control character 0x%02x; expected plain text", p[i]);
            return false;
        }
        column++;
        if (p[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return true;
}

static int refuse(struct builder *b, const yaml_mark_t *at, const char *text)
{
    hf_config_errors_add(b->errors, (uint32_t)at->line + 1, (uint32_t)at->column + 1, "%s", text);
    return HF_EINVAL;
}

/* The key of the entry, if it is one that may stand here. */
static int take_key(struct builder *b, struct hf_yaml *key, const yaml_mark_t *at)
{
    if (key->kind != HF_YAML_SCALAR || !*key->text)
        return refuse(b, at, "this cannot be a key; expected a word");
    for (const struct hf_yaml *other = b->open->first; other; other = other->next) {
        if (strcmp(other->key->text, key->text) == 0) {
            hf_config_errors_add(b->errors, key->line, key->column,
                                 "key \"%.60s\" is given twice; the first is at %u:%u", key->text,
                                 other->key->line, other->key->column);
            return HF_EINVAL;
        }
    }
    b->key = key;
    return 0;
}

static void append(struct hf_yaml *parent, struct hf_yaml *node)
{
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->n++;
}

static int add(struct builder *b, enum hf_yaml_kind kind, const yaml_event_t *event,
               struct hf_yaml **ret)
{
    struct hf_yaml *node = hf_pool_alloc(b->pool, 1, sizeof(*node));

    if (++b->nodes > HF_YAML_NODES)
        return refuse(b, &event->start_mark, "too many entries; expected at most 100000 in all");
    node->kind = kind;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    node->parent = b->open;
    *ret = node;
    if (!b->open) {
        b->root = node;
        return 0;
    }
    if (b->open->kind == HF_YAML_MAP) {
        if (!b->key)
            return 0; /* a key itself */
        node->key = b->key;
        b->key = NULL;
    }
    if (b->open->n == HF_YAML_ENTRIES)
        return refuse(b, &event->start_mark,
                      "too many entries; expected at most 2048 in one place");
    append(b->open, node);
    return 0;
}

static int add_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t n = event->data.scalar.length;
    bool is_key = b->open && b->open->kind == HF_YAML_MAP && !b->key;
    struct hf_yaml *node;

    if (event->data.scalar.anchor)
        return refuse(b, &event->start_mark, "an anchor is not supported; expected plain YAML");
    if (event->data.scalar.tag)
        return refuse(b, &event->start_mark, "a tag is not supported; expected plain YAML");
    if (memchr(text, 0, n)) /* by "\0" */
        return refuse(b, &event->start_mark, "a NUL byte; expected plain text");
    if (add(b, HF_YAML_SCALAR, event, &node))
        return HF_EINVAL;
    node->text = hf_pool_strndup(b->pool, text, n);
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return is_key ? take_key(b, node, &event->start_mark) : 0;
}

static int begin(struct builder *b, enum hf_yaml_kind kind, const yaml_event_t *event,
                 const void *anchor, const void *tag)
{
    struct hf_yaml *node;

    if (anchor)
        return refuse(b, &event->start_mark, "an anchor is not supported; expected plain YAML");
    if (tag)
        return refuse(b, &event->start_mark, "a tag is not supported; expected plain YAML");
    if (b->open && b->open->kind == HF_YAML_MAP && !b->key)
        return refuse(b, &event->start_mark, "this cannot be a key; expected a word");
    if (++b->depth > HF_YAML_DEPTH)
        return refuse(b, &event->start_mark, "nested too deeply; expected at most 12 levels");
    if (add(b, kind, event, &node))
        return HF_EINVAL;
    b->open = node;
    return 0;
}

static int take(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
            return refuse(b, &event->start_mark, "a tag is not supported; expected plain YAML");
        if (b->documents++)
            return refuse(b, &event->start_mark, "a second document; expected one in a file");
        return 0;
    case YAML_ALIAS_EVENT:
        return refuse(b, &event->start_mark, "an alias is not supported; expected plain YAML");
    case YAML_SCALAR_EVENT:
        return add_scalar(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return begin(b, HF_YAML_LIST, event, event->data.sequence_start.anchor,
                     event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return begin(b, HF_YAML_MAP, event, event->data.mapping_start.anchor,
                     event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        assert(b->open); /* the parser's events are balanced */
        b->open = b->open->parent;
        b->depth--;
        return 0;
    default:
        return 0;
    }
}

static int syntax(const yaml_parser_t *parser, struct hf_config_errors *errors)
{
    const yaml_mark_t *at = &parser->problem_mark;
    const char *problem = parser->problem ? parser->problem : "unreadable";

    if (parser->context)
        hf_config_errors_add(errors, (uint32_t)at->line + 1, (uint32_t)at->column + 1,
                             "not valid YAML: %s, %s that begins at %zu:%zu", problem,
                             parser->context, parser->context_mark.line + 1,
                             parser->context_mark.column + 1);
    else
        hf_config_errors_add(errors, (uint32_t)at->line + 1, (uint32_t)at->column + 1,
                             "not valid YAML: %s", problem);
    return HF_EINVAL;
}

static int read_events(yaml_parser_t *parser, struct builder *b)
{
    for (;;) {
        yaml_event_t event;
        bool end;
        int code;

        if (!yaml_parser_parse(parser, &event))
            return syntax(parser, b->errors);
        end = event.type == YAML_STREAM_END_EVENT;
        code = take(b, &event);
        yaml_event_delete(&event);
        if (code || end)
            return code;
    }
}

struct hf_yaml *hf_yaml_parse(struct hf_str text, struct hf_pool *pool,
                              struct hf_config_errors *errors)
{
    struct builder b = {.pool = pool, .errors = errors};
    yaml_parser_t parser;
    int code;

    if (text.n > HF_YAML_SIZE) {
        hf_config_errors_add(errors, 0, 0, "the file is too large; expected at most 1MiB");
        return NULL;
    }
    if (!check_bytes(text, errors))
        return NULL;
    if (!yaml_parser_initialize(&parser)) {
        hf_config_errors_add(errors, 0, 0, "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)(text.n ? text.p : ""), text.n);
    code = read_events(&parser, &b);
    yaml_parser_delete(&parser);
    if (code)
        return NULL;
    if (!b.root || b.root->kind != HF_YAML_MAP) {
        hf_config_errors_add(errors, b.root ? b.root->line : 1, b.root ? b.root->column : 1,
                             "there is no configuration here; expected keys such as \"services:\"");
        return NULL;
    }
    return b.root;
}

const struct hf_yaml *hf_yaml_get(const struct hf_yaml *map, const char *key)
{
    if (!map || map->kind != HF_YAML_MAP)
        return NULL;
    for (const struct hf_yaml *entry = map->first; entry; entry = entry->next) {
        if (strcmp(entry->key->text, key) == 0)
            return entry;
    }
    return NULL;
}
