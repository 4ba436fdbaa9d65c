/* config/values.h - how single values are written in the file: sizes, shares, ranges, paths.
 * Not to be used outside of config/. Outputs are untouched on failure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* "4096", "64KiB", "10MiB", "1GiB" */
HF_MUST_CHECK int hf_bytes_parse(const char *text, uint64_t *ret);
char *hf_bytes_format(uint64_t bytes, char *buf, size_t size);

/* "10%", "0.5%", "12.25%": of 10000 */
HF_MUST_CHECK int hf_share_parse(const char *text, uint32_t *ret);
char *hf_share_format(uint32_t share, char *buf, size_t size);

/* A decimal number with at most `digits` digits behind its point, times 10^digits. */
HF_MUST_CHECK int hf_decimal_parse(const char *text, size_t n, unsigned digits, uint64_t *ret);

/* "250ms", "2s", "1m30s" are what hf_duration_format() writes; this is exact. */
char *hf_duration_exact(int64_t ms, char *buf, size_t size);

/* Names. Each: is the text one? why, if it is not "" afterwards, says what is wrong with it. */
bool hf_name_check(const char *text, char *why, size_t size);          /* service */
bool hf_node_name_check(const char *text, char *why, size_t size);     /* node */
bool hf_version_name_check(const char *text, char *why, size_t size);  /* version */
bool hf_variable_name_check(const char *text, char *why, size_t size); /* environment */
bool hf_user_name_check(const char *text, char *why, size_t size);
bool hf_template_check(const char *text, char *why, size_t size);  /* placeholders */
bool hf_host_check(const char *text, char *why, size_t size);      /* of a route; "": any */
bool hf_host_name_check(const char *text, char *why, size_t size); /* of an instance; RFC 1123 */
bool hf_url_path_check(const char *text, char *why, size_t size);  /* with or without a query */
bool hf_prefix_check(const char *text, char *why, size_t size);    /* of a route */

/* Where a redirect leads: "/path", "http://..." or "https://..." with {host}, {path} and {rest}. */
bool hf_redirect_check(const char *text, char *why, size_t size);
