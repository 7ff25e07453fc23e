/* What the files of this domain share with each other and nobody else. */
#ifndef DOMAIN_APPLIANCE_INTERNAL_H
#define DOMAIN_APPLIANCE_INTERNAL_H

#include "domain/appliance/appliance.h"

extern const struct table update_table;
extern const struct table update_part_table;
extern const struct schema update_schema;
extern const struct schema update_part_schema;

extern const struct schema update_begin_schema;
extern const struct schema update_data_schema;
extern const struct schema update_piece_schema;

enum err update_read(struct request *request, const struct store_view *view);

#endif
