/* A server of a test's own: it accepts, and each connection gets a process of its own. */
#ifndef PEER_SUPPORT_H
#define PEER_SUPPORT_H

#include <stdint.h>
#include <sys/types.h>

/* Listens on a free port of the loopback; a test without one ends. */
int peer_listen(uint16_t *port);
/* The peer, leader of its own process group, that all it starts belongs to: kill(-peer) ends it.
 * `serve` does not return. */
pid_t peer_start(int listener, void (*serve)(int fd));

#endif
