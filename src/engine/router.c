/*
 * From method and path to an endpoint row. The patterns are a trie of path segments, built once.
 * A literal segment wins over a {param}; when the literal branch leads nowhere the param branch is
 * tried, with an explicit, bounded stack.
 *
 * Also the place where all rows are checked: a row that is not sound stops the program at boot.
 */
#include <string.h>

#include "engine/endpoint.h"

enum {
    ROUTE_NODES_MAX = 2048,
    ROUTE_ENDPOINTS_MAX = 512,
    ROUTE_SEGMENTS_MAX = 12,
    ROUTE_NONE = 0, /* node 0 is the root and nobody's child */
    ROUTE_METHODS = HTTP_OPTIONS + 1,
};

struct route_node {
    struct str segment; /* a param's name for param nodes */
    uint16_t first_child;
    uint16_t next_sibling;
    uint16_t param_child;
    uint16_t endpoints[ROUTE_METHODS]; /* index + 1, 0 = none */
};

struct router {
    struct route_node nodes[ROUTE_NODES_MAX];
    uint32_t node_count;
    const struct endpoint *endpoints[ROUTE_ENDPOINTS_MAX];
    uint32_t endpoint_count;
};

static struct router the_router;
static char problem_text[256];

static enum err router_problem(const char **problem, const struct endpoint *row, const char *text) {
    struct buf out = buf_over(problem_text, sizeof(problem_text) - 1);
    buf_printf(&out, "endpoint %s: %s", row->id ? row->id : "(no id)", text);
    problem_text[out.len] = 0;
    *problem = problem_text;
    return ERR_FORMAT;
}

/* ---- soundness of rows ---- */

static bool is_param(struct str segment) {
    return segment.len > 2 && segment.data[0] == '{' && segment.data[segment.len - 1] == '}';
}

static struct str path_rest(const struct endpoint *row) {
    return str_slice(str_from_c(row->path), 1, UINT32_MAX);
}

/* Paths that the matcher could not reach, or that say something else than was meant. */
static const char *path_problem(const struct endpoint *row) {
    struct str names[ROUTE_PARAMS_MAX];
    uint32_t name_count = 0;
    uint32_t segment_count = 0;
    struct str rest = path_rest(row);
    while (!str_is_none(rest)) {
        struct str segment = str_split(&rest, '/');
        segment_count++;
        if (!is_param(segment)) {
            if (str_has_byte(segment, '{') || str_has_byte(segment, '}')) {
                return "a segment is a literal or one {param}";
            }
            continue;
        }
        if (name_count == ROUTE_PARAMS_MAX) {
            return "the path has too many segments or params";
        }
        for (uint32_t i = 0; i < name_count; i++) {
            if (str_equal(names[i], segment)) {
                return "a param comes twice in the path";
            }
        }
        names[name_count++] = segment;
    }
    return segment_count > ROUTE_SEGMENTS_MAX ? "the path has too many segments or params" : NULL;
}

static bool params_have_fields(const struct endpoint *row) {
    struct str rest = path_rest(row);
    while (!str_is_none(rest)) {
        struct str segment = str_split(&rest, '/');
        if (!is_param(segment)) {
            continue;
        }
        struct str name = str_slice(segment, 1, segment.len - 1);
        if (row->params == NULL || schema_field(row->params, name) == NULL) {
            return false;
        }
    }
    return true;
}

static const char *schemas_problem(const struct endpoint *row) {
    const struct schema *schemas[] = {row->params, row->body, row->output};
    for (uint32_t i = 0; i < COUNT_OF(schemas); i++) {
        const char *problem = NULL;
        if (schemas[i] != NULL && !schema_is_sound(schemas[i], &problem)) {
            return problem;
        }
    }
    return NULL;
}

static const char *row_problem(const struct endpoint *row) {
    if (row->id == NULL || row->path == NULL || row->path[0] != '/' || row->doc == NULL) {
        return "id, path and doc are required";
    }
    if (row->tag == NULL || row->auth < AUTH_NONE || row->auth > AUTH_DIALECT) {
        return "tag and auth are required";
    }
    if ((row->command == NULL) == (row->read == NULL)) {
        return "exactly one of command and read";
    }
    if (row->method < HTTP_GET || row->method >= HTTP_OPTIONS || row->method == HTTP_HEAD) {
        return "the method is GET, POST, PUT, PATCH or DELETE";
    }
    if ((row->method == HTTP_GET) != (row->read != NULL)) {
        return "GET reads, all others are commands";
    }
    if (row->note != NULL && (row->read == NULL || row->form != FORM_RAW)) {
        return "only a raw read has a note";
    }
    if (row->command != NULL && (row->command->check == NULL || row->command->apply == NULL)) {
        return "a command has check and apply";
    }
    if (row->auth == AUTH_DIALECT && (row->dialect == NULL || row->dialect->resolve == NULL)) {
        return "the dialect must know its callers";
    }
    if (row->page != NULL && row->method != HTTP_GET) {
        return "a page is got";
    }
    if (row->method == HTTP_GET && row->body != NULL) {
        return "GET takes no body";
    }
    if (row->auth == AUTH_NONE && row->roles != 0) {
        return "roles need auth";
    }
    if (row->scopes != 0 && (row->auth == AUTH_NONE || row->scopes > SCOPE_ANY)) {
        return "scopes need auth and a name";
    }
    const char *problem = path_problem(row);
    if (problem != NULL) {
        return problem;
    }
    return params_have_fields(row) ? schemas_problem(row) : "every {param} needs a field";
}

/* ---- building ---- */

static uint16_t node_new(struct router *router, struct str segment) {
    CHECK(router->node_count < ROUTE_NODES_MAX);
    struct route_node *node = &router->nodes[router->node_count];
    memset(node, 0, sizeof(*node));
    node->segment = segment;
    router->node_count++;
    return (uint16_t)(router->node_count - 1);
}

static uint16_t node_literal(const struct router *router, uint16_t at, struct str segment) {
    uint16_t child = router->nodes[at].first_child;
    while (child != ROUTE_NONE && !str_equal(router->nodes[child].segment, segment)) {
        child = router->nodes[child].next_sibling;
    }
    return child;
}

static uint16_t node_step(struct router *router, uint16_t at, struct str segment) {
    if (is_param(segment)) {
        if (router->nodes[at].param_child == ROUTE_NONE) {
            router->nodes[at].param_child = node_new(router, STR(""));
        }
        return router->nodes[at].param_child;
    }
    uint16_t child = node_literal(router, at, segment);
    if (child == ROUTE_NONE) {
        child = node_new(router, segment);
        router->nodes[child].next_sibling = router->nodes[at].first_child;
        router->nodes[at].first_child = child;
    }
    return child;
}

static bool router_add(struct router *router, const struct endpoint *row) {
    CHECK(router->endpoint_count < ROUTE_ENDPOINTS_MAX);
    uint16_t at = 0;
    struct str rest = path_rest(row);
    while (!str_is_none(rest)) {
        at = node_step(router, at, str_split(&rest, '/'));
    }
    uint16_t *slot = &router->nodes[at].endpoints[row->method];
    if (*slot != 0) {
        return false;
    }
    router->endpoints[router->endpoint_count] = row;
    router->endpoint_count++;
    *slot = (uint16_t)router->endpoint_count;
    return true;
}

static bool id_is_taken(const struct router *router, const struct endpoint *row) {
    for (uint32_t i = 0; i < router->endpoint_count; i++) {
        if (str_equal(str_from_c(router->endpoints[i]->id), str_from_c(row->id))) {
            return true;
        }
    }
    return false;
}

static enum err router_add_module(struct router *router, const struct module *module,
                                  const char **problem) {
    for (uint32_t i = 0; i < module->endpoint_count; i++) {
        const struct endpoint *row = &module->endpoints[i];
        const char *text = row_problem(row);
        if (text != NULL) {
            return router_problem(problem, row, text);
        }
        if (id_is_taken(router, row)) {
            return router_problem(problem, row, "the id is taken");
        }
        if (!router_add(router, row)) {
            return router_problem(problem, row, "method and path are taken");
        }
    }
    return ERR_OK;
}

enum err router_open(const struct router **router, const struct module *const *modules,
                     uint32_t module_count, const char **problem) {
    memset(&the_router, 0, sizeof(the_router));
    the_router.node_count = 1;
    for (uint32_t i = 0; i < module_count; i++) {
        enum err err = router_add_module(&the_router, modules[i], problem);
        if (err != ERR_OK) {
            return err;
        }
    }
    *router = &the_router;
    return ERR_OK;
}

/* ---- matching ---- */

struct route_step {
    uint16_t node;
    uint32_t offset; /* into the path, where the next segment starts; > len at the end */
    uint32_t value_count;
    struct str value; /* taken to get here, when the node is a param */
};

static bool node_has_endpoints(const struct route_node *node) {
    for (uint32_t i = 0; i < ROUTE_METHODS; i++) {
        if (node->endpoints[i] != 0) {
            return true;
        }
    }
    return false;
}

static uint32_t node_allow(const struct route_node *node) {
    uint32_t allow = 1u << HTTP_OPTIONS;
    for (uint32_t i = 0; i < ROUTE_METHODS; i++) {
        if (node->endpoints[i] != 0) {
            allow |= 1u << i;
        }
    }
    return (allow & (1u << HTTP_GET)) != 0 ? allow | (1u << HTTP_HEAD) : allow;
}

static const struct endpoint *node_neighbour(const struct router *router,
                                             const struct route_node *node) {
    uint32_t method = 0;
    while (node->endpoints[method] == 0) {
        method++;
        CHECK(method < ROUTE_METHODS); /* router_walk stops at nodes that have rows */
    }
    return router->endpoints[node->endpoints[method] - 1u];
}

/* Which node, filling match->values on the way. */
static const struct route_node *router_walk(const struct router *router, struct str path,
                                            struct route_match *match) {
    struct route_step stack[ROUTE_SEGMENTS_MAX * 2];
    uint32_t depth = 0;
    stack[depth++] = (struct route_step){.node = 0, .offset = 1};
    while (depth > 0) {
        struct route_step step = stack[--depth];
        if (!str_is_none(step.value)) {
            match->values[step.value_count - 1] = step.value;
        }
        const struct route_node *node = &router->nodes[step.node];
        if (step.offset > path.len) {
            if (node_has_endpoints(node)) {
                match->value_count = step.value_count;
                return node;
            }
            continue;
        }
        struct str rest = str_slice(path, step.offset, path.len);
        struct str segment = str_slice(rest, 0, str_find_byte(rest, '/'));
        uint32_t next = step.offset + segment.len + 1;
        if (depth + 2 > COUNT_OF(stack)) {
            return NULL;
        }
        if (node->param_child != ROUTE_NONE && segment.len > 0 &&
            step.value_count < ROUTE_PARAMS_MAX) {
            stack[depth++] =
                (struct route_step){node->param_child, next, step.value_count + 1, segment};
        }
        uint16_t literal = node_literal(router, step.node, segment);
        if (literal != ROUTE_NONE) {
            stack[depth++] = (struct route_step){literal, next, step.value_count, STR_NONE};
        }
    }
    return NULL;
}

static void match_names(struct route_match *match, const struct endpoint *row) {
    struct str rest = str_slice(str_from_c(row->path), 1, UINT32_MAX);
    uint32_t count = 0;
    while (!str_is_none(rest)) {
        struct str segment = str_split(&rest, '/');
        if (is_param(segment)) {
            CHECK(count < match->value_count);
            match->names[count++] = str_slice(segment, 1, segment.len - 1);
        }
    }
}

void router_match(const struct router *router, enum http_method method, struct str path,
                  struct route_match *match) {
    memset(match, 0, sizeof(*match));
    if (path.len == 0 || path.data[0] != '/') {
        return;
    }
    const struct route_node *node = router_walk(router, path, match);
    if (node == NULL) {
        return;
    }
    match->allow = node_allow(node);
    match->neighbour = node_neighbour(router, node);
    enum http_method looked_up = method == HTTP_HEAD ? HTTP_GET : method;
    if (looked_up < HTTP_OTHER && node->endpoints[looked_up] != 0) {
        match->index = node->endpoints[looked_up] - 1u;
        match->endpoint = router->endpoints[match->index];
    }
    match_names(match, match->endpoint != NULL ? match->endpoint : match->neighbour);
}

uint32_t router_endpoint_count(const struct router *router) {
    return router->endpoint_count;
}

const struct endpoint *router_endpoint(const struct router *router, uint32_t index) {
    CHECK(index < router->endpoint_count);
    return router->endpoints[index];
}

void router_allow_format(uint32_t allow, struct buf *out) {
    bool is_first = true;
    for (uint32_t method = HTTP_GET; method <= HTTP_OPTIONS; method++) {
        if ((allow & (1u << method)) == 0) {
            continue;
        }
        buf_put_c(out, is_first ? "" : ", ");
        buf_put_c(out, http_method_name((enum http_method)method));
        is_first = false;
    }
}
