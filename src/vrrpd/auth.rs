//! Keys: from the model, or from the files that it names, to what an instance proves its adverts by.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use zeroize::Zeroizing;

use super::live::Instance;
use super::report;
use crate::base::limit;
use crate::config::model::hmac::{HmacKey, Secret, key_octets};
use crate::config::model::instance::OldChecksum;
use crate::config::model::{self, Hmac};
use crate::proto::vrrp::guard::{Header, Signature, SigningKey};
use crate::proto::vrrp::{Auth, Guard, OldForm};
use crate::sys::clock::{self, Wall};
use crate::wire::trailer::Stamp;
use crate::wire::{ah, trailer};

/// What an instance proves its adverts by, if its password alone does not. Reads the files of keys, and tells of those
/// that cannot be read if asked.
pub(super) fn guard(config: &model::Instance, log: bool) -> Option<Box<Guard>> {
    let guard = match (&config.hmac, &config.params.auth) {
        (Some(hmac), _) => Guard::Signature(Box::new(signature(hmac, log.then_some(config.name.as_str())))),
        (None, Auth::Header(password)) => {
            Guard::Header(Header::new(ah::Key::new(password.octets()), floor(clock::wall())))
        }
        (None, Auth::None | Auth::Pass(_)) => return None,
    };
    Some(Box::new(guard))
}

fn signature(hmac: &Hmac, name: Option<&str>) -> Signature {
    let key = |key: &HmacKey| {
        let octets = match &key.secret {
            Secret::Octets(octets) => Ok(octets.clone()),
            Secret::File(path) => read_key(path).inspect_err(|why| {
                if let Some(name) = name {
                    report::key_unreadable(name, key.id, path, why);
                }
            }),
        };
        SigningKey { id: key.id, key: octets.ok().map(|octets| trailer::Key::new(&octets)) }
    };
    Signature::new(hmac.keys.iter().map(key).collect(), hmac.active, hmac.window, hmac.replay, hmac.mode)
}

/// The key in a file.
///
/// # Errors
/// Why there is none, as the rest of a sentence about the file.
pub(super) fn read_key(path: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    let cannot = |why: io::Error| format!("cannot be read ({why})");
    // A pipe must not hold anybody up.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err("is no regular file".to_owned());
    }
    // With room for all at once: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(limit::KEY_FILE));
    let most = u64::try_from(limit::KEY_FILE).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut text).map_err(cannot)?;
    let text = text.as_slice();
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    key_octets(line).map_err(|why| format!("holds no key: it {why}"))
}

/// Where the numbers of authentication headers begin after a restart: peers remember those from before. A count grows
/// by one a second or less, but for answers to rivals and crashes, which jump ahead; at two a second the clock is
/// past all of that soon. It lasts until 2094.
fn floor(wall: Wall) -> u32 {
    let since = wall.secs.saturating_sub(FIRST_SECOND).max(0);
    u32::try_from(since.saturating_mul(2)).unwrap_or(u32::MAX)
}

/// 2026-01-01 00:00:00 UTC: no count of ours is older.
const FIRST_SECOND: i64 = 1_767_225_600;

/// Wall time as signatures have it.
pub(super) fn stamp(wall: Wall) -> Stamp {
    Stamp::at(wall.secs, wall.micros)
}

/// Whether the old form of the version 3 checksum is known: `old_unicast_checksum`.
pub(super) fn old_form(config: &model::Instance) -> OldForm {
    match config.old_unicast_checksum {
        _ if !config.unicast() || config.group.is_ipv6() => OldForm::Refused,
        OldChecksum::Never => OldForm::Refused,
        OldChecksum::Detect => OldForm::Detected(config.group),
        OldChecksum::Yes => OldForm::Spoken(config.group),
    }
}

/// What an instance proves its adverts by, with what the configuration says of it.
pub(super) fn guard_of(instance: &mut Instance) -> (Option<&mut Guard>, &model::Instance) {
    (instance.router.guard_mut(), &instance.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_runs_twice_as_fast_as_the_clock_and_knows_no_wrong_one() {
        let at = |secs| floor(Wall { secs, micros: 0 });
        assert_eq!(at(FIRST_SECOND + 100), 200);
        assert_eq!((at(0), at(i64::MIN), at(i64::MAX)), (0, 0, u32::MAX));
    }

    #[test]
    fn a_key_file_holds_one_key_and_nothing_that_blocks() {
        let path = std::env::temp_dir().join(format!("keepalived-key-{}", std::process::id()));
        let name = path.to_str().unwrap();
        for (text, fits) in [
            (format!("{}\n", "k".repeat(32)), true),
            (format!("hex:{}\r\n", "0f".repeat(64)), true),
            ("k".repeat(31), false),
            ("k".repeat(limit::KEY_FILE * 2), false),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(read_key(name).is_ok(), fits, "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read_key(name).is_err());
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_key(name).unwrap_err(), "is no regular file");
        std::fs::remove_file(&path).unwrap();
    }
}
