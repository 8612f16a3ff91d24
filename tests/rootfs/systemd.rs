//! The unit of systemd: systemd finds nothing wrong with it, and rates it as its comment says.

use std::fs;
use std::process::Command;

use crate::box_shell::rootfs;

const UNIT: &str = "systemd/lib/systemd/system/keepalived.service";

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_rates_it_as_its_comment_says() {
    let unit = rootfs(UNIT);
    let analyze = |words: &[&str]| {
        let output = Command::new("systemd-analyze").args(words).arg(&unit).output();
        let output = output.expect("systemd-analyze (package systemd) runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    assert_eq!(analyze(&["verify", "--man=no"]), (true, String::new()));
    let comment = fs::read_to_string(&unit).unwrap();
    let (_, rated) = comment.split_once("security\" rates that ").unwrap();
    let rated = rated.split(' ').next().unwrap();
    // Ten times the number, in tenths: how exposed the service may be.
    let most = rated.replace('.', "");
    let (within, text) =
        analyze(&["security", "--offline=true", "--no-pager", &format!("--threshold={most}")]);
    assert!(within && text.contains(&format!(": {rated} ")), "{text}");
}
