/*
 * What fetches updates: one at a time, from the loop. It looks at the store whenever that has
 * changed; when a fetch is wanted, it asks for the URL, and puts header and parts into the store by
 * the commands that take them from administrators. While a command runs the server at the other end
 * has to wait, so one part is all that is ever held here.
 *
 *   IDLE -> HEADER -> PUTTING -> PART -> PUTTING -> ... -> TAIL -> ENDING -> IDLE
 *              +---------+---------+--- refused -----------+---------^
 *
 *   HEADER, PART  bytes come in        PUTTING, ENDING  a command runs
 *   TAIL          all is here; the reply has to end now
 *
 * Where to: the URL is an administrator's own, often of a machine in the same network, and what
 * comes back is shown to nobody; only a signed bundle has an effect. So any address is fine, and
 * http:// leads to this machine only, unless update.plain-http says otherwise.
 */
#include <string.h>

#include "base/decode.h"
#include "base/time.h"
#include "domain/appliance/internal.h"
#include "engine/engine.h"
#include "os/log.h"
#include "os/loop.h"

#define AREA "update"

enum {
    FETCH_BYTES_MAX = BUNDLE_HEADER_BYTES_MAX + BUNDLE_PARTS_MAX * BUNDLE_PART_BYTES,
    FETCH_REDIRECTS_MAX = 5,        /* a release page needs one or two */
    FETCH_WHOLE_S_MAX = 3600,       /* 14 MiB in that time: 4 KiB a second */
    FETCH_ARENA_BYTES = 256 * 1024, /* an update's records, without parts */
    HEADER_LEN_AT = 10,             /* see crypto/bundle.h */
    HEADER_LEN_END = 12,
};

enum fetcher_state {
    FETCHER_OFF,
    FETCHER_IDLE,
    FETCHER_HEADER,
    FETCHER_PART,
    FETCHER_TAIL,
    FETCHER_PUTTING,
    FETCHER_ENDING,
};

static struct fetcher {
    struct http_client http; /* first: its handler gets a pointer to it */
    enum fetcher_state state;
    struct engine *engine;
    const struct client_world *world;
    uint64_t seen_sequence; /* of the store, at the last look */
    bool is_over;           /* the reply has come to its end */
    bool is_refused;        /* `end` says why */
    struct bundle bundle;
    uint32_t number; /* of the part */
    uint32_t len;    /* of what is gathered */
    uint32_t wanted;
    /* The command that runs, and what it was given. */
    const struct command_row *row;
    void *prepared;
    bool is_queued;
    enum err result;
    struct update_begin begin;
    struct update_piece piece;
    struct update_fetch_end end;
    char problem[CLIENT_PROBLEM_BYTES_MAX];
    char url[HTTP_URL_BYTES_MAX];
    char header[BUNDLE_HEADER_BYTES_MAX];
    char part[BUNDLE_PART_BYTES];
    struct arena_pool pool;
    struct arena arena;
} the_fetcher;

/* ---- commands ---- */

/* When no system command can be taken at the moment, it is tried again in the next tick. */
static void command_queue(struct fetcher *fetcher) {
    fetcher->result = ERR_AGAIN;
    fetcher->is_queued = engine_run_system(fetcher->engine, fetcher->row, fetcher->prepared,
                                           &fetcher->result) == ERR_OK;
}

static void command_start(struct fetcher *fetcher, enum fetcher_state state,
                          const struct command_row *row, void *prepared) {
    fetcher->state = state;
    fetcher->row = row;
    fetcher->prepared = prepared;
    command_queue(fetcher);
}

/* ---- the end ---- */

static void end_start(struct fetcher *fetcher) {
    command_start(fetcher, FETCHER_ENDING, &update_fetch_end_command, &fetcher->end);
}

/* The first reason counts. A command that runs is waited for. */
static void refuse(struct fetcher *fetcher, enum err err, struct str code, struct str problem) {
    http_client_cancel(&fetcher->http);
    if (fetcher->is_refused) {
        return;
    }
    struct buf out = buf_over(fetcher->problem, sizeof(fetcher->problem));
    buf_put_str(&out, str_slice(problem, 0, sizeof(fetcher->problem)));
    fetcher->is_refused = true;
    fetcher->end = (struct update_fetch_end){.err = err, .code = code, .problem = buf_str(&out)};
    log_error(AREA, "the update is refused: %.*s", STR_ARG(fetcher->end.problem));
    if (fetcher->state != FETCHER_PUTTING) {
        end_start(fetcher);
    }
}

static void refuse_err(struct fetcher *fetcher, enum err err) {
    const struct err_row *row = err_row(err);
    refuse(fetcher, err, str_from_c(row->reason), str_from_c(row->sentence));
}

/* ---- bytes ---- */

static void gather(struct fetcher *fetcher, enum fetcher_state state, uint32_t wanted) {
    fetcher->state = state;
    fetcher->len = 0;
    fetcher->wanted = wanted;
}

/* Copies what is still wanted. */
static uint32_t take(struct fetcher *fetcher, char *place, struct str bytes) {
    uint32_t room = fetcher->wanted - fetcher->len;
    uint32_t count = bytes.len < room ? bytes.len : room;
    memcpy(place + fetcher->len, bytes.data, count);
    fetcher->len += count;
    return count;
}

/* The header tells its own length. False: it cannot be right. */
static bool header_len_read(struct fetcher *fetcher) {
    const uint8_t *at = (const uint8_t *)fetcher->header + HEADER_LEN_AT;
    fetcher->wanted = (uint32_t)at[0] << 8 | at[1];
    return fetcher->wanted > HEADER_LEN_END && fetcher->wanted <= sizeof(fetcher->header);
}

static uint32_t header_take(struct fetcher *fetcher, struct str bytes) {
    uint32_t count = take(fetcher, fetcher->header, bytes);
    if (fetcher->len == HEADER_LEN_END && fetcher->wanted == HEADER_LEN_END) {
        if (!header_len_read(fetcher)) {
            refuse_err(fetcher, ERR_UPDATE_FORMAT);
            return count;
        }
        count += take(fetcher, fetcher->header, str_slice(bytes, count, bytes.len));
    }
    if (fetcher->len == fetcher->wanted) {
        fetcher->begin.header = str_from(fetcher->header, fetcher->len);
        command_start(fetcher, FETCHER_PUTTING, &update_begin_command, &fetcher->begin);
    }
    return count;
}

static uint32_t part_take(struct fetcher *fetcher, struct str bytes) {
    uint32_t count = take(fetcher, fetcher->part, bytes);
    if (fetcher->len == fetcher->wanted) {
        fetcher->piece.number = fetcher->number;
        fetcher->piece.data = str_from(fetcher->part, fetcher->len);
        command_start(fetcher, FETCHER_PUTTING, &update_part_command, &fetcher->piece);
    }
    return count;
}

static uint32_t on_body(struct http_client *http, struct str bytes) {
    struct fetcher *fetcher = (struct fetcher *)(void *)http;
    switch (fetcher->state) {
    case FETCHER_HEADER:
        return header_take(fetcher, bytes);
    case FETCHER_PART:
        return part_take(fetcher, bytes);
    case FETCHER_TAIL:
        refuse_err(fetcher, ERR_UPDATE_FORMAT); /* there is something behind the image */
        return bytes.len;
    case FETCHER_PUTTING:
        return 0;
    case FETCHER_OFF:
    case FETCHER_IDLE:
    case FETCHER_ENDING:
        break;
    }
    CHECK(fetcher->state == FETCHER_PUTTING); /* in the others nothing is asked for */
    return 0;
}

static void on_head(struct http_client *http, const struct http_head *head) {
    struct fetcher *fetcher = (struct fetcher *)(void *)http;
    char memory[64];
    struct buf out = buf_over(memory, sizeof(memory));
    if (head->status != 200) {
        buf_printf(&out, "the server answers with status %u", head->status);
        refuse(fetcher, ERR_UPDATE_FETCH, STR("HTTP_STATUS"), buf_str(&out));
    }
}

/* ---- how it goes on ---- */

/* All bytes are here and good, and none came behind them. */
static void whole_check(struct fetcher *fetcher) {
    if (fetcher->is_over && fetcher->state == FETCHER_TAIL) {
        fetcher->end = (struct update_fetch_end){.err = ERR_OK};
        log_info(AREA, "the update is here");
        end_start(fetcher);
    } else if (fetcher->is_over && fetcher->state != FETCHER_PUTTING) {
        refuse_err(fetcher, ERR_UPDATE_FORMAT); /* cut short */
    }
}

static void on_end(struct http_client *http, enum http_fault fault, const char *detail) {
    struct fetcher *fetcher = (struct fetcher *)(void *)http;
    fetcher->is_over = true;
    if (fault != HTTP_FAULT_NONE) {
        refuse(fetcher, ERR_UPDATE_FETCH, str_from_c(http_fault_name(fault)), str_from_c(detail));
    } else {
        whole_check(fetcher);
    }
}

static void part_next(struct fetcher *fetcher) {
    if (fetcher->number == fetcher->bundle.part_count) {
        fetcher->state = FETCHER_TAIL;
    } else {
        gather(fetcher, FETCHER_PART, bundle_part_bytes(&fetcher->bundle, fetcher->number));
    }
    if (fetcher->http.state == HTTP_CLIENT_BODY) {
        http_client_resume(&fetcher->http);
    }
    whole_check(fetcher);
}

/* Header or part are in the store, or were refused. */
static void put_done(struct fetcher *fetcher) {
    enum err err = fetcher->result;
    bool is_header = fetcher->row == &update_begin_command;
    if (err == ERR_OK && is_header) {
        err = bundle_parse(fetcher->begin.header, &fetcher->bundle);
    }
    if (fetcher->is_refused) {
        end_start(fetcher);
    } else if (err != ERR_OK) {
        fetcher->state = FETCHER_TAIL; /* no command runs any more */
        refuse_err(fetcher, err);
    } else {
        fetcher->number = is_header ? 0 : fetcher->number + 1;
        part_next(fetcher);
    }
}

static const struct http_client_handler handler = {on_head, on_body, on_end};

static void fetch_start(struct fetcher *fetcher, struct str url) {
    const struct settings *settings = engine_settings(fetcher->engine);
    int64_t step_us = settings_us(settings, SETTING_UPDATE_TIMEOUT_ID);
    CHECK(url.len <= sizeof(fetcher->url));
    memcpy(fetcher->url, url.data, url.len);
    struct http_call call = {
        .method = HTTP_GET,
        .url = str_from(fetcher->url, url.len),
        .reply_bytes_max = FETCH_BYTES_MAX,
        .redirects_max = FETCH_REDIRECTS_MAX,
        .reach = CLIENT_ANYWHERE,
        .may_be_plain = settings_bool(settings, SETTING_UPDATE_PLAIN_ID),
        .connect_us = step_us,
        .idle_us = step_us,
        .head_us = step_us,
        .whole_us = FETCH_WHOLE_S_MAX * TIME_US_PER_S,
    };
    fetcher->is_over = false;
    fetcher->is_refused = false;
    gather(fetcher, FETCHER_HEADER, HEADER_LEN_END);
    log_info(AREA, "an update is being fetched");
    enum http_fault fault = http_client_start(&fetcher->http, fetcher->world, &handler, &call);
    if (fault != HTTP_FAULT_NONE) {
        refuse(fetcher, ERR_UPDATE_FETCH, str_from_c(http_fault_name(fault)),
               STR("the URL cannot be asked for"));
    }
}

/* ---- from tick to tick ---- */

static void look(struct fetcher *fetcher) {
    struct store *store = engine_store(fetcher->engine);
    struct store_stats stats;
    struct update_fetch fetch;
    store_stats_read(store, &stats);
    if (stats.sequence == fetcher->seen_sequence) {
        return;
    }
    fetcher->seen_sequence = stats.sequence;
    enum err err = update_fetch_get(store_snapshot(store), &fetcher->arena, &fetch);
    if (err == ERR_OK && fetch.state == UPDATE_FETCHING) {
        fetch_start(fetcher, fetch.url);
    }
    arena_reset(&fetcher->arena);
    store_tick_end(store);
}

static void command_step(struct fetcher *fetcher) {
    if (!fetcher->is_queued) {
        command_queue(fetcher);
    } else if (fetcher->result != ERR_AGAIN && fetcher->state == FETCHER_PUTTING) {
        put_done(fetcher);
    } else if (fetcher->result != ERR_AGAIN) {
        fetcher->state = FETCHER_IDLE;
        look(fetcher);
    }
}

/* True when a command was queued: the batch must not wait for the next event. */
static bool before_sleep(void *ctx) {
    struct fetcher *fetcher = ctx;
    enum fetcher_state before = fetcher->state;
    bool was_queued = fetcher->is_queued;
    if (before == FETCHER_IDLE) {
        look(fetcher);
    } else if (before == FETCHER_PUTTING || before == FETCHER_ENDING) {
        command_step(fetcher);
    }
    bool has_command = fetcher->state == FETCHER_PUTTING || fetcher->state == FETCHER_ENDING;
    return has_command && (fetcher->state != before || !was_queued);
}

void update_fetcher_open(struct engine *engine, const struct client_world *world) {
    static char memory[FETCH_ARENA_BYTES] __attribute__((aligned(64)));
    struct fetcher *fetcher = &the_fetcher;
    CHECK(fetcher->state == FETCHER_OFF);
    arena_pool_init(&fetcher->pool, memory, sizeof(memory) / ARENA_BLOCK_BYTES);
    arena_init(&fetcher->arena, &fetcher->pool, sizeof(memory));
    fetcher->engine = engine;
    fetcher->world = world;
    fetcher->seen_sequence = UINT64_MAX;
    fetcher->state = FETCHER_IDLE;
    loop_hook_add(world->loop, (struct loop_hook){before_sleep, fetcher});
}
