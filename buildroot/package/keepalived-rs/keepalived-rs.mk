################################################################################
#
# keepalived-rs
#
################################################################################

KEEPALIVED_RS_VERSION = 0.1.0
# The repository that this tree is a folder of.
KEEPALIVED_RS_SITE = $(BR2_EXTERNAL_KEEPALIVED_PATH)/..
KEEPALIVED_RS_SITE_METHOD = local
KEEPALIVED_RS_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /target --exclude /tests
KEEPALIVED_RS_LICENSE = MIT or Apache-2.0
KEEPALIVED_RS_LICENSE_FILES = LICENSE

KEEPALIVED_RS_FEATURES = \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_LVS),lvs) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_BFD),bfd) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_STATUS),status) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_SNMP),snmp) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_IPTABLES),iptables) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_REGEX),regex) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_TLS),tls) \
	$(if $(BR2_PACKAGE_KEEPALIVED_RS_TOOLS),tools)

KEEPALIVED_RS_CARGO_BUILD_OPTS = \
	--bin keepalived \
	--no-default-features \
	--features "$(strip $(KEEPALIVED_RS_FEATURES))"

ifeq ($(BR2_PACKAGE_KEEPALIVED_RS_REGEX),y)
KEEPALIVED_RS_DEPENDENCIES += host-pkgconf pcre2
endif

# Sources that come from a folder are not vendored by buildroot, and it builds
# offline.
define KEEPALIVED_RS_VENDOR
	cd $(@D) && test -d VENDOR || { \
		mkdir -p .cargo && \
		$(TARGET_MAKE_ENV) cargo vendor --locked VENDOR > .cargo/config.toml; \
	}
endef
KEEPALIVED_RS_PRE_BUILD_HOOKS += KEEPALIVED_RS_VENDOR

define KEEPALIVED_RS_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/$(RUSTC_TARGET_NAME)/release/keepalived \
		$(TARGET_DIR)/usr/sbin/keepalived
	$(INSTALL) -D -m 0600 $(@D)/rootfs/any/etc/keepalived.conf \
		$(TARGET_DIR)/etc/keepalived.conf
	$(INSTALL) -D -m 0755 $(@D)/rootfs/any/etc/keepalived/notify \
		$(TARGET_DIR)/etc/keepalived/notify
	$(INSTALL) -D -m 0644 $(@D)/rootfs/any/etc/sysctl.d/30-keepalived.conf \
		$(TARGET_DIR)/etc/sysctl.d/30-keepalived.conf
	$(INSTALL) -D -m 0644 $(@D)/rootfs/any/lib/upgrade/keep.d/keepalived \
		$(TARGET_DIR)/lib/upgrade/keep.d/keepalived
endef

ifeq ($(BR2_PACKAGE_KEEPALIVED_RS_SNMP),y)
define KEEPALIVED_RS_INSTALL_MIBS
	mkdir -p $(TARGET_DIR)/usr/share/snmp/mibs
	$(INSTALL) -m 0644 $(@D)/rootfs/snmp/usr/share/snmp/mibs/*.txt \
		$(TARGET_DIR)/usr/share/snmp/mibs/
endef
KEEPALIVED_RS_POST_INSTALL_TARGET_HOOKS += KEEPALIVED_RS_INSTALL_MIBS
endif

define KEEPALIVED_RS_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/rootfs/busybox/etc/init.d/S50keepalived \
		$(TARGET_DIR)/etc/init.d/S50keepalived
	$(INSTALL) -D -m 0644 $(@D)/rootfs/busybox/etc/default/keepalived \
		$(TARGET_DIR)/etc/default/keepalived
endef

# The user that the children become: no password, no home, no shell.
define KEEPALIVED_RS_USERS
	keepalived -1 keepalived -1 * - - - VRRP, IPVS and BFD
endef

ifeq ($(BR2_PACKAGE_KEEPALIVED_RS_RESPAWN),y)
define KEEPALIVED_RS_RESPAWN
	grep -q 'S50keepalived supervise' $(TARGET_DIR)/etc/inittab || \
		echo '::respawn:/etc/init.d/S50keepalived supervise' >> $(TARGET_DIR)/etc/inittab
endef
KEEPALIVED_RS_TARGET_FINALIZE_HOOKS += KEEPALIVED_RS_RESPAWN
endif

# What S50keepalived and the notify script need of BusyBox.
define KEEPALIVED_RS_BUSYBOX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_START_STOP_DAEMON)
	$(call KCONFIG_ENABLE_OPT,CONFIG_FEATURE_START_STOP_DAEMON_LONG_OPTIONS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_LOGGER)
endef

# What the daemon needs of the kernel; board/linux.fragment says what for.
KEEPALIVED_RS_LINUX_OPTIONS = \
	$(shell sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=y$$/\1/p' \
		$(BR2_EXTERNAL_KEEPALIVED_PATH)/../board/linux.fragment)

define KEEPALIVED_RS_LINUX_CONFIG_FIXUPS
	$(foreach option,$(KEEPALIVED_RS_LINUX_OPTIONS),\
		$(call KCONFIG_ENABLE_OPT,$(option))$(sep))
endef

$(eval $(cargo-package))
