/* What calling out needs: the machine's name servers and the trust store. */
#include "base/str.h"
#include "cli/cli.h"
#include "net/trust.h"
#include "os/log.h"

/* A machine without a trust store can do all but call by TLS: who needs that says so. */
bool cli_outside_open(struct client_world *world, const struct settings *settings,
                      struct loop *loop) {
    const char *problem = NULL;
    struct dns_options options = {
        .resolvers = settings_text(settings, SETTING_RESOLVERS_ID),
        .resolv_conf_path = CLI_RESOLV_CONF,
        .hosts_path = "/etc/hosts",
    };
    *world = (struct client_world){.loop = loop};
    if (dns_open(&world->dns, loop, &options, &problem) != ERR_OK) {
        cli_fail("%s", problem);
        return false;
    }
    struct str path = settings_text(settings, SETTING_TRUST_STORE_ID);
    if (trust_open(&world->trust, path, &problem) != ERR_OK) {
        world->trust = NULL;
    }
    return path.len == 0 || cli_trust_load(world); /* one that was named has to be good */
}

bool cli_trust_load(const struct client_world *world) {
    const char *problem = NULL;
    if (world->trust == NULL) {
        cli_fail("this machine has no trust store in the usual places (install ca-certificates), "
                 "and net.trust-store names none");
        return false;
    }
    struct trust_set *set = trust_take(world->trust, &problem);
    if (set == NULL) {
        cli_fail("%s: %s", trust_path(world->trust), problem);
        return false;
    }
    trust_put(world->trust, set);
    return true;
}

void cli_outside_reload(const struct client_world *world) {
    const char *problem = NULL;
    if (world->trust == NULL) {
        return;
    }
    if (trust_load(world->trust, &problem) == ERR_OK) {
        log_info("net", "the trust store is loaded anew");
    } else {
        log_error("net", "the trust store stays as it was: %s", problem);
    }
}
