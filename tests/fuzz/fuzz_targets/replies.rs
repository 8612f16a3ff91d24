//! Any octets as the reply to a check: the first one says of which protocol, the second one how it is cut.

#![no_main]

#[path = "../../mutations/replies.rs"]
mod replies;

use replies::Protocol;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let [protocol, size, reply @ ..] = octets {
        let all = [Protocol::Http, Protocol::Smtp, Protocol::Dns, Protocol::Udp, Protocol::Echo];
        let protocol = all[usize::from(*protocol) % all.len()];
        replies::read(protocol, reply, usize::from(*size));
    }
});
