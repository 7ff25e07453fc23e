/*
 * /init for a kernel that keeps its drivers in modules: loads those that /modules names, one path
 * per line in the order of need, and becomes the real /init. On a kernel without modules it finds
 * that nothing can be loaded and goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 512 };

static void module_load(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0) {
        if (errno != ENOSYS && errno != EEXIST) {
            printf("load_init: %s: %s\n", path, strerror(errno));
        }
    }
    close(fd);
}

int main(void) {
    char path[PATH_BYTES_MAX];
    FILE *list = fopen("/modules", "r");
    while (list != NULL && fgets(path, sizeof(path), list) != NULL) {
        path[strcspn(path, "\n")] = '\0';
        module_load(path);
    }
    if (list != NULL) {
        fclose(list);
    }
    execl("/coffer", "/init", (char *)NULL);
    return 1;
}
