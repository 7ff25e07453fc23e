# The compilers and the flags that our code and third-party code share, by FLAVOUR:
#   release  the product: musl, static, position independent
#   asan     for tests: glibc, AddressSanitizer and UBSan
#   plain    for tests that need speed: glibc, no sanitizer
#
# -ffile-prefix-map: the same bytes wherever the tree lies.

REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)/= -gno-record-gcc-switches
HARDENED     := -fstack-protector-strong -ffunction-sections -fdata-sections
# Nothing in the product unwinds its stack: the tables for it were a twelfth of its bytes.
NO_UNWINDING := -fno-unwind-tables -fno-asynchronous-unwind-tables

ifeq ($(FLAVOUR),release)
FLAVOUR_CC     := musl-gcc
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
