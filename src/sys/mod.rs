//! System calls, and nothing else: this layer has never heard of VRRP.
//!
//! Job: the kernel's objects as safe Rust values. Uses `base`. The only place where `unsafe` may stand.
#![allow(unsafe_code, reason = "the one fence of the program: system calls live here")]
