//! 100,000 seeded mutations of what comes in at the monitoring port: no panic, and an end.

use super::mutate::Random;
use super::pages::read;

const CASES: u64 = 100_000;

const PIECES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"GET /metrics HTTP/1.1\r\n",
    b"HEAD /healthz?x HTTP/1.0\r\n",
    b"POST /status HTTP/1.1\r\n",
    b"GET ",
    b"/metrics",
    b" HTTP/1.1",
    b"\r\n",
    b"\n",
    b"\r\n\r\n",
    b"Host: a\r\n",
    b"Accept: application/openmetrics-text\r\n",
    b"Accept: */*\r\n",
    b": \r\n",
    b"\0",
    b"\xff",
    b"\x16\x03\x01",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

#[test]
fn whatever_comes_in_at_the_monitoring_port_is_read_or_refused() {
    let mut requests = 0;
    for case in 0..CASES {
        let mut random = Random(case);
        let mut octets = Vec::new();
        if random.below(2) == 0 {
            octets.extend_from_slice(PIECES[random.below(4)]);
        }
        for _ in 0..random.below(if case % 100 == 0 { 200 } else { 8 }) {
            octets.extend_from_slice(PIECES[random.below(PIECES.len())]);
        }
        for _ in 0..random.below(3) {
            if let Some(octet) =
                octets.len().checked_sub(1).and_then(|last| octets.get_mut(random.below(last + 1)))
            {
                *octet ^= 1 << random.below(8);
            }
        }
        requests += u64::from(read(&octets, 1 + random.below(300)));
    }
    // The pieces make requests that are understood, too.
    assert!(requests > 2_000, "{requests}");
}
