/* The timer heap, see loop_heap.h. Invariants: no entry is due before its parent (slot / 2), and
 * entries[slot].timer->heap_slot == slot. */
#include "os/loop_heap.h"

static void entry_place(struct loop_heap *heap, uint32_t slot, struct loop_heap_entry entry) {
    heap->entries[slot] = entry;
    entry.timer->heap_slot = slot;
}

/* Moves the hole at `slot` up until `entry` fits into it. */
static void entry_sift_up(struct loop_heap *heap, uint32_t slot, struct loop_heap_entry entry) {
    while (slot > 1 && heap->entries[slot / 2].due_us > entry.due_us) {
        entry_place(heap, slot, heap->entries[slot / 2]);
        slot /= 2;
    }
    entry_place(heap, slot, entry);
}

/* Moves the hole at `slot` down, then lets `entry` rise: right for any hole and any entry. */
static void entry_sift_down(struct loop_heap *heap, uint32_t slot, struct loop_heap_entry entry) {
    while (slot <= heap->count / 2) {
        uint32_t child = slot * 2;
        if (child < heap->count && heap->entries[child + 1].due_us < heap->entries[child].due_us) {
            child += 1;
        }
        if (heap->entries[child].due_us >= entry.due_us) {
            break;
        }
        entry_place(heap, slot, heap->entries[child]);
        slot = child;
    }
    entry_sift_up(heap, slot, entry);
}

void loop_heap_put(struct loop_heap *heap, struct loop_timer *timer, int64_t due_us) {
    uint32_t slot = timer->heap_slot;
    if (slot == 0) {
        CHECK(heap->count < heap->capacity);
        heap->count += 1;
        slot = heap->count;
    } else {
        CHECK(slot <= heap->count);
        CHECK(heap->entries[slot].timer == timer);
    }
    timer->due_us = due_us;
    entry_sift_down(heap, slot, (struct loop_heap_entry){due_us, timer});
}

void loop_heap_del(struct loop_heap *heap, struct loop_timer *timer) {
    uint32_t slot = timer->heap_slot;
    if (slot == 0) {
        return;
    }
    CHECK(slot <= heap->count);
    CHECK(heap->entries[slot].timer == timer);
    struct loop_heap_entry last = heap->entries[heap->count];
    heap->count -= 1;
    timer->heap_slot = 0;
    if (last.timer != timer) {
        entry_sift_down(heap, slot, last);
    }
}

struct loop_timer *loop_heap_first(const struct loop_heap *heap) {
    return heap->count == 0 ? NULL : heap->entries[1].timer;
}
