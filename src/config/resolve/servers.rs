//! What holds between a virtual server and its servers: ports, families, weights.

use super::services::{Above, log_only};
use crate::base::addr::{Family, IpAddr};
use crate::base::map::Set;
use crate::config::diag::{Diagnostics, Severity};
use crate::config::keyword::Given;
use crate::config::model::service::{Key, Method, RealServer, SorryServer, VirtualServer};
use crate::config::model::service_name::transport;
use crate::config::rows::services::service::{ServiceDraft, family_name};
use crate::config::tree::Position;

/// The port of a server: that of the service unless addresses are translated.
pub(crate) fn port(server: &mut RealServer, key: &Key, above: &Above, found: &mut Diagnostics) {
    let at = server.at.0;
    server.port = settle(Server::Real(server.addr), server.port, server.method, at, key, above, found);
}

/// Which server a message is about.
#[derive(Clone, Copy)]
enum Server {
    Real(IpAddr),
    Sorry,
}

fn settle(
    server: Server,
    port: u16,
    method: Method,
    at: Position,
    key: &Key,
    above: &Above,
    found: &mut Diagnostics,
) -> u16 {
    if above.unusable {
        return port;
    }
    if method == Method::Nat {
        return match key {
            Key::Address(_, own) if port == 0 => *own,
            _ => port,
        };
    }
    let whose = || match server {
        Server::Real(addr) => format!("real server [{addr}]:{port}"),
        Server::Sorry => "sorry server".to_owned(),
    };
    let name = &above.name;
    let mut warn = |message: String, remedy: &str| found.tell(Severity::Warning, at, message, remedy);
    let translate = "only NAT can change the port; remove it";
    match key {
        Key::Address(_, own) => {
            if port != 0 && port != *own {
                let message =
                    format!("WARNING - virtual server {name} and {} ports don't match - resetting", whose());
                warn(message, translate);
            }
            *own
        }
        Key::Mark(_) => {
            if port != 0 {
                let message = format!(
                    "WARNING - fwmark virtual server {name}, {} has port specified - clearing",
                    whose()
                );
                warn(message, translate);
            }
            0
        }
        Key::Group(_) => {
            let other = above.listens.iter().find(|(_, own)| *own != port);
            if port != 0 && (above.marks || matches!(server, Server::Sorry)) {
                let kind = if above.marks { "fwmark virtual" } else { "virtual" };
                let message = format!(
                    "WARNING - {kind} server {name}, {} has port specified - port will be ignored",
                    whose()
                );
                warn(message, translate);
            } else if let (1.., Some((addr, own))) = (port, other) {
                let message =
                    format!("virtual server {name}:[{addr},{own}] and {} ports don't match", whose());
                warn(message, translate);
            }
            port
        }
    }
}

/// Completes a service with its servers; none if it cannot be used, which was told.
pub(crate) fn finish(
    mut draft: ServiceDraft,
    above: &Above,
    given: &Given,
    found: &mut Diagnostics,
) -> Option<VirtualServer> {
    if above.unusable || !families(&mut draft, above, found) {
        return None;
    }
    let mut service = draft.service;
    duplicates(&mut service, above, found);
    if service.servers.is_empty() {
        let message = format!("Virtual server {} has no real servers - ignoring", above.name);
        found.tell(Severity::Error, service.at.0, message, "none of its real_server blocks can be used");
        return None;
    }
    if let Some(mut sorry) = service.sorry.take() {
        sorry.port = settle(Server::Sorry, sorry.port, sorry.method, sorry.at.0, &service.key, above, found);
        sorry_inhibit(&mut sorry, &service.servers, above, found);
        service.sorry = Some(sorry);
    }
    quorum(&mut service, above, given, found);
    Some(service)
}

const fn tunnelled(method: Method) -> bool {
    matches!(method, Method::Tunnel(_))
}

/// The family of the service; servers of another one that are not in tunnels are dropped. False if the service
/// cannot be used.
fn families(draft: &mut ServiceDraft, above: &Above, found: &mut Diagnostics) -> bool {
    let service = &mut draft.service;
    let name = &above.name;
    let all_tunnelled = service.servers.iter().all(|server| tunnelled(server.method));
    let mut conflict = |why: &str, remedy: &str| {
        let message = format!("Virtual server {name}: {why} - ignoring the virtual server");
        log_only(found, service.at.0, message, remedy);
    };
    let mut known = above.families.iter().copied();
    service.family = match (known.next(), known.next()) {
        (Some(_), Some(_)) => {
            if !all_tunnelled || above.open_mark || draft.family.is_some() {
                let remedy =
                    "put all servers in tunnels and write a family after each mark, or use two groups";
                conflict("the group has IPv4 and IPv6 entries", remedy);
                return false;
            }
            None
        }
        (Some(family), None) => {
            if let Some(other) = draft.family.filter(|other| *other != family) {
                let why = format!("its group is {}, not {}", family_name(family), family_name(other));
                conflict(&why, "correct ip_family or persistence_granularity");
                return false;
            }
            Some(family)
        }
        (None, _) => {
            let mut seen = service.servers.iter().filter(|server| all_tunnelled || !tunnelled(server.method));
            let first = seen.next().map(|server| Family::of(&server.addr));
            let uniform = seen.all(|server| Some(Family::of(&server.addr)) == first);
            let guess = first.filter(|_| uniform || !all_tunnelled);
            Some(draft.family.or(guess).unwrap_or_default())
        }
    };
    let Some(family) = service.family else {
        return true;
    };
    let fits = |addr: &IpAddr, method: Method| tunnelled(method) || Family::of(addr) == family;
    service.servers.retain(|server| {
        let fits = fits(&server.addr, server.method);
        if !fits {
            let message = format!(
                "Address family of virtual server and real server {} don't match - skipping real server.",
                server.addr
            );
            found.tell(Severity::Error, server.at.0, message, "only TUN goes from one family to the other");
        }
        fits
    });
    if let Some(sorry) = service.sorry.take_if(|sorry| !fits(&sorry.addr, sorry.method)) {
        let message = format!(
            "Address family of virtual server and sorry server {} don't match - skipping sorry server.",
            sorry.addr
        );
        found.tell(Severity::Error, sorry.at.0, message, "only TUN goes from one family to the other");
    }
    true
}

fn duplicates(service: &mut VirtualServer, above: &Above, found: &mut Diagnostics) {
    // A search among sorted keys is quicker than a set of them, and nearly always there are none.
    let mut keys: Vec<_> = service.servers.iter().map(|server| ((server.addr, server.port), 0_u32)).collect();
    keys.sort_unstable();
    if keys.is_sorted_by(|one, next| one != next) {
        return;
    }
    let mut known = Set::new();
    let protocol = transport(service.protocol);
    service.servers.retain(|server| {
        let fresh = known.insert((server.addr, server.port));
        if !fresh {
            let message = format!(
                "VS {}: real server [{}]:{protocol}:{} is duplicated - removing second rs",
                above.name, server.addr, server.port
            );
            found.tell(Severity::Error, server.at.0, message, "one block for each server and port");
        }
        fresh
    });
}

/// A sorry server that is a real server, too, is taken off in the same way.
fn sorry_inhibit(sorry: &mut SorryServer, servers: &[RealServer], above: &Above, found: &mut Diagnostics) {
    let same = servers.iter().find(|server| (server.addr, server.port) == (sorry.addr, sorry.port));
    if let Some(server) = same.filter(|server| server.inhibit != sorry.inhibit) {
        let done = if server.inhibit { "setting" } else { "clearing" };
        let message = format!(
            "Virtual server {}: real server [{}]:{} matches sorry server, but inhibit setting differs, {done} on sorry server",
            above.name, server.addr, server.port
        );
        found.tell(
            Severity::Warning,
            sorry.at.0,
            message,
            "write sorry_server_inhibit as inhibit_on_failure of that server",
        );
        sorry.inhibit = server.inhibit;
    }
}

fn quorum(service: &mut VirtualServer, above: &Above, given: &Given, found: &mut Diagnostics) {
    let name = &above.name;
    let total: u64 = service.servers.iter().map(|server| u64::from(server.weight)).sum();
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    let params = &mut service.params;
    let at = |keyword| given.at(keyword).unwrap_or(service.at.0);
    if params.quorum > total {
        let message = format!(
            "Warning - quorum {} for {name} exceeds total weight of real servers {total}, reducing quorum to {total}",
            params.quorum
        );
        let remedy = if total == 0 {
            "no server has a weight: the service has nothing to send to"
        } else {
            "weights are counted, not servers"
        };
        found.tell(Severity::Warning, at("quorum"), message, remedy);
        params.quorum = total;
    }
    if params.hysteresis > 0 && params.hysteresis >= params.quorum {
        let used = params.quorum.saturating_sub(1);
        let message = format!(
            "Virtual server {name}: hysteresis {} >= quorum {}; setting hysteresis to {used}",
            params.hysteresis, params.quorum
        );
        found.tell(Severity::Warning, at("hysteresis"), message, "it must be below the quorum");
        params.hysteresis = used;
    }
}
