/*
 * The loop's timers as a binary heap, earliest first. Each entry repeats its due time, so that
 * sifting reads the heap and not the timers' owners. Slot 0 stays empty: a timer's heap_slot of 0
 * means "not set". Only loop.c and its test use this.
 */
#ifndef OS_LOOP_HEAP_H
#define OS_LOOP_HEAP_H

#include "os/loop.h"

struct loop_heap_entry {
    int64_t due_us;
    struct loop_timer *timer;
};

struct loop_heap {
    struct loop_heap_entry *entries; /* entries[1..count]; the owner's memory, capacity + 1 long */
    uint32_t count;
    uint32_t capacity;
};

/* Adds the timer, or moves it if it is in. CHECKs the capacity. */
void loop_heap_put(struct loop_heap *heap, struct loop_timer *timer, int64_t due_us);
/* Takes the timer out; nothing happens if it is not in. */
void loop_heap_del(struct loop_heap *heap, struct loop_timer *timer);
/* The earliest, or NULL. */
struct loop_timer *loop_heap_first(const struct loop_heap *heap);

#endif
