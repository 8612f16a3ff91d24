//! A word to the service manager that started us (sd_notify), if one did: a datagram, nothing to link.
//!
//! Scripts do not inherit what is meant for us (`script::INHERITED`).

use crate::base::time::Span;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What the manager says in the environment of the process that it starts.
const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The manager's socket.
#[derive(Debug)]
pub struct Manager {
    address: Option<SocketAddr>,
    socket: Option<UnixDatagram>,
}

impl Manager {
    /// Finds the manager by its environment variable NOTIFY_SOCKET; no manager is no error.
    #[must_use]
    pub fn find() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").map(OsStringExt::into_vec).unwrap_or_default();
        let address = match name.as_slice() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest).ok(),
            [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(&name)).ok(),
            _ => None,
        };
        let socket = address.as_ref().and_then(|_| UnixDatagram::unbound().ok());
        if let Some(socket) = &socket {
            // A manager that does not read must not hold us up.
            let _ = socket.set_nonblocking(true);
        }
        Self { address, socket }
    }

    /// Whether there is one.
    #[must_use]
    pub const fn listens(&self) -> bool {
        self.address.is_some()
    }

    /// How often the manager wants a sign of life; none: it does not, or not of this process.
    #[must_use]
    pub fn watchdog(&self) -> Option<Span> {
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let [_, micros, pid] = VARIABLES;
        let ours = number(pid).is_none_or(|pid| pid == u64::from(std::process::id()));
        let period = number(micros).filter(|micros| *micros > 0 && ours && self.listens())?;
        Some(Span::from_micros(period))
    }

    /// Tells it something, such as `READY=1`. Without a manager, or when it does not listen, nothing happens.
    pub fn tell(&self, words: &str) {
        if let (Some(socket), Some(address)) = (&self.socket, &self.address) {
            let _ = socket.send_to_addr(words.as_bytes(), address);
        }
    }
}
