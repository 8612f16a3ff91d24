//! Kernel settings of network interfaces: /proc/sys/net/{ipv4,ipv6}/conf/INTERFACE/KEY.
//!
//! Settings that a program changes for its own purposes are remembered and put back ([`Changed`]), unless
//! someone else changed them meanwhile.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use core::fmt::Write as _;

use crate::base::addr::Family;
use crate::base::limit;
use crate::base::name::IfName;

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
        write!(path, "/proc/sys/net/{family}/conf/{}/{}", self.interface, self.key)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(path)
    }
}

/// The settings that were changed, each with the value that it had and the one that it was given.
#[derive(Debug, Default)]
pub struct Changed {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    setting: Setting,
    before: i64,
    given: i64,
}

impl Changed {
    /// Nothing changed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Gives a setting a value and remembers the one that it had; whether it had another one. Of a setting that is
    /// changed again the first value is the one that comes back.
    ///
    /// # Errors
    /// As for [`Setting::read`] and [`Setting::write`]; `OutOfMemory` past [`limit::SYSCTLS`], and then nothing
    /// is changed.
    pub fn set(&mut self, setting: &Setting, value: i64) -> io::Result<bool> {
        let before = setting.read()?;
        if before == value {
            return Ok(false);
        }
        let room = self.entries.len() < limit::SYSCTLS;
        match self.entries.iter_mut().find(|entry| entry.setting == *setting) {
            Some(entry) => {
                setting.write(value)?;
                entry.given = value;
            }
            None if !room => {
                return Err(io::Error::from(io::ErrorKind::OutOfMemory));
            }
            None => {
                setting.write(value)?;
                self.entries.push(Entry { setting: setting.clone(), before, given: value });
            }
        }
        Ok(true)
    }

    /// Puts the settings of one interface back; `on_failure` hears of those that could not be. A setting that has
    /// neither value any more belongs to someone else and stays; an interface that is gone took them along.
    pub fn restore(&mut self, interface: &IfName, mut on_failure: impl FnMut(&Setting, io::Error)) {
        self.entries.retain(|entry| {
            let meant = entry.setting.interface == *interface;
            if meant {
                put_back(entry, &mut on_failure);
            }
            !meant
        });
    }

    /// Puts all settings back, the last one changed first.
    pub fn restore_all(&mut self, mut on_failure: impl FnMut(&Setting, io::Error)) {
        while let Some(entry) = self.entries.pop() {
            put_back(&entry, &mut on_failure);
        }
    }

    /// Forgets the settings of an interface that is gone, so that a new one of that name keeps its own.
    pub fn forget(&mut self, interface: &IfName) {
        self.entries.retain(|entry| entry.setting.interface != *interface);
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

fn put_back(entry: &Entry, on_failure: &mut impl FnMut(&Setting, io::Error)) {
    let result = entry.setting.read().and_then(|now| match now == entry.given {
        true => entry.setting.write(entry.before),
        false => Ok(()),
    });
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => on_failure(&entry.setting, error),
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::test_net::in_namespace;

    /// Needs root.
    #[test]
    fn what_was_changed_is_put_back() {
        in_namespace(|_| {
            let setting = |key| Setting { family: Family::V4, interface: IfName::new("lo").unwrap(), key };
            let (ignore, filter, announce) =
                (setting("arp_ignore"), setting("arp_filter"), setting("arp_announce"));
            ignore.write(2).unwrap();
            filter.write(0).unwrap();
            announce.write(0).unwrap();
            let mut changed = Changed::new();
            assert!(changed.set(&ignore, 1).unwrap());
            assert!(changed.set(&ignore, 3).unwrap());
            assert!(!changed.set(&ignore, 3).unwrap());
            assert!(changed.set(&filter, 1).unwrap());
            assert!(changed.set(&announce, 1).unwrap());
            assert_eq!(changed.len(), 3);
            assert_eq!(ignore.read().unwrap(), 3);
            announce.write(2).unwrap();
            changed.restore_all(|setting, error| panic!("{setting:?}: {error}"));
            assert_eq!(ignore.read().unwrap(), 2);
            assert_eq!(filter.read().unwrap(), 0);
            assert_eq!(announce.read().unwrap(), 2, "changed by someone else");
            assert!(changed.is_empty());

            assert!(changed.set(&filter, 1).unwrap());
            changed.restore(&IfName::new("eth0").unwrap(), |_, _| panic!("nothing to do"));
            assert_eq!(filter.read().unwrap(), 1);
            changed.restore(&filter.interface, |setting, error| panic!("{setting:?}: {error}"));
            assert_eq!(filter.read().unwrap(), 0);
            let gone = setting("no_such_setting");
            assert_eq!(changed.set(&gone, 1).unwrap_err().kind(), io::ErrorKind::NotFound);
        });
    }
}
