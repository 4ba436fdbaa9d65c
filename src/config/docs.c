/* docs/configuration.md, out of the same table that reads the file. */
#include <assert.h>

#include "config/schema.h"

enum { SECTIONS = 64 };

static const char opening[] =
    "# The configuration file\n"
    "\n"
    "<!-- Generated from src/config/rows.c; a test holds it to that. Do not edit. -->\n"
    "\n"
    "One YAML file. `holdfast check FILE` checks it, `holdfast run -c FILE` starts with it. It is\n"
    "checked whole before anything of it is used, and every mistake is reported with its place,\n"
    "what is wrong and what was expected:\n"
    "\n"
    "    shop.yaml:12:15: services.orders.health.interval is \"1\"; expected a time from 100ms to "
    "1h\n"
    "\n"
    "- A key that holdfast does not know is a mistake, and so is a key that is given twice.\n"
    "- Times are written `250ms`, `2s`, `1.5s`, `10m`, `1h`, `1d`; sizes `4096`, `64KiB`, "
    "`10MiB`,\n"
    "  `1GiB`; shares `10%`, `0.5%`.\n"
    "- A relative path is meant from the folder of the file. `STATE` is the folder of `state`.\n"
    "- Of YAML, maps, lists and scalars are taken; no anchors, aliases, tags or further "
    "documents;\n"
    "  at most 1 MiB.\n"
    "- `holdfast reload`, or SIGHUP, takes over a changed file, except for keys marked *restart*:\n"
    "  a file that changes one of these is refused by a running holdfast. A bad file changes\n"
    "  nothing.\n"
    "- A changed command, environment, user or folder holds for instances that are started from "
    "then\n"
    "  on; those that run are not restarted for it.\n"
    "- A change of `version` asks for a release. A file that is unchanged since it was last "
    "applied\n"
    "  never takes one back.\n";

/* A '|' would end the table's cell. */
static void cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, 0}, out);
}

static void write_row(FILE *out, const struct hf_row *row)
{
    HF_AUTOTEXT struct hf_text expected = {0};

    hf_row_expected(row, &expected);
    fprintf(out, "| `%s` | ", row->name);
    cell(out, expected.p);
    fputs(" | ", out);
    if (row->required)
        fputs("*required*", out);
    else if (row->fallback_doc)
        cell(out, row->fallback_doc);
    else if (row->fallback && *row->fallback)
        fprintf(out, "`%s`", row->fallback);
    else
        fputs("none", out);
    fprintf(out, " | %s%s |\n", row->doc, row->restart ? " *restart*" : "");
}

static bool has_table(const struct hf_section *section)
{
    for (size_t i = 0; i < section->n_rows; i++) {
        if (section->rows[i].type != HF_ROW_SECTION && section->rows[i].type != HF_ROW_LATER)
            return true;
    }
    return false;
}

static void write_later(FILE *out, const struct hf_section *section)
{
    size_t n = 0;

    for (size_t i = 0; i < section->n_rows; i++) {
        if (section->rows[i].type == HF_ROW_LATER)
            fprintf(out, "%s`%s`",
                    n++ ? ", " : "\nNot supported yet, and refused: ", section->rows[i].name);
    }
    if (n)
        fputs(".\n", out);
}

/* Each section once, though two rows may lead to it. */
static void write_section(FILE *out, const struct hf_section *section,
                          const struct hf_section **written, size_t *n_written)
{
    for (size_t i = 0; i < *n_written; i++) {
        if (written[i] == section)
            return;
    }
    assert(*n_written < SECTIONS);
    written[(*n_written)++] = section;
    if (section->n_rows == 0)
        return;
    fprintf(out, "\n## %s\n", *section->title ? section->title : "At the top");
    if (*section->doc)
        fprintf(out, "\n%s\n", section->doc);
    if (has_table(section))
        fputs("\n| key | value | default | |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < section->n_rows; i++) {
        const struct hf_row *row = &section->rows[i];
        if (row->type != HF_ROW_SECTION && row->type != HF_ROW_LATER)
            write_row(out, row);
    }
    write_later(out, section);
    for (size_t i = 0; i < section->n_rows; i++) {
        if (section->rows[i].section)
            write_section(out, section->rows[i].section, written, n_written);
    }
}

void hf_config_write_docs(FILE *out)
{
    const struct hf_section *written[SECTIONS] = {NULL};
    size_t n_written = 0;

    fputs(opening, out);
    write_section(out, &hf_section_root, written, &n_written);
}
