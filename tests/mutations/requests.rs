//! Everything that is done with octets that come in at the control socket, and with the first line of an answer. Used by the
//! seeded mutations and by the fuzz target.

use keepalived::wire::control::{Head, Inbox, LONGEST_REQUEST, Named, Refusal, parse};

/// Reads the octets in pieces; how many of the requests were understood.
pub fn read(octets: &[u8], size: usize) -> usize {
    let whole = lines(octets, LONGEST_REQUEST);
    assert_eq!(lines(octets, 1), whole, "octet by octet");
    assert_eq!(lines(octets, size.max(1)), whole, "in pieces of {size}");
    let mut understood = 0;
    for line in &whole {
        assert!(line.len() < LONGEST_REQUEST);
        match parse(line) {
            Ok(request) => {
                understood += 1;
                assert!(
                    request
                        .name
                        .is_none_or(|name| request.row.named != Named::Never && line.len() > name.len())
                );
            }
            Err(Refusal::Unknown(word) | Refusal::Unexpected(word)) => {
                assert!(!word.is_empty() && !word.contains(char::is_control));
            }
            Err(Refusal::Empty | Refusal::Nameless(..) | Refusal::Valueless | Refusal::NoText) => {}
        }
    }
    for line in octets.split(|octet| *octet == b'\n') {
        if let Some(head) = Head::parse(line) {
            assert_eq!(Head::parse(head.line().trim_end().as_bytes()), Some(head));
        }
    }
    understood
}

/// The lines that are taken until one does not end.
fn lines(octets: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut inbox = Inbox::default();
    let mut lines = Vec::new();
    let mut rest = octets;
    loop {
        match inbox.take(<[u8]>::to_vec) {
            Ok(Some(line)) => lines.push(line),
            Ok(None) if rest.is_empty() => return lines,
            Ok(None) => {
                let (piece, later) = rest.split_at(size.min(inbox.room()).min(rest.len()));
                inbox.push(piece);
                rest = later;
            }
            Err(_) => return lines,
        }
    }
}
