//! The referee: tshark reads the frames and says whether they are well formed.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::load;

/// Frames that no lab may contain.
const BAD: &str = "_ws.malformed || _ws.expert.severity == error || vrrp.checksum.status == 0 \
                   || ip.checksum.status == 0 || icmpv6.checksum.status == 0 || igmp.checksum.status == 0";

/// Adverts with a good checksum.
const GOOD: &str = "vrrp.checksum.status == 1 && !icmp && !(icmpv6)";

/// Panics unless every frame is well formed and exactly `adverts` of them are adverts with a good checksum.
pub(crate) fn all_good(pcap: &[u8], adverts: usize) {
    // A start of tshark takes a quarter of a second of a processor, as much as everything else in a short lab.
    if counts(pcap) == Some([0, adverts]) {
        return;
    }
    let bad = tshark(pcap, &["-Y", BAD, "-V"]);
    assert!(bad.trim().is_empty(), "tshark objects to:\n{}", bad.chars().take(6_000).collect::<String>());
    let good = tshark(pcap, &["-Y", GOOD, "-T", "fields", "-e", "frame.number"]);
    assert_eq!(good.lines().count(), adverts, "adverts with a good checksum, by tshark and by our own count");
}

/// How many frames are bad and how many are good adverts, if tshark says so in one pass: a capture that lasts no time
/// has no row in its table.
fn counts(pcap: &[u8]) -> Option<[usize; 2]> {
    let table = tshark(pcap, &["-q", "-z", &format!("io,stat,0,{BAD},{GOOD}")]);
    let (_, row) = table.lines().find_map(|line| line.split_once(" <> "))?;
    let mut cells = row.split('|').skip(1).step_by(2).map(|cell| cell.trim().parse().ok());
    Some([cells.next()??, cells.next()??])
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

/// Where the guest leaves captures to be judged outside.
const LEFT: &str = "/run/exchange/left";

/// What the guest has left so far.
static LEAVES: AtomicUsize = AtomicUsize::new(0);

/// Sees to it that [`all_good`] judges these frames: here, or, where a start of tshark takes the processor half a minute,
/// in the process that has started the guest.
pub(crate) fn judge(pcap: &[u8], adverts: usize) {
    if !load::is_guest() {
        return all_good(pcap, adverts);
    }
    let number = LEAVES.fetch_add(1, Ordering::Relaxed);
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    fs::write(format!("{LEFT}/{name} {number} {adverts}"), pcap).expect("the folder of the exchange");
}

/// Says at the end of the guest how many captures there are.
pub(crate) fn leave_count() {
    let count = LEAVES.load(Ordering::Relaxed);
    fs::write(format!("{LEFT}/count"), count.to_string()).expect("the folder of the exchange");
}

/// Judges what a guest has left in a folder: the tests whose captures are not good. Panics if some are missing.
pub(crate) fn judge_left(folder: &Path) -> Vec<String> {
    let mut bad = Vec::new();
    let mut missing: usize = fs::read_to_string(folder.join("count"))
        .ok()
        .and_then(|text| text.parse().ok())
        .expect("the guest says how many captures it leaves");
    for file in fs::read_dir(folder).expect("the folder of the guest").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let [test, _, adverts] = name.split(' ').collect::<Vec<_>>()[..] else { continue };
        missing -= 1;
        let pcap = fs::read(file.path()).expect("a capture");
        let adverts = adverts.parse().expect("a number of adverts");
        if std::panic::catch_unwind(|| all_good(&pcap, adverts)).is_err() {
            bad.push(test.to_owned());
        }
    }
    assert_eq!(missing, 0, "captures of the guest are missing");
    bad
}
