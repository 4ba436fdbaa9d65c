#include "http/h1_chunk.h"

#include "http/h1_scan.h"

enum state { SIZE, BLANK, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, DONE };
enum { DIGITS_MOST = 16 };

void hf_h1_chunk_init(struct hf_h1_chunk *c)
{
    *c = (struct hf_h1_chunk){0};
}

bool hf_h1_chunk_done(const struct hf_h1_chunk *c)
{
    return c->state == DONE;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = hf_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int size_byte(struct hf_h1_chunk *c, char b)
{
    int digit = hex_digit(b);

    if (digit >= 0) {
        if (c->digits == DIGITS_MOST || c->left > (uint64_t)INT64_MAX >> 4)
            return -HF_H1_CHUNK_SIZE;
        c->left = c->left << 4 | (unsigned)digit;
        c->digits++;
        return 0;
    }
    if (c->digits == 0)
        return -HF_H1_CHUNK_SIZE;
    switch (b) {
    case '\r':
        c->state = SIZE_LF;
        return 0;
    case ';':
        c->state = EXTENSION;
        return 0;
    case ' ':
    case '\t':
        c->state = BLANK;
        return 0;
    case '\n':
        return -HF_H1_BARE_LF;
    }
    return -HF_H1_CHUNK_SIZE;
}

/* Behind the size: whitespace is allowed only before a semicolon. */
static int extension_byte(struct hf_h1_chunk *c, char b)
{
    if (++c->extensions > HF_H1_CHUNK_EXTENSIONS)
        return -HF_H1_CHUNK_EXTENSION;
    if (c->state == BLANK) {
        if (b == ';')
            c->state = EXTENSION;
        return b == ';' || b == ' ' || b == '\t' ? 0 : -HF_H1_CHUNK_EXTENSION;
    }
    if (b == '\r')
        c->state = SIZE_LF;
    else if (b == '\n')
        return -HF_H1_BARE_LF;
    else if (!(hf_char_class[(unsigned char)b] & HF_CHAR_VALUE))
        return -HF_H1_CHUNK_EXTENSION;
    return 0;
}

/* Everything but payload and trailers: one byte, one step. */
static int framing_byte(struct hf_h1_chunk *c, char b)
{
    switch (c->state) {
    case SIZE:
        return size_byte(c, b);
    case BLANK:
    case EXTENSION:
        return extension_byte(c, b);
    case SIZE_LF:
        if (b != '\n')
            return -HF_H1_BARE_CR;
        c->state = c->left ? DATA : TRAILER;
        return 0;
    case DATA_CR:
        c->state = DATA_LF;
        return b == '\r' ? 0 : -HF_H1_CHUNK_END;
    case DATA_LF:
        c->state = SIZE;
        c->digits = 0;
        return b == '\n' ? 0 : -HF_H1_CHUNK_END;
    }
    return -HF_H1_CHUNK_END;
}

static ssize_t trailer_section(struct hf_h1_chunk *c, struct hf_str bytes,
                               struct hf_h1_trailers *ret)
{
    bool cut = bytes.n >= HF_H1_TRAILER_BYTES;
    unsigned n = 0;
    ssize_t rc;

    if (cut)
        bytes.n = HF_H1_TRAILER_BYTES;
    rc = hf_h1_parse_fields(bytes, ret->fields, HF_H1_TRAILERS, &n);
    if (rc <= 0)
        return rc == 0 && cut ? -HF_H1_TRAILER_LONG : rc;
    ret->n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (ret->fields[i].id == HF_FIELD_OTHER)
            ret->fields[ret->n++] = ret->fields[i];
    }
    c->state = DONE;
    return rc;
}

ssize_t hf_h1_chunk_feed(struct hf_h1_chunk *c, struct hf_str bytes, struct hf_str *data,
                         struct hf_h1_trailers *trailers)
{
    const char *p = bytes.p, *end = bytes.p + bytes.n;
    ssize_t rc = 0;

    *data = (struct hf_str){p, 0};
    while (p < end && c->state < TRAILER && c->state != DATA) {
        rc = framing_byte(c, *p++);
        if (rc)
            return rc;
    }
    if (p < end && c->state == DATA) {
        size_t n = (size_t)(end - p) < c->left ? (size_t)(end - p) : (size_t)c->left;
        *data = (struct hf_str){p, n};
        p += n;
        c->left -= n;
        if (c->left == 0)
            c->state = DATA_CR;
    } else if (p < end && c->state == TRAILER) {
        rc = trailer_section(c, (struct hf_str){p, (size_t)(end - p)}, trailers);
        if (rc < 0)
            return rc;
        p += rc;
    }
    return p - bytes.p;
}
