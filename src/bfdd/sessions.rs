//! The sessions, and which of them a packet is for.

use nix::errno::Errno;

use super::kept::{Left, note_key};
use super::report;
use super::sockets::Place;
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{BfdId, IfIndex};
use crate::base::limit;
use crate::base::map::Set;
use crate::base::name::IfName;
use crate::base::rate::Budget;
use crate::base::time::{Instant, Span};
use crate::config::model::Bfd;
use crate::daemon::keep::{Note, Values};
use crate::proto::bfd::Session;
use crate::sys::check_socket::link_of;
use crate::sys::file::random;
use crate::sys::udp::source_toward;
use crate::wire::bfd::{Control, HOP_LIMIT, SOURCE_PORTS};

/// A session with what binds it to the kernel.
pub(super) struct Live {
    pub(super) config: Bfd,
    pub(super) machine: Session,
    /// The address that its packets leave from; none: not known yet.
    local: Option<IpAddr>,
    /// The kernel, which chooses that address, may choose another one now.
    stale: bool,
    /// The kernel is not asked for it before then.
    ask_at: Instant,
    /// The number of the interface that is configured; 0: it is not there, or none is.
    pub(super) interface: IfIndex,
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
    /// Packets since the start.
    pub(super) traffic: Traffic,
}

impl Live {
    /// The address that a packet leaves from now. The kernel is asked for it, which takes a socket, when it was not asked
    /// before or may say something else than before, and then once in a while.
    pub(super) fn source(&mut self, now: Instant) -> Result<IpAddr, Errno> {
        if self.config.interface.is_some() && self.interface == IfIndex(0) {
            return Err(Errno::ENODEV);
        }
        if self.config.source.is_none() && self.stale && now >= self.ask_at {
            self.ask_at = now + limit::KERNEL_RETRY;
            match source_toward(self.config.neighbor, self.place().port(), self.interface) {
                Ok(local) => (self.local, self.stale) = (Some(local), false),
                Err(error) => {
                    self.local = None;
                    return Err(error.raw_os_error().map_or(Errno::EADDRNOTAVAIL, Errno::from_raw));
                }
            }
        }
        self.local.ok_or(Errno::EADDRNOTAVAIL)
    }

    /// Addresses or interfaces have changed.
    fn doubt_source(&mut self) {
        self.stale = true;
        if self.local.is_none() {
            self.ask_at = Instant::START;
        }
    }

    /// An interface has this number from now on.
    fn interface_is(&mut self, name: &IfName, index: IfIndex) {
        if self.config.interface.as_ref() == Some(name) {
            self.interface = index;
        } else if self.interface == index {
            // It has got another name.
            self.interface = IfIndex(0);
        }
    }

    /// Where its packets come in.
    pub(super) fn place(&self) -> Place {
        place(&self.config)
    }

    /// TTL or hop limit of its packets.
    pub(super) fn ttl(&self) -> u8 {
        self.config.ttl.unwrap_or(HOP_LIMIT)
    }

    /// Whether a packet may have come by so many routers (RFC 5881 section 5).
    pub(super) fn accepts(&self, hop_limit: Option<u8>) -> bool {
        accepts(&self.config, hop_limit)
    }

    /// The kernel refused its last packet: logs the first of several in a row.
    pub(super) fn refused(&mut self, errno: Errno) {
        let before = self.refused.replace(self.attempts);
        if before.is_none_or(|before| self.attempts.wrapping_sub(before) > 1) {
            report::send_failed(&self.config, self.local, errno);
        }
        // The kernel may choose another one.
        self.stale = true;
    }

    /// Whether the kernel has refused its last packet.
    pub(super) fn is_refused(&self) -> bool {
        self.refused == Some(self.attempts)
    }
}

/// Packets of a session since the start of the process.
#[derive(Clone, Copy, Default)]
pub(super) struct Traffic {
    /// Handed to the kernel, those that it refused among them.
    pub(super) sent: u64,
    /// Taken by the machine.
    pub(super) received: u64,
    /// Discarded for their TTL.
    pub(super) too_far: u64,
}

/// Where a packet came from and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The sender.
    pub(super) source: IpAddr,
    /// Where it was sent to.
    pub(super) destination: Option<IpAddr>,
    /// The interface that it came in by.
    pub(super) interface: IfIndex,
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
    /// The shortest time after which a peer is lost, of those that are heard.
    pub(super) fn shortest_detection(&self) -> Option<Span> {
        let heard = self.all.iter().filter(|live| live.machine.detects_at().is_some());
        heard.map(|live| live.machine.detection_time()).min()
    }

    /// The session of an id.
    pub(super) fn get_mut(&mut self, id: BfdId) -> Option<&mut Live> {
        self.all.get_mut(id.index())
    }

    /// Every id, for walking while changing.
    pub(super) fn ids(&self) -> impl Iterator<Item = BfdId> + use<> {
        (0..self.all.len()).map(BfdId::at)
    }

    /// The kernel may choose other source addresses now.
    pub(super) fn doubt_sources(&mut self) {
        self.all.iter_mut().for_each(Live::doubt_source);
    }

    /// An interface has this number from now on.
    pub(super) fn interface_is(&mut self, name: &IfName, index: IfIndex) {
        self.all.iter_mut().for_each(|live| live.interface_is(name, index));
    }

    /// An interface is gone.
    pub(super) fn interface_gone(&mut self, index: IfIndex) {
        for live in self.all.iter_mut().filter(|live| live.interface == index) {
            live.interface = IfIndex(0);
        }
    }

    /// Asks the kernel for the numbers of all interfaces that are configured.
    pub(super) fn look_up_interfaces(&mut self) {
        for live in &mut self.all {
            live.interface = number(&live.config);
        }
    }

    /// Whether a session depends on what the kernel reports of addresses and interfaces.
    pub(super) fn follow_kernel(&self) -> bool {
        self.all.iter().any(|live| live.config.source.is_none() || live.config.interface.is_some())
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
    pub(super) fn find(&self, control: &Control, ends: &Ends, place: Place) -> Option<BfdId> {
        let fits = |id: &BfdId| {
            self.all.get(id.index()).is_some_and(|live| {
                live.config.neighbor == ends.source
                    && live.place() == place
                    && live.config.source.is_none_or(|source| Some(source) == ends.destination)
                    && (live.config.interface.is_none() || live.interface == ends.interface)
            })
        };
        if control.your != 0 {
            let position = self.by_discriminator.binary_search_by_key(&control.your, |(own, _)| *own).ok()?;
            return self.by_discriminator.get(position).map(|(_, id)| *id).filter(fits);
        }
        let start = self.by_neighbor.partition_point(|(neighbor, _)| *neighbor < ends.source);
        let those = || {
            let rest = self.by_neighbor.get(start..).unwrap_or_default();
            rest.iter().take_while(|(neighbor, _)| *neighbor == ends.source).map(|(_, id)| *id).filter(fits)
        };
        let exact = |id: &BfdId| self.all.get(id.index()).is_some_and(|live| live.config.source.is_some());
        those().find(exact).or_else(|| those().next())
    }
}

/// What new sessions must not take: discriminators and source ports that others have. For load time: allocates.
#[derive(Default)]
pub(super) struct Taken {
    discriminators: Set<u32>,
    ports: Set<u16>,
    /// No port below this one is free.
    next: u16,
}

impl Taken {
    /// A session that there is, or that a predecessor left.
    pub(super) fn note(&mut self, discriminator: u32, port: u16) {
        self.discriminators.insert(discriminator);
        self.ports.insert(port);
    }

    /// What the sessions that there are have.
    pub(super) fn of(sessions: &[Live]) -> Self {
        let mut taken = Self::default();
        sessions.iter().for_each(|live| taken.note(live.machine.discriminator(), live.port));
        taken
    }

    fn discriminator(&mut self) -> u32 {
        loop {
            let [one, two, three, four, ..] = random().to_le_bytes();
            let drawn = u32::from_le_bytes([one, two, three, four]);
            if drawn != 0 && self.discriminators.insert(drawn) {
                return drawn;
            }
        }
    }

    /// No socket is bound to the port, for nothing comes back to it: peers send to the port of BFD.
    fn port(&mut self) -> u16 {
        self.next = self.next.max(SOURCE_PORTS);
        // Past 16384 sessions several share the last one.
        while self.next < u16::MAX && !self.ports.insert(self.next) {
            self.next = self.next.saturating_add(1);
        }
        self.next
    }

    /// A new session, which goes on with what a predecessor left of it.
    pub(super) fn make(&mut self, config: &Bfd, left: Option<(Note, Left)>) -> Live {
        let discriminator = left.map(|(_, left)| left.discriminator);
        let discriminator = discriminator.unwrap_or_else(|| self.discriminator());
        let port = left.map(|(_, left)| left.port).unwrap_or_else(|| self.port());
        let [.., one, two, three, four] = random().to_le_bytes();
        let jitter = u32::from_le_bytes([one, two, three, four]);
        Live {
            machine: Session::new(config.params.clone(), discriminator, jitter),
            local: config.source,
            stale: true,
            ask_at: Instant::START,
            interface: number(config),
            port,
            note: left.map_or(Note::NONE, |(note, _)| note),
            key: note_key(config),
            noted: Values::default(),
            attempts: 0,
            refused: None,
            lines: Budget::new(LINES, LINE_SPACING),
            traffic: Traffic::default(),
            config: config.clone(),
        }
    }
}

/// The number of the interface of a session.
fn number(config: &Bfd) -> IfIndex {
    IfIndex(config.interface.as_ref().map_or(0, |interface| link_of(interface).unwrap_or(0)))
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
        let mut taken = Taken::default();
        sessions.set(model.bfds.iter().map(|config| taken.make(config, None)).collect());
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
            let ends = Ends { source: addr(from), destination: Some(addr(to)), interface: IfIndex(3) };
            sessions.find(&Control { your, ..Control::default() }, &ends, place)
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
    fn sessions_with_one_link_local_neighbour_are_told_apart_by_their_interfaces() {
        let mut sessions = sessions(
            "bfd_instance A {\n neighbor_ip fe80::9%lab-a\n}\nbfd_instance B {\n neighbor_ip fe80::9%lab-b\n}\n",
        );
        assert!(sessions.follow_kernel());
        let place = Place { family: Family::V6, multihop: false };
        let find = |sessions: &Sessions, number| {
            let ends = Ends { source: addr("fe80::9"), destination: None, interface: IfIndex(number) };
            sessions.find(&Control::default(), &ends, place)
        };
        assert_eq!(find(&sessions, 3), None, "neither interface is there");
        assert_eq!(sessions.all[0].source(Instant::START), Err(Errno::ENODEV));
        for (name, number) in [("lab-a", 3), ("lab-b", 4)] {
            sessions.interface_is(&IfName::new(name).unwrap(), IfIndex(number));
        }
        assert_eq!([3, 4, 5].map(|number| find(&sessions, number)), [Some(BfdId(0)), Some(BfdId(1)), None]);
        sessions.interface_is(&IfName::new("renamed").unwrap(), IfIndex(3));
        sessions.interface_gone(IfIndex(4));
        assert_eq!([3, 4].map(|number| find(&sessions, number)), [None, None]);
    }

    #[test]
    fn a_port_that_a_predecessor_left_is_not_given_to_another_session() {
        let mut taken = Taken::default();
        taken.note(7, 49_152);
        taken.note(8, 49_154);
        assert_eq!([0; 3].map(|_| taken.port()), [49_153, 49_155, 49_156]);
        taken.next = u16::MAX - 1;
        assert_eq!([0; 3].map(|_| taken.port()), [u16::MAX - 1, u16::MAX, u16::MAX]);
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
