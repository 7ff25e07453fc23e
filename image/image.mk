# The appliance: kernels, file systems, disks, container. Part of the Makefile.
#
#   build/kernel/NAME/         objects of a kernel; a changed line compiles what hangs on it
#   build/kernel/NAME.vmlinux, NAME.bzImage
#   build/image/vmlinux        direct boot of every machine, uncompressed (PVH)
#   build/image/vmlinux-mmio   for microvm and Firecracker only, with one processor: starts soonest
#   build/image/bzImage        the first one, compressed
#   build/image/coffer.cpio    the server as /init, what direct boot calls the initrd
#   build/image/coffer.efi     kernel and server in one file: UEFI, or direct boot without initrd
#   build/image/coffer.raw     disk for UEFI and BIOS: two slots for the kernel, a partition for data
#   build/image/coffer.qcow2   the same disk, compressed
#   build/image/coffer.iso     optical medium or stick
#   build/image/coffer-oci     container image as OCI layout, for amd64 and arm64
#   build/image/coffer-oci-amd64.tar, coffer-oci-arm64.tar     each for `docker load`
#   build/image/coffer.spdx.json, SHA256SUMS
#   build/image/coffer.bundle  signed update, see image/bundle
#
# Everything is the same bytes for the same sources and compiler (`make image-twice` makes it again in
# another folder and compares); no step needs root.

IMAGE   := build/image
KERNELS := universal mmio

# The day of the pinned kernel source: the newest thing that a fresh copy cannot do without.
SOURCE_DATE_EPOCH ?= 1794824220
export SOURCE_DATE_EPOCH

CERTIFICATES   ?= /etc/ssl/certs/ca-certificates.crt
COFFER_VERSION  = $(shell sed -n 's/.*COFFER_VERSION "\(.*\)".*/\1/p' src/base/version.h)

# A bundle that updates machines, when it is asked for (`make bundle SIGNING_KEY=private.pem`);
# UPDATE_KEY, the public half, must have been given to the build of the machines.
SIGNING_KEY ?=
VERSION_MIN ?= 0.0.0

IMAGE_FILES := $(addprefix $(IMAGE)/,vmlinux vmlinux-mmio bzImage coffer.cpio coffer.efi \
                 coffer.qcow2 coffer.iso coffer-oci-amd64.tar coffer-oci-arm64.tar)

.PHONY: image image-twice vm test-vm bench-vm image-files bundle
image:
	@tests/setup build image
	@$(MAKE) --no-print-directory image-files

image-files: $(IMAGE_FILES) $(IMAGE)/coffer.raw $(IMAGE)/coffer.spdx.json $(IMAGE)/SHA256SUMS
	@ls -l $(IMAGE_FILES) | awk '{ printf "size    %-30s %9d bytes\n", $$NF, $$5 }'

image-twice: image
	@tests/vm/twice

vm:
	@tests/setup build image vm
	@$(MAKE) --no-print-directory $(IMAGE)/vmlinux $(if $(filter uefi bios,$(MACHINE)), \
	  $(if $(wildcard $(DISK)),,$(IMAGE)/coffer.qcow2),$(IMAGE)/coffer.cpio)
	@qemu/run

test-vm:
	@tests/setup build image vm
	@$(MAKE) --no-print-directory image-files update-files arm64-files
	@tests/vm/all

bench-vm:
	@tests/setup build image vm
	@$(MAKE) --no-print-directory $(IMAGE)/vmlinux $(IMAGE)/vmlinux-mmio $(IMAGE)/coffer.cpio
	@tests/vm/bench

# --- kernel ----------------------------------------------------------------------------------

# Unpacking it makes 80,000 files look new, so only its own row of the manifest counts.
build/vendor/linux.row: vendor/manifest
	@mkdir -p $(@D)
	@grep '^linux ' $< | cmp -s - $@ || grep '^linux ' $< >$@

build/vendor/linux.stamp: build/vendor/linux.row $(sort $(wildcard vendor/patches/linux-*.patch))
	@vendor/fetch linux build/vendor/linux
	@touch $@

build/kernel/%.stamp: image/kernel/build image/kernel/universal.fragment \
  image/kernel/mmio.fragment build/vendor/linux.stamp
	@echo 'kernel  $* (minutes the first time)'
	@image/kernel/build $* build/vendor/linux build/kernel/$*
	@cp build/kernel/$*/vmlinux-pvh build/kernel/$*.vmlinux
	@cp build/kernel/$*/arch/x86/boot/bzImage build/kernel/$*.bzImage
	@touch $@

$(IMAGE)/vmlinux $(IMAGE)/bzImage: $(IMAGE)/%: build/kernel/universal.stamp
	@mkdir -p $(@D)
	@cp build/kernel/universal.$* $@

$(IMAGE)/vmlinux-mmio: build/kernel/mmio.stamp
	@mkdir -p $(@D)
	@cp build/kernel/mmio.vmlinux $@

# --- with the server -------------------------------------------------------------------------

$(IMAGE)/coffer.cpio: image/initramfs build/coffer
	@mkdir -p $(@D)
	@image/initramfs build/coffer $@

# Among the same objects, so that only the link is done again for another server.
$(IMAGE)/coffer.efi: build/kernel/universal.stamp $(IMAGE)/coffer.cpio
	@echo 'link    $@'
	@INITRAMFS=$(IMAGE)/coffer.cpio image/kernel/build universal build/vendor/linux \
	  build/kernel/universal
	@cp build/kernel/universal/arch/x86/boot/bzImage $@

# --- disks and containers --------------------------------------------------------------------

$(IMAGE)/loader-%.bin: image/loader image/loader.cfg
	@mkdir -p $(@D)
	@image/loader $* $@

$(IMAGE)/coffer.raw: image/disk $(IMAGE)/coffer.efi $(IMAGE)/loader-disk.bin
	@echo 'disk    $@'
	@image/disk $(IMAGE)/coffer.efi $(COFFER_VERSION) $(IMAGE)/loader-disk.bin $@

$(IMAGE)/coffer.qcow2: $(IMAGE)/coffer.raw
	@qemu-img convert -c -O qcow2 $< $@

$(IMAGE)/coffer.iso: image/iso $(IMAGE)/coffer.efi $(IMAGE)/loader-medium.bin
	@echo 'iso     $@'
	@image/iso $(IMAGE)/coffer.efi $(IMAGE)/loader-medium.bin $@

$(IMAGE)/coffer-oci-amd64.tar $(IMAGE)/coffer-oci-arm64.tar &: image/oci build/coffer \
  build/arm64/coffer $(CERTIFICATES)
	@echo 'oci     $(IMAGE)/coffer-oci'
	@mkdir -p $(@D)
	@image/oci $(CERTIFICATES) $(COFFER_VERSION) $(IMAGE)/coffer-oci amd64=build/coffer \
	  arm64=build/arm64/coffer

bundle: $(IMAGE)/coffer.efi
	@image/bundle --key '$(SIGNING_KEY)' --version $(COFFER_VERSION) --min $(VERSION_MIN) \
	  $(IMAGE)/coffer.efi $(IMAGE)/coffer.bundle

# --- for tests of updates ----------------------------------------------------------------------

# Two versions of the server that take bundles of the tests' key: the one that runs and a newer one.
# Only what knows the version or the key is compiled again.
UPDATE_TESTS     := build/vm
VARIANT_SOURCES   = $(shell grep -lE 'base/version\.h|COFFER_UPDATE_KEY' -r src --include='*.c')
VARIANT_old       = $(COFFER_VERSION)
VARIANT_new      := 9.0.0
VARIANT_KEY       = $(shell openssl ec -in tests/keys/update.pem -pubout -outform DER 2>/dev/null | \
                      tail -c 65 | od -An -v -tx1 | tr -d ' \n')
VARIANT_FLAGS     = -DCOFFER_VERSION='"$(VARIANT_$*)"' -DCOFFER_UPDATE_KEY='"$(VARIANT_KEY)"'

.PHONY: update-files
update-files: $(UPDATE_TESTS)/old.raw $(addprefix $(UPDATE_TESTS)/,new.bundle bad.bundle hang.bundle)

$(UPDATE_TESTS)/%/coffer: $(release_OBJECTS) $(release_VENDOR)
	@echo 'link    $@'
	@for source in $(VARIANT_SOURCES); do \
	  mkdir -p $(@D)/$$(dirname $$source) && \
	  $(release_CC) $(release_CFLAGS) $(VARIANT_FLAGS) -c $$source -o $(@D)/$${source%.c}.o || exit 1; \
	done
	@$(call product_link,release,$@,$(VARIANT_SOURCES:%.c=$(@D)/%.o) \
	  $(filter-out $(VARIANT_SOURCES:%.c=build/release/%.o),$(release_OBJECTS)))
	@strip --strip-all $@

$(UPDATE_TESTS)/%.efi: $(UPDATE_TESTS)/%/coffer build/kernel/universal.stamp | $(IMAGE)/coffer.efi
	@echo 'link    $@'
	@image/initramfs $< $(UPDATE_TESTS)/$*.cpio
	@INITRAMFS=$(UPDATE_TESTS)/$*.cpio image/kernel/build universal build/vendor/linux \
	  build/kernel/universal
	@cp build/kernel/universal/arch/x86/boot/bzImage $@
# They are linked in the same folder.
$(UPDATE_TESTS)/new.efi: | $(UPDATE_TESTS)/old.efi
$(UPDATE_TESTS)/hang.efi: | $(UPDATE_TESTS)/new.efi

$(UPDATE_TESTS)/hang/coffer: tests/vm/hang_init.c
	@mkdir -p $(@D)
	@musl-gcc -O2 -static -s -o $@ $<

$(UPDATE_TESTS)/old.raw: image/disk $(UPDATE_TESTS)/old.efi $(IMAGE)/loader-disk.bin
	@image/disk $(UPDATE_TESTS)/old.efi $(VARIANT_old) $(IMAGE)/loader-disk.bin $@

$(UPDATE_TESTS)/new.bundle: image/bundle $(UPDATE_TESTS)/new.efi
	@image/bundle --key tests/keys/update.pem --version $(VARIANT_new) $(UPDATE_TESTS)/new.efi $@

# A kernel whose /init does nothing, for ever.
$(UPDATE_TESTS)/hang.bundle: image/bundle $(UPDATE_TESTS)/hang.efi
	@image/bundle --key tests/keys/update.pem --version 8.5.0 $(UPDATE_TESTS)/hang.efi $@

# A kernel without /init: it panics.
$(UPDATE_TESTS)/bad.bundle: image/bundle $(IMAGE)/bzImage
	@image/bundle --key tests/keys/update.pem --version 8.0.0 $(IMAGE)/bzImage $@

# --- for tests of the other architecture -------------------------------------------------------

.PHONY: arm64-files
arm64-files: build/coffer build/arm64/coffer build/arm64/tests/coffer \
  $(TEST_SOURCES:%.c=build/arm64-plain/%) \
  build/arm64-plain/tests/vm/filter_dump build/plain/tests/vm/filter_dump

# --- papers ----------------------------------------------------------------------------------

$(IMAGE)/coffer.spdx.json: image/sbom vendor/manifest $(IMAGE_FILES)
	@image/sbom $(COFFER_VERSION) '$(LIBRARIES)' $@ $(IMAGE_FILES)

$(IMAGE)/SHA256SUMS: $(IMAGE)/coffer.spdx.json $(IMAGE_FILES) $(IMAGE)/coffer.raw
	@cd $(IMAGE) && sha256sum $(notdir $(sort $^)) >SHA256SUMS
