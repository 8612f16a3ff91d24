//! The BFD control packet (RFC 5880 section 4.1).
//!
//! ```text
//!  0                   1                   2                   3
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |Vers |  Diag   |Sta|P|F|C|A|D|M|  Detect Mult  |    Length     |
//! +-----+---------+---+-+-+-+-+-+-+---------------+---------------+
//! |                       My Discriminator                        |
//! |                      Your Discriminator                       |
//! |                    Desired Min TX Interval                    |
//! |                   Required Min RX Interval                    |
//! |                 Required Min Echo RX Interval                 |
//! +---------------------------------------------------------------+
//! ```
//!
//! Intervals are microseconds. Authentication sections are not spoken here, as keepalived does not speak them.

use crate::base::bytes::{Reader, Short, Writer};
use crate::base::time::Span;

/// UDP port of single hop sessions (RFC 5881 section 4).
pub const PORT: u16 = 3784;
/// UDP port of multihop sessions (RFC 5883 section 5).
pub const PORT_MULTIHOP: u16 = 4784;
/// The first source port; one a session up to 65535 (RFC 5881 section 4).
pub const SOURCE_PORTS: u16 = 49_152;
/// TTL or hop limit of a single hop packet, sent and received (RFC 5881 section 5).
pub const HOP_LIMIT: u8 = 255;
/// Octets of a packet without authentication.
pub const LEN: usize = 24;

/// The length field of such a packet.
const LEN_FIELD: u8 = 24;
const VERSION: u8 = 1;
const POLL: u8 = 1 << 5;
const FINAL: u8 = 1 << 4;
const INDEPENDENT: u8 = 1 << 3;
const AUTHENTICATED: u8 = 1 << 2;
const DEMAND: u8 = 1 << 1;
const MULTIPOINT: u8 = 1;

/// The state of a session (RFC 5880 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Switched off by an administrator.
    AdminDown,
    /// No connectivity, or the session has just begun.
    #[default]
    Down,
    /// The peer is heard, and may not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// The number in a packet, 0 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    /// The state of this number; of its lowest two bits.
    #[must_use]
    pub const fn numbered(number: u8) -> Self {
        match number & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    /// The name as keepalived writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        }
    }
}

/// The reason for the last change of state (RFC 5880 section 4.1): 0 to 31, of which 9 and more have no name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Diagnostic(pub u8);

impl Diagnostic {
    /// No Diagnostic.
    pub const NONE: Self = Self(0);
    /// Control Detection Time Expired.
    pub const EXPIRED: Self = Self(1);
    /// Neighbor Signaled Session Down.
    pub const NEIGHBOR_DOWN: Self = Self(3);
    /// Administratively Down.
    pub const ADMIN_DOWN: Self = Self(7);

    /// The name of the RFC.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 9] = [
            "No Diagnostic",
            "Control Detection Time Expired",
            "Echo Function Failed",
            "Neighbor Signaled Session Down",
            "Forwarding Plane Reset",
            "Path Down",
            "Concatenated Path Down",
            "Administratively Down",
            "Reverse Concatenated Path Down",
        ];
        NAMES.get(usize::from(self.0)).copied().unwrap_or("Unknown")
    }
}

/// A control packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one bit of the packet")]
pub struct Control {
    /// Why the sender's state is what it is.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender wants a packet with [`Self::last`] in reply.
    pub poll: bool,
    /// The Final bit: this replies to a poll.
    pub last: bool,
    /// The sender's BFD does not share the fate of its control plane.
    pub independent: bool,
    /// The sender wants the peer to stop sending while both are up.
    pub demand: bool,
    /// Packets the sender's peer may lose before the session counts as down; 1 or more.
    pub multiplier: u8,
    /// The sender's discriminator, not 0.
    pub my: u32,
    /// The receiver's discriminator as the sender knows it; 0: it does not.
    pub your: u32,
    /// `DesiredMinTxInterval`
    pub min_tx: Span,
    /// `RequiredMinRxInterval`; zero: the sender wants no packets.
    pub min_rx: Span,
    /// `RequiredMinEchoRxInterval`; zero: the sender takes no echo packets.
    pub min_echo: Span,
}

/// Why a packet is discarded before a session sees it (RFC 5880 section 6.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Malformed {
    /// Fewer octets than a packet has.
    Short,
    /// Another version than 1.
    Version,
    /// The length field is below the shortest packet or beyond the octets received.
    Length,
    /// The multiplier is 0.
    Multiplier,
    /// The multipoint bit, which must be 0.
    Multipoint,
    /// My Discriminator is 0.
    MyDiscriminator,
    /// Your Discriminator is 0 and the sender claims to be Init or Up.
    YourDiscriminator,
    /// The packet is authenticated, and no session here is.
    Authenticated,
}

impl Malformed {
    /// How many reasons there are.
    pub const COUNT: usize = 8;
}

impl Control {
    /// Reads and checks a packet in the order of RFC 5880 section 6.8.6. Octets behind its length are left alone.
    ///
    /// # Errors
    /// The first reason to discard it.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(octets);
        let [first, second, multiplier, length] = reader.array().map_err(|Short| Malformed::Short)?;
        if first >> 5 != VERSION {
            return Err(Malformed::Version);
        }
        let authenticated = second & AUTHENTICATED != 0;
        // An authentication section has at least two octets.
        let shortest = if authenticated { LEN.saturating_add(2) } else { LEN };
        if octets.len() < LEN {
            return Err(Malformed::Short);
        }
        if usize::from(length) < shortest || usize::from(length) > octets.len() {
            return Err(Malformed::Length);
        }
        if multiplier == 0 {
            return Err(Malformed::Multiplier);
        }
        if second & MULTIPOINT != 0 {
            return Err(Malformed::Multipoint);
        }
        let mut word = || reader.u32().map_err(|Short| Malformed::Short);
        let [my, your] = [word()?, word()?];
        let mut interval = || word().map(|micros| Span::from_micros(u64::from(micros)));
        let [min_tx, min_rx, min_echo] = [interval()?, interval()?, interval()?];
        let state = State::numbered(second >> 6);
        if my == 0 {
            return Err(Malformed::MyDiscriminator);
        }
        if your == 0 && state > State::Down {
            return Err(Malformed::YourDiscriminator);
        }
        if authenticated {
            return Err(Malformed::Authenticated);
        }
        Ok(Self {
            diagnostic: Diagnostic(first & 0x1f),
            state,
            poll: second & POLL != 0,
            last: second & FINAL != 0,
            independent: second & INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            multiplier,
            my,
            your,
            min_tx,
            min_rx,
            min_echo,
        })
    }

    /// Writes the packet. An interval beyond 32 bits of microseconds is written as the longest.
    ///
    /// # Errors
    /// [`Short`] if [`LEN`] octets do not fit.
    pub fn emit(&self, out: &mut Writer<'_>) -> Result<(), Short> {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        out.u8(VERSION << 5 | self.diagnostic.0 & 0x1f)?;
        out.u8(self.state.number() << 6
            | flag(self.poll, POLL)
            | flag(self.last, FINAL)
            | flag(self.independent, INDEPENDENT)
            | flag(self.demand, DEMAND))?;
        out.u8(self.multiplier)?;
        out.u8(LEN_FIELD)?;
        out.u32(self.my)?;
        out.u32(self.your)?;
        for interval in [self.min_tx, self.min_rx, self.min_echo] {
            out.u32(u32::try_from(interval.as_micros()).unwrap_or(u32::MAX))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: [u8; LEN] =
        [0x20, 0xc0, 5, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0x27, 0x10, 0, 0, 0x4e, 0x20, 0, 0, 0, 0];

    fn up() -> Control {
        Control {
            state: State::Up,
            multiplier: 5,
            my: 1,
            your: 2,
            min_tx: Span::from_millis(10),
            min_rx: Span::from_millis(20),
            ..Control::default()
        }
    }

    fn with(change: impl FnOnce(&mut [u8; LEN])) -> Result<Control, Malformed> {
        let mut octets = UP;
        change(&mut octets);
        Control::parse(&octets)
    }

    #[test]
    fn a_packet_is_read_and_written() {
        assert_eq!(Control::parse(&UP), Ok(up()));
        let mut out = [0; LEN];
        up().emit(&mut Writer::new(&mut out)).unwrap();
        assert_eq!(out, UP);
        assert_eq!(up().emit(&mut Writer::new(&mut out[..LEN - 1])), Err(Short));
        let every_flag = Control {
            diagnostic: Diagnostic(31),
            poll: true,
            last: true,
            independent: true,
            demand: true,
            ..up()
        };
        every_flag.emit(&mut Writer::new(&mut out)).unwrap();
        assert_eq!(out[..2], [0x3f, 0xfa]);
        assert_eq!(Control::parse(&out), Ok(every_flag));
    }

    #[test]
    fn a_packet_is_discarded_for_the_first_reason_of_the_rfc() {
        assert_eq!(Control::parse(&UP[..3]), Err(Malformed::Short));
        assert_eq!(Control::parse(&UP[..23]), Err(Malformed::Short));
        assert_eq!(with(|octets| octets[0] = 0x40), Err(Malformed::Version));
        assert_eq!(with(|octets| octets[3] = 23), Err(Malformed::Length));
        assert_eq!(with(|octets| octets[3] = 25), Err(Malformed::Length));
        assert_eq!(with(|octets| octets[2] = 0), Err(Malformed::Multiplier));
        assert_eq!(with(|octets| octets[1] |= MULTIPOINT), Err(Malformed::Multipoint));
        assert_eq!(with(|octets| octets[7] = 0), Err(Malformed::MyDiscriminator));
        assert_eq!(with(|octets| octets[11] = 0), Err(Malformed::YourDiscriminator));
        assert_eq!(with(|octets| octets[1] |= AUTHENTICATED), Err(Malformed::Length));
        let mut long = [0; LEN + 2];
        long[..LEN].copy_from_slice(&UP);
        long[3] = 26;
        assert_eq!(Control::parse(&long), Ok(up()), "octets that the length covers and nobody reads");
        long[1] |= AUTHENTICATED;
        assert_eq!(Control::parse(&long), Err(Malformed::Authenticated));
    }

    #[test]
    fn a_peer_that_is_down_need_not_know_the_receiver() {
        for state in [State::AdminDown, State::Down] {
            let read = with(|octets| {
                octets[1] = state.number() << 6;
                octets[11] = 0;
            });
            assert_eq!(read.map(|control| (control.state, control.your)), Ok((state, 0)));
        }
    }

    #[test]
    fn what_is_read_is_written_again_whatever_the_octets() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut accepted = 0;
        for _ in 0..100_000 {
            let mut octets = UP;
            for _ in 0..3 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let [place, octet, ..] = random.to_le_bytes();
                if let Some(changed) = octets.get_mut(usize::from(place) % LEN) {
                    *changed = octet;
                }
            }
            if let Ok(control) = Control::parse(&octets) {
                accepted += 1;
                let mut out = [0; LEN];
                control.emit(&mut Writer::new(&mut out)).unwrap();
                assert_eq!(Control::parse(&out), Ok(control));
                assert_eq!(out, octets);
            }
        }
        assert!(accepted > 10_000, "{accepted}");
    }
}
