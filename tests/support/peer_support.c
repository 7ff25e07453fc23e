/* Servers of tests, see peer_support.h. */
#include "support/peer_support.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int peer_listen(uint16_t *port) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t bytes = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &bytes) != 0) {
        abort();
    }
    *port = ntohs(name.sin_port);
    return listener;
}

pid_t peer_start(int listener, void (*serve)(int fd)) {
    fflush(NULL);
    pid_t peer = fork();
    if (peer == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            if (fork() == 0) {
                serve(fd);
            }
            close(fd);
        }
    }
    setpgid(peer, peer);
    return peer;
}
