//! 100,000 seeded mutations of the certificate that a server shows to a check over TLS: no panic, and what is cut off or longer
//! than it says is none.

use keepalived::wire::x509::validity;

use super::mutate::Random;

const CASES: u64 = 100_000;

/// An element of DER whose length takes three octets.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// A certificate as far as it is read: version, serial number, algorithm, issuer, and two times.
fn certificate() -> Vec<u8> {
    let times = [b"\x17\x0d700101000000Z".as_slice(), b"\x18\x0f21000301000001Z"].concat();
    let before = b"\xa0\x03\x02\x01\x02\x02\x01\x07\x30\x00\x30\x81\x02\x05\x00";
    let fields = [before.as_slice(), &element(0x30, &times), &element(0x30, b"")].concat();
    element(0x30, &element(0x30, &fields))
}

#[test]
fn whatever_a_server_shows_as_its_certificate_is_read_or_refused() {
    let good = certificate();
    assert!(validity(&good).is_ok());
    let (mut understood, mut differs) = (0, 0);
    for case in 0..CASES {
        let mut random = Random(case);
        let mut octets = good.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(octets.len());
            match random.below(5) {
                0 => octets.truncate(at + 1),
                1 => octets.insert(at, [0, 0x30, 0x80, 0x84, 0xff][random.below(5)]),
                2 => octets[at] = [0, 0x02, 0x17, 0x18, 0x30, 0x7f, 0x80, 0x82, 0x84, 0xff][random.below(10)],
                3 => octets[at] = b'0' + u8::try_from(random.below(10)).unwrap(),
                _ => octets[at] ^= 1 << random.below(8),
            }
        }
        if let Ok(read) = validity(&octets) {
            understood += 1;
            differs += u32::from(Ok(read) != validity(&good));
        }
    }
    // Some are still certificates, and some of those of another time.
    assert!(understood > 1_000 && differs > 100, "{understood}, {differs}");
}
