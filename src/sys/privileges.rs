//! Giving up privileges for good: capabilities, the user, and what an exec could win back.

use core::sync::atomic::{AtomicBool, Ordering};
use std::ffi::{c_int, c_ulong};
use std::io;

use super::check;
use super::user::Account;

/// Whether this process has given up privileges.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// Whether this process has given up privileges: it starts no other program any more.
#[must_use]
pub fn are_given_up() -> bool {
    GIVEN_UP.load(Ordering::Relaxed)
}

/// A set of capabilities, by the numbers of capabilities(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(u64);

impl Capabilities {
    /// None.
    pub const NONE: Self = Self(0);
    /// Files go to another owner.
    pub const CHOWN: Self = Self(1 << 0);
    /// Files are read and written whoever may.
    pub const DAC_OVERRIDE: Self = Self(1 << 1);
    /// What only the owner of a file may do to it.
    pub const FOWNER: Self = Self(1 << 3);
    /// Processes of other users are signalled: by the parent alone.
    pub const KILL: Self = Self(1 << 5);
    /// Ports below 1024.
    pub const NET_BIND_SERVICE: Self = Self(1 << 10);
    /// Addresses, routes, rules, interfaces, /proc/sys/net, tables of the firewall and of IPVS.
    pub const NET_ADMIN: Self = Self(1 << 12);
    /// Raw and packet sockets, sockets of one interface.
    pub const NET_RAW: Self = Self(1 << 13);
    /// Memory that is never swapped.
    pub const IPC_LOCK: Self = Self(1 << 14);
    /// Another process is looked into.
    pub const SYS_PTRACE: Self = Self(1 << 19);
    /// Modules are loaded: by a start alone, never kept.
    pub const SYS_MODULE: Self = Self(1 << 16);
    /// Network namespaces are entered.
    pub const SYS_ADMIN: Self = Self(1 << 21);
    /// Priorities are raised.
    pub const SYS_NICE: Self = Self(1 << 23);

    /// Those of these bits.
    #[must_use]
    pub(super) const fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// A bit for each, by its number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The other set if something is so.
    #[must_use]
    pub const fn with_if(self, so: bool, other: Self) -> Self {
        if so { self.with(other) } else { self }
    }

    /// What this set has and the other one has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that this process can use now.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn effective() -> io::Result<Self> {
        Ok(Self(get()?.iter().zip([0, 32]).map(|(half, shift)| u64::from(half[0]) << shift).sum()))
    }

    /// The names, as capabilities(7) has them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.into_iter().filter(move |(one, _)| self.0 & one.0 != 0).map(|(_, name)| name)
    }
}

const NAMES: [(Capabilities, &str); 12] = [
    (Capabilities::CHOWN, "CAP_CHOWN"),
    (Capabilities::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
    (Capabilities::FOWNER, "CAP_FOWNER"),
    (Capabilities::KILL, "CAP_KILL"),
    (Capabilities::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE"),
    (Capabilities::NET_ADMIN, "CAP_NET_ADMIN"),
    (Capabilities::NET_RAW, "CAP_NET_RAW"),
    (Capabilities::IPC_LOCK, "CAP_IPC_LOCK"),
    (Capabilities::SYS_MODULE, "CAP_SYS_MODULE"),
    (Capabilities::SYS_PTRACE, "CAP_SYS_PTRACE"),
    (Capabilities::SYS_ADMIN, "CAP_SYS_ADMIN"),
    (Capabilities::SYS_NICE, "CAP_SYS_NICE"),
];

/// Gives up every capability but those of `kept`, for this process and all that it will ever start: neither a file of
/// another user nor root's number wins one back (no_new_privs). From then on the process is `user`, without further groups,
/// if there is one.
///
/// # Errors
/// What the kernel says; it may then have been done in part.
pub fn give_up_all_but(kept: Capabilities, user: Option<Account>) -> io::Result<()> {
    GIVEN_UP.store(true, Ordering::Relaxed);
    // SAFETY: prctl with these arguments takes no pointer.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // Before the sets, which this needs a capability of. Without that, no_new_privs alone keeps the bound.
    for number in 0..64 {
        // SAFETY: as above. A number that the kernel does not know is refused.
        if kept.0 & (1 << number) == 0 && unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) } != 0
        {
            break;
        }
    }
    if let Some(user) = user {
        become_user(user)?;
    }
    let permitted = get()?;
    let mut sets = [[0; 3]; 2];
    for ((new, old), shift) in sets.iter_mut().zip(permitted).zip([0, 32]) {
        let half = u32::try_from(kept.0 >> shift & u64::from(u32::MAX)).unwrap_or(0) & old[1];
        *new = [half, half, 0];
    }
    let mut header = Header(VERSION, 0);
    // SAFETY: both are what this version of the call reads.
    let done = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, sets.as_ptr()) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Another user with the capabilities of this one: permitted, and not in effect yet.
fn become_user(user: Account) -> io::Result<()> {
    let mut signal: c_int = 0;
    // SAFETY: the first writes one number; the others take no pointer.
    let dumps = unsafe {
        check(libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0))?
    };
    // SAFETY: no group is read of the list of none, and the others take no pointer.
    unsafe {
        check(libc::setgroups(0, core::ptr::null()))?;
        check(libc::setresgid(user.gid, user.gid, user.gid))?;
        check(libc::setresuid(user.uid, user.uid, user.uid))?;
    }
    // With another user the kernel forgets that this process ends with its parent, and that it may leave a core.
    // SAFETY: neither takes a pointer.
    unsafe {
        check(libc::prctl(libc::PR_SET_PDEATHSIG, number(signal), 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_DUMPABLE, number(dumps), 0, 0, 0))?;
    }
    Ok(())
}

fn number(value: c_int) -> c_ulong {
    value.try_into().unwrap_or(0)
}

/// `_LINUX_CAPABILITY_VERSION_3`
const VERSION: u32 = 0x2008_0522;

/// The version, and this process.
#[repr(C)]
struct Header(u32, c_int);

/// Effective, permitted, inheritable; the lower and the upper half of each.
fn get() -> io::Result<[[u32; 3]; 2]> {
    let (mut header, mut sets) = (Header(VERSION, 0), [[0; 3]; 2]);
    // SAFETY: both are what this version of the call reads and writes.
    let done = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) };
    if done == 0 { Ok(sets) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::sched::in_a_copy;

    #[test]
    fn what_was_given_up_is_gone_and_the_rest_stays() {
        let kept = Capabilities::NET_ADMIN.with(Capabilities::NET_RAW);
        let status = in_a_copy(|| {
            let before = Capabilities::effective();
            let done = give_up_all_but(kept, None);
            // SAFETY: takes no pointer.
            let bound = unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) };
            let after = Capabilities::effective();
            match (before, done, after) {
                (Ok(before), Ok(()), Ok(after)) => u8::from(
                    after.without(kept).is_empty()
                        && kept.without(before).0 == kept.without(after).0
                        && bound == 1,
                ),
                _ => 9,
            }
        });
        assert_eq!(libc::WEXITSTATUS(status), 1);
    }

    #[test]
    fn another_user_keeps_what_is_kept_and_ends_with_its_parent() {
        let kept = Capabilities::NET_ADMIN.with(Capabilities::NET_RAW);
        let status = in_a_copy(|| {
            let before = Capabilities::effective();
            // SAFETY: the calls take no pointer that is not of this test's own.
            let signal = unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, 15, 0, 0, 0);
                let done = give_up_all_but(kept, Some(Account { uid: 4_711, gid: 4_712 }));
                let mut signal: c_int = 0;
                libc::prctl(libc::PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0);
                if done.is_err()
                    || libc::getuid() != 4_711
                    || libc::getegid() != 4_712
                    || libc::setuid(0) == 0
                {
                    return 8;
                }
                signal
            };
            match (before, Capabilities::effective()) {
                (Ok(before), Ok(after)) => {
                    u8::from(signal == 15 && after == kept.without(kept.without(before)))
                }
                _ => 9,
            }
        });
        assert_eq!(libc::WEXITSTATUS(status), 1, "this test needs root");
    }

    #[test]
    fn each_has_a_name() {
        let some = Capabilities::SYS_NICE.with(Capabilities::NET_RAW).with_if(false, Capabilities::CHOWN);
        assert_eq!(some.names().collect::<Vec<_>>(), ["CAP_NET_RAW", "CAP_SYS_NICE"]);
        assert_eq!(some.without(Capabilities::NET_RAW), Capabilities::SYS_NICE);
    }
}
