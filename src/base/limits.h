/*
 * Every limit and its reason. Limits that an operator may change are settings (engine/settings);
 * these here fix the size of memory and of the wire.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    /* An arena block: most requests fit in one, and a TLS record fits in one. */
    ARENA_BLOCK_BYTES = 16 * 1024,
    /* The largest pool, 1 GiB: its bitmap is 8 KiB and lies in struct arena_pool. */
    ARENA_POOL_BLOCKS_MAX = 65536,
    /* What one request may hold: body, decoded input, reply. */
    REQUEST_ARENA_BYTES_MAX = 4 * 1024 * 1024,
    /* All requests together, unless the setting memory.requests says otherwise. */
    REQUEST_POOL_BYTES = 64 * 1024 * 1024,

    /* HTTP. 8192 is what common proxies pass on (nginx large_client_header_buffers). */
    HTTP_TARGET_BYTES_MAX = 4096,
    HTTP_HEAD_BYTES_MAX = 8192,
    HTTP_HEADERS_MAX = 64,
    /* The contracts' limit; endpoint rows lower it. */
    HTTP_BODY_BYTES_MAX = 16 * 1024 * 1024,
    /* Where a row says nothing: far above any form, small enough to hold by the thousand. */
    HTTP_BODY_BYTES_DEFAULT = 64 * 1024,
    /* Chunk extensions and trailers are read and thrown away up to this many bytes in all. */
    HTTP_CHUNK_OVERHEAD_BYTES_MAX = 16 * 1024,
    /* After this many requests the connection closes, so that memory and limits are renewed. */
    HTTP_REQUESTS_PER_CONNECTION_MAX = 100000,

    /* A request id that we echo: a sane alphabet and length (contract defect 28). */
    REQUEST_ID_LEN_MAX = 64,
    IDEMPOTENCY_KEY_LEN_MAX = 255,
    USER_AGENT_LEN_MAX = 512, /* longer ones are cut before they are stored */

    /* JSON: MongoDB's depth limit, and the place where a parser's recursion must end. */
    JSON_DEPTH_MAX = 100,
    /* Faulty fields reported in one reply. */
    SCHEMA_FAULTS_MAX = 32,
    /* One bit per field in struct schema_set. */
    SCHEMA_FIELDS_MAX = 64,
    /* Schemas inside schemas: more is a design fault, and decoders keep one frame per level. */
    SCHEMA_DEPTH_MAX = 8,
    /* What a text, bytes or free JSON may hold when its row says nothing (code points or bytes),
     * and how many elements a list. */
    SCHEMA_TEXT_DEFAULT_MAX = 65535,
    SCHEMA_LIST_DEFAULT_MAX = 1000,

    /* LMDB's compiled-in limit (MDB_MAXKEYSIZE). */
    STORE_KEY_BYTES_MAX = 511,
    STORE_TABLES_MAX = 64,
    STORE_INDEXES_PER_TABLE_MAX = 8,
    STORE_RECORD_BYTES_MAX = 1024 * 1024,

    /* A batch: commit cost grows by pages, latency with it; 256 is where the gain flattens. */
    BATCH_COMMANDS_MAX = 256,
    /* Commands waiting for a batch; above it a write gets 503. */
    BATCH_QUEUE_MAX = 4096,

    /* bcrypt reads 72 bytes; longer passwords are refused, never cut. */
    PASSWORD_BYTES_MAX = 72,
    /* Organizations that an access token names: 75 bytes each, so that token and cookies together
     * stay below HTTP_HEAD_BYTES_MAX and the token below what proxies pass on. */
    TOKEN_ROLES_MAX = 20,
    EMAIL_BYTES_MAX = 254, /* RFC 5321, 4.5.3.1.3 less the angle brackets */
};

#endif
