# The compilers and the flags that our code and third-party code share, by FLAVOUR:
#   release  the product: musl, static, position independent
#   arm64    the same for the other architecture, by the distribution's cross compiler and a musl
#            that is made for it
#   asan     for tests: glibc, AddressSanitizer and UBSan
#   plain    for tests that need speed: glibc, no sanitizer
#   arm64-plain   the same for arm64, with its musl
#
# -ffile-prefix-map: the same bytes wherever the tree lies.

REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)/= -gno-record-gcc-switches
HARDENED     := -fstack-protector-strong -ffunction-sections -fdata-sections
# Nothing in the product unwinds its stack: the tables for it were a twelfth of its bytes.
NO_UNWINDING := -fno-unwind-tables -fno-asynchronous-unwind-tables

FLAVOUR_TOOLS := # what the names of ar, strip and the compiler begin with

ifeq ($(FLAVOUR),release)
FLAVOUR_CC     := musl-gcc
FLAVOUR_CFLAGS := -fPIE $(HARDENED) $(REPRODUCIBLE) $(NO_UNWINDING)
endif
ifneq ($(filter arm64 arm64-plain,$(FLAVOUR)),)
FLAVOUR_TOOLS  := aarch64-linux-gnu-
FLAVOUR_CC     := build/arm64/musl/bin/musl-gcc
FLAVOUR_CFLAGS := -fPIE $(HARDENED) $(REPRODUCIBLE) $(NO_UNWINDING)
endif
ifeq ($(FLAVOUR),asan)
FLAVOUR_CC     := gcc
FLAVOUR_CFLAGS := -g -fno-omit-frame-pointer $(REPRODUCIBLE)
endif
ifeq ($(FLAVOUR),plain)
FLAVOUR_CC     := gcc
FLAVOUR_CFLAGS := -g $(REPRODUCIBLE)
endif
