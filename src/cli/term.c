#include "cli/term.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"

static bool has_colour(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(STDOUT_FILENO) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

const char *hf_term_on(enum hf_colour colour)
{
    static const char *const on[] = {
        [HF_PLAIN] = "",       [HF_BOLD] = "\033[1m",   [HF_DIM] = "\033[2m",
        [HF_RED] = "\033[31m", [HF_GREEN] = "\033[32m", [HF_YELLOW] = "\033[33m"};

    return has_colour() ? on[colour] : "";
}

const char *hf_term_off(enum hf_colour colour)
{
    return colour != HF_PLAIN && has_colour() ? "\033[0m" : "";
}

unsigned hf_term_width(void)
{
    struct winsize size;

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
        return 0;
    return size.ws_col;
}

char *hf_term_safe(char *text)
{
    for (char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
    return text;
}

char *hf_term_number(unsigned long long n, char buf[HF_TERM_NUMBER])
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%llu", n), out = 0;

    for (int i = 0; i < count; i++) {
        if (i && (count - i) % 3 == 0)
            buf[out++] = ',';
        buf[out++] = digits[i];
    }
    buf[out] = 0;
    return buf;
}

/* --- tables --- */

struct cell {
    char *text;
    enum hf_colour colour;
};

struct hf_table {
    size_t columns, n, size;
    bool right[HF_TABLE_COLUMNS];
    struct cell *cells;
};

/* Characters, not bytes: UTF-8's continuation bytes take no place. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

struct hf_table *hf_table_new(const char *const headings[])
{
    struct hf_table *t = hf_alloc(sizeof(*t));

    while (headings[t->columns])
        t->columns++;
    for (size_t i = 0; i < t->columns; i++) {
        t->right[i] = headings[i][0] == '>';
        hf_table_cell(t, HF_BOLD, "%s", headings[i] + t->right[i]);
    }
    return t;
}

struct hf_table *hf_table_free(struct hf_table *t)
{
    if (t) {
        for (size_t i = 0; i < t->n; i++)
            hf_free(t->cells[i].text);
        hf_free(t->cells);
        hf_free(t);
    }
    return NULL;
}

void hf_table_cell(struct hf_table *t, enum hf_colour colour, const char *fmt, ...)
{
    char once[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(once, sizeof(once), fmt, ap);
    va_end(ap);
    if (t->n == t->size) {
        t->size = t->size ? t->size * 2 : 64;
        t->cells = hf_realloc(t->cells, t->size, sizeof(*t->cells));
    }
    t->cells[t->n++] = (struct cell){hf_strdup(hf_term_safe(once)), colour};
}

/* Prints at most room characters, the last of them … if there is more; no limit if room is 0. */
static void print_cut(FILE *out, const char *text, size_t room)
{
    size_t n = 0;

    if (room == 0 || width_of(text) <= room) {
        fputs(text, out);
        return;
    }
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
        if (n == room)
            break;
        fputc(*text, out);
    }
    fputs("…", out);
}

/* Cells at the end of the row that are empty are left out, padding and all. */
static size_t cells_in(const struct hf_table *t, size_t row)
{
    size_t n = t->columns < t->n - row ? t->columns : t->n - row;

    while (n > 1 && !t->cells[row + n - 1].text[0])
        n--;
    return n;
}

static void print_row(const struct hf_table *t, size_t row, const size_t *width, FILE *out)
{
    size_t used = 0, terminal = hf_term_width(), n = cells_in(t, row);

    for (size_t i = 0; i < n; i++) {
        const struct cell *cell = &t->cells[row + i];
        size_t pad = width[i] - width_of(cell->text), room = 0;
        bool last = i + 1 == n;
        if (i + 1 == t->columns && terminal)
            room = terminal > used + 8 ? terminal - used : 8;
        fprintf(out, "%*s%s", t->right[i] ? (int)pad : 0, "", hf_term_on(cell->colour));
        print_cut(out, cell->text, room);
        fprintf(out, "%s%*s", hf_term_off(cell->colour), t->right[i] || last ? 0 : (int)pad, "");
        if (!last)
            fputs("  ", out);
        used += width[i] + 2;
    }
    fputc('\n', out);
}

void hf_table_print(const struct hf_table *t, FILE *out)
{
    size_t width[HF_TABLE_COLUMNS] = {0};

    for (size_t i = 0; i < t->n; i++) {
        size_t w = width_of(t->cells[i].text);
        if (w > width[i % t->columns])
            width[i % t->columns] = w;
    }
    for (size_t row = 0; row < t->n; row += t->columns)
        print_row(t, row, width, out);
}
