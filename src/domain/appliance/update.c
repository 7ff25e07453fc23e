/* Commands of an update: begin, part, install, and its end. See appliance.h for the states. */
#include <string.h>

#include "base/version.h"
#include "domain/appliance/internal.h"

static bool machine_has_slots;

void appliance_set_machine(bool has_slots) {
    machine_has_slots = has_slots;
}

static uint64_t running_version(void) {
    uint64_t version = 0;
    bool is_version = bundle_version_parse(STR(COFFER_VERSION), &version);
    CHECK(is_version);
    return version;
}

enum err update_machine_check(void) {
    return machine_has_slots ? ERR_OK : ERR_UPDATE_MACHINE;
}

/* ---- what is shown ---- */

struct update_data {
    struct schema_set set;
    struct str running_version;
    bool is_possible;
    int64_t part_bytes;
    struct update update;
    struct update_fetch fetch;
};

static const struct field update_data_fields[] = {
    FIELD(struct update_data, running_version, FIELD_TEXT, .flags = FIELD_REQUIRED,
          .doc = "Version of the server that answers."),
    FIELD(struct update_data, is_possible, FIELD_BOOL, .flags = FIELD_REQUIRED,
          .doc = "Whether this server was built with a key and runs in a machine with two slots."),
    FIELD(struct update_data, part_bytes, FIELD_INT, .flags = FIELD_REQUIRED,
          .doc = "Bytes of each part but the last."),
    FIELD(struct update_data, update, FIELD_OBJECT, .flags = FIELD_NULLABLE, .of = &update_schema,
          .doc = "The update on its way, or the last one; null when there was none."),
    FIELD(struct update_data, fetch, FIELD_OBJECT, .flags = FIELD_NULLABLE,
          .of = &update_fetch_schema,
          .doc = "The fetch by URL that runs, or the last one; null when there was none."),
};

const struct schema update_data_schema =
    SCHEMA("UpdateData", struct update_data, update_data_fields);

static void add_object(yyjson_mut_doc *doc, yyjson_mut_val *data, const char *name,
                       const struct schema *schema, const void *record) {
    if (record == NULL) {
        json_add_null(doc, data, name);
    } else {
        json_add_members(doc, json_add_object(doc, data, name), schema, record);
    }
}

void update_reply(const struct store_view *view, const struct command *command,
                  const struct update *update, struct outcome *outcome) {
    struct update_fetch fetch;
    bool has_fetch = update_fetch_get(view, command->arena, &fetch) == ERR_OK;
    yyjson_mut_val *data = outcome_data(outcome, command);
    yyjson_mut_doc *doc = outcome->doc;
    json_add_str(doc, data, "running_version", STR(COFFER_VERSION));
    json_add_bool(doc, data, "is_possible", machine_has_slots && bundle_key() != NULL);
    json_add_int(doc, data, "part_bytes", BUNDLE_PART_BYTES);
    add_object(doc, data, "update", &update_schema, update);
    add_object(doc, data, "fetch", &update_fetch_schema, has_fetch ? &fetch : NULL);
}

enum err update_read(struct request *request, const struct store_view *view) {
    struct update update;
    enum err err = update_get(view, request->arena, &update);
    if (err == ERR_OK || err == ERR_NOT_FOUND) {
        update_reply(view, &request->command, err == ERR_OK ? &update : NULL, &request->outcome);
        err = ERR_OK;
    }
    return err;
}

/* ---- begin ---- */

static const struct field update_begin_fields[] = {
    FIELD(struct update_begin, header, FIELD_BYTES, .flags = FIELD_REQUIRED,
          .max = BUNDLE_HEADER_BYTES_MAX, .doc = "The bundle's header, all of it."),
};

const struct schema update_begin_schema =
    SCHEMA("UpdateBegin", struct update_begin, update_begin_fields);

static const struct update_begin *begin_input(const struct command *command) {
    return command->body != NULL ? command->body : command->prepared;
}

static enum err begin_check(const struct store_view *view, const struct command *command,
                            struct outcome *outcome) {
    struct bundle bundle;
    (void)outcome;
    if (command->body != NULL && update_is_fetching(view, command->arena)) {
        return ERR_UPDATE_BUSY; /* the fetcher begins by `prepared` */
    }
    return bundle_judge(begin_input(command)->header, bundle_key(), running_version(), &bundle);
}

static void parts_remove(struct store_tx *tx, int64_t count) {
    for (int64_t number = 0; number < count; number++) {
        uint8_t key[8];
        store_del(tx, &update_part_table, store_key_int(number, key));
    }
}

static void begin_apply(struct store_tx *tx, const struct command *command,
                        struct outcome *outcome) {
    struct bundle bundle;
    char memory[BUNDLE_VERSION_LEN_MAX];
    struct buf version = buf_over(memory, sizeof memory);
    struct str header = begin_input(command)->header;
    enum err err = bundle_parse(header, &bundle);
    CHECK(err == ERR_OK);
    bundle_version_format(bundle.version, &version);
    CHECK(!version.is_full);
    parts_remove(tx, BUNDLE_PARTS_MAX);
    struct update update = {
        .number = UPDATE_NUMBER,
        .state = UPDATE_UPLOADING,
        .version = buf_str(&version),
        .header = str_slice(header, 0, bundle.header_bytes),
        .part_count = bundle.part_count,
        .created_at = command->now_us,
    };
    update.set.present = UINT64_MAX >> (64 - update_schema.field_count);
    SCHEMA_CLEAR(&update_schema, &update, problem);
    store_put(tx, &update_table, &update);
    update_fetch_note(tx, command, bundle.header_bytes,
                      (int64_t)bundle.header_bytes + bundle.image_bytes);
    update.version = arena_copy(command->arena, update.version); /* the reply is written later */
    update_reply(store_tx_view(tx), command, &update, outcome);
    outcome->status = 201;
}

const struct command_row update_begin_command = {
    .name = "appliance.update_begin",
    .action = "appliance.update.begin",
    .resource = "appliance",
    .check = begin_check,
    .apply = begin_apply,
};

/* ---- parts ---- */

static const struct field update_piece_fields[] = {
    FIELD(struct update_piece, number, FIELD_INT, .flags = FIELD_REQUIRED, .min = 0,
          .max = BUNDLE_PARTS_MAX - 1, .doc = "Which part, from 0."),
    FIELD(struct update_piece, data, FIELD_BYTES, .flags = FIELD_REQUIRED, .max = BUNDLE_PART_BYTES,
          .doc = "The part's bytes."),
};

const struct schema update_piece_schema =
    SCHEMA("UpdatePiece", struct update_piece, update_piece_fields);

static const struct update_piece *piece_input(const struct command *command) {
    return command->body != NULL ? command->body : command->prepared;
}

static enum err part_check(const struct store_view *view, const struct command *command,
                           struct outcome *outcome) {
    const struct update_piece *piece = piece_input(command);
    struct update update;
    struct bundle bundle;
    (void)outcome;
    enum err err = update_get(view, command->arena, &update);
    if (err != ERR_OK) {
        return err;
    }
    if (update.state != UPDATE_UPLOADING || piece->number >= update.part_count) {
        return ERR_NOT_FOUND;
    }
    if (bundle_parse(update.header, &bundle) != ERR_OK) {
        return ERR_CORRUPT;
    }
    return bundle_part_fits(&bundle, (uint32_t)piece->number, piece->data) ? ERR_OK
                                                                           : ERR_UPDATE_PART;
}

static void part_apply(struct store_tx *tx, const struct command *command,
                       struct outcome *outcome) {
    const struct update_piece *piece = piece_input(command);
    const struct store_view *view = store_tx_view(tx);
    struct update update;
    struct update_part part;
    enum err err = update_get(view, command->arena, &update);
    CHECK(err == ERR_OK);
    bool is_new = update_part_get(view, piece->number, command->arena, &part) != ERR_OK;
    part = (struct update_part){.number = piece->number, .data = piece->data};
    part.set.present = UINT64_MAX >> (64 - update_part_schema.field_count);
    store_put(tx, &update_part_table, &part);
    update.parts_received += is_new ? 1 : 0;
    store_put(tx, &update_table, &update);
    update_fetch_note(tx, command, is_new ? piece->data.len : 0, 0);
    update_reply(view, command, &update, outcome);
}

const struct command_row update_part_command = {
    .name = "appliance.update_part",
    .check = part_check,
    .apply = part_apply,
};

/* ---- install ---- */

/* Asked of the process, so before the batch; the command line installs for a machine that is off.
 */
static enum err install_prepare(struct request *request) {
    (void)request;
    return update_machine_check();
}

enum err update_whole_check(const struct store_view *view, const struct command *command) {
    struct update update;
    enum err err = update_get(view, command->arena, &update);
    if (err != ERR_OK) {
        return err;
    }
    bool is_whole = update.state == UPDATE_UPLOADING && update.parts_received == update.part_count;
    return is_whole ? ERR_OK : ERR_UPDATE_INCOMPLETE;
}

static enum err install_check(const struct store_view *view, const struct command *command,
                              struct outcome *outcome) {
    (void)outcome;
    return update_whole_check(view, command);
}

void update_request(struct store_tx *tx, const struct command *command, struct update *update) {
    enum err err = update_get(store_tx_view(tx), command->arena, update);
    CHECK(err == ERR_OK);
    update->state = UPDATE_REQUESTED;
    store_put(tx, &update_table, update);
}

static void install_apply(struct store_tx *tx, const struct command *command,
                          struct outcome *outcome) {
    struct update update;
    update_request(tx, command, &update);
    update_reply(store_tx_view(tx), command, &update, outcome);
    outcome->status = 202;
}

const struct command_row update_install_command = {
    .name = "appliance.update_install",
    .action = "appliance.update.install",
    .resource = "appliance",
    .prepare = install_prepare,
    .check = install_check,
    .apply = install_apply,
};

/* ---- the end ---- */

static enum err end_check(const struct store_view *view, const struct command *command,
                          struct outcome *outcome) {
    struct update update;
    (void)outcome;
    return update_get(view, command->arena, &update);
}

void update_finish(struct store_tx *tx, const struct command *command, struct str problem) {
    struct update update;
    enum err err = update_get(store_tx_view(tx), command->arena, &update);
    CHECK(err == ERR_OK);
    bool is_good = str_is_none(problem);
    update.state = is_good ? UPDATE_INSTALLED : UPDATE_FAILED;
    update.problem = str_slice(problem, 0, UPDATE_PROBLEM_LEN_MAX);
    if (is_good) {
        SCHEMA_CLEAR(&update_schema, &update, problem);
    } else {
        SCHEMA_SET(&update_schema, &update, problem);
    }
    update.parts_received = 0;
    parts_remove(tx, update.part_count);
    store_put(tx, &update_table, &update);
}

static void end_apply(struct store_tx *tx, const struct command *command, struct outcome *outcome) {
    const struct update_end *input = command->prepared;
    (void)outcome;
    update_finish(tx, command, input->problem);
}

const struct command_row update_end_command = {
    .name = "appliance.update_end",
    .action = "appliance.update.end",
    .resource = "appliance",
    .frees_room = true,
    .check = end_check,
    .apply = end_apply,
};
