//! Lays the code that runs all the time side by side in the program, where it is linked to the GNU C library.
//!
//! A page that is used brings sixteen into memory, and the compiler strews the functions: a hundred kB of code that
//! sends adverts and takes over stood between a thousand that read configurations, and kept most of them in memory.
//! So the linker gets a list of the modules that work after the start. A module that is missing in the list, or that
//! does not exist any more, costs a few pages and nothing else.
//!
//! Measured in /proc/PID/smaps of both processes (anonymous pages, and each page of a file once): 2,044 and
//! 2,104 kB in place of 2,540 and 2,344 with one instance, 3,024 in place of 3,218 with 1,000. On the static musl build
//! of tests/size, whose code is half as long, it was 1,376 kB in place of 1,500, and 2,252 in place of 2,372: too little
//! for the trouble, so that such a program is linked as it comes.

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Modules whose code runs for adverts, for a take-over, for a new list of all addresses when too much has happened at
/// once, and in a parent that waits.
const LIVELY: &[&str] = &[
    "keepalived::base",
    "keepalived::child::alerts",
    "keepalived::child::bracket",
    "keepalived::child::kept",
    "keepalived::child::links",
    "keepalived::child::notifies",
    "keepalived::child::peer",
    "keepalived::child::role",
    "keepalived::child::scripts",
    "keepalived::config::model::instance",
    "keepalived::config::model::shared",
    "keepalived::daemon::deadline",
    "keepalived::daemon::ipc",
    "keepalived::daemon::log",
    "keepalived::daemon::parent::child",
    "keepalived::daemon::parent::heritage",
    "keepalived::daemon::parent::script",
    "keepalived::daemon::reactor",
    "keepalived::daemon::keep",
    "keepalived::daemon::realtime",
    "keepalived::daemon::record",
    "keepalived::daemon::token",
    "keepalived::daemon::tuning",
    "keepalived::daemon::uplink",
    "keepalived::notify",
    "keepalived::proto::vrrp::accept",
    "keepalived::proto::vrrp::action",
    "keepalived::proto::vrrp::fault",
    "keepalived::proto::vrrp::garp",
    "keepalived::proto::vrrp::guard",
    "keepalived::proto::vrrp::machine",
    "keepalived::proto::vrrp::process",
    "keepalived::proto::vrrp::router",
    "keepalived::sys::alloc",
    "keepalived::sys::channel",
    "keepalived::sys::clock",
    "keepalived::sys::control",
    "keepalived::sys::file",
    "keepalived::sys::inbox",
    "keepalived::sys::machine",
    "keepalived::sys::netlink::addr",
    "keepalived::sys::netlink::batch",
    "keepalived::sys::netlink::command",
    "keepalived::sys::netlink::family",
    "keepalived::sys::netlink::link",
    "keepalived::sys::netlink::message",
    "keepalived::sys::netlink::monitor",
    "keepalived::sys::netlink::transport",
    "keepalived::sys::outbox",
    "keepalived::sys::output",
    "keepalived::sys::packet",
    "keepalived::sys::pages",
    "keepalived::sys::queue",
    "keepalived::sys::raw",
    "keepalived::sys::sched",
    "keepalived::sys::service",
    "keepalived::sys::signal",
    "keepalived::sys::socket",
    "keepalived::sys::timerfd",
    "keepalived::vrrpd::announce",
    "keepalived::vrrpd::auth",
    "keepalived::vrrpd::firewall",
    "keepalived::vrrpd::items::addresses",
    "keepalived::vrrpd::items::altered",
    "keepalived::vrrpd::items::answer",
    "keepalived::vrrpd::items::index",
    "keepalived::vrrpd::items::losses",
    "keepalived::vrrpd::items::request",
    "keepalived::vrrpd::items::statics",
    "keepalived::vrrpd::kind",
    "keepalived::vrrpd::live",
    "keepalived::vrrpd::own::addresses",
    "keepalived::vrrpd::pacing",
    "keepalived::vrrpd::report",
    "keepalived::vrrpd::routers",
    "keepalived::vrrpd::run::Vrrp",
    "keepalived::vrrpd::run::addresses",
    "keepalived::vrrpd::run::adverts",
    "keepalived::vrrpd::run::alert",
    "keepalived::vrrpd::run::announcements",
    "keepalived::vrrpd::run::event_lines",
    "keepalived::vrrpd::run::events",
    "keepalived::vrrpd::run::firewall",
    "keepalived::vrrpd::run::items",
    "keepalived::vrrpd::run::kept",
    "keepalived::vrrpd::run::links",
    "keepalived::vrrpd::run::listing",
    "keepalived::vrrpd::run::notify",
    "keepalived::vrrpd::run::pause",
    "keepalived::vrrpd::run::settle",
    "keepalived::vrrpd::run::told",
    "keepalived::vrrpd::run::trackers",
    "keepalived::vrrpd::slots",
    "keepalived::vrrpd::sockets",
    "keepalived::vrrpd::track",
    "keepalived::vrrpd::work",
    "keepalived::wire",
    "alloc::collections::vec_deque",
    "alloc::fmt",
    "alloc::raw_vec",
    "alloc::vec",
    "core::ffi",
    "core::fmt",
    "core::hash",
    "core::iter::adapters::copied",
    "core::net",
    "core::str::converts",
    "hashbrown",
    "heapless",
    "log",
    "mio",
    "neli",
    "nix::errno",
    "std::collections::hash",
    "std::fs",
    "std::io::cursor",
    "std::io::default_read_to_end",
    "std::io::default_write_fmt",
    "std::os::unix::fs",
    "std::path",
    "std::io::error",
    "std::io::Write",
    "std::sync",
    "std::sys::fs",
    "std::thread::local",
];

/// The same for single functions, by a part of their names: the allocator's entries, what makes buffers of zeroes,
/// the parent's loop, what the model is asked at a transition, and how the parent reads a short file.
const OTHERS: [&str; 7] = [
    "__rust_alloc",
    "$u20$as$u20$alloc..vec..",
    "turn_until_the_end",
    "after_busy",
    "followed_by_sync",
    "preferred_lifetime",
    "trim_matches",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("PROFILE")? != "release" || env::var("CARGO_CFG_TARGET_ENV")? != "gnu" {
        return Ok(());
    }
    let folder = env::var("OUT_DIR")?;
    let script = Path::new(&folder).join("layout.ld");
    fs::write(&script, layout()?)?;
    // In addition to what the linker does by itself; drivers and linkers call it the same.
    let argument = format!("-T{}", script.display());
    if is_known_to_linker(Path::new(&folder), &argument)? {
        println!("cargo::rustc-link-arg-bins={argument}");
    } else {
        println!("cargo::warning=this linker takes no script of sections: the program will use more memory");
    }
    Ok(())
}

/// Whether the linker that the program will meet takes the script: GNU ld and lld do, mold does not. Asked by a
/// program that does nothing, which is linked as ours is.
fn is_known_to_linker(folder: &Path, argument: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let source = folder.join("probe.rs");
    fs::write(&source, "fn main() {}\n")?;
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc.args(["--crate-type=bin", "--edition=2024", "-Cpanic=abort", "--target"]).arg(env::var("TARGET")?);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    rustc.arg(format!("-Clink-arg={argument}")).arg("-o").arg(folder.join("probe")).arg(source);
    Ok(rustc.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}

fn layout() -> Result<String, std::fmt::Error> {
    let mut text = String::from("SECTIONS\n{\n  .text.lively :\n  {\n");
    for module in LIVELY {
        // As the names of functions have it, of methods of its types and of what is generic over these.
        let mut mangled = String::new();
        for part in module.split("::") {
            write!(mangled, "{}{part}", part.len())?;
        }
        let spelled = module.replace("::", "..");
        writeln!(text, "    *(.text.*[N_]{mangled}[0-9A-Z]* .text.*_$LT${spelled}..*)")?;
        writeln!(text, "    *(.text.*drop_in_place$LT${spelled}..*)")?;
        // Types and traits of the library are in the names of what has little to do with it.
        if !["alloc::", "core::", "std::"].iter().any(|name| module.starts_with(name)) {
            writeln!(text, "    *(.text.*$u20$as$u20${spelled}..* .text.*drop_in_place$LT$*${spelled}..*)")?;
        }
    }
    for part in OTHERS {
        writeln!(text, "    *(.text.*{part}*)")?;
    }
    text.push_str("  }\n}\nINSERT AFTER .text;\n");
    Ok(text)
}
