//! The referee must be one that blows the whistle.

use std::panic::catch_unwind;
use std::time::Duration;

use crate::kit::capture::now;
use crate::kit::inject::ip_frame;
use crate::kit::judge::all_good;
use crate::kit::load;

/// A pcap file of one frame.
fn pcap(frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).expect("a short frame");
    let words = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 65_535, 1, 0, 0, length, length];
    words.iter().flat_map(|word| word.to_le_bytes()).chain(frame.iter().copied()).collect()
}

/// Version 2, virtual router 51, priority 255, one address, no authentication.
const PDU: [u8; 20] = [0x21, 0x33, 0xff, 1, 0, 1, 0xd5, 0x5c, 10, 9, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0];

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

/// What stretches bounds knows an idle machine from a busy one, and has an end.
#[test]
fn bounds_are_stretched_by_what_the_machine_lost_and_no_further() {
    load::begin();
    let from = now();
    std::thread::sleep(Duration::from_millis(100));
    let until = now();
    let passed = Duration::from_nanos(until - from);
    assert!(load::late(from, until) <= load::lost(from, until));
    assert!(load::lost(from, until) <= passed);
    assert!(load::stretched(Duration::from_millis(1), from, until) <= Duration::from_millis(5));
    assert!(load::stretched(passed, from, until) >= passed);
    let alone = load::alone(passed, from, until);
    assert!(alone <= passed && alone >= passed / 6, "{alone:?} of {passed:?}");
    assert!(load::lost(until, from).is_zero() && load::stretched(passed, until, until) < passed * 2);
    // Twice as many as there are processors, who want one all the time.
    let from = now();
    std::thread::scope(|scope| {
        for _ in 0..2 * std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| while now() < from + 200_000_000 {});
        }
    });
    assert!(load::lost(from, now()) > Duration::from_millis(20), "{:?}", load::lost(from, now()));
}

/// A lab whose file is not named in main.rs would never run, and nobody would notice.
#[test]
fn every_lab_is_part_of_the_program() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab");
    let main = std::fs::read_to_string(format!("{folder}/main.rs")).expect("main.rs");
    for entry in std::fs::read_dir(folder).expect("the labs").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // demo.rs is a program of its own.
        if let Some(name) = name.strip_suffix(".rs").filter(|name| !["main", "demo"].contains(name)) {
            let declared = main.lines().any(|line| line.trim_end() == format!("mod {name};"));
            assert!(declared, "main.rs does not name {name}");
        }
    }
}
