//! What this child changed in the kernel for its own interfaces, on disk: a successor finds it even if every process
//! was killed.
//!
//! The file lies beside the child's pid file. A line is appended before each change is made; the file is written anew
//! when there is less to remember, and removed when there is nothing. What it says is believed only as far as the
//! kernel still agrees, and not at all after a reboot. Addresses need no line: the kernel says who put them there. To
//! work the original values out again is not possible, and the reference leaves its own behind.
//!
//! ```text
//! keepalived 6e1c… the boot that it is about
//! setting ipv4 3 eth0 arp_ignore 0 1      family, number and name of the interface, key, value before, value given
//! link vrrp.51 macvlan 3                  name, kind, number of the interface below
//! table keepalived                        name of the tables of the firewall
//! rules                                   rules of iptables that bear this ledger's mark
//! ipset keepalived                        name of a set that they ask
//! fifo 22 1034                            device and inode of a notify FIFO; noted when it is made
//! ```

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::base::addr::Family;
use crate::base::id::IfIndex;
use crate::base::name::IfName;
use crate::child::links::Kind;
use crate::sys::fifo::Key;
use crate::sys::file::Replacement;
use crate::sys::machine::boot;
use crate::sys::sysctl::{Entry, LOCAL_REPORTS, Setting};
use crate::sys::user;

/// The settings that a line may name: all that this child changes.
const KEYS: [&str; 9] = [
    "arp_ignore",
    "arp_filter",
    "accept_local",
    RP_FILTER,
    PROMOTE,
    "disable_ipv6",
    "accept_ra",
    "autoconf",
    LOCAL_REPORTS,
];

pub(super) const RP_FILTER: &str = "rp_filter";
pub(super) const PROMOTE: &str = "promote_secondaries";

/// The file, and what is in it.
#[derive(Debug, Default)]
pub struct Ledger {
    /// None: nothing is kept.
    path: Option<PathBuf>,
    file: Option<File>,
    /// It has been logged that the ledger cannot be written.
    failed: bool,
    /// Lines of the predecessor's firewall, as long as nobody has dealt with it.
    inherited: String,
    /// FIFOs that were made, those of a predecessor until the child knows which there are now.
    fifos: Vec<Key>,
}

/// What a predecessor left.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Settings, in the order in which they were changed.
    pub settings: Vec<Entry>,
    /// Interfaces.
    pub links: Vec<Made>,
    /// Names of tables of the firewall.
    pub tables: Vec<Box<str>>,
    /// Rules of iptables.
    pub rules: bool,
    /// Names of sets that they ask.
    pub ipsets: Vec<Box<str>>,
    /// Notify FIFOs.
    pub fifos: Vec<Key>,
}

impl Left {
    fn guarding(&self) -> impl Iterator<Item = Guarding<'_>> {
        let tables = self.tables.iter().map(|name| Guarding::Table(name));
        let rules = self.rules.then_some(Guarding::Rules);
        tables.chain(rules).chain(self.ipsets.iter().map(|name| Guarding::Ipset(name)))
    }
}

/// Something of the firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarding<'a> {
    /// Tables of nftables.
    Table(&'a str),
    /// Rules of iptables.
    Rules,
    /// A set that they ask.
    Ipset(&'a str),
}

/// An interface that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its name.
    pub name: IfName,
    /// Its kind.
    pub kind: Kind,
    /// The index of the interface that it lies on.
    pub parent: IfIndex,
}

/// More than this is no ledger.
const LONGEST: u64 = 4 << 20;

impl Ledger {
    /// The ledger of this path, and what a predecessor left in it.
    #[must_use]
    pub fn open(path: Option<PathBuf>) -> (Self, Left) {
        let text = path.as_ref().and_then(|path| read(path).ok());
        let left = text.filter(|text| text.starts_with(&header(&boot()))).map(|text| parse(&text));
        if let (Some(path), None) = (&path, &left) {
            // Of another boot, or none of ours: nothing may be appended to it.
            let _ = fs::remove_file(path);
        }
        let left = left.unwrap_or_default();
        let mut inherited = String::new();
        left.guarding().for_each(|what| guarding_line(&mut inherited, what));
        (Self { path, file: None, failed: false, inherited, fifos: left.fifos.clone() }, left)
    }

    /// Notes that these notify FIFOs have been made and are there. Those that are gone are forgotten when the file is
    /// written anew.
    pub fn fifos(&mut self, made: impl Iterator<Item = Key>) {
        let made: Vec<_> = made.collect();
        let mut lines = String::new();
        made.iter().filter(|key| !self.fifos.contains(key)).for_each(|key| fifo_line(&mut lines, *key));
        self.fifos = made;
        if !lines.is_empty() {
            self.append(&lines);
        }
    }

    /// The predecessor's firewall is replaced or gone. Whether there was one.
    pub fn disinherit(&mut self) -> bool {
        !core::mem::take(&mut self.inherited).is_empty()
    }

    /// Notes a setting that is about to be changed.
    pub fn setting(&mut self, entry: &Entry) {
        let mut line = String::new();
        setting_line(&mut line, entry);
        self.append(&line);
    }

    /// Notes an interface that is about to be made.
    pub fn link(&mut self, made: &Made) {
        let mut line = String::new();
        link_line(&mut line, made);
        self.append(&line);
    }

    /// Notes something of the firewall that is about to be made.
    pub fn guarding(&mut self, what: Guarding<'_>) {
        let mut line = String::new();
        guarding_line(&mut line, what);
        self.append(&line);
    }

    /// A number that distinguishes this daemon from another one with a ledger of its own.
    #[cfg(any(test, feature = "iptables"))]
    #[must_use]
    pub fn number(&self) -> u32 {
        let octets = self.path.as_ref().map(|path| path.as_os_str().as_encoded_bytes()).unwrap_or_default();
        // FNV-1a.
        octets.iter().fold(0x811c_9dc5, |sum: u32, octet| (sum ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
    }

    /// Replaces everything by what is still to be remembered.
    pub fn rewrite<'a, 'b>(
        &mut self,
        settings: impl Iterator<Item = &'a Entry>,
        links: impl Iterator<Item = Made>,
        firewall: impl Iterator<Item = Guarding<'b>>,
    ) {
        let Some(path) = &self.path else { return };
        let mut text = String::new();
        settings.for_each(|entry| setting_line(&mut text, entry));
        links.for_each(|made| link_line(&mut text, &made));
        firewall.for_each(|what| guarding_line(&mut text, what));
        self.fifos.iter().for_each(|key| fifo_line(&mut text, *key));
        text.push_str(&self.inherited);
        self.file = None;
        let done = if text.is_empty() {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        } else {
            Replacement::create(path, 0o600).and_then(|mut fresh| {
                fresh.file().write_all(format!("{}{text}", header(&boot())).as_bytes())?;
                fresh.keep()
            })
        };
        self.log_failure(done);
    }

    fn append(&mut self, line: &str) {
        let Some(path) = &self.path else { return };
        let done = (|| {
            let file = match &mut self.file {
                Some(file) => file,
                place => {
                    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
                    let mut options = OpenOptions::new();
                    let file =
                        options.append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
                    place.insert(file)
                }
            };
            let fresh = file.metadata()?.len() == 0;
            let head = if fresh { header(&boot()) } else { String::new() };
            file.write_all(format!("{head}{line}").as_bytes())
        })();
        self.log_failure(done);
    }

    fn log_failure(&mut self, done: io::Result<()>) {
        let failed = done.is_err();
        if let (Err(error), Some(path), false) = (done, &self.path, self.failed) {
            crate::vrrpd::report::ledger_failed(path, &error);
        }
        self.failed = failed;
    }
}

fn header(boot: &str) -> String {
    format!("keepalived {boot}\n")
}

fn read(path: &PathBuf) -> io::Result<String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let facts = file.metadata()?;
    // No other user may decide what this daemon puts into the kernel.
    let ours = facts.is_file() && user::is_of_daemon(facts.uid()) && facts.mode() & 0o022 == 0;
    if !ours || facts.len() > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A line that does not read is left out.
fn parse(text: &str) -> Left {
    let mut left = Left::default();
    // What is not ended was half written: the name of another table, maybe.
    for line in text.split_inclusive('\n').skip(1).filter_map(|line| line.strip_suffix('\n')) {
        if let Some(name) = line.strip_prefix("table ") {
            note_once(&mut left.tables, name);
            continue;
        }
        if let Some(name) = line.strip_prefix("ipset ") {
            note_once(&mut left.ipsets, name);
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["setting", family, index, interface, key, before, given] => {
                left.settings.extend(setting(family, index, interface, key, before, given));
            }
            ["link", name, kind, parent] => left.links.extend(link(name, kind, parent)),
            ["rules"] => left.rules = true,
            ["fifo", device, inode] => left.fifos.extend(device.parse().ok().zip(inode.parse().ok())),
            _ => {}
        }
    }
    left
}

/// A name that was noted, and inherited, stands there twice.
fn note_once(names: &mut Vec<Box<str>>, name: &str) {
    if !names.iter().any(|known| &**known == name) {
        names.push(name.into());
    }
}

fn setting(
    family: &str,
    index: &str,
    interface: &str,
    key: &str,
    before: &str,
    given: &str,
) -> Option<Entry> {
    let family = match family {
        "ipv4" => Family::V4,
        "ipv6" => Family::V6,
        _ => return None,
    };
    let key = KEYS.into_iter().find(|known| *known == key)?;
    Some(Entry {
        setting: Setting { family, interface: IfName::new(interface)?, key },
        index: IfIndex(index.parse().ok()?),
        before: before.parse().ok()?,
        given: given.parse().ok()?,
    })
}

fn link(name: &str, kind: &str, parent: &str) -> Option<Made> {
    let kind = match kind {
        "macvlan" => Kind::Macvlan,
        "ipvlan" => Kind::Ipvlan,
        _ => return None,
    };
    Some(Made { name: IfName::new(name)?, kind, parent: IfIndex(parent.parse().ok()?) })
}

// Writing to a String cannot fail.
fn setting_line(out: &mut String, entry: &Entry) {
    let Entry { setting, index, before, given } = entry;
    let family = match setting.family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    };
    let _ =
        writeln!(out, "setting {family} {} {} {} {before} {given}", index.0, setting.interface, setting.key);
}

fn link_line(out: &mut String, made: &Made) {
    let kind = match made.kind {
        Kind::Macvlan => "macvlan",
        Kind::Ipvlan => "ipvlan",
        Kind::Other => return,
    };
    let _ = writeln!(out, "link {} {kind} {}", made.name, made.parent.0);
}

fn fifo_line(out: &mut String, (device, inode): Key) {
    let _ = writeln!(out, "fifo {device} {inode}");
}

fn guarding_line(out: &mut String, what: Guarding<'_>) {
    match what {
        Guarding::Table(name) => out.extend(["table ", name, "\n"]),
        Guarding::Rules => out.push_str("rules\n"),
        Guarding::Ipset(name) => out.extend(["ipset ", name, "\n"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> IfName {
        IfName::new(text).unwrap()
    }

    fn entry(before: i64, given: i64) -> Entry {
        let setting = Setting { family: Family::V4, interface: name("eth0"), key: "arp_ignore" };
        Entry { setting, index: IfIndex(3), before, given }
    }

    fn made(text: &str) -> Made {
        Made { name: name(text), kind: Kind::Macvlan, parent: IfIndex(3) }
    }

    fn place(what: &str) -> PathBuf {
        std::env::temp_dir().join(format!("keepalived-ledger-{what}-{}", std::process::id()))
    }

    #[test]
    fn a_successor_reads_what_was_written() {
        let path = place("read");
        let (mut ledger, left) = Ledger::open(Some(path.clone()));
        assert_eq!(left, Left::default());
        ledger.setting(&entry(0, 1));
        ledger.link(&made("vrrp.51"));
        ledger.setting(&entry(1, 2));
        for what in [Guarding::Table("keepalived"), Guarding::Rules, Guarding::Ipset("vips 6")] {
            ledger.guarding(what);
        }
        let all = Left {
            settings: vec![entry(0, 1), entry(1, 2)],
            links: vec![made("vrrp.51")],
            tables: vec!["keepalived".into()],
            rules: true,
            ipsets: vec!["vips 6".into()],
            fifos: Vec::new(),
        };
        let (mut ledger, left) = Ledger::open(Some(path.clone()));
        assert_eq!(left, all);
        // A rewriting on the way to the firewall's turn must not lose it.
        ledger.rewrite(core::iter::empty(), core::iter::empty(), core::iter::once(Guarding::Rules));
        let (mut ledger, left) = Ledger::open(Some(path.clone()));
        assert_eq!(left, Left { settings: Vec::new(), links: Vec::new(), ..all });
        assert!(ledger.disinherit());
        ledger.rewrite(
            [entry(0, 2)].iter(),
            core::iter::once(made("vrrp.52")),
            [Guarding::Table("a b"), Guarding::Ipset("c")].into_iter(),
        );
        ledger.link(&made("vrrp.53"));
        let (mut ledger, left) = Ledger::open(Some(path.clone()));
        assert_eq!(left.settings, [entry(0, 2)]);
        assert_eq!(left.links, [made("vrrp.52"), made("vrrp.53")]);
        assert_eq!((left.tables, left.rules, left.ipsets), (vec!["a b".into()], false, vec!["c".into()]));
        assert_ne!(ledger.number(), Ledger::open(None).0.number());
        ledger.disinherit();
        ledger.rewrite(core::iter::empty(), core::iter::empty(), core::iter::empty());
        ledger.fifos([(22, 1_034)].into_iter());
        let (mut ledger, left) = Ledger::open(Some(path.clone()));
        assert_eq!(left, Left { fifos: vec![(22, 1_034)], ..Left::default() });
        ledger.rewrite(core::iter::empty(), core::iter::empty(), core::iter::empty());
        assert!(path.exists(), "nobody has said that it is gone");
        ledger.fifos(core::iter::empty());
        ledger.rewrite(core::iter::empty(), core::iter::empty(), core::iter::empty());
        assert!(!path.exists());
    }

    #[test]
    fn another_boot_counts_for_nothing() {
        let path = place("boot");
        fs::write(&path, "keepalived B\nlink vrrp.51 macvlan 3\n").unwrap();
        let (mut ledger, left) = Ledger::open(Some(path.clone()));
        assert_eq!(left, Left::default());
        ledger.link(&made("vrrp.52"));
        assert_eq!(Ledger::open(Some(path.clone())).1.links, [made("vrrp.52")]);
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn nonsense_counts_for_nothing() {
        let whole = format!(
            "keepalived B\nsetting ipv4 3 eth0 arp_ignore 0 1\nsetting ipv4 3 eth0 no_such_key 0 1\n\
             setting ipv5 3 eth0 arp_ignore 0 1\nlink ../x macvlan 3\nlink a/b macvlan 3\nlink vrrp.51 veth 3\n\
             link vrrp.51 macvlan x\nlink {} macvlan 3\nlink vrrp.51 macv\ntable keepal",
            "x".repeat(16)
        );
        assert_eq!(parse(&whole), Left { settings: vec![entry(0, 1)], ..Left::default() });
    }

    #[test]
    fn a_file_that_others_may_write_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let path = place("mode");
        let (mut ledger, _) = Ledger::open(Some(path.clone()));
        ledger.link(&made("vrrp.51"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(Ledger::open(Some(path.clone())).1, Left::default());
        assert!(!path.exists(), "nothing is appended to it");
        std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
        assert_eq!(Ledger::open(Some(path.clone())).1, Left::default());
        assert!(!path.is_symlink());
    }
}
