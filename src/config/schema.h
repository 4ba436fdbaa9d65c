/* config/schema.h - the table of rows, and what reads a YAML tree by it.
 * Not to be used outside of config/. A section is a map in the file and a struct in memory; each of
 * its rows says how one key is read, what it may be, what it is when left out, and what the docs
 * say. Reading fills the struct from defaults and file; it goes on after an error, so that all of
 * them are reported. */
#pragma once
#include <stdbool.h>

#include "config/config.h"
#include "config/pool.h"
#include "config/yaml.h"

struct hf_row;

/* One step of a key's path, "services.orders.release.smoke[2].get", for messages. */
struct hf_path {
    const struct hf_path *up;
    const char *name; /* NULL: index counts */
    uint32_t index;
};
enum { HF_PATH_TEXT = 200 };
char *hf_path_format(const struct hf_path *path, char buf[HF_PATH_TEXT]);

struct hf_reader {
    struct hf_pool *pool;
    struct hf_config_errors *errors;
    const char *folder; /* that relative paths are meant from */
};

enum hf_row_type {
    HF_ROW_TEXT,     /* char *; least..most bytes */
    HF_ROW_FILE,     /* char *; a path, made absolute */
    HF_ROW_BOOL,     /* bool */
    HF_ROW_COUNT,    /* uint32_t; least..most */
    HF_ROW_BYTES,    /* uint64_t; least..most */
    HF_ROW_DURATION, /* struct hf_duration; least..most milliseconds */
    HF_ROW_SHARE,    /* uint32_t, of 10000; least..most of 10000 */
    HF_ROW_CHOICE,   /* uint32_t: the index in choices */
    HF_ROW_ADDRESS,  /* struct hf_addr */
    HF_ROW_CUSTOM,   /* whatever parse() makes of it */
    HF_ROW_SECTION,  /* the section's struct, in place */
    HF_ROW_LIST,     /* pointer and count of the section's struct; least..most of them */
    HF_ROW_MAP,      /* the same; each entry's key is checked and kept as its name */
    HF_ROW_LATER,    /* refused by name */
    HF_ROW_TYPES
};

/* A section, when it is an element of a list or map, fills a struct that begins so. */
struct hf_element {
    char *name;
    struct hf_config_place place;
};

struct hf_section {
    const char *title; /* "services.NAME.health" */
    const char *doc;
    const struct hf_row *rows;
    size_t n_rows;
    size_t size;           /* of its struct */
    const char *shorthand; /* the row which a scalar in place of the map is for, or NULL */
};

struct hf_row {
    const char *name;
    enum hf_row_type type;
    size_t offset, count_offset;
    int64_t least, most;        /* of a list or map: its length; most == 0: unbounded */
    const char *word;           /* stands for 0 or NULL: "off", "auto" */
    const char *fallback;       /* the default as one would write it; NULL: all zero */
    const char *fallback_doc;   /* for the docs, where the default is not a fixed text */
    const char *const *choices; /* NULL-terminated */
    const char *expected;       /* where the type alone does not say it: LIST, MAP, CUSTOM */
    const char *names;          /* MAP: what its entries' names must be */
    bool required;
    bool restart; /* a change needs a restart */
    bool secret;  /* its value is never shown */
    const struct hf_section *section;

    /* TEXT, and names of MAP: may it be this? On failure puts a message's end into why:
     * "has an unknown placeholder {x}"; empty: the generic one. */
    bool (*check)(const char *text, char *why, size_t size);
    /* CUSTOM: adds errors itself, or returns HF_EINVAL for the generic one. */
    int (*parse)(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                 const struct hf_yaml *value, void *out);
    const char *doc;
};

/* Fills out, section->size bytes of zeroes, from map, NULL: defaults alone. */
void hf_section_read(struct hf_reader *r, const struct hf_path *path,
                     const struct hf_section *section, const struct hf_yaml *map, void *out);

/* "expected ..." of a row, as it stands in messages and docs. */
void hf_row_expected(const struct hf_row *row, struct hf_text *out);

/* An error at a node, path first. */
void hf_reader_error(struct hf_reader *r, const struct hf_path *path, const struct hf_yaml *at,
                     const char *fmt, ...) HF_PRINTF(4, 5);

/* `PATH is "VALUE"; expected ...`. Returns HF_EINVAL. */
int hf_reader_unexpected(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                         const struct hf_yaml *at);

/* text made absolute and tidied ("./" at its start); pool memory. */
char *hf_reader_file(struct hf_reader *r, const char *text);

/* Of the whole file; config/rows.c. */
extern const struct hf_section hf_section_root;
