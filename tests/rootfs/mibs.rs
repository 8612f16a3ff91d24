//! The MIB files: a compiler and net-snmp take them without a word, and know the names and numbers of every table that the
//! daemon has.

use std::path::PathBuf;
use std::process::Command;

use keepalived::status::mib::Table;

use crate::box_shell::repository;

const MODULES: [(&str, &str); 3] = [
    ("KEEPALIVED-MIB", "KEEPALIVED-MIB.txt"),
    ("VRRP-MIB", "VRRP-MIB.txt"),
    ("VRRPV3-MIB", "VRRPv3-MIB.txt"),
];

fn folder() -> PathBuf {
    repository().join("rootfs/snmp/usr/share/snmp/mibs")
}

/// The standard output and error of a program that must not fail.
fn told(command: &mut Command) -> String {
    let output = command.output().expect("tests/run installs it");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

/// What the files import on a machine that has none of the IETF's.
fn imports() -> PathBuf {
    repository().join("tests/rootfs/mibs")
}

#[test]
fn a_compiler_of_mibs_finds_nothing_to_say() {
    for (_, file) in MODULES {
        let path = folder().join(file);
        let found = told(Command::new("smilint").args(["-l", "6"]).arg(path).env("SMIPATH", imports()));
        assert_eq!(found, "", "{file}");
    }
}

#[test]
fn net_snmp_knows_the_names_of_every_table() {
    let path = format!("{}:{}", imports().display(), folder().display());
    let modules = MODULES.map(|(module, _)| module).join(":");
    for table in Table::all() {
        let (tree, below) = table.name().expect("each has a name");
        let below = below.iter().map(|number| u32::from(*number));
        let name: Vec<String> = tree.iter().copied().chain(below).map(|number| number.to_string()).collect();
        let oid = format!(".{}", name.join("."));
        let mut command = Command::new("snmptranslate");
        let found = told(command.args(["-M", &path, "-m", &modules, &oid]));
        let (module, object) = found.trim().split_once("::").expect("a module and a name");
        // What no name was found for has its numbers behind the nearest one.
        assert!(MODULES.iter().any(|(known, _)| *known == module), "{oid}: {found}");
        assert!(!object.contains('.'), "{oid}: {found}");
    }
}
