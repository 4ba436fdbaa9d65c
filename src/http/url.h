/* http/url.h - paths in one normal form, so that a route cannot be bypassed by spelling a path in
 * another way; queries; percent-encoding (RFC 3986). No state, no allocation but where a struct
 * hf_text is passed. Runs in gateway, controller, CLI. */
#pragma once
#include "base/str.h"

/* "/a?b" into "/a" and "b"; no question mark: an empty query with p NULL. */
void hf_url_split(struct hf_str origin, struct hf_str *path, struct hf_str *query);

/* The normal form of an absolute path: no empty, "." or ".." segments; no escape that says what a
 * letter, digit or one of -._~ says as well; escapes in upper case. *ret is path itself if it is
 * normal already (nearly always, and cheap to tell), else it is in buf, which needs path.n bytes.
 *
 * HF_EINVAL, for which the gateway answers 400: what is not absolute; broken escapes; %00;
 * backslashes; ".." above the root; dot segments hidden from us but not from a lenient reader
 * ("..;x", "..%2f"). HF_ELIMIT: buf is too small. */
HF_MUST_CHECK int hf_path_normalise(struct hf_str path, char *buf, size_t size, struct hf_str *ret);

/* Does the normal path lie at or below prefix, by whole segments? "/a" is a prefix of "/a" and
 * "/a/b" but not of "/ab"; "/" and "/a/" are prefixes as they stand. */
bool hf_path_below(struct hf_str path, struct hf_str prefix);

/* Undoes the escapes; in a query + means a space. *ret is in buf, which needs s.n bytes. HF_EINVAL:
 * a broken escape, or a NUL byte. HF_ELIMIT: buf is too small. */
HF_MUST_CHECK int hf_url_decode(struct hf_str s, bool query, char *buf, size_t size,
                                struct hf_str *ret);

/* Appends s with every byte escaped that is no letter, digit or one of -._~ */
void hf_url_encode(struct hf_text *t, struct hf_str s);

/* The first parameter of that name, decoded. HF_ENOENT; HF_EINVAL and HF_ELIMIT as above. */
HF_MUST_CHECK int hf_query_get(struct hf_str query, struct hf_str name, char *buf, size_t size,
                               struct hf_str *ret);
