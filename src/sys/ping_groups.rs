//! Which groups may open ping sockets: net.ipv4.ping_group_range, which holds for IPv6 as well.

use std::fs;
use std::io;

const PLACE: &str = "/proc/sys/net/ipv4/ping_group_range";

/// The range was made wider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingGroups {
    before: (u32, u32),
    given: (u32, u32),
}

impl PingGroups {
    /// Lets `group`, or that of this process, open ping sockets; none: the group may already.
    ///
    /// # Errors
    /// When the range cannot be read or written.
    pub fn permit(group: Option<u32>) -> io::Result<Option<Self>> {
        let own = group.unwrap_or_else(|| nix::unistd::getegid().as_raw());
        let before = read()?;
        let given = wider(before, own);
        if given == before {
            return Ok(None);
        }
        write(given)?;
        Ok(Some(Self { before, given }))
    }

    /// What a process that replaces this one is to know, to put the range back in its place ([`Self::of`]).
    #[must_use]
    pub fn words(self) -> [u64; 2] {
        [self.before, self.given].map(|(first, last)| u64::from(first) << 32 | u64::from(last))
    }

    /// What a predecessor of this process changed.
    #[must_use]
    pub fn of(words: [u64; 2]) -> Self {
        let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
        let [before, given] = words.map(|word| (half(word >> 32), half(word)));
        Self { before, given }
    }

    /// Puts the range back, unless somebody else has changed it since.
    pub fn restore(self) {
        if read().is_ok_and(|now| now == self.given) {
            // What cannot be put back stays wider.
            let _ = write(self.before);
        }
    }
}

/// The range with one group more. A range whose first group is above its last one is empty.
fn wider((first, last): (u32, u32), group: u32) -> (u32, u32) {
    if first > last { (group, group) } else { (first.min(group), last.max(group)) }
}

fn read() -> io::Result<(u32, u32)> {
    let text = fs::read_to_string(PLACE)?;
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    let range = words.next().flatten().zip(words.next().flatten());
    range.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn write((first, last): (u32, u32)) -> io::Result<()> {
    fs::write(PLACE, format!("{first} {last}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_knows_what_its_predecessor_changed() {
        let changed = PingGroups { before: (1, 0), given: (4_294_967_294, 4_294_967_294) };
        assert_eq!(PingGroups::of(changed.words()), changed);
    }

    #[test]
    fn a_range_gets_one_group_more() {
        assert_eq!(wider((1, 0), 0), (0, 0), "nobody before");
        assert_eq!(wider((0, 2_147_483_647), 0), (0, 2_147_483_647));
        assert_eq!(wider((100, 200), 0), (0, 200));
        assert_eq!(wider((100, 200), 300), (100, 300));
    }
}
