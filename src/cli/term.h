/* cli/term.h - what standard output can show: colours, width; and tables on it.
 * Text that comes from elsewhere is printed without control characters. */
#pragma once
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

enum hf_colour { HF_PLAIN, HF_BOLD, HF_DIM, HF_RED, HF_GREEN, HF_YELLOW };

/* The sequences that begin and end a colour; "" if standard output is no terminal, or NO_COLOR is
 * set, or TERM is dumb. */
const char *hf_term_on(enum hf_colour colour);
const char *hf_term_off(enum hf_colour colour);

/* Columns; 0 if standard output is no terminal. */
unsigned hf_term_width(void);

/* Replaces control characters in place. Returns text. */
char *hf_term_safe(char *text);

/* "1234567" -> "1,234,567"; buf of HF_TERM_NUMBER bytes. */
#define HF_TERM_NUMBER 32
char *hf_term_number(unsigned long long n, char buf[HF_TERM_NUMBER]);

/* A table: columns as wide as they need; on a terminal too narrow for it, the last one is cut.
 * Owner: the caller. */
struct hf_table;
enum { HF_TABLE_COLUMNS = 12 };

/* headings: NULL at the end. One that begins with '>' stands above a right-aligned column. */
struct hf_table *hf_table_new(const char *const headings[]) __attribute__((returns_nonnull));
struct hf_table *hf_table_free(struct hf_table *t);

/* The next cell; rows fill from left to right. */
void hf_table_cell(struct hf_table *t, enum hf_colour colour, const char *fmt, ...) HF_PRINTF(3, 4);
void hf_table_print(const struct hf_table *t, FILE *out);
