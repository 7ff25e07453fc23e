# Coffer's build. `make help` lists the targets.
#
#   build/coffer          the product: one static position-independent binary (musl)
#   build/arm64/coffer    the same for that architecture, cross-compiled; for the container
#   build/asan/           the same code under AddressSanitizer and UBSan, for tests
#   build/plain/          the same code on glibc without sanitizers, for tests that need speed
#   build/vendor/         third-party sources, fetched by vendor/fetch and patched
#
# A flavour's objects mirror the tree: src/os/loop.c -> build/asan/src/os/loop.o.

MAKEFLAGS += --no-builtin-rules
# As many jobs as processors, unless the command line says otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

# --- what there is -------------------------------------------------------------------------

SOURCES  := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
ASSEMBLY := $(sort $(wildcard src/*/*.S))
STATIC   := $(sort $(wildcard src/*/static/*))

TEST_DIRS    := unit model crash
TEST_SOURCES := $(sort $(wildcard tests/unit/test_*.c tests/model/model_*.c tests/crash/*.c))
FUZZ_SOURCES := $(sort $(wildcard tests/fuzz/fuzz_*.c))
SUPPORT      := $(sort $(wildcard tests/support/*.c))

LIBRARIES := bearssl libdeflate lmdb qrcodegen yyjson zlib

# Flavours (vendor/flavours.mk), and those of them that are shipped.
PRODUCTS := release arm64
FLAVOURS := $(PRODUCTS) asan plain arm64-plain

# --- flags ---------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef -Wformat=2 \
            -Wold-style-definition
INCLUDES := -Isrc \
            -isystem build/vendor/bearssl/inc \
            -isystem build/vendor/libdeflate \
            -isystem build/vendor/lmdb/libraries/liblmdb \
            -isystem build/vendor/qrcodegen/c \
            -isystem build/vendor/yyjson/src \
            -isystem build/vendor/zlib
LANGUAGE := -std=c17 -D_GNU_SOURCE $(WARNINGS) $(INCLUDES) -MMD -MP

# musl's headers come without the kernel's; those are the same for every C library.
KERNEL_HEADERS := build/kernel-headers

release_OPTIONS := -O2 -idirafter $(KERNEL_HEADERS)
arm64_OPTIONS   := -O2 -idirafter /usr/aarch64-linux-gnu/include
arm64-plain_OPTIONS := $(arm64_OPTIONS) -DCOFFER_TEST_BUILD=1
asan_OPTIONS    := -O1 -DCOFFER_TEST_BUILD=1 -fsanitize=address,undefined \
                   -fno-sanitize-recover=all
plain_OPTIONS   := -O2 -DCOFFER_TEST_BUILD=1

SANITIZER_LIBS := -fsanitize=address,undefined

# --- targets for people --------------------------------------------------------------------

.PHONY: all run test bench tests fuzz-run setup clean help
all: build/coffer

help:
	@echo 'make            build/coffer, the product'
	@echo 'make run        install what is missing, build, serve https://localhost:8443 from ./data'
	@echo 'make test       install what is missing, build, run every test suite'
	@echo 'make tests      build the test programs only'
	@echo 'make fuzz-run   the fuzzers for longer: MUTATIONS=1000000 SEED=1'
	@echo 'make bench      install what is missing, measure against other servers'
	@echo 'make image      build/image: kernel, initramfs, disks, ISO, container'
	@echo 'make image-twice  the same again elsewhere: are they the same bytes?'
	@echo 'make bundle     a signed update: SIGNING_KEY=private.pem, UPDATE_KEY=public.pem'
	@echo 'make vm         boot it in QEMU, reachable at https://localhost:8443'
	@echo 'make test-vm    every test of the appliance;  make bench-vm  its boot against others'
	@echo 'make setup      install what the build needs'
	@echo 'make clean      remove build/ (the cache of fetched archives stays)'

setup:
	@tests/setup build

run:
	@tests/setup build
	@$(MAKE) --no-print-directory build/coffer
	build/coffer serve --data ./data --listen https://localhost:8443

test:
	@tests/setup build test
	@$(MAKE) --no-print-directory build/coffer build/asan/coffer tests
	@tests/run

bench:
	@tests/setup build bench
	@$(MAKE) --no-print-directory build/coffer
	@tests/bench/run

clean:
	rm -rf build

# --- third-party code ----------------------------------------------------------------------

VENDOR_STAMPS := $(LIBRARIES:%=build/vendor/%.stamp)

build/vendor/%.stamp: vendor/fetch vendor/manifest
	@vendor/fetch $* build/vendor/$*
	@touch $@
$(foreach lib,$(LIBRARIES),$(eval \
  build/vendor/$(lib).stamp: $(sort $(wildcard vendor/patches/$(lib)-*.patch))))

# The distribution has the compiler for arm64 and no musl. Its wrapper of the compiler, musl-gcc,
# is made along with the library.
arm64_LIBC       := build/arm64/musl.stamp
arm64-plain_LIBC := $(arm64_LIBC)
$(arm64_LIBC): build/vendor/musl.stamp
	@echo 'vendor  arm64 musl'
	@rm -rf $(@D)/musl && mkdir -p $(@D)/musl/objects
	@cd $(@D)/musl/objects && $(CURDIR)/build/vendor/musl/configure --target=aarch64-linux-musl \
	  --prefix=$(CURDIR)/$(@D)/musl --disable-shared --enable-wrapper=gcc \
	  CC=aarch64-linux-gnu-gcc CROSS_COMPILE=aarch64-linux-gnu- \
	  CFLAGS='-ffile-prefix-map=$(CURDIR)/=' >configure.log 2>&1 || { cat configure.log; exit 1; }
	@$(MAKE) --no-print-directory -s -C $(@D)/musl/objects install \
	  >$(@D)/musl/install.log 2>&1 || { cat $(@D)/musl/install.log; exit 1; }
	@touch $@

# $(call vendor_library,FLAVOUR,LIB): a file target whose recipe is a make of its own.
define vendor_library
build/$(1)/vendor/lib$(2).a: build/vendor/$(2).stamp vendor/build.mk vendor/flavours.mk \
  $(if $(filter lmdb,$(2)),src/store/lmdb_hooks.h) | $($(1)_LIBC)
	@echo 'vendor  $(1) $(2)'
	@mkdir -p $$(@D)
	@flock $$(@:.a=.lock) $$(MAKE) --no-print-directory -f vendor/build.mk FLAVOUR=$(1) LIB=$(2)
	@touch $$@
endef
$(foreach flavour,$(FLAVOURS),$(foreach lib,$(LIBRARIES),$(eval \
  $(call vendor_library,$(flavour),$(lib)))))

$(KERNEL_HEADERS):
	@mkdir -p $@.new
	@ln -sfn /usr/include/linux $@.new/linux
	@ln -sfn /usr/include/asm-generic $@.new/asm-generic
	@ln -sfn /usr/include/$$(gcc -print-multiarch)/asm $@.new/asm
	@mv $@.new $@

# --- our code, once per flavour ------------------------------------------------------------

# src/engine/static/NAME.EXT becomes the bytes between asset_NAME_EXT and asset_NAME_EXT_end
# (dots and dashes as underscores). A zero byte follows, so a text may be used as a string.
asset_symbol = asset_$(subst -,_,$(subst .,_,$(notdir $(1))))

# $(call asset_source,FILE,SYMBOL): one shell word per line of assembly.
asset_source = '.section .rodata.$(2),"a"' '.balign 16' '.global $(2), $(2)_end' \
               '$(2): .incbin "$(1)"' '$(2)_end: .byte 0' \
               '.section .note.GNU-stack,"",@progbits'

define flavour_rules
FLAVOUR := $(1)
include vendor/flavours.mk
$(1)_CC      := $$(FLAVOUR_CC)
$(1)_TOOLS   := $$(FLAVOUR_TOOLS)
$(1)_CFLAGS  := $$(FLAVOUR_CFLAGS) $$(LANGUAGE) $$($(1)_OPTIONS)
$(1)_OBJECTS := $$(SOURCES:%.c=build/$(1)/%.o) $$(ASSEMBLY:%.S=build/$(1)/%.o) \
                $$(STATIC:%=build/$(1)/%.asset.o)
$(1)_VENDOR  := $$(LIBRARIES:%=build/$(1)/vendor/lib%.a)

build/$(1)/%.o: %.c Makefile vendor/flavours.mk | $$(VENDOR_STAMPS) $$(KERNEL_HEADERS) $$($(1)_LIBC)
	@mkdir -p $$(@D)
	@echo 'cc      $(1) $$<'
	@$$($(1)_CC) $$($(1)_CFLAGS) $$(OWN_INCLUDES) -c $$< -o $$@

build/$(1)/tests/%.o: OWN_INCLUDES := -Itests

build/$(1)/%.o: %.S Makefile vendor/flavours.mk | $$($(1)_LIBC)
	@mkdir -p $$(@D)
	@echo 'as      $(1) $$<'
	@$$($(1)_CC) $$(FLAVOUR_CFLAGS) -Isrc -MMD -MP -c $$< -o $$@

build/$(1)/%.asset.o: % Makefile | $$($(1)_LIBC)
	@mkdir -p $$(@D)
	@echo 'asset   $(1) $$<'
	@printf '%s\n' $$(call asset_source,$$<,$$(call asset_symbol,$$<)) | \
	  $$($(1)_CC) -x assembler -c - -o $$@

build/$(1)/libcoffer.a: $$(filter-out build/$(1)/src/main.o,$$($(1)_OBJECTS))
	@rm -f $$@
	@$$($(1)_TOOLS)ar Dcrs $$@ $$^

build/$(1)/libsupport.a: $$(SUPPORT:%.c=build/$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	@$$($(1)_TOOLS)ar Dcrs $$@ $$^

-include $$($(1)_OBJECTS:.o=.d)
endef
$(foreach flavour,$(FLAVOURS),$(eval $(call flavour_rules,$(flavour))))

# --- the product ---------------------------------------------------------------------------

# What runs a few times per request is made small; what loops over bytes, keys and pages (base,
# crypto, json, net, store) is made fast.
SMALL := cli domain engine os
define small_rule
$(filter $(SMALL:%=build/$(1)/src/%/%),$($(1)_OBJECTS)): $(1)_CFLAGS += -Os
endef
$(foreach flavour,$(PRODUCTS),$(eval $(call small_rule,$(flavour))))

# The musl-gcc of this distribution does not know -static-pie: it would link the start file of
# a dynamic program. So the start files are named here. `-z text` refuses text relocations.
release_MUSL = /usr/lib/$(subst gnu,musl,$(shell gcc -print-multiarch))
arm64_MUSL   = build/arm64/musl/lib
arm64-plain_MUSL = $(arm64_MUSL)
GCC_FILE     = $(shell $($(1)_TOOLS)gcc -print-file-name=$(2))
LINK_FLAGS   = -nostdlib -static-pie \
               -Wl,-static,-pie,--no-dynamic-linker,-z,text,-z,relro,-z,now,-z,noexecstack \
               -Wl,--gc-sections,--build-id=none

# The program runs on kernels with pages of 4 and of 64 KiB. A part that becomes read-only after the
# relocations would have to end at one of the latter, with up to 64 KiB of zeros in the file before it,
# and for nothing: musl's start of a static program leaves it writable (a trace on x86-64 shows it).
arm64_LINK_FLAGS       := -Wl,-z,norelro
arm64-plain_LINK_FLAGS := $(arm64_LINK_FLAGS)

# $(call product_link,FLAVOUR,PROGRAM,OBJECTS)
product_link = $($(1)_CC) $(LINK_FLAGS) $($(1)_LINK_FLAGS) -o $(2) $($(1)_MUSL)/rcrt1.o $($(1)_MUSL)/crti.o \
  $(call GCC_FILE,$(1),crtbeginS.o) $(3) -Wl,--start-group $($(1)_VENDOR) -lc \
  $(call GCC_FILE,$(1),libgcc.a) $(call GCC_FILE,$(1),libgcc_eh.a) -Wl,--end-group \
  $(call GCC_FILE,$(1),crtendS.o) $($(1)_MUSL)/crtn.o
BINARY_BYTES_MAX := 1500000

# Whose updates the appliance takes: a file with a public key (P-256, PEM), or nobody's.
UPDATE_KEY ?=
UPDATE_POINT = $(if $(UPDATE_KEY),$(shell openssl pkey -pubin -in $(UPDATE_KEY) -outform DER | \
                 tail -c 65 | od -An -v -tx1 | tr -d ' \n'))
build/update-key: FORCE
	@mkdir -p $(@D)
	@[ -z '$(UPDATE_KEY)' ] || expr '$(UPDATE_POINT)' : '04[0-9a-f]\{128\}$$' >/dev/null || \
	  { echo 'UPDATE_KEY: $(UPDATE_KEY) holds no public key of P-256' >&2; exit 1; }
	@printf '%s' '$(UPDATE_POINT)' | cmp -s - $@ || printf '%s' '$(UPDATE_POINT)' >$@
$(PRODUCTS:%=build/%/src/crypto/bundle_key.o): build/update-key
$(PRODUCTS:%=build/%/src/crypto/bundle_key.o): OWN_INCLUDES = $(if $(UPDATE_KEY),-DCOFFER_UPDATE_KEY='"$(UPDATE_POINT)"')
.PHONY: FORCE
FORCE:

# $(call product_rules,FLAVOUR,PROGRAM)
define product_rules
$(2): $$($(1)_OBJECTS) $$($(1)_VENDOR)
	@echo 'link    $$@'
	@$$(call product_link,$(1),$$@.full,$$($(1)_OBJECTS))
	@$$($(1)_TOOLS)strip --strip-all -o $$@.new $$@.full
	@bytes=$$$$(stat -c %s $$@.new); echo "size    $$@ $$$$bytes bytes"; \
	  if [ $$$$bytes -gt $$(BINARY_BYTES_MAX) ]; then \
	    echo "$$@ is over its budget of $$(BINARY_BYTES_MAX) bytes" >&2; exit 1; fi
	@mv $$@.new $$@
endef
$(eval $(call product_rules,release,build/coffer))
$(eval $(call product_rules,arm64,build/arm64/coffer))

# --- test programs -------------------------------------------------------------------------

# FLAVOUR_LINK: a program of ours and nothing of it twice.
PARTS      = $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group
asan_LINK  = gcc -o $@ $(PARTS) $(SANITIZER_LIBS)
plain_LINK = gcc -o $@ $(PARTS)
arm64_LINK = $(call product_link,arm64,$@,$(PARTS))
arm64-plain_LINK = $(call product_link,arm64-plain,$@,$(PARTS))
test_libs  = build/$(1)/libsupport.a build/$(1)/libcoffer.a $($(1)_VENDOR)

# What all test programs of a flavour get.
arm64-plain_ALSO := build/arm64-plain/tests/vm/qemu_user.o

# The server itself, tested in other flavours than the one that is shipped.
define server_rules
build/$(1)/$(2)coffer: build/$(1)/src/main.o $(3) build/$(1)/libcoffer.a $$($(1)_VENDOR)
	@echo 'link    $$@'
	@mkdir -p $$(@D)
	@$$($(1)_LINK)
endef
$(eval $(call server_rules,asan))
$(eval $(call server_rules,arm64,tests/,build/arm64/tests/vm/qemu_user.o))

define test_rules
build/$(1)/tests/fuzz/fuzz_%: build/$(1)/tests/fuzz/fuzz_%.o build/$(1)/tests/fuzz/driver.o \
  $$($(1)_ALSO) $$(call test_libs,$(1))
	@echo 'link    $$@'
	@$$($(1)_LINK)

build/$(1)/tests/%: build/$(1)/tests/%.o $$($(1)_ALSO) $$(call test_libs,$(1))
	@echo 'link    $$@'
	@$$($(1)_LINK)

-include $$(patsubst %.c,build/$(1)/%.d,$$(TEST_SOURCES) $$(FUZZ_SOURCES) $$(SUPPORT))
endef
$(foreach flavour,asan plain arm64-plain,$(eval $(call test_rules,$(flavour))))

# Crash tests look at thousands of images and fault tests take memory away, so their scripts also
# use the fast flavour. Everything is built here: scripts run side by side.
FAULT_SOURCES := $(sort $(wildcard tests/fault/*.c))
tests: $(TEST_SOURCES:%.c=build/asan/%) $(FUZZ_SOURCES:%.c=build/asan/%) \
       $(FAULT_SOURCES:%.c=build/asan/%) \
       $(patsubst %.c,build/plain/%,$(filter tests/crash/%,$(TEST_SOURCES)) $(FAULT_SOURCES))

MUTATIONS ?= 1000000
SEED      ?= 1
fuzz-run: $(FUZZ_SOURCES:%.c=build/asan/%)
	@MUTATIONS=$(MUTATIONS) SEED=$(SEED) tests/run fuzz

include image/image.mk
