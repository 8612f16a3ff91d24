//! The referee: tshark reads the frames and says whether they are well formed.

use std::io::Write;
use std::process::{Command, Stdio};

/// Frames that no lab may contain.
const BAD: &str = "_ws.malformed || _ws.expert.severity == error || vrrp.checksum.status == 0 \
                   || ip.checksum.status == 0 || icmpv6.checksum.status == 0 || igmp.checksum.status == 0";

/// Panics unless every frame is well formed and exactly `adverts` of them are adverts with a good checksum.
pub(crate) fn all_good(pcap: &[u8], adverts: usize) {
    let bad = tshark(pcap, &["-Y", BAD, "-V"]);
    assert!(
        bad.trim().is_empty(),
        "tshark objects to:\n{}",
        bad.chars().take(6_000).collect::<String>()
    );
    let good = tshark(
        pcap,
        &[
            "-Y",
            "vrrp.checksum.status == 1 && !icmp && !(icmpv6)",
            "-T",
            "fields",
            "-e",
            "frame.number",
        ],
    );
    assert_eq!(
        good.lines().count(),
        adverts,
        "adverts with a good checksum, by tshark and by our own count"
    );
}

/// Fields of the frames that a display filter selects, one row a frame.
pub(crate) fn fields(pcap: &[u8], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = vec!["-Y", filter, "-T", "fields"];
    for field in fields {
        arguments.extend(["-e", field]);
    }
    tshark(pcap, &arguments)
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect()
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
    assert!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The referee must be one that blows the whistle.
#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::all_good;
    use crate::kit::inject::ip_frame;

    /// A pcap file of one frame.
    fn pcap(frame: &[u8]) -> Vec<u8> {
        let length = u32::try_from(frame.len()).expect("a short frame");
        let words = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65_535, 1, 0, 0, length, length];
        words.iter().flat_map(|word| word.to_le_bytes()).chain(frame.iter().copied()).collect()
    }

    /// Version 2, virtual router 51, priority 255, one address, no authentication.
    const PDU: [u8; 20] =
        [0x21, 0x33, 0xff, 1, 0, 1, 0xd5, 0x5c, 10, 9, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn passes_a_good_advert_and_no_other() {
        let (from, to) = ([10, 9, 0, 1], [224, 0, 0, 18]);
        let good = ip_frame(from, to, 255, &PDU);
        all_good(&pcap(&good), 1);

        let mut wrong_sum = PDU;
        wrong_sum[7] ^= 1;
        let mut wrong_header = good.clone();
        wrong_header[24] ^= 1;
        let bad = [
            ("checksum", ip_frame(from, to, 255, &wrong_sum)),
            ("header checksum", wrong_header),
            ("cut off", ip_frame(from, to, 255, &PDU[..10])),
        ];
        for (what, frame) in bad {
            assert!(catch_unwind(|| all_good(&pcap(&frame), 1)).is_err(), "not noticed: {what}");
        }
        assert!(catch_unwind(|| all_good(&pcap(&good), 2)).is_err(), "not noticed: an advert too few");
    }
}
