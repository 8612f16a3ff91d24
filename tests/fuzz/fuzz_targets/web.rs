//! Any octets at the monitoring port: the first one says how they are cut.

#![no_main]

#[path = "../../mutations/pages.rs"]
mod pages;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let [size, octets @ ..] = octets {
        pages::read(octets, usize::from(*size));
    }
});
