//! Kernel settings of network interfaces: /proc/sys/net/{ipv4,ipv6}/conf/INTERFACE/KEY, and [`LOCAL_REPORTS`].
//!
//! Settings that a program changes for its own purposes are remembered and put back ([`Changed`]), unless
//! someone else changed them meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use core::fmt::Write as _;

use crate::base::addr::Family;
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::name::IfName;

/// The key of a setting that all interfaces share, so that its interface is `all`: membership of 224.0.0.0/24 is
/// reported.
pub const LOCAL_REPORTS: &str = "igmp_link_local_mcast_reports";

/// One setting of one interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether under ipv4 or ipv6.
    pub family: Family,
    /// The interface; `all` and `default` are names too.
    pub interface: IfName,
    /// The last part of the path.
    pub key: &'static str,
}

impl Setting {
    /// Its value.
    ///
    /// # Errors
    /// NotFound if there is no such interface, setting or /proc; InvalidData if it is no number.
    pub fn read(&self) -> io::Result<i64> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut octets = [0; 32];
        let count = File::open(self.path()?.as_str())?.read(&mut octets)?;
        let text = octets.get(..count).and_then(|octets| std::str::from_utf8(octets).ok());
        text.and_then(|text| text.trim().parse().ok()).ok_or_else(invalid)
    }

    /// Gives it a value.
    ///
    /// # Errors
    /// NotFound as for reading; PermissionDenied, ReadOnlyFilesystem (containers), InvalidInput.
    pub fn write(&self, value: i64) -> io::Result<()> {
        let mut text: heapless::String<24> = heapless::String::new();
        write!(text, "{value}").map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        // One write call: the kernel takes each as a whole value.
        OpenOptions::new().write(true).open(self.path()?.as_str())?.write_all(text.as_bytes())
    }

    fn path(&self) -> io::Result<heapless::String<96>> {
        let family = match self.family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        let mut path = heapless::String::new();
        let written = match self.key {
            LOCAL_REPORTS => write!(path, "/proc/sys/net/{family}/{LOCAL_REPORTS}"),
            key => write!(path, "/proc/sys/net/{family}/conf/{}/{key}", self.interface),
        };
        written.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(path)
    }
}

/// A setting that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which one; its interface by the name that it had then.
    pub setting: Setting,
    /// The kernel's number of the interface, which a rename does not change; 0 for `all` and `default`.
    pub index: IfIndex,
    /// The value that it had.
    pub before: i64,
    /// The value that it was given.
    pub given: i64,
}

/// The settings that were changed, each with the value that it had and the one that it was given.
#[derive(Debug, Default)]
pub struct Changed {
    entries: Vec<Entry>,
}

impl Changed {
    /// Nothing changed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Gives a setting a value and remembers the one that it had; whether it had another one. `journal` hears of it
    /// before it is done. Of a setting that is changed again the first value is the one that comes back.
    ///
    /// # Errors
    /// As for [`Setting::read`] and [`Setting::write`]; `OutOfMemory` past [`limit::SYSCTLS`], and then nothing
    /// is changed.
    pub fn set(&mut self, setting: &Setting, value: i64, journal: impl FnOnce(&Entry)) -> io::Result<bool> {
        let before = setting.read()?;
        if before == value {
            return Ok(false);
        }
        let index = index_of(&setting.interface)?;
        let room = self.entries.len() < limit::SYSCTLS;
        let same = |entry: &&mut Entry| entry.is_of(setting, index);
        match self.entries.iter_mut().find(same) {
            Some(entry) => {
                entry.given = value;
                journal(entry);
                setting.write(value)?;
            }
            None if !room => {
                return Err(io::Error::from(io::ErrorKind::OutOfMemory));
            }
            None => {
                let entry = Entry { setting: setting.clone(), index, before, given: value };
                journal(&entry);
                setting.write(value)?;
                self.entries.push(entry);
            }
        }
        Ok(true)
    }

    /// Remembers what a dead process changed, if it is still so; a later entry of the same setting is a later change
    /// of it.
    pub fn adopt(&mut self, entry: Entry) {
        if let Some(there) = self.entries.iter_mut().find(|there| there.is_of(&entry.setting, entry.index)) {
            there.given = entry.given;
        } else if self.entries.len() < limit::SYSCTLS {
            self.entries.push(entry);
        }
    }

    /// What was changed, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Puts those settings back that are not `wanted` any more; `on_failure` hears of those that could not be. A setting that has neither value any more belongs to someone
    /// else and stays; an interface that is gone took them along.
    pub fn restore(
        &mut self,
        wanted: impl Fn(&Entry) -> bool,
        mut on_failure: impl FnMut(&Setting, io::Error),
    ) {
        self.entries.retain(|entry| {
            let kept = wanted(entry);
            if !kept {
                put_back(entry, &mut on_failure);
            }
            kept
        });
    }

    /// Puts all settings back, the last one changed first.
    pub fn restore_all(&mut self, mut on_failure: impl FnMut(&Setting, io::Error)) {
        while let Some(entry) = self.entries.pop() {
            put_back(&entry, &mut on_failure);
        }
    }

    /// How many settings are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no setting is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Entry {
    fn is_of(&self, setting: &Setting, index: IfIndex) -> bool {
        // Behind `all` and `default` there is no number that tells them apart.
        let same_link = match index {
            IfIndex(0) => self.setting.interface == setting.interface,
            _ => true,
        };
        self.index == index
            && same_link
            && (self.setting.family, self.setting.key) == (setting.family, setting.key)
    }
}

/// The interfaces that have settings of a family, with `all` and `default`.
///
/// # Errors
/// Without /proc.
pub fn interfaces(family: Family) -> io::Result<Vec<IfName>> {
    let folder = match family {
        Family::V4 => "/proc/sys/net/ipv4/conf",
        Family::V6 => "/proc/sys/net/ipv6/conf",
    };
    let names = std::fs::read_dir(folder)?.filter_map(|entry| IfName::new(entry.ok()?.file_name().to_str()?));
    Ok(names.collect())
}

fn index_of(interface: &IfName) -> io::Result<IfIndex> {
    match interface.as_str() {
        "all" | "default" => Ok(IfIndex(0)),
        name => Ok(IfIndex(nix::net::if_::if_nametoindex(name)?)),
    }
}

fn put_back(entry: &Entry, on_failure: &mut impl FnMut(&Setting, io::Error)) {
    let mut setting = entry.setting.clone();
    if entry.index != IfIndex(0) {
        let name = nix::net::if_::if_indextoname(entry.index.0).ok();
        let Some(name) = name.as_ref().and_then(|name| IfName::new(name.to_str().ok()?)) else {
            return;
        };
        setting.interface = name;
    }
    let result = setting.read().and_then(|now| match now == entry.given {
        true => setting.write(entry.before),
        false => Ok(()),
    });
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => on_failure(&setting, error),
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::link::Which;
    use crate::sys::test_net::in_namespace;

    fn setting(interface: &str, key: &'static str) -> Setting {
        Setting { family: Family::V4, interface: IfName::new(interface).unwrap(), key }
    }

    /// Needs root.
    #[test]
    fn what_was_changed_is_put_back() {
        in_namespace(|_| {
            let setting = |key| setting("lo", key);
            let (ignore, filter, announce) =
                (setting("arp_ignore"), setting("arp_filter"), setting("arp_announce"));
            ignore.write(2).unwrap();
            filter.write(0).unwrap();
            announce.write(0).unwrap();
            let mut changed = Changed::new();
            let mut journal = Vec::new();
            let mut set = |changed: &mut Changed, setting: &Setting, value| {
                let was = setting.read().unwrap();
                let done = changed.set(setting, value, |entry| {
                    assert_eq!(setting.read().unwrap(), was, "told before it is done");
                    journal.push(entry.clone());
                });
                done.unwrap()
            };
            assert!(set(&mut changed, &ignore, 1));
            assert!(set(&mut changed, &ignore, 3));
            assert!(!set(&mut changed, &ignore, 3));
            assert!(set(&mut changed, &filter, 1));
            assert!(set(&mut changed, &announce, 1));
            assert_eq!(changed.len(), 3);
            assert_eq!(ignore.read().unwrap(), 3);
            announce.write(2).unwrap();
            // A successor that knows nothing but the journal.
            let mut changed = Changed::new();
            journal.into_iter().for_each(|entry| changed.adopt(entry));
            assert_eq!(changed.len(), 3);
            changed.restore_all(|setting, error| panic!("{setting:?}: {error}"));
            assert_eq!(ignore.read().unwrap(), 2);
            assert_eq!(filter.read().unwrap(), 0);
            assert_eq!(announce.read().unwrap(), 2, "changed by someone else");
            assert!(changed.is_empty());
            let gone = setting("no_such_setting");
            assert_eq!(changed.set(&gone, 1, |_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
        });
    }

    /// Needs root.
    #[test]
    fn a_renamed_interface_gets_its_settings_back() {
        in_namespace(|net| {
            let (near, far) = net.pair("va", "vb");
            let (a, b) = (setting("va", "arp_ignore"), setting("vb", "arp_ignore"));
            let all = setting("all", "rp_filter");
            let strict = all.read().unwrap() + 1;
            let mut changed = Changed::new();
            for (setting, value) in [(&a, 1), (&b, 1), (&all, strict)] {
                assert!(changed.set(setting, value, |_| ()).unwrap());
            }
            net.commands.set_link_up(1, Which::Index(near), false).unwrap();
            net.commit();
            let renamed = IfName::new("vc").unwrap();
            net.commands.set_link_name(1, near, &renamed).unwrap();
            net.commit();
            changed.restore(|entry| entry.index == far, |setting, error| panic!("{setting:?}: {error}"));
            assert_eq!(setting("vc", "arp_ignore").read().unwrap(), 0);
            assert_eq!(all.read().unwrap(), strict - 1);
            assert_eq!(b.read().unwrap(), 1, "still wanted");
            assert_eq!(changed.len(), 1);
        });
    }
}
