//! Any octets as what an SNMP agent sends.

#![no_main]

#[path = "../../mutations/pdus.rs"]
mod pdus;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    pdus::read(octets);
});
