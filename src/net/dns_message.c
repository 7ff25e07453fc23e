/* DNS messages, see dns_message.h. */
#include "net/dns_message.h"

#include <string.h>

enum {
    HEAD_BYTES = 12,
    LABEL_LEN_MAX = 63,
    WIRE_NAME_BYTES_MAX = 255,
    CLASS_INTERNET = 1,
    TYPE_CNAME = 5,
    FLAG_REPLY = 0x8000,
    FLAG_TRUNCATED = 0x0200,
    FLAG_RECURSION_WANTED = 0x0100,
    OPCODE_MASK = 0x7800,
    CODE_MASK = 0x000F,
    CODE_NO_NAME = 3,
    POINTER = 0xC0,
    TTL_S_MAX = 0x7FFFFFFF, /* above it counts as 0: RFC 2181, 8 */
};

/* A name in the form of the wire, without pointers and in lower case: two names are equal when
 * their bytes are. */
struct wire_name {
    char bytes[WIRE_NAME_BYTES_MAX];
    uint32_t len;
};

/* What is left to read; `is_bad` is sticky. */
struct reader {
    struct str message;
    uint32_t at;
    bool is_bad;
};

/* --- names -------------------------------------------------------------------------------------
 */

static bool is_name_byte(char byte) {
    char lower = (char)(byte | 0x20);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

static bool label_is_good(struct str label) {
    for (uint32_t index = 0; index < label.len; index++) {
        if (!is_name_byte(label.data[index])) {
            return false;
        }
    }
    return label.len >= 1 && label.len <= LABEL_LEN_MAX;
}

static struct str without_last_dot(struct str name) {
    return str_ends(name, STR(".")) ? str_slice(name, 0, name.len - 1) : name;
}

bool dns_name_is_good(struct str name) {
    struct net_address address;
    struct str rest = without_last_dot(name);
    if (rest.len < 1 || rest.len > DNS_NAME_LEN_MAX || net_address_parse(rest, &address)) {
        return false;
    }
    while (!str_is_none(rest)) {
        if (!label_is_good(str_split(&rest, '.'))) {
            return false;
        }
    }
    return true;
}

static char lower_of(char byte) {
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static void name_add_label(struct wire_name *name, struct str label) {
    CHECK(name->len + label.len + 2 <= sizeof name->bytes); /* and the root behind it */
    name->bytes[name->len] = (char)label.len;
    name->len += 1;
    for (uint32_t index = 0; index < label.len; index++) {
        name->bytes[name->len] = lower_of(label.data[index]);
        name->len += 1;
    }
}

static struct wire_name name_from_text(struct str text) {
    struct wire_name name = {.len = 0};
    struct str rest = without_last_dot(text);
    while (!str_is_none(rest)) {
        name_add_label(&name, str_split(&rest, '.'));
    }
    name.bytes[name.len] = 0;
    name.len += 1;
    return name;
}

static bool name_equal(const struct wire_name *a, const struct wire_name *b) {
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static uint32_t read_number(struct reader *reader, uint32_t bytes) {
    uint32_t value = 0;
    if (reader->is_bad || reader->message.len - reader->at < bytes) {
        reader->is_bad = true;
        return 0;
    }
    for (uint32_t index = 0; index < bytes; index++) {
        value = value << 8 | (uint8_t)reader->message.data[reader->at + index];
    }
    reader->at += bytes;
    return value;
}

static struct str read_bytes(struct reader *reader, uint32_t bytes) {
    if (reader->is_bad || reader->message.len - reader->at < bytes) {
        reader->is_bad = true;
        return STR("");
    }
    struct str part = str_slice(reader->message, reader->at, reader->at + bytes);
    reader->at += bytes;
    return part;
}

/* A pointer leads to before where the name, or the part of it that it continues, began: so the
 * walk goes backwards and ends (RFC 1035, 4.1.4). */
static void read_name(struct reader *reader, struct wire_name *name) {
    struct reader walk = *reader;
    uint32_t part_start = walk.at;
    bool has_jumped = false;
    name->len = 0;
    for (;;) {
        uint32_t length = read_number(&walk, 1);
        if (!walk.is_bad && (length & POINTER) == POINTER) {
            uint32_t target = (length & ~(uint32_t)POINTER) << 8 | read_number(&walk, 1);
            if (walk.is_bad || target < HEAD_BYTES || target >= part_start) {
                break;
            }
            reader->at = has_jumped ? reader->at : walk.at;
            has_jumped = true;
            walk.at = target;
            part_start = target;
            continue;
        }
        struct str label = read_bytes(&walk, length);
        if (walk.is_bad || length > LABEL_LEN_MAX ||
            (length > 0 && name->len + length + 2 > sizeof name->bytes)) {
            break;
        }
        if (length == 0) {
            name->bytes[name->len] = 0;
            name->len += 1;
            reader->at = has_jumped ? reader->at : walk.at;
            return;
        }
        name_add_label(name, label);
    }
    reader->is_bad = true;
}

/* --- query and reply ---------------------------------------------------------------------------
 */

void dns_query_format(uint16_t id, struct str name, enum dns_type type, struct buf *out) {
    CHECK(dns_name_is_good(name));
    struct wire_name wire = name_from_text(name);
    buf_put_be16(out, id);
    buf_put_be16(out, FLAG_RECURSION_WANTED);
    buf_put_be16(out, 1);
    buf_put_be16(out, 0);
    buf_put_be16(out, 0);
    buf_put_be16(out, 0);
    buf_put(out, wire.bytes, wire.len);
    buf_put_be16(out, (uint16_t)type);
    buf_put_be16(out, CLASS_INTERNET);
}

struct record {
    struct wire_name owner;
    uint32_t type, class, ttl_s;
    uint32_t data_at; /* for names in it, which may point into the message */
    struct str data;
};

static void read_record(struct reader *reader, struct record *record) {
    read_name(reader, &record->owner);
    record->type = read_number(reader, 2);
    record->class = read_number(reader, 2);
    record->ttl_s = read_number(reader, 4);
    record->ttl_s = record->ttl_s > TTL_S_MAX ? 0 : record->ttl_s;
    uint32_t bytes = read_number(reader, 2);
    record->data_at = reader->at;
    record->data = read_bytes(reader, bytes);
}

static void address_add(struct dns_addresses *addresses, struct str data) {
    if (addresses->count == DNS_ADDRESSES_MAX) {
        return;
    }
    uint8_t bytes[16];
    CHECK(data.len == 4 || data.len == 16);
    memcpy(bytes, data.data, data.len);
    struct net_address address;
    memcpy(address.bytes, bytes, sizeof address.bytes);
    addresses->rows[addresses->count] = data.len == 4 ? net_address_from_ipv4(bytes) : address;
    addresses->count += 1;
}

/* One pass over the answers for one owner: takes its addresses, or says where it is an alias of.
 * False when the message is bad. */
static bool answers_pass(struct reader reader, uint32_t count, struct wire_name *owner,
                         enum dns_type type, struct dns_addresses *addresses, uint32_t *ttl_s,
                         bool *is_alias) {
    struct record record;
    uint32_t data_bytes = type == DNS_A ? 4 : 16;
    struct wire_name target = {.len = 0};
    for (uint32_t index = 0; index < count && !reader.is_bad; index++) {
        read_record(&reader, &record);
        if (reader.is_bad || record.class != CLASS_INTERNET || !name_equal(&record.owner, owner)) {
            continue;
        }
        if (record.type == (uint32_t)type && record.data.len == data_bytes) {
            address_add(addresses, record.data);
            *ttl_s = record.ttl_s < *ttl_s ? record.ttl_s : *ttl_s;
        } else if (record.type == TYPE_CNAME) {
            struct reader inner = {.message = reader.message, .at = record.data_at};
            read_name(&inner, &target);
            reader.is_bad = inner.is_bad || inner.at != record.data_at + record.data.len;
            *ttl_s = record.ttl_s < *ttl_s ? record.ttl_s : *ttl_s;
        }
    }
    *is_alias = target.len > 0;
    if (*is_alias) {
        *owner = target;
    }
    return !reader.is_bad;
}

static enum dns_verdict answers_parse(struct reader reader, uint32_t count, struct wire_name owner,
                                      enum dns_type type, struct dns_addresses *addresses,
                                      uint32_t *ttl_s) {
    uint32_t count_before = addresses->count;
    for (uint32_t aliases = 0; aliases <= DNS_ALIASES_MAX; aliases++) {
        bool is_alias = false;
        if (!answers_pass(reader, count, &owner, type, addresses, ttl_s, &is_alias)) {
            addresses->count = count_before;
            return DNS_FAILED;
        }
        if (!is_alias || addresses->count > count_before) {
            return DNS_ANSWERED;
        }
    }
    return DNS_FAILED; /* aliases in a circle */
}

enum dns_verdict dns_reply_parse(struct str message, uint16_t id, struct str name,
                                 enum dns_type type, struct dns_addresses *addresses,
                                 uint32_t *ttl_s) {
    struct reader reader = {.message = message};
    struct wire_name asked = name_from_text(name);
    struct wire_name owner;
    uint32_t reply_id = read_number(&reader, 2);
    uint32_t flags = read_number(&reader, 2);
    uint32_t questions = read_number(&reader, 2);
    uint32_t answers = read_number(&reader, 2);
    (void)read_number(&reader, 4); /* authority and additional records: nothing there for us */
    read_name(&reader, &owner);
    uint32_t question_type = read_number(&reader, 2);
    uint32_t question_class = read_number(&reader, 2);
    *ttl_s = TTL_S_MAX;
    if (reader.is_bad || reply_id != id || (flags & FLAG_REPLY) == 0 ||
        (flags & OPCODE_MASK) != 0 || questions != 1 || question_type != (uint32_t)type ||
        question_class != CLASS_INTERNET || !name_equal(&owner, &asked)) {
        return DNS_STRAY;
    }
    if ((flags & FLAG_TRUNCATED) != 0) {
        return DNS_TRUNCATED;
    }
    if ((flags & CODE_MASK) == CODE_NO_NAME) {
        return DNS_NO_NAME;
    }
    if ((flags & CODE_MASK) != 0) {
        return DNS_FAILED;
    }
    return answers_parse(reader, answers, asked, type, addresses, ttl_s);
}
