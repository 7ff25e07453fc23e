/*
 * memcpy and memmove of the product. The C library's copy by one string instruction, which takes
 * some thirty cycles to begin; records, keys and headers are made of copies of a few bytes each,
 * and a quarter of a writing server's time went there. Here small copies are a few loads and
 * stores, and only long ones take that instruction. Test builds keep the library's (the sanitizers
 * look into them) and test these by name.
 */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>

/* As memcpy: the ranges do not overlap. */
void *copy_apart(void *restrict to, const void *restrict from, size_t bytes);
/* As memmove: they may. */
void *copy_over(void *to, const void *from, size_t bytes);

#endif
