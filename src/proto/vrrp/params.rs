//! The parameters of one virtual router, as its machine uses them. The configuration model embeds them.

use zeroize::Zeroize;

use crate::base::addr::Family;
use crate::base::limit;
use crate::base::time::Span;
use crate::wire::ipv4;
pub use crate::wire::vrrp::Version;
use crate::wire::vrrp::advert_len;

/// The `state` keyword: how an instance begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Listen first. An address owner (priority 255) does not and begins as MASTER all the same.
    #[default]
    Backup,
    /// MASTER at once if address owner (priority 255), else like [`Start::Backup`].
    Master,
}

/// Authentication of version 2 (RFC 2338 section 5.3.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Type 0.
    #[default]
    None,
    /// Type 1: eight octets in clear.
    Pass(Password),
    /// Type 2: an authentication header by HMAC-MD5. IPv4 only.
    Header(Password),
}

/// Up to eight octets, padded with NUL. Cleared when dropped, and never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Password([u8; 8]);

impl Password {
    /// The first eight octets of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut octets = [0; 8];
        for (octet, byte) in octets.iter_mut().zip(text.bytes()) {
            *octet = byte;
        }
        Self(octets)
    }

    /// The octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 8] {
        &self.0
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Password")
    }
}

/// When the addresses are announced by gratuitous ARP or unsolicited neighbour advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarpParams {
    /// Rounds of a burst on becoming MASTER; 1 or more.
    pub repeat: u32,
    /// From the first burst to the second; zero: no second burst.
    pub delay: Span,
    /// Period of further announcements while MASTER, counted from the second burst; zero: none.
    pub refresh: Span,
    /// Rounds of each refresh; 1 or more.
    pub refresh_repeat: u32,
    /// Rounds of a burst after an advert of lower priority; zero: none.
    pub lower_prio_repeat: u32,
    /// From that burst to a second one; zero: no second burst.
    pub lower_prio_delay: Span,
}

impl Default for GarpParams {
    fn default() -> Self {
        Self {
            repeat: 5,
            delay: Span::from_secs(5),
            refresh: Span::ZERO,
            refresh_repeat: 1,
            lower_prio_repeat: 5,
            lower_prio_delay: Span::from_secs(5),
        }
    }
}

/// One virtual router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Protocol version spoken; adverts of the other one are refused.
    pub version: Version,
    /// Family of the adverts and of the advertised addresses.
    pub family: Family,
    /// Virtual router identifier, 1 to 255; 0 only until the configuration has set it.
    pub vrid: u8,
    /// Base priority, 1 to 255; 255 is the address owner.
    pub priority: u8,
    /// Between adverts. Version 2: whole seconds, 1 to 255. Version 3: 10 ms steps up to 40.95 s.
    pub advert_interval: Span,
    /// As BACKUP of version 3, believes no longer interval of a MASTER than this, or than its own if that is longer: one
    /// forged advert holds a take-over off for no longer. None: up to 40.95 s, as the RFC has it.
    pub max_learned_interval: Option<Span>,
    /// How the instance begins.
    pub start: Start,
    /// Takes over from a MASTER of lower priority.
    pub preempt: bool,
    /// Waits this long after first hearing a MASTER of lower priority before taking over.
    pub preempt_delay: Span,
    /// Adverts missed before a MASTER counts as dead, 1 to 100; the RFC says 3.
    pub down_timer_adverts: u8,
    /// As MASTER, does not answer an advert of lower priority with one of its own.
    pub lower_prio_no_advert: bool,
    /// As MASTER, sends one last advert when it yields to a higher priority, so that the survivor of a split
    /// announces itself again. keepalived's default is off.
    pub higher_prio_send_advert: bool,
    /// As address owner (priority 255), takes no notice of anybody's adverts.
    pub owner_ignore_adverts: bool,
    /// As MASTER that does not preempt: goes back to BACKUP when its timer fires so late that a router of this
    /// priority, 1 to 254, may have taken over meanwhile.
    pub timer_expired_backup: Option<u8>,
    /// Skips the check of the address list for adverts of the router that sent the last accepted one.
    pub skip_check_adv_addr: bool,
    /// Unicast: refuses adverts from an address that is not a configured peer.
    pub check_unicast_src: bool,
    /// Version 3 over IPv4: sends a checksum without pseudo header. Both forms are accepted.
    pub v3_checksum_as_v2: bool,
    /// Authentication, version 2 only.
    pub auth: Auth,
    /// Announcements.
    pub garp: GarpParams,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            version: Version::V2,
            family: Family::V4,
            vrid: 0,
            priority: 100,
            advert_interval: Span::from_secs(1),
            max_learned_interval: None,
            start: Start::Backup,
            preempt: true,
            preempt_delay: Span::ZERO,
            down_timer_adverts: 3,
            lower_prio_no_advert: false,
            higher_prio_send_advert: true,
            owner_ignore_adverts: false,
            timer_expired_backup: None,
            skip_check_adv_addr: false,
            check_unicast_src: false,
            v3_checksum_as_v2: false,
            auth: Auth::None,
            garp: GarpParams::default(),
        }
    }
}
impl Params {
    /// What a BACKUP believes of the interval that a MASTER states.
    #[must_use]
    pub fn learned(&self, stated: Span) -> Span {
        self.max_learned_interval.map_or(stated, |most| stated.min(most.max(self.advert_interval)))
    }

    /// How long after the death of a MASTER no BACKUP of the same configuration takes over: the last advert may have
    /// been an interval old then.
    #[must_use]
    pub fn patience(&self) -> Span {
        self.advert_interval * u64::from(self.down_timer_adverts.saturating_sub(1))
    }

    /// How many addresses an advert has room for on a link of this MTU, with so many octets of authentication
    /// beside those of the version; at most 255. An MTU of 0 is not known, and no bound.
    ///
    /// keepalived takes an Ethernet header from the MTU, too. So do we: both routers of a pair have to leave out
    /// the same addresses, or each would refuse the other's list.
    #[must_use]
    pub fn advert_room(&self, mtu: u32, authentication: usize) -> usize {
        let Some(mtu) = usize::try_from(mtu).ok().filter(|mtu| *mtu > 0) else {
            return limit::ADVERT_ADDRESSES;
        };
        let ip = match self.family {
            Family::V4 => ipv4::HEADER,
            Family::V6 => IPV6_HEADER,
        };
        let fixed = ETHERNET_HEADER + ip + advert_len(self.version, self.family, 0);
        let room = mtu.saturating_sub(fixed).saturating_sub(authentication);
        (room / self.family.octets()).min(limit::ADVERT_ADDRESSES)
    }
}

/// Octets in front of a packet on Ethernet.
const ETHERNET_HEADER: usize = 14;

/// Octets of an IPv6 header without extensions.
const IPV6_HEADER: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_addresses_fit_as_keepalived_counts() {
        let params = |version, family| Params { version, family, ..Params::default() };
        // Each number is one that keepalived 2.2.7 tells.
        for (version, family, mtu, authentication, most) in [
            (Version::V2, Family::V4, 500, 0, 112),
            (Version::V3, Family::V4, 500, 0, 114),
            (Version::V2, Family::V4, 600, 0, 137),
            (Version::V2, Family::V4, 500, 24, 106),
            (Version::V3, Family::V6, 500, 0, 27),
            (Version::V3, Family::V6, 1_280, 0, 76),
            (Version::V3, Family::V6, 1_500, 0, 89),
            (Version::V2, Family::V4, 1_500, 0, 255),
            (Version::V2, Family::V4, 60, 24, 0),
            (Version::V3, Family::V6, 0, 0, 255),
        ] {
            let room = params(version, family).advert_room(mtu, authentication);
            assert_eq!(room, most, "{version:?} {family:?} {mtu}");
        }
    }
}
