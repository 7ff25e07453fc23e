# Builds one static library of third-party code in one flavour. Called by the Makefile as
#   make -f vendor/build.mk LIB=bearssl FLAVOUR=release
# because the list of BearSSL's sources is known only after they are unpacked.
#
# Result: build/FLAVOUR/vendor/libLIB.a, the same bytes for the same sources.

MAKEFLAGS += --no-builtin-rules
include vendor/flavours.mk

source_dir := build/vendor/$(LIB)
object_dir := build/$(FLAVOUR)/vendor/$(LIB)
library    := build/$(FLAVOUR)/vendor/lib$(LIB).a
stamp      := build/vendor/$(LIB).stamp

# BearSSL: -O3 unrolls the big-integer loops and halves the cost of every curve operation.
# It shifts and loads unaligned words on purpose, so UBSan stays off; so does LMDB.
ifeq ($(LIB),bearssl)
sources  := $(sort $(shell find $(source_dir)/src -name '*.c'))
includes := -I$(source_dir)/src -I$(source_dir)/inc
options  := -O3 -W -Wall
sanitize := -fsanitize=address
endif

# LMDB: its page writes and syncs go through src/store/io.c, without exception: the fallback to
# fsync for kernels before 3.6 is switched off.
ifeq ($(LIB),lmdb)
sources  := $(addprefix $(source_dir)/libraries/liblmdb/,mdb.c midl.c)
includes := -I$(source_dir)/libraries/liblmdb -include src/store/lmdb_hooks.h
options  := -O2 -W -Wall -Wno-unused-parameter -Wno-unused-but-set-variable \
            -Wno-implicit-fallthrough -Wno-uninitialized -D_GNU_SOURCE=1 -DMDB_FDATASYNC_WORKS=1
sanitize := -fsanitize=address
endif

ifeq ($(LIB),yyjson)
sources  := $(source_dir)/src/yyjson.c
includes := -I$(source_dir)/src
options  := -O2 -W -Wall
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
endif

# The C form alone; it works in memory that the caller brings.
ifeq ($(LIB),qrcodegen)
sources  := $(source_dir)/c/qrcodegen.c
includes := -I$(source_dir)/c
options  := -O2 -W -Wall -std=c99
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
endif

# zlib: memory to memory only; the gz* file functions are left out.
ifeq ($(LIB),zlib)
sources  := $(addprefix $(source_dir)/,adler32.c compress.c crc32.c deflate.c inffast.c \
              inflate.c inftrees.c trees.c uncompr.c zutil.c)
includes := -I$(source_dir)
options  := -O2 -W -Wall -Wno-implicit-fallthrough
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
endif

# libdeflate: its CRC-32 alone, which takes the processor's carry-less multiplication where there is
# one: 14 times zlib's speed for a record of 300 bytes, 40 times for a page (our zlib is built for any
# x86-64). The code for AVX-512 is left out: a few KB, and nothing here is long enough for it.
ifeq ($(LIB),libdeflate)
sources  := $(addprefix $(source_dir)/lib/,crc32.c x86/cpu_features.c arm/cpu_features.c)
includes := -I$(source_dir)
options  := -O2 -W -Wall -Wno-unused-parameter \
            -DLIBDEFLATE_ASSEMBLER_DOES_NOT_SUPPORT_VPCLMULQDQ
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=all
endif

ifndef sources
$(error vendor/build.mk: unknown LIB '$(LIB)')
endif

objects := $(patsubst $(source_dir)/%.c,$(object_dir)/%.o,$(sources))
flags   := $(options) $(FLAVOUR_CFLAGS) $(if $(filter asan,$(FLAVOUR)),$(sanitize) -O1)

$(library): $(objects)
	@rm -f $@.new
	@$(FLAVOUR_TOOLS)ar Dcrs $@.new $^
	@mv $@.new $@

$(object_dir)/%.o: $(source_dir)/%.c $(stamp) vendor/build.mk vendor/flavours.mk
	@mkdir -p $(@D)
	@$(FLAVOUR_CC) $(flags) $(includes) -MMD -MP -c $< -o $@

-include $(objects:.o=.d)
