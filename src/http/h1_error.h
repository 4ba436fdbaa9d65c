/* http/h1_error.h - everything that can be wrong with an HTTP message's text, with the status to
 * answer and a sentence for a person. The status is the one for a request; what is wrong with a
 * response is the upstream's fault, and the gateway answers 502 for all of it. */
#pragma once

#define HF_H1_ERRORS(X)                                                                            \
    X(EMPTY_LINES, 400, "more than one empty line before the request line")                        \
    X(METHOD, 400, "the request does not begin with a method and a space")                         \
    X(METHOD_LONG, 501, "the method has more than 32 characters")                                  \
    X(CONNECT, 501, "CONNECT is not offered here")                                                 \
    X(TARGET_BYTE, 400, "the request target holds a character that no URL may hold")               \
    X(TARGET_FORM, 400, "the request target is neither a path nor an http URL")                    \
    X(ASTERISK, 400, "the target * goes only with OPTIONS")                                        \
    X(VERSION, 400, "the request line does not end with HTTP/1.1")                                 \
    X(VERSION_UNSUPPORTED, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here")                      \
    X(LINE_LONG, 414, "the request line is too long")                                              \
    X(HEAD_LONG, 431, "the header section is too long")                                            \
    X(FIELDS_MANY, 431, "there are too many header fields")                                        \
    X(BARE_CR, 400, "a carriage return without a line feed")                                       \
    X(BARE_LF, 400, "a line feed without a carriage return")                                       \
    X(CONTROL, 400, "a control character in a line")                                               \
    X(FIELD_NAME, 400, "a header line without a valid name and a colon")                           \
    X(FIELD_SPACE, 400, "whitespace between a field name and its colon")                           \
    X(FOLD, 400, "a header line begins with whitespace")                                           \
    X(HOST_MISSING, 400, "the host field is missing")                                              \
    X(HOST_TWICE, 400, "more than one host field")                                                 \
    X(HOST_BAD, 400, "the host is not valid")                                                      \
    X(HOST_DIFFERS, 400, "the request target and the host field name different hosts")             \
    X(CONNECTION_BAD, 400, "the connection field is not a short list of names")                    \
    X(LENGTH_BAD, 400, "content-length is not one decimal number")                                 \
    X(LENGTH_TWICE, 400, "more than one content-length field")                                     \
    X(LENGTH_AND_CODING, 400, "both content-length and transfer-encoding")                         \
    X(CODING_BAD, 400, "the last transfer-encoding is not chunked, or it is given twice")          \
    X(CODING_UNKNOWN, 501, "a transfer-encoding other than chunked")                               \
    X(CODING_OLD, 400, "transfer-encoding in an HTTP/1.0 message")                                 \
    X(EXPECT, 417, "an expectation other than 100-continue")                                       \
    X(STATUS_LINE, 400, "the response does not begin with HTTP/1.1 and a status")                  \
    X(INTERIM_BODY, 400, "an interim response that announces a body")                              \
    X(CHUNK_SIZE, 400, "a chunk size that is not a hexadecimal number of at most 16 digits")       \
    X(CHUNK_EXTENSION, 400, "chunk extensions that are malformed or too long")                     \
    X(CHUNK_END, 400, "a chunk that does not end where its size says")                             \
    X(TRAILER_LONG, 431, "the trailer section is too long")                                        \
    X(H2_PSEUDO, 400, "a pseudo-header field is missing, twice, unknown or out of place")          \
    X(H2_CONNECTION, 400, "a field that has no place in HTTP/2")

enum hf_h1_error {
    HF_H1_OK = 0,
#define X(id, status, text) HF_H1_##id,
    HF_H1_ERRORS(X)
#undef X
        HF_H1_ERROR_COUNT,
};

/* 4xx or 5xx; 500 for what is no error code. */
unsigned hf_h1_error_status(enum hf_h1_error err);

/* Lower case, without a full stop. Never NULL. */
const char *hf_h1_error_text(enum hf_h1_error err);
