/* The process and the system, see process.h. */
#include "os/process.h"

#include "base/buf.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { USER_NAME_BYTES_MAX = 64 };

/* (uid_t)-1 means "leave as it is" to the system calls, so it is no id. */
static bool id_parse(struct str text, uint32_t *id) {
    uint64_t number = 0;
    if (!str_parse_u64(text, &number) || number >= UINT32_MAX) {
        return false;
    }
    *id = (uint32_t)number;
    return true;
}

static enum err name_find(struct str name, struct process_user *user) {
    char memory[USER_NAME_BYTES_MAX + 1];
    if (name.len == 0 || name.len > USER_NAME_BYTES_MAX || str_has_byte(name, '\0')) {
        return ERR_FORMAT;
    }
    struct buf text = buf_over(memory, sizeof memory - 1);
    buf_put_str(&text, name);
    memory[text.len] = '\0';
    const struct passwd *row = getpwnam(memory);
    if (row == NULL) {
        return ERR_NOT_FOUND;
    }
    *user = (struct process_user){.uid = row->pw_uid, .gid = row->pw_gid};
    return ERR_OK;
}

static void number_find(uint32_t uid, struct process_user *user) {
    const struct passwd *row = getpwuid(uid);
    *user = (struct process_user){.uid = uid, .gid = row != NULL ? row->pw_gid : uid};
}

enum err process_user_find(struct str text, struct process_user *user) {
    struct str group = text;
    struct str name = str_split(&group, ':');
    uint32_t uid = 0;
    enum err err = ERR_OK;
    if (id_parse(name, &uid)) {
        number_find(uid, user);
    } else {
        err = name_find(name, user);
    }
    if (err != ERR_OK || str_is_none(group)) {
        return err;
    }
    return id_parse(group, &user->gid) ? ERR_OK : ERR_FORMAT;
}

static bool is_user(struct process_user user) {
    uid_t real_uid, effective_uid, saved_uid;
    gid_t real_gid, effective_gid, saved_gid;
    if (getresuid(&real_uid, &effective_uid, &saved_uid) != 0 ||
        getresgid(&real_gid, &effective_gid, &saved_gid) != 0) {
        return false;
    }
    return real_uid == user.uid && effective_uid == user.uid && saved_uid == user.uid &&
           real_gid == user.gid && effective_gid == user.gid && saved_gid == user.gid;
}

enum err process_user_become(struct process_user user) {
    if (is_user(user) && user.uid != 0) {
        return ERR_OK;
    }
    /* Groups first: without root they cannot be given up any more. */
    if (setgroups(0, NULL) != 0 || setresgid(user.gid, user.gid, user.gid) != 0 ||
        setresuid(user.uid, user.uid, user.uid) != 0) {
        return ERR_IO;
    }
    bool has_way_back = user.uid != 0 && setuid(0) == 0;
    return is_user(user) && !has_way_back ? ERR_OK : ERR_IO;
}

bool process_is_root(void) {
    return geteuid() == 0;
}

uint32_t process_descriptors_allow(uint32_t wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (limit.rlim_cur < wanted) {
        struct rlimit raised = {.rlim_cur = wanted,
                                .rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) != 0) {
            /* Only root may lift the hard limit: take what is below it. */
            raised = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
            (void)setrlimit(RLIMIT_NOFILE, &raised);
        }
        if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
            return 0;
        }
    }
    return limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (uint32_t)limit.rlim_cur;
}

void process_harden(void) {
    struct rlimit none = {0, 0};
    int status = setrlimit(RLIMIT_CORE, &none); /* lowering is always allowed */
    CHECK(status == 0);
    status = prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    CHECK(status == 0);
    (void)umask(077);
}
