/* board/live.h - what one gateway generation reports: acknowledgement, in-flight counts, meters.
 *
 * One file per gateway generation, so that a crash leaves no ghost counts. Each worker writes a
 * block of its own (no contended cache lines); readers sum over the workers. The ejection state is
 * the one part that workers share. The controller maps it read-only and with distrust: the writer
 * faces the network. Counters only rise; a reader takes differences. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/time.h"
#include "board/layout.h"

enum {
    HF_SECONDS_RING = 600, /* seconds of arrival that are kept */
    HF_LATENCY_BUCKETS =
        176, /* log-linear: 8 per power of two, of microseconds; to 2^23 us and over */
};

/* Outcome by second of arrival. arrived - ok - failed - refused requests are still under way. */
struct hf_live_second {
    _Atomic uint32_t second; /* wall seconds, low 32 bits: whose the counts are */
    _Atomic uint32_t arrived, ok, failed, refused;
};

struct hf_live_latency {
    _Atomic uint64_t bucket[HF_LATENCY_BUCKETS];
};

/* Service counters of one worker. Requests are users' requests; attempts stand at the endpoints. */
struct hf_live_service {
    _Atomic uint32_t incarnation;
    _Atomic uint32_t in_progress, held; /* gauges */
    _Atomic uint64_t requests, failed, refused, retries, retries_denied, hold_expired;
    _Atomic uint64_t late;      /* ended after their second had left the ring */
    _Atomic uint64_t status[6]; /* [1] 1xx .. [5] 5xx; [0] no answer was sent */
    _Atomic uint64_t bytes_in, bytes_out;
    struct hf_live_latency latency[2]; /* [0] the accepted version, [1] the candidate */
    struct hf_live_second seconds[HF_SECONDS_RING];
    /* from layout 2 on */
    _Atomic uint64_t answered;       /* by the gateway itself, in an instance's place */
    _Atomic uint64_t client_gone;    /* ended by a client that left, failed or not */
    _Atomic uint64_t tunnels_opened; /* all that there were */
    _Atomic uint64_t latency_us[2];  /* sums of what stands in the buckets above */
    _Atomic uint32_t tunnels;        /* a gauge; they are in progress */
    uint32_t zero;
};

/* One endpoint as one worker sees it; a cache line. */
struct hf_live_endpoint {
    _Atomic uint32_t in_flight;
    _Atomic uint32_t incarnation;
    _Atomic uint32_t ewma_us; /* of the time to the response's head */
    _Atomic uint32_t zero;
    _Atomic uint64_t attempts, failures; /* before any retry */
    _Atomic uint64_t refused, timeouts;  /* parts of failures */
    _Atomic uint64_t status_5xx;         /* part of failures */
    _Atomic uint64_t bytes;
};

/* Shared by the workers of one gateway; written on failures and recoveries only. */
struct hf_live_health {
    _Atomic uint32_t incarnation;
    _Atomic uint32_t failures;        /* in a row */
    _Atomic uint32_t ejections;       /* so far: the next one lasts longer */
    _Atomic uint32_t trial;           /* half open: 1 while one request tries it */
    _Atomic int64_t ejected_until_ns; /* monotonic; 0: not ejected */
    uint64_t zero[5];
};
struct hf_live_floor {
    _Atomic uint32_t ejected; /* endpoints of the service that are out now */
    uint32_t zero[15];
};

struct hf_live_worker {
    _Atomic uint64_t generation; /* acknowledged: nothing is picked by an older plan any more */
    _Atomic int64_t turn_ns;     /* monotonic time of the latest turn: the heartbeat */
    _Atomic uint64_t connections, accepted, requests, bad_requests, no_route;
    _Atomic uint64_t log_lines, log_dropped;
    _Atomic uint64_t handshakes, handshakes_resumed, handshakes_failed; /* of TLS */
    _Atomic uint64_t proxy_refused; /* connections closed for want of a PROXY protocol header */
    _Atomic uint64_t h2_connections, h2_streams, h2_errors; /* of clients; all that there were */
    _Atomic uint64_t accept_pauses; /* how often there was no room for another connection */
    _Atomic uint64_t upstream_connections, upstream_connects; /* open now; begun, all there were */
    _Atomic uint64_t gave_way; /* connections that made room for others */
    uint64_t zero[12];
};

enum hf_live_phase {
    HF_LIVE_STARTING,
    HF_LIVE_SERVING,
    HF_LIVE_LEAVING, /* told to end: it finishes its requests */
    HF_LIVE_RETIRED, /* another one serves: it finishes its connections */
};

/* Where the parts of a file are; bytes. The gateway that lays the file out says it, so that a
 * reader of another version finds them. */
struct hf_live_shape {
    uint64_t workers_at, worker_size;
    uint32_t endpoints_in, services_in; /* within a worker's block, which begins with hf_live_worker
                                         */
    uint32_t endpoint_size, service_size;
};

struct hf_live {
    _Atomic uint64_t magic; /* 0: not laid out */
    uint32_t layout;
    _Atomic uint32_t probe_port;       /* loopback: takes the controller's probes alone; 0: none */
    struct hf_board_capacity capacity; /* workers: of this gateway */
    _Atomic uint64_t claim;            /* of the slot: which gateway these figures are of */
    _Atomic uint32_t phase;            /* enum hf_live_phase */
    _Atomic uint32_t refused_plans;
    /* from layout 2 on */
    _Atomic uint32_t accepting; /* workers that have taken over a plan and accept by it */
    uint32_t zero2;
    struct hf_live_shape shape;
};

/* Of a file for these capacities, with room for what later versions may add. */
size_t hf_live_size(const struct hf_board_capacity *c);

/* Is a file of that size large enough for what this program lays out in it? */
bool hf_live_fits(const struct hf_board_capacity *c, size_t size);

/* Gateway: lays out an all-zero file for itself. */
void hf_live_init(struct hf_live *l, const struct hf_board_capacity *c);

/* Addresses of the parts, by capacity's indexes. workers is the file's, and 0 if it is not laid out
 * for services and endpoints as the board has them. The writer faces the network: whatever the file
 * says, no address lies outside of it. */
struct hf_live_view {
    struct hf_live *live;
    struct hf_board_capacity capacity;
    struct hf_live_shape shape;
};

/* size: of the file; board: the capacities of the board that it belongs to. */
struct hf_live_view hf_live_view(struct hf_live *l, size_t size,
                                 const struct hf_board_capacity *board);

/* In a file of an older version the members that were added since lie in the entry behind. */
#define HF_LIVE_HAS(view_size, type, member)                                                       \
    ((view_size) >= offsetof(type, member) + sizeof(((type *)0)->member))

struct hf_live_worker *hf_live_worker(const struct hf_live_view *v, uint32_t worker);
struct hf_live_endpoint *hf_live_endpoint(const struct hf_live_view *v, uint32_t worker,
                                          uint32_t slot);
struct hf_live_service *hf_live_service(const struct hf_live_view *v, uint32_t worker,
                                        uint32_t slot);

/* For the gateway itself: one behind the other. */
struct hf_live_endpoint *hf_live_endpoints(const struct hf_live_view *v, uint32_t worker);
struct hf_live_health *hf_live_healths(const struct hf_live_view *v);
struct hf_live_floor *hf_live_floors(const struct hf_live_view *v);

/* Latency buckets. */
uint32_t hf_latency_bucket(uint64_t us);
uint64_t hf_latency_bucket_top(uint32_t bucket); /* its largest value, microseconds */

/* The worker's side of the ring. Each books to the second in which the request arrived. */
void hf_second_arrived(struct hf_live_service *s, int64_t second);
enum hf_outcome { HF_OUTCOME_OK, HF_OUTCOME_FAILED, HF_OUTCOME_REFUSED };
void hf_second_ended(struct hf_live_service *s, int64_t second, enum hf_outcome outcome);
