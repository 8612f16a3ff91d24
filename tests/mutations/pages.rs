//! Everything that is done with octets that come in at the monitoring port. Used by the seeded mutations and by the fuzz
//! target.

use keepalived::wire::web::{Code, LONGEST_HEAD, Parsed, head, parse};

/// Reads the octets as they come, piece by piece, until they are a request or are refused; whether they are one.
pub fn read(octets: &[u8], size: usize) -> bool {
    let mut come = 0;
    loop {
        let now = parse(&octets[..come]);
        match now {
            Parsed::Incomplete => assert!(come < LONGEST_HEAD, "what does not end is refused"),
            Parsed::Asked(_) => {
                assert_eq!(parse(octets), now, "what follows a request changes nothing");
                return true;
            }
            Parsed::Refused(code) => {
                assert!(code != Code::Ok && head(code, "text/plain", 1).ends_with("\r\n\r\n"));
                return false;
            }
        }
        if come == octets.len() {
            return false;
        }
        come = octets.len().min(come + size.max(1));
    }
}
