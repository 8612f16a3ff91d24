//! The package for buildroot, as far as it can be tried without buildroot: its options, what it installs, what it asks of
//! the kernel, and the form that buildroot's own check wants.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::box_shell::{BoxShell, repository};

const PACKAGE: &str = "buildroot/package/keepalived-rs";

fn read(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// The symbols of buildroot that the tree uses.
const SYMBOLS: &str = "\
config BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS
	bool \"arch\"
config BR2_PACKAGE_HOST_RUSTC
	bool
config BR2_PACKAGE_PCRE2
	bool
config BR2_USE_MMU
	bool \"mmu\"
config BR2_INIT_BUSYBOX
	bool \"init\"
config BR2_PACKAGE_KEEPALIVED
	bool \"upstream\"
source \"$BR2_EXTERNAL_KEEPALIVED_PATH/Config.in\"
";

/// What is on with these symbols.
fn on(symbols: &[&str]) -> BTreeSet<String> {
    let shell = BoxShell::new(&format!("kconfig-{}", symbols.len()));
    let file = shell.file("Config.in", SYMBOLS);
    let output = Command::new("/usr/bin/python3")
        .arg(repository().join("tests/rootfs/buildroot/choose.py"))
        .arg(file)
        .args(symbols)
        .env("BR2_EXTERNAL_KEEPALIVED_PATH", repository().join("buildroot"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = String::from_utf8(output.stdout).unwrap();
    found.lines().map(|line| line.trim_start_matches("BR2_PACKAGE_").to_owned()).collect()
}

const MACHINE: [&str; 3] = ["BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS", "BR2_USE_MMU", "BR2_INIT_BUSYBOX"];

#[test]
fn options_are_those_of_the_features() {
    let chosen = on(&[&MACHINE[..], &["BR2_PACKAGE_KEEPALIVED_RS"]].concat());
    let expected = [
        "HOST_RUSTC",
        "HOST_RUSTC_TARGET_ARCH_SUPPORTS",
        "KEEPALIVED_RS",
        "KEEPALIVED_RS_BFD",
        "KEEPALIVED_RS_LVS",
        "KEEPALIVED_RS_RESPAWN",
        "KEEPALIVED_RS_STATUS",
    ];
    assert_eq!(chosen, expected.map(str::to_owned).into());
    // Each feature of Cargo.toml but the one that needs the headers of a library.
    let manifest = read("Cargo.toml");
    let features = manifest.split("[features]").nth(1).unwrap().split("\n[").next().unwrap();
    let config = read(&format!("{PACKAGE}/Config.in"));
    let make = read(&format!("{PACKAGE}/keepalived-rs.mk"));
    for feature in
        features.lines().filter(|line| line.contains(" = ")).map(|line| line.split(' ').next().unwrap())
    {
        if feature != "default" && feature != "tls-openssl" {
            let option = format!("BR2_PACKAGE_KEEPALIVED_RS_{}", feature.to_uppercase());
            assert!(config.contains(&format!("config {option}\n")), "{option}");
            assert!(make.contains(&format!("$(if $({option}),{feature})")), "{option}");
        }
    }
}

#[test]
fn it_cannot_be_chosen_beside_the_package_that_buildroot_has() {
    let chosen = on(&[&MACHINE[..], &["BR2_PACKAGE_KEEPALIVED", "BR2_PACKAGE_KEEPALIVED_RS"]].concat());
    assert!(!chosen.iter().any(|name| name.starts_with("KEEPALIVED_RS")), "{chosen:?}");
}

#[test]
fn it_cannot_be_chosen_for_a_processor_that_rust_of_buildroot_lacks() {
    let chosen = on(&["BR2_USE_MMU", "BR2_INIT_BUSYBOX", "BR2_PACKAGE_KEEPALIVED_RS"]);
    assert!(chosen.is_empty(), "{chosen:?}");
}

fn make(shell: &BoxShell, target: &str, variables: &[&str]) -> String {
    let output = Command::new("make")
        .args(["--no-print-directory", "--warn-undefined-variables", "-f"])
        .arg(repository().join("tests/rootfs/buildroot/Makefile"))
        .arg(target)
        .arg(format!("BR2_EXTERNAL_KEEPALIVED_PATH={}", repository().join("buildroot").display()))
        .arg(format!("TARGET_DIR={}", shell.path("target")))
        .arg(format!("SOURCE={}", shell.path("source")))
        .arg(format!("KCONFIG={}", shell.path("kconfig")))
        .args(variables)
        .output()
        .expect("make is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_it_installs_is_the_image_s() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let shell = BoxShell::new("install");
    shell.file("source/target/x86_64-unknown-linux-musl/release/keepalived", "program");
    shell.file("target/etc/inittab", "::sysinit:/etc/init.d/rcS\n");
    symlink(repository().join("rootfs"), shell.path("source/rootfs")).unwrap();
    let target = format!("{}/install", shell.path("source"));
    for _ in 0..2 {
        make(&shell, &target, &["BR2_PACKAGE_KEEPALIVED_RS_RESPAWN=y"]);
    }
    assert_eq!(
        shell.read("target/etc/inittab"),
        "::sysinit:/etc/init.d/rcS\n::respawn:/etc/init.d/S50keepalived supervise\n"
    );
    for (name, mode) in [
        ("usr/sbin/keepalived", 0o755),
        ("etc/init.d/S50keepalived", 0o755),
        ("etc/keepalived/notify", 0o755),
        ("etc/keepalived.conf", 0o600),
        ("etc/sysctl.d/30-keepalived.conf", 0o644),
        ("lib/upgrade/keep.d/keepalived", 0o644),
    ] {
        let found = fs::metadata(shell.path(&format!("target/{name}")))
            .unwrap_or_else(|_| panic!("{name} is missing"));
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
}

#[test]
fn it_is_built_with_the_features_that_are_chosen() {
    let shell = BoxShell::new("print");
    let printed = make(
        &shell,
        "print",
        &[
            "BR2_PACKAGE_KEEPALIVED_RS_LVS=y",
            "BR2_PACKAGE_KEEPALIVED_RS_BFD=y",
            "BR2_PACKAGE_KEEPALIVED_RS_REGEX=y",
        ],
    );
    assert_eq!(
        printed,
        "packages cargo\n--bin keepalived --no-default-features --features \"lvs bfd regex\"\nhost-pkgconf pcre2\n\
         keepalived -1 keepalived -1 * - - - VRRP, IPVS and BFD\n"
    );
}

/// The options of the fragment: each below a comment that says what for, or below another that shares it.
fn fragment() -> Vec<String> {
    let mut options = Vec::new();
    let mut said = false;
    for line in read("board/linux.fragment").lines() {
        if line.starts_with("# ") {
            said = true;
        } else {
            let option = line.strip_suffix("=y").unwrap_or_else(|| panic!("{line}"));
            assert!(said && option.starts_with("CONFIG_"), "{line}");
            options.push(option.to_owned());
        }
    }
    options
}

#[test]
fn the_kernel_gets_every_option_of_the_fragment() {
    let shell = BoxShell::new("fixups");
    make(&shell, "fixups", &[]);
    let made = shell.read("kconfig");
    let wanted = fragment();
    assert!(wanted.len() > 40);
    for option in wanted {
        assert!(made.lines().any(|line| line == format!("{option}=y")), "{option}\n{made}");
    }
    assert!(made.contains("CONFIG_FEATURE_START_STOP_DAEMON_LONG_OPTIONS=y\n"));
}

#[test]
fn files_have_the_form_that_buildroot_checks() {
    let description = read("buildroot/external.desc");
    let said = description.lines().find_map(|line| line.strip_prefix("desc: ")).unwrap();
    assert!(description.starts_with("name: KEEPALIVED\n") && said.len() <= 40);

    let make = read(&format!("{PACKAGE}/keepalived-rs.mk"));
    let bar = "#".repeat(80);
    assert!(make.starts_with(&format!("{bar}\n#\n# keepalived-rs\n#\n{bar}\n\n")));
    for line in make.lines() {
        assert!(!line.starts_with(' ') && !line.ends_with(' '), "{line}");
        if let Some((name, _)) = line.split_once(" = ").or_else(|| line.split_once(" += ")) {
            assert!(name.starts_with("KEEPALIVED_RS_"), "{line}");
        }
        if let Some(name) = line.strip_prefix("define ") {
            assert!(name.starts_with("KEEPALIVED_RS_"), "{line}");
        }
    }
    let config = read(&format!("{PACKAGE}/Config.in"));
    for line in config.lines() {
        assert!(!line.starts_with(' ') && !line.ends_with(' '), "{line}");
        if let Some(help) = line.strip_prefix("\t  ") {
            assert!(help.len() <= 62, "{line}");
        }
    }
    // What is said of an option, in the order that is wanted; a file ends with a line, and no two lines are empty.
    const ATTRIBUTES: [&str; 5] = ["bool ", "default ", "depends on ", "select ", "help"];
    for option in config.split("\nconfig ").skip(1) {
        let option = option.split("\n\n").next().unwrap_or_default();
        let places = option.lines().filter_map(|line| {
            let attribute = line.strip_prefix('\t')?;
            ATTRIBUTES.iter().position(|word| attribute.starts_with(word))
        });
        assert!(places.is_sorted(), "{option}");
    }
    let hashes = format!("{PACKAGE}/keepalived-rs.hash");
    let script = "rootfs/busybox/etc/init.d/S50keepalived";
    for name in ["buildroot/Config.in", "buildroot/external.mk", "buildroot/external.desc", &hashes, script] {
        let text = read(name);
        assert!(text.ends_with('\n') && !text.contains("\n\n\n") && !text.ends_with("\n\n"), "{name}");
    }
    for text in [&make, &config] {
        assert!(text.ends_with('\n') && !text.contains("\n\n\n") && !text.ends_with("\n\n"));
    }
    for line in read(script).lines() {
        assert!(!line.starts_with(' ') && !line.ends_with([' ', '\t']), "{line}");
    }
    // The licence is the one that was read when the sum was written.
    let sum = Command::new("sha256sum").arg(repository().join("LICENSE")).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    assert!(read(&hashes).contains(&format!("sha256  {}  LICENSE\n", sum.split(' ').next().unwrap())));
    let manifest = read("Cargo.toml");
    let version = make.lines().find_map(|line| line.strip_prefix("KEEPALIVED_RS_VERSION = ")).unwrap();
    assert!(manifest.contains(&format!("version = \"{version}\"\n")));

    for name in ["x86_64", "aarch64"] {
        let config = read(&format!("buildroot/configs/keepalived_qemu_{name}_defconfig"));
        assert!(config.contains("BR2_DOWNLOAD_FORCE_CHECK_HASHES=y\n"));
        assert!(config.contains("BR2_PACKAGE_KEEPALIVED_RS=y\n"));
        for word in
            config.split(['"', ' ']).filter_map(|word| word.strip_prefix("$(BR2_EXTERNAL_KEEPALIVED_PATH)/"))
        {
            assert!(repository().join("buildroot").join(word.trim()).exists(), "{word}");
        }
    }
}
