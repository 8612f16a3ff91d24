//! 100,000 seeded mutations of what comes in at the control socket and of what its client is answered: no panic, and the
//! same requests however they are cut.

use super::mutate::Random;
use super::requests::read;

const CASES: u64 = 100_000;

const PIECES: &[&[u8]] = &[
    b"status",
    b"stats",
    b"why",
    b"checkers",
    b"garp ",
    b"events ",
    b"drain ",
    b"enable ",
    b"weight ",
    b"maintenance on",
    b"failover ",
    b"loglevel all debug",
    b"config",
    b"reload",
    b"version",
    b"help",
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"--json",
    b"--reset",
    b"--follow=1",
    b"--service=",
    b"--until-start",
    b"--for=10",
    b"--undo",
    b"--",
    b"VI_1",
    b"\0",
    b"\x1b[2J",
    b"\xff\xfe",
    b"\xc3\xa4",
    b"ok 12 1764493664.123456\n",
    b"failed 18446744073709551615 0.000000\n",
    b"partial 1 2.000003",
    b"ok -1 +2.000003\n",
    b"99999999999999999999",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

#[test]
fn whatever_comes_in_at_the_control_socket_is_read_or_refused() {
    let mut requests = 0;
    for case in 0..CASES {
        let mut random = Random(case);
        let mut octets = Vec::new();
        if random.below(8) == 0 {
            octets.extend_from_slice(PIECES[random.below(PIECES.len())]);
            octets.push(b'\n');
        }
        for _ in 0..random.below(16) {
            octets.extend_from_slice(PIECES[random.below(PIECES.len())]);
        }
        for _ in 0..random.below(3) {
            if let Some(octet) =
                octets.len().checked_sub(1).and_then(|last| octets.get_mut(random.below(last + 1)))
            {
                *octet ^= 1 << random.below(8);
            }
        }
        requests += read(&octets, random.below(64));
    }
    // The pieces make requests that are understood, too.
    assert!(requests > 5_000, "{requests}");
}
