/* /init of an update that neither serves nor ends: it waits for ever. */
#include <unistd.h>

int main(void) {
    for (;;) {
        pause();
    }
}
