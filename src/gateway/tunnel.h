/* gateway/tunnel.h - exchanges that stop being HTTP: a request offers another protocol, the
 * endpoint takes it up with 101, and from then on bytes go both ways until both sides have ended
 * (RFC 9110 7.8). A client of HTTP/2 asks by CONNECT with :protocol instead (RFC 8441), which comes
 * here as method CONNECT with an upgrade field.
 *
 * A tunnel is a call in progress: it counts at its endpoint, and keeps it until its drain deadline;
 * a new plan leaves it alone. Without a byte for timeout.tunnel it is ended. */
#pragma once
#include "gateway/exchange.h"
#include "http/h1_write.h"

struct hf_plan_service;

/* Does the request offer a protocol that its service may switch to? */
bool hf_tunnel_offered(const struct hf_h1_head *head, const struct hf_h1_framing *framing,
                       const struct hf_plan_service *s);

/* The fields by which an HTTP/1.1 endpoint is asked, behind what is rendered of x->request. */
void hf_tunnel_put_request(struct hf_h1_out *o, struct hf_exchange *x,
                           const struct hf_h1_head *head);

/* head is a 101: does it take up what was offered? */
bool hf_tunnel_accepted(const struct hf_exchange *x, const struct hf_h1_head *head);

/* Passes the 101 on; bytes follow both ways. */
void hf_tunnel_begin(struct hf_exchange *x, const struct hf_h1_head *head);

/* The endpoint sends no more. The other way stays open. */
void hf_tunnel_response_end(struct hf_exchange *x);

/* Something was sent to the endpoint: ends the tunnel if that was the last of both ways. */
void hf_tunnel_sent(struct hf_exchange *x);

/* Ends it in order. */
void hf_tunnel_end(struct hf_exchange *x);
