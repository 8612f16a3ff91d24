//! Any octets as a configuration: read, assembled, checked, and read again from what was kept and printed.

#![no_main]

#[path = "../../mutations/read.rs"]
mod read;

libfuzzer_sys::fuzz_target!(|text: &[u8]| read::read(text, read::Depth::AndBack));
