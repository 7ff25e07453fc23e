/*
 * Rate limits: the generic cell rate algorithm (ITU-T I.371) over a fixed table. A key is a class
 * and a subject (user, or address when nobody is logged in; IPv6 by /64). The table has a fixed
 * size: under a flood of addresses the entries closest to being free are forgotten first, so a
 * flood can loosen other limits a little but cannot take memory.
 */
#ifndef ENGINE_LIMITER_H
#define ENGINE_LIMITER_H

#include "engine/endpoint.h"

struct limiter_verdict {
    bool is_allowed;
    uint32_t limit;     /* per minute */
    uint32_t remaining; /* of a burst, now */
    uint32_t reset_s;   /* until the burst is whole again; when refused: until the next try */
};

/* 16 random bytes make the slots unpredictable. */
void limiter_open(const uint8_t salt[16]);
/* Counts one request of `subject`. limit = requests per minute = the burst. */
struct limiter_verdict limiter_take(enum rate_class rate, struct str subject, uint32_t limit,
                                    int64_t now_us);
/* The same for an API key, whose limit counts per hour. */
struct limiter_verdict limiter_take_hourly(struct str subject, uint32_t limit, int64_t now_us);
/* 16 bytes: the address itself, IPv6 cut to /64. */
struct net_address limiter_address(struct net_address address);

#endif
