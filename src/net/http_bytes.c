/* The table of byte classes, computed by the compiler from the definitions. */
#include "net/http_bytes.h"

#define IN(b, from, to) ((b) >= (from) && (b) <= (to))
#define IS_ALNUM(b) (IN(b, '0', '9') || IN(b, 'A', 'Z') || IN(b, 'a', 'z'))
#define IS_TOKEN(b)                                                                                \
    (IS_ALNUM(b) || (b) == '!' || IN(b, '#', '\'') || (b) == '*' || (b) == '+' || (b) == '-' ||    \
     (b) == '.' || IN(b, '^', '`') || (b) == '|' || (b) == '~')
#define IS_BLANK(b) ((b) == ' ' || (b) == '\t')
#define IS_VALUE(b) ((b) == '\t' || IN(b, 0x20, 0x7e) || (b) >= 0x80)
#define IS_TARGET(b)                                                                               \
    (IN(b, 0x21, 0x7e) && (b) != '"' && (b) != '#' && (b) != '<' && (b) != '>' && (b) != '\\')
#define IS_HOST(b) (IS_ALNUM(b) || (b) == '-' || (b) == '.' || (b) == '_' || (b) == '~')
#define IS_HEX(b) (IN(b, '0', '9') || IN(b, 'A', 'F') || IN(b, 'a', 'f'))
#define IS_QUOTED(b) (IS_VALUE(b) && (b) != '"' && (b) != '\\')

#define CLASSES(b)                                                                                 \
    ((IS_TOKEN(b) ? HTTP_BYTE_TOKEN : 0) | (IS_VALUE(b) ? HTTP_BYTE_VALUE : 0) |                   \
     (IS_TARGET(b) ? HTTP_BYTE_TARGET : 0) | (IS_HOST(b) ? HTTP_BYTE_HOST : 0) |                   \
     (IS_HEX(b) ? HTTP_BYTE_HEX : 0) | (IS_BLANK(b) ? HTTP_BYTE_BLANK : 0) |                       \
     (IS_QUOTED(b) ? HTTP_BYTE_QUOTED : 0))
#define FOUR(b) CLASSES(b), CLASSES((b) + 1), CLASSES((b) + 2), CLASSES((b) + 3)
#define SIXTEEN(b) FOUR(b), FOUR((b) + 4), FOUR((b) + 8), FOUR((b) + 12)
#define SIXTY_FOUR(b) SIXTEEN(b), SIXTEEN((b) + 16), SIXTEEN((b) + 32), SIXTEEN((b) + 48)

const uint8_t http_byte_classes[256] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128),
                                        SIXTY_FOUR(192)};

bool http_bytes_are(struct str bytes, enum http_byte_class wanted) {
    for (uint32_t index = 0; index < bytes.len; index++) {
        if (!http_byte_is(bytes.data[index], wanted)) {
            return false;
        }
    }
    return bytes.len > 0;
}
