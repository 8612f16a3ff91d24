//! Rules of iptables: the kernel's table `filter` of a family, read and replaced as a whole.
//!
//! The kernel has no other way, and iptables does the same: the table is read, changed in memory and put in the place
//! of the old one at once, so that no packet meets half of it. What somebody else changed in between is not lost: all
//! programs take the lock /run/xtables.lock, and the kernel refuses a table that grew or shrank meanwhile. No program is
//! run for it: the rules are there when the call returns, as an address needs them.
//!
//! [`rule`] is what rules are made of, `table` exchanges ours, `layout` knows the kernel's structures.

mod layout;
pub mod rule;
mod table;

use std::ffi::{OsStr, c_int, c_void};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::module;
use super::outbox::errno_of;
use super::socket;
use crate::base::addr::Family;
use layout::{COUNTERS, COUNTERS_HEAD, Info, Layout, NAME, REPLACE_HEAD, REQUEST_HEAD, REQUEST_SIZE};
use rule::{NEW_SET, OLD_SET, Rule, put};
use table::{Ours, Table, Wanted};

pub use table::Place;

/// What a search for the program `iptables` finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// It works on the kernel's tables that this module is about.
    Legacy,
    /// It makes rules of nftables.
    Nftables,
    /// There is none.
    None,
}

/// Which iptables this machine uses, by what the name leads to; `search` are folders like those of PATH, before
/// those that every system has.
#[must_use]
pub fn program(search: Option<&OsStr>) -> Program {
    let folders = search.map(std::env::split_paths).into_iter().flatten();
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let mut found = folders.chain(usual).map(|folder| folder.join("iptables")).filter(|path| path.is_file());
    let Some(path) = found.next() else { return Program::None };
    let is_new = fs::canonicalize(path)
        .is_ok_and(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("nft")));
    if is_new { Program::Nftables } else { Program::Legacy }
}

/// Loads the modules of these tables, where they are modules. Waits for modprobe: for a start and a reload.
pub fn load() {
    module::load(&[c"ip_tables", c"ip6_tables"]);
}

/// Why the rules are not as wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Another program changes rules now: in some milliseconds it will be done.
    Busy,
    /// The kernel does not have these tables.
    Unknown,
    /// The kernel refuses.
    Kernel(Errno),
    /// The table is not of a form that is known.
    Form,
}

/// The lock of all programs that change rules.
#[derive(Debug)]
pub struct Lock {
    _file: Option<File>,
}

impl Lock {
    /// Takes it; none if another program has it. A system where it cannot be made has no other program either.
    #[must_use]
    pub fn take() -> Option<Self> {
        let path = std::env::var_os("XTABLES_LOCKFILE").unwrap_or_else(|| "/run/xtables.lock".into());
        Self::take_at(Path::new(&path))
    }

    /// The same where nothing can wait for later: asks for a second, then does without. Others are through in
    /// milliseconds, and the kernel still refuses where their number of rules does not fit.
    #[must_use]
    pub fn take_patiently() -> Self {
        for _ in 0..PATIENCE {
            if let Some(lock) = Self::take() {
                return lock;
            }
            let _ = nix::poll::poll(&mut [], 5_u16);
        }
        Self { _file: None }
    }

    fn take_at(path: &Path) -> Option<Self> {
        let mut options = OpenOptions::new();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let Ok(file) =
            options.read(true).create(true).append(true).mode(0o600).custom_flags(flags).open(path)
        else {
            return Some(Self { _file: None });
        };
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => None,
            _ => Some(Self { _file: Some(file) }),
        }
    }
}

/// The table `filter` of a family.
#[derive(Debug)]
pub struct Filter {
    socket: OwnedFd,
    layout: Layout,
    set_revision: u8,
    wanted: Vec<Wanted>,
    /// The table's shape when it was as wanted.
    left: Option<Shape>,
}

/// What is compared first to tell one table from another: where chains of the kernel's begin and end, and how long all is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    first: [u32; 5],
    last: [u32; 5],
    octets: usize,
}

impl Filter {
    /// Opens it.
    ///
    /// # Errors
    /// The kernel has no such family, or refuses.
    pub fn open(family: Family) -> Result<Self, Refused> {
        let domain = match family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        let socket = socket::open(domain, libc::SOCK_RAW, libc::IPPROTO_RAW).map_err(|error| why(&error))?;
        let mut filter = Self {
            socket,
            layout: Layout::of(family),
            set_revision: OLD_SET,
            wanted: Vec::new(),
            left: None,
        };
        if filter.knows("set", NEW_SET) {
            filter.set_revision = NEW_SET;
        }
        Ok(filter)
    }

    /// Whether the kernel has the table. May load a module.
    ///
    /// # Errors
    /// It has not, or refuses.
    pub fn probe(&self) -> Result<(), Refused> {
        self.info().map(|_| ())
    }

    /// Forgets what is wanted.
    pub fn clear(&mut self) {
        self.wanted.clear();
    }

    /// Wants a rule in a chain, behind those wanted there before. `mark` is that of [`Self::exchange`].
    pub fn want(&mut self, chain: &str, place: Place, mark: u32, rule: &Rule<'_>) {
        let mark = if place == Place::Head { mark } else { mark.wrapping_add(1) };
        let octets = rule.encode(&self.layout, mark, self.set_revision);
        self.wanted.push(Wanted { chain: chain.to_owned(), place, octets });
    }

    /// Puts what is wanted in the place of the rules that carry the mark or ask one of the sets, at once. Whether
    /// that changed anything. Chains that are not there are told.
    ///
    /// # Errors
    /// Nothing is changed then.
    pub fn exchange(
        &mut self,
        _lock: &Lock,
        mark: u32,
        sets: &[u16],
        mut on_missing: impl FnMut(&str),
    ) -> Result<bool, Refused> {
        // Somebody who does without the lock comes in between.
        for _ in 0..TRIES {
            let table = self.read()?;
            let ours = Ours { mark, sets };
            let mut missing = Vec::new();
            let changed = table
                .exchange(&self.layout, ours, &self.wanted, |chain| missing.push(chain.to_owned()))
                .map_err(|_| Refused::Form)?;
            let outcome = changed.as_ref().map_or(Ok(false), |changed| self.write(&table, changed));
            if outcome == Err(Refused::Busy) {
                continue;
            }
            let now = changed.as_ref().unwrap_or(&table);
            let shape = Shape { first: now.first, last: now.last, octets: now.octets.len() };
            self.left = outcome.is_ok().then_some(shape);
            missing.iter().for_each(|chain| on_missing(chain));
            return outcome;
        }
        Err(Refused::Busy)
    }

    /// Whether the table looks as [`Self::exchange`] left it. False: somebody changed rules, ours maybe. The kernel reports
    /// nobody of it. What cannot be asked is taken for unchanged, and so is a rule in the place of another as long.
    #[must_use]
    pub fn is_as_left(&self) -> bool {
        let (Some(left), Ok(info)) = (self.left, self.info()) else { return true };
        let octets = usize::try_from(info.octets).unwrap_or(usize::MAX);
        left == Shape { first: info.first, last: info.last, octets }
    }

    const fn level(&self) -> c_int {
        match self.layout.family {
            Family::V4 => libc::IPPROTO_IP,
            Family::V6 => libc::IPPROTO_IPV6,
        }
    }

    /// Whether the kernel has a form of a match. May load a module.
    fn knows(&self, name: &str, revision: u8) -> bool {
        let mut octets = [0; REVISION];
        put(&mut octets, 0, name.as_bytes());
        put(&mut octets, REVISION - 1, &[revision]);
        let option = match self.layout.family {
            Family::V4 => GET_REVISION_V4,
            Family::V6 => GET_REVISION_V6,
        };
        get(&self.socket, self.level(), option, &mut octets).is_ok()
    }

    fn info(&self) -> Result<Info, Refused> {
        let mut octets = [0; size_of::<Info>()];
        put(&mut octets, 0, FILTER);
        get(&self.socket, self.level(), GET_INFO, &mut octets)?;
        let mut numbers = octets.get(NAME..).unwrap_or_default().as_chunks::<4>().0.iter();
        let mut number = || numbers.next().map_or(0, |octets| u32::from_ne_bytes(*octets));
        let valid_hooks = number();
        let first = core::array::from_fn(|_| number());
        let last = core::array::from_fn(|_| number());
        Ok(Info { name: [0; NAME], valid_hooks, first, last, entries: number(), octets: number() })
    }

    fn read(&self) -> Result<Table, Refused> {
        for _ in 0..TRIES {
            let info = self.info()?;
            let size = usize::try_from(info.octets).map_err(|_| Refused::Form)?;
            let mut octets = vec![0; REQUEST_HEAD.saturating_add(size)];
            put(&mut octets, 0, FILTER);
            put(&mut octets, REQUEST_SIZE, &info.octets.to_ne_bytes());
            match get(&self.socket, self.level(), GET_ENTRIES, &mut octets) {
                Ok(()) => {}
                Err(Refused::Busy) => continue,
                Err(refused) => return Err(refused),
            }
            octets.drain(..REQUEST_HEAD);
            let origins = (0..usize::try_from(info.entries).unwrap_or(0)).map(Some).collect();
            return Ok(Table {
                valid_hooks: info.valid_hooks,
                first: info.first,
                last: info.last,
                octets,
                origins,
            });
        }
        Err(Refused::Busy)
    }

    /// Replaces the table, and gives the rules that stayed what they had counted.
    fn write(&self, old: &Table, new: &Table) -> Result<bool, Refused> {
        let mut counted = vec![0_u8; old.origins.len().saturating_mul(COUNTERS)];
        let numbers = |count: usize| u32::try_from(count).map_err(|_| Refused::Form);
        // Not kept: a large table takes a megabyte.
        let mut message = Vec::with_capacity(REPLACE_HEAD.saturating_add(new.octets.len()));
        message.resize(REPLACE_HEAD, 0);
        put(&mut message, 0, FILTER);
        let head = [new.valid_hooks, numbers(new.origins.len())?, numbers(new.octets.len())?];
        let head = head.into_iter().chain(new.first).chain(new.last).chain([numbers(old.origins.len())?]);
        let mut at = NAME;
        for number in head {
            put(&mut message, at, &number.to_ne_bytes());
            at = at.saturating_add(4);
        }
        let place = counted.as_mut_ptr().expose_provenance();
        put(&mut message, at, &place.to_ne_bytes());
        message.extend_from_slice(&new.octets);
        // The kernel writes a pair of counters for each of the old rules, for whose number it asks and which it
        // compares with its own: the vector above has just that room, and lives until after the call.
        set(&self.socket, self.level(), REPLACE, &message)?;
        message.clear();
        message.resize(COUNTERS_HEAD, 0);
        put(&mut message, 0, FILTER);
        put(&mut message, NAME, &numbers(new.origins.len())?.to_ne_bytes());
        for origin in &new.origins {
            let from = origin.map(|number| number.saturating_mul(COUNTERS));
            let counters = from.and_then(|from| counted.get(from..)?.get(..COUNTERS));
            message.extend_from_slice(counters.unwrap_or(&[0; COUNTERS]));
        }
        // Only what was counted is lost where this fails.
        let _ = set(&self.socket, self.level(), ADD_COUNTERS, &message);
        Ok(true)
    }
}

/// The kernel's number of a set; none if there is no such set.
///
/// # Errors
/// The kernel has no sets, or refuses.
pub fn set_number(name: &str) -> Result<Option<u16>, Refused> {
    let socket =
        socket::open(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW).map_err(|error| why(&error))?;
    let mut octets = [0; SET_REQUEST];
    put(&mut octets, 0, &SET_BY_NAME.to_ne_bytes());
    put(&mut octets, 4, &SET_PROTOCOL.to_ne_bytes());
    // What is longer is the name of no set.
    put(octets.get_mut(8..SET_REQUEST - 1).unwrap_or_default(), 0, name.as_bytes());
    get(&socket, libc::IPPROTO_IP, SO_IP_SET, &mut octets)?;
    let number =
        octets.get(8..).and_then(|rest| rest.first_chunk()).map(|octets| u16::from_ne_bytes(*octets));
    Ok(number.filter(|number| *number != NO_SET))
}

fn get(socket: &OwnedFd, level: c_int, name: c_int, octets: &mut [u8]) -> Result<(), Refused> {
    let mut len = libc::socklen_t::try_from(octets.len()).map_err(|_| Refused::Form)?;
    let place: *mut c_void = octets.as_mut_ptr().cast();
    // SAFETY: pointer and length describe `octets`, which the kernel reads and writes.
    let code = unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, place, &raw mut len) };
    if code < 0 { Err(why(&io::Error::last_os_error())) } else { Ok(()) }
}

fn set(socket: &OwnedFd, level: c_int, name: c_int, octets: &[u8]) -> Result<(), Refused> {
    let len = libc::socklen_t::try_from(octets.len()).map_err(|_| Refused::Form)?;
    let place: *const c_void = octets.as_ptr().cast();
    // SAFETY: pointer and length describe `octets`, which the kernel only reads. A pointer inside them is to a vector
    // that the one caller with such a thing keeps, of the size that it tells the kernel.
    let code = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, place, len) };
    if code < 0 { Err(why(&io::Error::last_os_error())) } else { Ok(()) }
}

fn why(error: &io::Error) -> Refused {
    match errno_of(error) {
        Errno::ENOPROTOOPT | Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT => Refused::Unknown,
        // The number of rules is another one now.
        Errno::EAGAIN => Refused::Busy,
        errno => Refused::Kernel(errno),
    }
}

/// Times five milliseconds.
const PATIENCE: u32 = 200;
/// Of reading and writing, if others change the table in between.
const TRIES: usize = 5;
const FILTER: &[u8] = b"filter";
// IPT_SO_GET_INFO and so on; IPv6 has the same.
const GET_INFO: c_int = 64;
const GET_ENTRIES: c_int = 65;
const REPLACE: c_int = 64;
const ADD_COUNTERS: c_int = 65;
const GET_REVISION_V4: c_int = 66;
const GET_REVISION_V6: c_int = 68;
/// Octets of xt_get_revision.
const REVISION: usize = 30;
/// SO_IP_SET.
const SO_IP_SET: c_int = 83;
/// IP_SET_OP_GET_BYNAME.
const SET_BY_NAME: u32 = 6;
/// IPSET_PROTOCOL_MIN.
const SET_PROTOCOL: u32 = 6;
/// Octets of ip_set_req_get_set.
const SET_REQUEST: usize = 40;
/// IPSET_INVALID_ID.
const NO_SET: u16 = u16::MAX;

#[cfg(test)]
mod tests;
