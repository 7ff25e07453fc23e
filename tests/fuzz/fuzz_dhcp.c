/*
 * A DHCP client whose peer is malicious. The input is a list of steps: one byte of time, two of
 * length, then a datagram, whose transaction number and hardware address are made right so that the
 * options are reached. Whatever comes: a lease that is taken has a usable address and times in
 * order, and what is due lies not in the past.
 */
#include "base/time.h"
#include "os/dhcp.h"

#include <stdlib.h>
#include <string.h>

enum { DATAGRAM_BYTES_MAX = 1500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void lease_require_sound(const struct dhcp *dhcp) {
    const struct dhcp_lease *lease = &dhcp->lease;
    require(lease->address >> 24 != 0 && lease->address >> 24 < 224);
    require(lease->bits <= 32);
    require(lease->renew_us <= lease->rebind_us && lease->rebind_us <= lease->end_us);
    require(lease->renew_us >= dhcp->asked_us);
}

static void deed_require_sound(const struct dhcp *dhcp, enum dhcp_deed deed) {
    if (deed == DHCP_CONFIGURE) {
        lease_require_sound(dhcp);
    }
    if (deed == DHCP_BROADCAST || deed == DHCP_UNICAST) {
        require(dhcp->packet_bytes >= 300 && dhcp->packet_bytes <= DHCP_PACKET_BYTES_MAX);
    }
    require(deed != DHCP_UNICAST || dhcp->lease.server != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    static struct dhcp dhcp;
    static char datagram[DATAGRAM_BYTES_MAX];
    int64_t now_us = 1000;
    dhcp_init(&dhcp, mac, 0x11223344, now_us);
    while (size >= 3) {
        size_t len = ((size_t)data[1] << 8 | data[2]) % (DATAGRAM_BYTES_MAX + 1);
        now_us += (int64_t)data[0] * data[0] * TIME_US_PER_S;
        data += 3;
        size -= 3;
        enum dhcp_deed deed = dhcp_step(&dhcp, now_us);
        deed_require_sound(&dhcp, deed);
        require(deed != DHCP_BROADCAST || dhcp.due_us > now_us);
        len = len < size ? len : size;
        memcpy(datagram, data, len);
        data += len;
        size -= len;
        if (len >= 34) {
            uint8_t number[4] = {(uint8_t)(dhcp.transaction >> 24),
                                 (uint8_t)(dhcp.transaction >> 16),
                                 (uint8_t)(dhcp.transaction >> 8), (uint8_t)dhcp.transaction};
            memcpy(datagram + 4, number, sizeof number);
            memcpy(datagram + 28, mac, sizeof mac);
        }
        deed_require_sound(&dhcp, dhcp_take(&dhcp, str_from(datagram, len), now_us));
    }
    return 0;
}
