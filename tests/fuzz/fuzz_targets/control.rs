//! Any octets at the control socket: the first one says how they are cut.

#![no_main]

#[path = "../../mutations/requests.rs"]
mod requests;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let [size, octets @ ..] = octets {
        requests::read(octets, usize::from(*size));
    }
});
