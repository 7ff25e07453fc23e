/*
 * For the programs that tests run under QEMU's user mode. It has no robust futexes
 * (get_robust_list answers ENOSYS), so musl refuses the locks that LMDB shares between processes.
 * This function is linked before the C library's, which asks the kernel first, and gives them all
 * the same: what is missing is only that the lock of a killed process passes on, and LMDB makes its
 * locks anew when nobody has the store open.
 */
#include <errno.h>
#include <pthread.h>

enum { ROBUST_BIT = 4 }; /* where musl keeps it */

int pthread_mutexattr_setrobust(pthread_mutexattr_t *attributes, int robust) {
    if (robust != PTHREAD_MUTEX_STALLED && robust != PTHREAD_MUTEX_ROBUST) {
        return EINVAL;
    }
    attributes->__attr &= ~(unsigned)ROBUST_BIT;
    attributes->__attr |= robust == PTHREAD_MUTEX_ROBUST ? ROBUST_BIT : 0U;
    return 0;
}
