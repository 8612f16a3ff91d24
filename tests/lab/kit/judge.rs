//! The referee: tshark reads the frames and says whether they are well formed.

use std::io::Write;
use std::process::{Command, Stdio};

/// Frames that no lab may contain.
const BAD: &str = "_ws.malformed || _ws.expert.severity == error || vrrp.checksum.status == 0 \
                   || ip.checksum.status == 0 || icmpv6.checksum.status == 0 || igmp.checksum.status == 0";

/// Panics unless every frame is well formed and exactly `adverts` of them are adverts with a good checksum.
pub(crate) fn all_good(pcap: &[u8], adverts: usize) {
    let bad = tshark(pcap, &["-Y", BAD, "-V"]);
    assert!(bad.trim().is_empty(), "tshark objects to:\n{}", bad.chars().take(6_000).collect::<String>());
    let good = tshark(
        pcap,
        &["-Y", "vrrp.checksum.status == 1 && !icmp && !(icmpv6)", "-T", "fields", "-e", "frame.number"],
    );
    assert_eq!(good.lines().count(), adverts, "adverts with a good checksum, by tshark and by our own count");
}

/// Fields of the frames that a display filter selects, one row a frame.
pub(crate) fn fields(pcap: &[u8], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-Y", filter, "-T", "fields"];
    for field in fields {
        arguments.extend(["-e", field]);
    }
    tshark(pcap, &arguments).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn tshark(pcap: &[u8], arguments: &[&str]) -> String {
    let mut child = Command::new("tshark")
        .args(["-n", "-r", "-", "-o", "ip.check_checksum:TRUE"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tshark (package tshark) runs");
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let octets = pcap.to_vec();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&octets)));
    let output = child.wait_with_output().expect("tshark ends");
    feeder.join().expect("the feeder ends");
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
