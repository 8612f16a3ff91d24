//! Any octets as the certificate of a server that is checked over TLS.

#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let _ = keepalived::wire::x509::validity(octets);
});
