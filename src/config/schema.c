#include "config/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/values.h"

char *hf_path_format(const struct hf_path *path, char buf[HF_PATH_TEXT])
{
    const struct hf_path *steps[HF_YAML_DEPTH + 4] = {NULL};
    size_t n = 0, at = 0;

    buf[0] = 0;
    for (; path && n < HF_COUNT(steps); path = path->up)
        steps[n++] = path;
    while (n-- > 0 && at < HF_PATH_TEXT - 1) {
        int m = steps[n]->name
                    ? snprintf(buf + at, HF_PATH_TEXT - at, at ? ".%s" : "%s", steps[n]->name)
                    : snprintf(buf + at, HF_PATH_TEXT - at, "[%u]", steps[n]->index);
        at += (size_t)m;
    }
    return buf;
}

void hf_reader_error(struct hf_reader *r, const struct hf_path *path, const struct hf_yaml *at,
                     const char *fmt, ...)
{
    char where[HF_PATH_TEXT], text[HF_CONFIG_ERROR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    hf_path_format(path, where);
    hf_config_errors_add(r->errors, at->line, at->column, "%s%s%s", where, where[0] ? " " : "",
                         text);
}

/* What stands in the file, short, for a message. */
static void shown(const struct hf_row *row, const struct hf_yaml *at, struct hf_text *out)
{
    static const char *const kinds[] = {[HF_YAML_LIST] = "is a list", [HF_YAML_MAP] = "is a map"};

    if (at->kind != HF_YAML_SCALAR)
        hf_text_add(out, hf_str(kinds[at->kind]));
    else if (!*at->text)
        hf_text_add(out, HF_STR("is empty"));
    else if (row->secret)
        hf_text_add(out, HF_STR("is not right"));
    else
        hf_text_addf(out, strlen(at->text) > 60 ? "is \"%.57s...\"" : "is \"%s\"", at->text);
}

int hf_reader_unexpected(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                         const struct hf_yaml *at)
{
    HF_AUTOTEXT struct hf_text is = {0}, expected = {0};

    shown(row, at, &is);
    hf_row_expected(row, &expected);
    hf_reader_error(r, path, at, "%s; expected %s", is.p, expected.p);
    return HF_EINVAL;
}

char *hf_reader_file(struct hf_reader *r, const char *text)
{
    if (text[0] == '/')
        return hf_pool_strdup(r->pool, text);
    while (text[0] == '.' && text[1] == '/') {
        text += 2;
        while (text[0] == '/')
            text++;
    }
    if (!*text || strcmp(text, ".") == 0)
        return hf_pool_strdup(r->pool, r->folder);
    return hf_pool_printf(r->pool, "%s%s%s", r->folder, strcmp(r->folder, "/") == 0 ? "" : "/",
                          text);
}

/* --- what is expected --- */

static void expected_choice(const struct hf_row *row, struct hf_text *out)
{
    for (size_t i = 0; row->choices[i]; i++)
        hf_text_addf(out, "%s%s",
                     i == 0                ? ""
                     : row->choices[i + 1] ? ", "
                                           : " or ",
                     row->choices[i]);
}

static void expected_by_type(const struct hf_row *row, struct hf_text *out)
{
    char a[32], b[32];

    switch (row->type) {
    case HF_ROW_TEXT:
        hf_text_addf(out, "a text of %lld to %lld bytes", (long long)row->least,
                     (long long)row->most);
        break;
    case HF_ROW_FILE:
        hf_text_add(out, HF_STR("a path"));
        break;
    case HF_ROW_BOOL:
        hf_text_add(out, HF_STR("true or false"));
        break;
    case HF_ROW_COUNT:
        hf_text_addf(out, "a number from %lld to %lld", (long long)row->least,
                     (long long)row->most);
        break;
    case HF_ROW_BYTES:
        hf_text_addf(out, "a size from %s to %s",
                     hf_bytes_format((uint64_t)row->least, a, sizeof(a)),
                     hf_bytes_format((uint64_t)row->most, b, sizeof(b)));
        break;
    case HF_ROW_DURATION:
        hf_text_addf(out, "a time from %s to %s", hf_duration_exact(row->least, a, sizeof(a)),
                     hf_duration_exact(row->most, b, sizeof(b)));
        break;
    case HF_ROW_SHARE:
        hf_text_addf(out, "a share from %s to %s",
                     hf_share_format((uint32_t)row->least, a, sizeof(a)),
                     hf_share_format((uint32_t)row->most, b, sizeof(b)));
        break;
    case HF_ROW_CHOICE:
        expected_choice(row, out);
        break;
    case HF_ROW_ADDRESS:
        hf_text_add(out,
                    HF_STR("an address and port such as \"127.0.0.1:8080\" or \"[::1]:8080\""));
        break;
    default:
        hf_text_add(out, HF_STR("a map"));
        break;
    }
}

void hf_row_expected(const struct hf_row *row, struct hf_text *out)
{
    if (row->expected)
        hf_text_add(out, hf_str(row->expected));
    else
        expected_by_type(row, out);
    if (row->word)
        hf_text_addf(out, ", or %s", row->word);
}

/* --- single values --- */

static bool within(const struct hf_row *row, uint64_t value)
{
    return value >= (uint64_t)row->least && value <= (uint64_t)row->most;
}

static int read_text(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                     const struct hf_yaml *v, void *out)
{
    char why[120] = "";

    if (!within(row, strlen(v->text)))
        return HF_EINVAL;
    if (row->check && !row->check(v->text, why, sizeof(why))) {
        HF_AUTOTEXT struct hf_text expected = {0};
        if (!why[0])
            return HF_EINVAL;
        hf_row_expected(row, &expected);
        hf_reader_error(r, path, v, "%s; expected %s", why, expected.p);
        return 0;
    }
    *(char **)out = hf_pool_strdup(r->pool, v->text);
    return 0;
}

static int read_choice(const struct hf_row *row, const char *text, uint32_t *out)
{
    for (uint32_t i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], text) == 0) {
            *out = i;
            return 0;
        }
    }
    return HF_EINVAL;
}

static int read_number(const struct hf_row *row, const char *text, void *out)
{
    struct hf_duration duration;
    uint64_t value;
    uint32_t share;

    switch (row->type) {
    case HF_ROW_COUNT:
        if (hf_str_to_u64(hf_str(text), &value) || !within(row, value))
            return HF_EINVAL;
        *(uint32_t *)out = (uint32_t)value;
        return 0;
    case HF_ROW_BYTES:
        if (hf_bytes_parse(text, &value) || !within(row, value))
            return HF_EINVAL;
        *(uint64_t *)out = value;
        return 0;
    case HF_ROW_SHARE:
        if (hf_share_parse(text, &share) || !within(row, share))
            return HF_EINVAL;
        *(uint32_t *)out = share;
        return 0;
    default:
        if (strspn(text, "0123456789.") + 2 < strlen(text) || /* no "0x10s", no "1e3s" */
            hf_duration_parse(text, &duration) || duration.ns < row->least * HF_NS_PER_MS ||
            duration.ns > row->most * HF_NS_PER_MS)
            return HF_EINVAL;
        *(struct hf_duration *)out = duration;
        return 0;
    }
}

static int read_scalar(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                       const struct hf_yaml *v, void *out)
{
    if (v->kind != HF_YAML_SCALAR)
        return HF_EINVAL;
    if (row->word && strcmp(v->text, row->word) == 0)
        return 0; /* out is zero already, see set() */
    if (!*v->text && (row->type != HF_ROW_TEXT || row->least > 0 || !v->quoted))
        return HF_EINVAL;
    switch (row->type) {
    case HF_ROW_TEXT:
        return read_text(r, path, row, v, out);
    case HF_ROW_FILE:
        *(char **)out = hf_reader_file(r, v->text);
        return strlen(*(char **)out) > (size_t)row->most ? HF_EINVAL : 0;
    case HF_ROW_BOOL:
        *(bool *)out = strcmp(v->text, "true") == 0;
        return *(bool *)out || strcmp(v->text, "false") == 0 ? 0 : HF_EINVAL;
    case HF_ROW_CHOICE:
        return read_choice(row, v->text, out);
    case HF_ROW_ADDRESS: {
        struct hf_addr address;
        if (hf_addr_parse(hf_str(v->text), &address) || address.port == 0)
            return HF_EINVAL;
        *(struct hf_addr *)out = address;
        return 0;
    }
    default:
        return read_number(row, v->text, out);
    }
}

/* --- sections --- */

static const struct hf_row *find_row(const struct hf_section *section, const char *name)
{
    for (size_t i = 0; i < section->n_rows; i++) {
        if (strcmp(section->rows[i].name, name) == 0)
            return &section->rows[i];
    }
    return NULL;
}

/* How many single-character edits, or swaps of neighbours, lie between two words (optimal string
 * alignment); words of up to 31 bytes, more count as far apart. */
static unsigned distance(const char *a, const char *b)
{
    unsigned cost[32][32];
    size_t n = strlen(a), m = strlen(b);

    if (n > 31 || m > 31)
        return 99;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            unsigned best;
            if (i == 0 || j == 0) {
                cost[i][j] = (unsigned)(i + j);
                continue;
            }
            best = cost[i - 1][j - 1] + (hf_lower(a[i - 1]) != hf_lower(b[j - 1]));
            if (cost[i - 1][j] + 1 < best)
                best = cost[i - 1][j] + 1;
            if (cost[i][j - 1] + 1 < best)
                best = cost[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                cost[i - 2][j - 2] + 1 < best)
                best = cost[i - 2][j - 2] + 1;
            cost[i][j] = best;
        }
    }
    return cost[n][m];
}

static void unknown_key(struct hf_reader *r, const struct hf_path *path,
                        const struct hf_section *section, const struct hf_yaml *key)
{
    HF_AUTOTEXT struct hf_text known = {0};
    const struct hf_row *nearest = NULL;
    unsigned least = 99;
    char where[HF_PATH_TEXT];

    for (size_t i = 0; i < section->n_rows; i++) {
        unsigned d = distance(section->rows[i].name, key->text);
        if (d < least) {
            least = d;
            nearest = &section->rows[i];
        }
        if (section->rows[i].type != HF_ROW_LATER)
            hf_text_addf(&known, "%s%s", known.n ? ", " : "", section->rows[i].name);
    }
    hf_path_format(path, where);
    if (nearest && least <= 1 + strlen(nearest->name) / 4)
        hf_config_errors_add(r->errors, key->line, key->column,
                             "unknown key \"%.60s\"%s%s; did you mean \"%s\"?", key->text,
                             where[0] ? " in " : "", where, nearest->name);
    else
        hf_config_errors_add(r->errors, key->line, key->column,
                             "unknown key \"%.60s\"%s%s; expected %s%s", key->text,
                             where[0] ? " in " : "", where, known.n ? "one of " : "no keys here",
                             known.n ? known.p : "");
}

static void read_elements(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                          const struct hf_yaml *v, char *base)
{
    char *items = hf_pool_alloc(r->pool, v->n, row->section->size);
    uint32_t i = 0;

    for (const struct hf_yaml *e = v->first; e; e = e->next, i++) {
        struct hf_element *element = (void *)(items + i * row->section->size);
        struct hf_path step = {path, row->type == HF_ROW_MAP ? e->key->text : NULL, i};
        const struct hf_yaml *at = row->type == HF_ROW_MAP ? e->key : e;
        char why[120] = "";

        element->name = hf_pool_strdup(r->pool, row->type == HF_ROW_MAP     ? e->key->text
                                                : e->kind == HF_YAML_SCALAR ? e->text
                                                                            : "");
        element->place = (struct hf_config_place){at->line, at->column};
        if (row->type == HF_ROW_MAP && !row->check(e->key->text, why, sizeof(why)))
            hf_reader_error(r, path, at, "has the name \"%.64s\"%s%s; expected %s", e->key->text,
                            why[0] ? ", which " : "", why, row->names);
        hf_section_read(r, &step, row->section, e, element);
    }
    *(void **)(void *)(base + row->offset) = items;
    *(size_t *)(void *)(base + row->count_offset) = v->n;
}

/* Sets one field from one value. */
static void set(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                const struct hf_yaml *v, char *base)
{
    static const size_t sizes[HF_ROW_TYPES] = {
        [HF_ROW_TEXT] = sizeof(char *),
        [HF_ROW_FILE] = sizeof(char *),
        [HF_ROW_BOOL] = sizeof(bool),
        [HF_ROW_COUNT] = sizeof(uint32_t),
        [HF_ROW_BYTES] = sizeof(uint64_t),
        [HF_ROW_DURATION] = sizeof(struct hf_duration),
        [HF_ROW_SHARE] = sizeof(uint32_t),
        [HF_ROW_CHOICE] = sizeof(uint32_t),
        [HF_ROW_ADDRESS] = sizeof(struct hf_addr),
    };
    char *out = base + row->offset;

    switch (row->type) {
    case HF_ROW_LATER:
        hf_reader_error(r, path, v->key ? v->key : v, "is not supported yet; leave it out");
        return;
    case HF_ROW_SECTION:
        hf_section_read(r, path, row->section, v, out);
        return;
    case HF_ROW_LIST:
    case HF_ROW_MAP:
        if (v->kind != (row->type == HF_ROW_LIST ? HF_YAML_LIST : HF_YAML_MAP))
            hf_reader_unexpected(r, path, row, v);
        else if (!within(row, v->n))
            hf_reader_error(r, path, v, "has %u entries; expected %s", v->n, row->expected);
        else
            read_elements(r, path, row, v, base);
        return;
    case HF_ROW_CUSTOM:
        if (row->parse(r, path, row, v, out))
            hf_reader_unexpected(r, path, row, v);
        return;
    default:
        memset(out, 0, sizes[row->type]);
        if (read_scalar(r, path, row, v, out))
            hf_reader_unexpected(r, path, row, v);
    }
}

static void set_default(struct hf_reader *r, const struct hf_path *path, const struct hf_row *row,
                        char *base)
{
    struct hf_yaml scalar = {.kind = HF_YAML_SCALAR, .text = row->fallback, .quoted = true};

    if (row->type == HF_ROW_SECTION)
        hf_section_read(r, path, row->section, NULL, base + row->offset);
    else if (row->fallback)
        set(r, path, row, &scalar, base);
}

static bool is_section_map(struct hf_reader *r, const struct hf_path *path,
                           const struct hf_section *section, const struct hf_yaml *v, char *out)
{
    const struct hf_row *row = section->shorthand ? find_row(section, section->shorthand) : NULL;

    if (v->kind == HF_YAML_MAP)
        return true;
    if (row && v->kind == HF_YAML_SCALAR) {
        set(r, path, row, v, out);
    } else {
        HF_AUTOTEXT struct hf_text is = {0}, expected = {0};
        shown(&(struct hf_row){0}, v, &is);
        if (row) {
            hf_row_expected(row, &expected);
            hf_text_add(&expected, HF_STR(", or "));
        }
        hf_text_add(&expected, HF_STR("a map"));
        if (section->n_rows)
            hf_text_addf(&expected, " with keys such as %s", section->rows[0].name);
        hf_reader_error(r, path, v, "%s; expected %s", is.p, expected.p);
    }
    return false;
}

void hf_section_read(struct hf_reader *r, const struct hf_path *path,
                     const struct hf_section *section, const struct hf_yaml *map, void *out)
{
    struct hf_path step = {path, NULL, 0};

    for (size_t i = 0; i < section->n_rows; i++) {
        step.name = section->rows[i].name;
        set_default(r, &step, &section->rows[i], out);
    }
    if (!map || !is_section_map(r, path, section, map, out))
        return;
    for (const struct hf_yaml *e = map->first; e; e = e->next) {
        const struct hf_row *row = find_row(section, e->key->text);
        step.name = e->key->text;
        if (row)
            set(r, &step, row, e, out);
        else
            unknown_key(r, path, section, e->key);
    }
    for (size_t i = 0; i < section->n_rows; i++) {
        const struct hf_row *row = &section->rows[i];
        if (row->required && !hf_yaml_get(map, row->name)) {
            HF_AUTOTEXT struct hf_text expected = {0};
            step.name = row->name;
            hf_row_expected(row, &expected);
            hf_reader_error(r, &step, map->key ? map->key : map, "is missing; expected %s",
                            expected.p);
        }
    }
}
