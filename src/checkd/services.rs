//! The virtual servers of the model: as the director takes them, and where each of them and their servers stand.
//!
//! The director numbers services, real servers and checks in the order of the model, each through all services.

use crate::base::addr::Family;
use crate::base::id::{CheckId, RealId, ServiceId};
use crate::checkd::kept::service_key;
use crate::config::model::service::{Key, RealServer, SorryServer, VirtualServer};
use crate::config::model::{Model, ServerName, ServiceName};
use crate::daemon::record;
use crate::proto::lvs::{
    Engine, Entry, Listen, Marked, Marks, Protocol, RealSpec, ServiceSpec, ServiceValue, SorrySpec, marked,
};

/// Where services, real servers and checks stand.
#[derive(Default)]
pub(super) struct Places {
    /// For each service: its first real server, and how many services of its group stand above it.
    services: Vec<(u32, u32)>,
    /// For each service the mark that stands for the addresses of its group; empty: none has one.
    marks: Vec<Option<u32>>,
    /// For each real server: its first check.
    reals: Vec<u32>,
    checks: u32,
}

impl Places {
    /// Those of a model. For load time: allocates.
    pub(super) fn new(model: &Model) -> Self {
        let mut places = Self::default();
        let mut groups: Vec<(&str, u32)> = Vec::new();
        places.services.reserve_exact(model.services.len());
        places.reals.reserve_exact(model.services.iter().map(|service| service.servers.len()).sum());
        for service in &model.services {
            let order = match &service.key {
                Key::Group(name) => match groups.iter_mut().find(|(other, _)| other == name) {
                    Some((_, uses)) => {
                        *uses += 1;
                        *uses
                    }
                    None => {
                        groups.push((name, 0));
                        0
                    }
                },
                Key::Address(..) | Key::Mark(_) => 0,
            };
            places.services.push((count(places.reals.len()), order));
            for server in &service.servers {
                places.reals.push(places.checks);
                places.checks = places.checks.saturating_add(count(server.checks.len()));
            }
        }
        places
    }

    /// Gives the services of groups their marks, if the model wants so (`nftables_ipvs`). For load time: allocates.
    pub(super) fn give_marks(&mut self, model: &Model, marks: &mut Marks) {
        self.marks.clear();
        if model.global.firewall.nftables_ipvs.is_none() {
            return;
        }
        for (service, position) in model.services.iter().zip(0..) {
            // A group that has marks of its own keeps its addresses beside them, as with keepalived.
            let merges = |entries: &[Entry]| {
                !entries.is_empty() && entries.iter().all(|entry| matches!(entry, Entry::Addresses { .. }))
            };
            let mark = merges(entries(model, service))
                .then(|| marks.of(service_key(service, self.order(position), None)));
            self.marks.push(mark.flatten());
        }
    }

    /// The mark that stands for the addresses of a service's group.
    pub(super) fn mark(&self, service: u32) -> Option<u32> {
        self.marks.get(service as usize).copied().flatten()
    }

    /// Which packets get which mark. For load time: allocates.
    pub(super) fn marked(&self, model: &Model) -> Vec<Marked> {
        let groups = model.services.iter().zip(&self.marks).filter_map(|(service, mark)| {
            Some((service.protocol.unwrap_or(Protocol::Udp), entries(model, service), (*mark)?))
        });
        marked(groups)
    }

    /// How many services of its group stand above a service.
    pub(super) fn order(&self, service: u32) -> u32 {
        self.services.get(service as usize).map_or(0, |(_, order)| *order)
    }

    /// How many checks there are.
    pub(super) const fn checks(&self) -> usize {
        self.checks as usize
    }

    /// The positions of a real server: that of its service, and its own in that.
    pub(super) fn server(&self, real: RealId) -> Option<(u32, u32)> {
        let after = self.services.partition_point(|(first, _)| *first <= real.0);
        let service = after.checked_sub(1)?;
        let (first, _) = self.services.get(service)?;
        Some((count(service), real.0 - first))
    }

    /// How many real servers and places for sorry servers there are.
    #[cfg(feature = "status")]
    pub(super) const fn destinations(&self) -> usize {
        self.reals.len().saturating_add(self.services.len())
    }

    /// Where among all of them the real server of a service stands, or the sorry server behind the last one.
    #[cfg(feature = "status")]
    pub(super) fn destination(&self, service: u32, server: u32) -> usize {
        self.real(service, server).index().saturating_add(service as usize)
    }

    /// The number of a real server by its positions.
    pub(super) fn real(&self, service: u32, server: u32) -> RealId {
        RealId(self.services.get(service as usize).map_or(0, |(first, _)| *first) + server)
    }

    /// The number of a check by its positions.
    pub(super) fn check(&self, service: u32, server: u32, checker: u32) -> CheckId {
        let first = self.reals.get(self.real(service, server).index());
        CheckId(first.copied().unwrap_or(0) + checker)
    }
}

/// The entries of the group that a service listens to; none if it is no group.
fn entries<'a>(model: &'a Model, service: &VirtualServer) -> &'a [Entry] {
    let Key::Group(name) = &service.key else { return &[] };
    model.service_groups.iter().find(|group| group.name == *name).map_or(&[], |group| &group.entries)
}

/// The marks for a model: services that were there keep theirs.
pub(super) fn marks(model: &Model, places: &Places, before: Option<&Marks>) -> Marks {
    let start = model.global.firewall.nftables_ipvs_mark.unwrap_or(FIRST_MARK);
    let of_services = model.services.iter().filter_map(|service| match service.key {
        Key::Mark(mark) => Some(mark),
        Key::Address(..) | Key::Group(_) => None,
    });
    let of_groups = model.service_groups.iter().flat_map(|group| &group.entries);
    let of_groups = of_groups.filter_map(|entry| match entry {
        Entry::Mark { mark, .. } => Some(*mark),
        Entry::Addresses { .. } => None,
    });
    let taken = of_services.chain(of_groups).collect();
    let Some(before) = before else { return Marks::new(start, taken) };
    let services = model.services.iter().zip(0..);
    let identities: Vec<u64> =
        services.map(|(service, at)| service_key(service, places.order(at), None)).collect();
    Marks::follow(before, start, taken, &identities)
}

/// The first mark of a group, where `nftables_ipvs_start_fwmark` says nothing.
const FIRST_MARK: u32 = 1_000;

/// A service, and what it is called.
#[derive(Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) service: &'a VirtualServer,
    pub(super) order: u32,
    /// The mark that stands for the addresses of its group.
    mark: Option<u32>,
}

impl<'a> Named<'a> {
    pub(super) fn of(model: &'a Model, places: &Places, id: ServiceId) -> Option<Self> {
        let service = model.services.get(id.index())?;
        Some(Self { service, order: places.order(id.0), mark: places.mark(id.0) })
    }

    /// A real server with its service.
    pub(super) fn with_server(
        model: &'a Model,
        places: &Places,
        real: RealId,
    ) -> Option<(Self, &'a RealServer)> {
        let (service, server) = places.server(real)?;
        let named = Self::of(model, places, ServiceId(service))?;
        Some((named, named.service.servers.get(server as usize)?))
    }

    pub(super) fn name(self) -> ServiceName<'a> {
        self.service.name(self.order)
    }

    /// Whether it goes by the name with this key: as in status, or shorter.
    pub(super) fn is_called(self, key: u64) -> bool {
        let shorter = match &self.service.key {
            Key::Address(addr, port) => record::key_of(&format_args!("{addr}:{port}")),
            Key::Mark(mark) => record::key_of(mark),
            Key::Group(name) => record::key_of(name),
        };
        shorter == key || record::key_of(&self.name()) == key
    }

    pub(super) fn server_name(self, server: &RealServer) -> ServerName {
        self.service.server_name(server)
    }

    /// How the director takes it.
    pub(super) fn spec(self, model: &'a Model) -> ServiceSpec<'a> {
        let Self { service, order, mark } = self;
        let listen = match &service.key {
            Key::Address(addr, port) => Listen::Address(*addr, *port),
            Key::Mark(mark) => Listen::Mark(*mark),
            Key::Group(_) => Listen::Group { entries: entries(model, service), mark },
        };
        let value = ServiceValue {
            scheduler: Some(service.scheduler),
            flags: service.flags,
            one_packet: service.one_packet,
            persistence: service.persistence,
            granularity: service.granularity,
            engine: service.engine.as_deref().and_then(Engine::new),
        };
        ServiceSpec {
            identity: service_key(service, order, None),
            listen,
            protocol: service.protocol,
            family: service.family.unwrap_or(Family::V4),
            value,
            params: service.params.clone(),
            sorry: service.sorry.as_ref().map(sorry_spec),
        }
    }
}

fn sorry_spec(sorry: &SorryServer) -> SorrySpec {
    SorrySpec { addr: sorry.addr, port: sorry.port, method: sorry.method, inhibit: sorry.inhibit }
}

pub(super) const fn real_spec(server: &RealServer) -> RealSpec {
    RealSpec {
        addr: server.addr,
        port: server.port,
        weight: server.weight,
        method: server.method,
        upper: server.upper,
        lower: server.lower,
        inhibit: server.inhibit,
    }
}

/// A number of things as their ids have it.
pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
