/* http/websocket.h - the opening handshake of RFC 6455, for connections that came over HTTP/2
 * (RFC 8441), where the key and its answer are left out. No state. Runs in: gateway. */
#pragma once
#include "base/random.h"
#include "base/str.h"

enum { HF_WEBSOCKET_KEY = 24, HF_WEBSOCKET_ACCEPT = 28 };

/* A new sec-websocket-key; no NUL. */
void hf_websocket_key(struct hf_random *random, char ret[HF_WEBSOCKET_KEY]);

/* The sec-websocket-accept that answers key; no NUL. */
void hf_websocket_accept(const char key[HF_WEBSOCKET_KEY], char ret[HF_WEBSOCKET_ACCEPT]);
