//! The sessions, and which of them a packet is for.

use nix::errno::Errno;

use super::kept::{Left, note_key};
use super::report;
use super::sockets::Place;
use crate::base::addr::{Family, IpAddr};
use crate::base::id::BfdId;
use crate::base::rate::Budget;
use crate::base::time::Span;
use crate::config::model::Bfd;
use crate::daemon::keep::{Note, Values};
use crate::proto::bfd::Session;
use crate::sys::file::random;
use crate::wire::bfd::{Control, HOP_LIMIT, SOURCE_PORTS};

/// A session with what binds it to the kernel.
pub(super) struct Live {
    pub(super) config: Bfd,
    pub(super) machine: Session,
    /// The address that its packets leave from; none: not known yet.
    pub(super) local: Option<IpAddr>,
    /// Their source port.
    pub(super) port: u16,
    /// Where it is noted for a successor, under which key, and what was noted last.
    pub(super) note: Note,
    pub(super) key: u64,
    pub(super) noted: Values,
    /// Packets so far, and the number of the last one that the kernel refused.
    pub(super) attempts: u32,
    refused: Option<u32>,
    /// For the lines that its peer can bring about.
    pub(super) lines: Budget,
}

impl Live {
    /// Where its packets come in.
    pub(super) fn place(&self) -> Place {
        place(&self.config)
    }

    /// TTL or hop limit of its packets.
    pub(super) fn ttl(&self) -> u8 {
        self.config.ttl.unwrap_or(HOP_LIMIT)
    }

    /// Whether this is the session of that definition, whatever its intervals.
    pub(super) fn is(&self, config: &Bfd) -> bool {
        let ends = |bfd: &Bfd| (bfd.neighbor, bfd.source, bfd.multihop);
        self.config.name == config.name && ends(&self.config) == ends(config)
    }

    /// Whether a packet may have come by so many routers (RFC 5881 section 5).
    pub(super) fn accepts(&self, hop_limit: Option<u8>) -> bool {
        accepts(&self.config, hop_limit)
    }

    /// The kernel refused its last packet: tells the first of several in a row.
    pub(super) fn refused(&mut self, errno: Errno) {
        let before = self.refused.replace(self.attempts);
        if before.is_none_or(|before| self.attempts.wrapping_sub(before) > 1) {
            report::send_failed(&self.config.name, self.local, errno);
        }
        if self.config.source.is_none() {
            // The kernel may choose another one.
            self.local = None;
        }
    }
}

/// Where the packets of a session come in.
fn place(config: &Bfd) -> Place {
    Place { family: Family::of(&config.neighbor), multihop: config.multihop }
}

fn accepts(config: &Bfd, hop_limit: Option<u8>) -> bool {
    let most = config.params.max_hops;
    // How far away the other end of a multihop session is nobody knows who was not told.
    if most < 0 || config.multihop && most == 0 {
        return true;
    }
    let Some(hops) = hop_limit else { return false };
    let is_near = |sent: u8| i16::from(hops) >= i16::from(sent) - most;
    match (place(config).family, config.ttl) {
        // keepalived itself sends 64 over IPv6.
        (Family::V6, None) => is_near(HOP_LIMIT) || hops <= REFERENCE_V6 && is_near(REFERENCE_V6),
        (_, ttl) => is_near(ttl.unwrap_or(HOP_LIMIT)),
    }
}

const REFERENCE_V6: u8 = 64;

/// All of them, in the order of the model.
#[derive(Default)]
pub(super) struct Sessions {
    pub(super) all: Vec<Live>,
    /// Ordered.
    by_discriminator: Vec<(u32, BfdId)>,
    by_neighbor: Vec<(IpAddr, BfdId)>,
    /// The shortest time between two packets of a peer.
    pub(super) shortest: Span,
}

impl Sessions {
    /// The session of an id.
    pub(super) fn get_mut(&mut self, id: BfdId) -> Option<&mut Live> {
        self.all.get_mut(id.index())
    }

    /// Every id, for walking while changing.
    pub(super) fn ids(&self) -> impl Iterator<Item = BfdId> + use<> {
        (0..self.all.len()).map(BfdId::at)
    }

    /// A new session, which goes on with what a predecessor left of it. For load time.
    pub(super) fn make(&self, fresh: &[Live], config: &Bfd, left: Option<(Note, Left)>) -> Live {
        let others = || self.all.iter().chain(fresh);
        let discriminator = left.map(|(_, left)| left.discriminator).unwrap_or_else(|| {
            loop {
                let [one, two, three, four, ..] = random().to_le_bytes();
                let drawn = u32::from_le_bytes([one, two, three, four]);
                if drawn != 0 && others().all(|other| other.machine.discriminator() != drawn) {
                    return drawn;
                }
            }
        });
        let port = left.map(|(_, left)| left.port).unwrap_or_else(|| {
            let is_free = |port: &u16| others().all(|other| other.port != *port);
            // Past 16384 sessions two share a port.
            (SOURCE_PORTS..=u16::MAX).find(is_free).unwrap_or(u16::MAX)
        });
        let [.., one, two, three, four] = random().to_le_bytes();
        let jitter = u32::from_le_bytes([one, two, three, four]);
        Live {
            machine: Session::new(config.params.clone(), discriminator, jitter),
            local: config.source,
            port,
            note: left.map_or(Note::NONE, |(note, _)| note),
            key: note_key(config),
            noted: Values::default(),
            attempts: 0,
            refused: None,
            lines: Budget::new(LINES, LINE_SPACING),
            config: config.clone(),
        }
    }

    /// These are the sessions from now on. For load time: allocates.
    pub(super) fn set(&mut self, all: Vec<Live>) {
        let with_ids = || all.iter().zip((0..).map(BfdId));
        self.by_discriminator = with_ids().map(|(live, id)| (live.machine.discriminator(), id)).collect();
        self.by_discriminator.sort_unstable();
        self.by_neighbor = with_ids().map(|(live, id)| (live.config.neighbor, id)).collect();
        self.by_neighbor.sort_unstable();
        let intervals = all.iter().map(|live| live.config.params.min_rx);
        self.shortest = intervals.min().unwrap_or(Span::from_secs(1));
        self.all = all;
    }

    /// The session that a packet is for (RFC 5880 section 6.8.6): that of the discriminator, or of both addresses while the
    /// peer does not know that. Neither is enough without the addresses, which a packet of somebody else does not have.
    pub(super) fn find(
        &self,
        control: &Control,
        (source, destination): (IpAddr, Option<IpAddr>),
        place: Place,
    ) -> Option<BfdId> {
        let fits = |id: &BfdId| {
            self.all.get(id.index()).is_some_and(|live| {
                live.config.neighbor == source
                    && live.place() == place
                    && live.config.source.is_none_or(|source| Some(source) == destination)
            })
        };
        if control.your != 0 {
            let position = self.by_discriminator.binary_search_by_key(&control.your, |(own, _)| *own).ok()?;
            return self.by_discriminator.get(position).map(|(_, id)| *id).filter(fits);
        }
        let start = self.by_neighbor.partition_point(|(neighbor, _)| *neighbor < source);
        let those = || {
            let rest = self.by_neighbor.get(start..).unwrap_or_default();
            rest.iter().take_while(|(neighbor, _)| *neighbor == source).map(|(_, id)| *id).filter(fits)
        };
        let exact = |id: &BfdId| self.all.get(id.index()).is_some_and(|live| live.config.source.is_some());
        those().find(exact).or_else(|| those().next())
    }
}

/// Lines about one session that its peer can bring about: so many at once, and then one each time this has passed. A
/// session that is cut again and again as soon as it is up has eight in two seconds, and all of them are logged.
const LINES: u16 = 20;
const LINE_SPACING: Span = Span::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};

    fn sessions(text: &str) -> Sessions {
        let mut found = Diagnostics::new();
        let model = assemble::model(&expand::parse_text(text, &mut found).tree, &mut found);
        let mut sessions = Sessions::default();
        let mut all = Vec::new();
        for config in &model.bfds {
            all.push(sessions.make(&all, config, None));
        }
        sessions.set(all);
        sessions
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    const SINGLE: Place = Place { family: Family::V4, multihop: false };

    #[test]
    fn a_packet_finds_its_session_by_discriminator_and_addresses() {
        let sessions = sessions(
            "bfd_instance A {\n neighbor_ip 192.0.2.9\n source_ip 192.0.2.1\n}\n\
             bfd_instance B {\n neighbor_ip 192.0.2.9\n source_ip 198.51.100.1\n}\n\
             bfd_instance C {\n neighbor_ip 192.0.2.8\n}\n\
             bfd_instance D {\n neighbor_ip 192.0.2.7\n multihop\n}\n",
        );
        let ports: Vec<_> = sessions.all.iter().map(|live| live.port).collect();
        assert_eq!(ports, [49_152, 49_153, 49_154, 49_155]);
        let find = |your, from, to, place| {
            sessions.find(&Control { your, ..Control::default() }, (addr(from), Some(addr(to))), place)
        };
        assert_eq!(find(0, "192.0.2.9", "198.51.100.1", SINGLE), Some(BfdId(1)));
        assert_eq!(find(0, "192.0.2.9", "192.0.2.1", SINGLE), Some(BfdId(0)));
        assert_eq!(find(0, "192.0.2.9", "192.0.2.2", SINGLE), None, "no session has this address");
        assert_eq!(find(0, "192.0.2.8", "192.0.2.2", SINGLE), Some(BfdId(2)));
        let multihop = Place { multihop: true, ..SINGLE };
        assert_eq!(find(0, "192.0.2.7", "192.0.2.2", SINGLE), None);
        assert_eq!(find(0, "192.0.2.7", "192.0.2.2", multihop), Some(BfdId(3)));
        let second = sessions.all[1].machine.discriminator();
        assert_eq!(find(second, "192.0.2.9", "198.51.100.1", SINGLE), Some(BfdId(1)));
        assert_eq!(find(second, "192.0.2.66", "198.51.100.1", SINGLE), None, "somebody else");
        assert_eq!(find(second, "192.0.2.9", "192.0.2.1", SINGLE), None, "another address of ours");
    }

    #[test]
    fn packets_from_too_far_away_are_not_accepted() {
        let text =
            |neighbor: &str, line: &str| format!("bfd_instance A {{\n neighbor_ip {neighbor}\n {line}\n}}\n");
        let accepts =
            |neighbor: &str, line: &str, hops: u8| sessions(&text(neighbor, line)).all[0].accepts(Some(hops));
        let (four, six) = ("192.0.2.9", "2001:db8::9");
        assert!(accepts(four, "", 255) && !accepts(four, "", 254));
        assert!(accepts(four, "max_hops 1", 254) && !accepts(four, "max_hops 1", 253));
        assert!(accepts(four, "max_hops -1", 1));
        assert!(accepts(four, "ttl 64", 64) && !accepts(four, "ttl 64", 63));
        assert!(accepts(four, "multihop", 3));
        assert!(accepts(four, "multihop\n max_hops 2", 253) && !accepts(four, "multihop\n max_hops 2", 252));
        assert!(accepts(six, "", 255) && accepts(six, "", 64), "keepalived sends 64");
        assert!(!accepts(six, "", 254) && !accepts(six, "", 63) && !accepts(six, "", 65));
        assert!(!sessions(&text(four, "")).all[0].accepts(None));
    }
}
