//! Users and groups by name. For load time only: the C library reads files and allocates.

use core::sync::atomic::{AtomicU32, Ordering};
use std::ffi::CString;
use std::io;

use nix::unistd::{self, Gid, Group, User};

/// A user of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
}

/// Whether this process has the rights of root.
#[must_use]
pub fn is_root() -> bool {
    unistd::geteuid().is_root()
}

/// The user that this process acts as.
#[must_use]
pub fn own() -> u32 {
    unistd::geteuid().as_raw()
}

/// The user that children of this daemon are once they have begun; root's number: none of their own.
static OF_CHILDREN: AtomicU32 = AtomicU32::new(0);

/// Says once which user the children of this daemon will be, or those of a daemon before it were.
pub fn name_of_children(account: Account) {
    OF_CHILDREN.store(account.uid, Ordering::Relaxed);
}

/// Whether a file of this user is one that this daemon made, or one before it: a child makes files as root while it
/// begins, and as the user of the children later. What belongs to root is as good.
#[must_use]
pub fn is_of_daemon(uid: u32) -> bool {
    uid == own() || uid == 0 || uid == OF_CHILDREN.load(Ordering::Relaxed)
}

/// The user of this name; none if there is none.
///
/// # Errors
/// When the user database cannot be read.
pub fn user(name: &str) -> io::Result<Option<Account>> {
    let found = User::from_name(name)?;
    Ok(found.map(|user| Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() }))
}

/// The id of the group of this name; none if there is none.
///
/// # Errors
/// When the group database cannot be read.
pub fn group(name: &str) -> io::Result<Option<u32>> {
    Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
}

/// All groups that the user of this name belongs to, `primary` among them.
///
/// # Errors
/// When the name contains a NUL or the group database cannot be read.
pub fn groups_of(name: &str, primary: u32) -> io::Result<Vec<u32>> {
    let groups = unistd::getgrouplist(&CString::new(name)?, Gid::from_raw(primary))?;
    Ok(groups.into_iter().map(Gid::as_raw).collect())
}

/// The node name of this machine.
#[must_use]
pub fn host_name() -> String {
    unistd::gethostname().map_or_else(|_| "localhost".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_zero_and_nobody_has_no_such_name() {
        assert_eq!(user("root").unwrap(), Some(Account { uid: 0, gid: 0 }));
        assert_eq!(group("root").unwrap(), Some(0));
        assert_eq!(user("no-such-user-here").unwrap(), None);
        assert!(groups_of("root", 0).unwrap().contains(&0));
    }
}
