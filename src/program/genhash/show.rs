//! What genhash prints with -v, as keepalived's does.

use core::fmt::Write;

const HEADER: &str = "-----------------------[    HTTP Header Buffer    ]-----------------------\n";
const HEADER_TEXT: &str = "-----------------------[ HTTP Header Ascii Buffer ]-----------------------\n";
const BODY: &str = "-----------------------[        HTML Buffer        ]-----------------------\n";
const HASH: &str = "-----------------------[    HTML hash resulting    ]-----------------------\n";
const HASH_FINAL: &str = "-----------------------[ HTML hash final resulting ]-----------------------\n";

/// The head of the reply, in both forms. The body has a title only where it begins in the same piece.
pub(super) fn head(octets: &[u8], body: bool) -> Vec<u8> {
    let mut out = HEADER.as_bytes().to_vec();
    out.extend(dump(octets).into_bytes());
    out.extend_from_slice(HEADER_TEXT.as_bytes());
    out.extend_from_slice(octets);
    out.push(b'\n');
    out.extend_from_slice(if body { BODY.as_bytes() } else { b"" });
    out
}

/// The digest, in both forms, and how long it took.
pub(super) fn digest(octets: &[u8], hex: &str, url: &str, micros: u64) -> String {
    let dump = dump(octets);
    format!("\n{HASH}{dump}{HASH_FINAL}{hex}\n\nGlobal response time for [{url}] = {micros} usecs\n")
}

/// Sixteen octets a line: the place of the first one, all in hexadecimal in two halves, and those that can be shown.
pub(super) fn dump(octets: &[u8]) -> String {
    let mut out = String::new();
    for (line, octets) in octets.chunks(LINE).enumerate() {
        let (first, second) = octets.split_at(octets.len().min(LINE / 2));
        let hex =
            |octets: &[u8]| octets.iter().fold(String::new(), |hex, octet| format!("{hex}{octet:02x} "));
        let text: String = octets.iter().map(|octet| shown(*octet)).collect();
        let half = LINE / 2 * 3;
        // Writing to a String does not fail.
        let _ =
            writeln!(out, "{:04}  {:half$}- {:half$}  {text:LINE$}", line * LINE, hex(first), hex(second));
    }
    out
}

fn shown(octet: u8) -> char {
    if (b' '..=b'~').contains(&octet) { char::from(octet) } else { '.' }
}

const LINE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by keepalived 2.2.7.
    #[test]
    fn dumps_are_keepalived_s() {
        let lines = "\
0000  68 65 6c 6c 6f 20 77 6f - 72 6c 64 0a 6c 69 6e 65   hello world.line
0016  20 74 77 6f             -                            two            
";
        assert_eq!(dump(b"hello world\nline two"), lines);
        assert_eq!(
            dump(&[0, 0x7f, 0xff]).lines().next(),
            Some("0000  00 7f ff                -                           ...             ")
        );
        assert_eq!(dump(b""), "");
    }

    #[test]
    fn a_digest_is_shown_twice() {
        let right = "\n\
-----------------------[    HTML hash resulting    ]-----------------------
0000  c5 c1 3c d3 33 6f 86 ff - 6d 72 b0 e5 85 54 53 a1   ..<.3o..mr...TS.
-----------------------[ HTML hash final resulting ]-----------------------
c5c13cd3336f86ff6d72b0e5855453a1

Global response time for [/x] = 1468 usecs
";
        let hash =
            [0xc5, 0xc1, 0x3c, 0xd3, 0x33, 0x6f, 0x86, 0xff, 0x6d, 0x72, 0xb0, 0xe5, 0x85, 0x54, 0x53, 0xa1];
        assert_eq!(digest(&hash, "c5c13cd3336f86ff6d72b0e5855453a1", "/x", 1468), right);
    }
}
