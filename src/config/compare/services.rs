//! Virtual servers and real servers that differ between the routers.

use super::text::{list, spread_values};
use super::{Difference, Router};
use crate::base::addr::{Family, IpAddr};
use crate::base::map::Map;
use crate::config::model::service::{Key, Method, TunnelKind, VirtualServer};
use crate::config::model::{Checker, RealServer};

/// A service of one router.
type Service<'a> = (&'a str, &'a VirtualServer);

/// Compares the services of all routers that have the same address, mark or group; the first of a router counts.
pub(super) fn services(routers: &[Router<'_>], found: &mut Vec<Difference>) {
    let mut all: Map<String, Vec<Service<'_>>> = Map::new();
    for router in routers {
        for service in router.model.virtual_servers() {
            all.change(title(service), |same| {
                if same.iter().all(|(name, _)| *name != router.name) {
                    same.push((&router.name, service));
                }
            });
        }
    }
    for (title, group) in all.iter() {
        let has = |router: &&Router<'_>| group.iter().any(|(name, _)| *name == router.name);
        let absent: Vec<&str> =
            routers.iter().filter(|router| !has(router)).map(|router| router.name.as_str()).collect();
        if absent.is_empty() {
            settings(title, group, found);
            servers(title, group, found);
        } else {
            let what = format!("is missing on {}: nothing answers there after a take-over", list(&absent));
            tell(found, title, what, "write the same virtual servers on all routers");
        }
    }
}

fn tell(found: &mut Vec<Difference>, subject: &str, what: String, remedy: &str) {
    found.push(Difference { subject: subject.to_owned(), what, remedy: remedy.to_owned() });
}

fn title(service: &VirtualServer) -> String {
    let protocol = service.protocol.map_or_else(String::new, |protocol| format!(" {}", protocol.name()));
    match &service.key {
        Key::Address(addr, port) => format!("virtual_server {}{protocol}", endpoint(*addr, *port)),
        Key::Mark(mark) => format!("virtual_server fwmark {mark}"),
        Key::Group(name) => format!("virtual_server group {name}{protocol}"),
    }
}

fn endpoint(addr: IpAddr, port: u16) -> String {
    match (Family::of(&addr), port) {
        (_, 0) => addr.to_string(),
        (Family::V4, port) => format!("{addr}:{port}"),
        (Family::V6, port) => format!("[{addr}]:{port}"),
    }
}

fn settings(title: &str, group: &[Service<'_>], found: &mut Vec<Difference>) {
    type Field = fn(&VirtualServer) -> String;
    let fields: [(&str, Field, &str); 6] = [
        (
            "lvs_sched",
            |service| service.scheduler.name().to_owned(),
            "after a take-over clients get to other servers",
        ),
        (
            "persistence_timeout",
            |service| service.persistence.map_or_else(|| "off".to_owned(), |seconds| seconds.to_string()),
            "after a take-over clients stay on their server for another time",
        ),
        (
            "ops",
            |service| if service.one_packet { "on" } else { "off" }.to_owned(),
            "packets are scheduled in another way after a take-over",
        ),
        (
            "quorum",
            |service| service.params.quorum.to_string(),
            "the service is up on one router when it is down on another",
        ),
        (
            "hysteresis",
            |service| service.params.hysteresis.to_string(),
            "the service is up on one router when it is down on another",
        ),
        (
            "sorry_server",
            |service| {
                service
                    .sorry
                    .as_ref()
                    .map_or_else(|| "none".to_owned(), |sorry| endpoint(sorry.addr, sorry.port))
            },
            "another page is shown while no server is up",
        ),
    ];
    for (keyword, field, effect) in fields {
        if let Some(values) = spread_values(&mut group.iter().map(|(name, service)| (*name, field(service))))
        {
            let what = format!("{keyword} is {values}: {effect}");
            tell(found, title, what, &format!("write the same {keyword} on all routers"));
        }
    }
}

fn servers(title: &str, group: &[Service<'_>], found: &mut Vec<Difference>) {
    let mut all: Map<(IpAddr, u16), Vec<(&str, &RealServer)>> = Map::new();
    for (name, service) in group {
        for server in &service.servers {
            all.change((server.addr, server.port), |same| same.push((name, server)));
        }
    }
    for ((addr, port), same) in all.iter() {
        let subject = format!("{title}, real_server {}", endpoint(*addr, *port));
        let has = |name: &str| same.iter().any(|(other, _)| *other == name);
        let absent: Vec<&str> = group.iter().map(|(name, _)| *name).filter(|name| !has(name)).collect();
        if !absent.is_empty() {
            let what =
                format!("is missing on {}: it gets nothing while such a router is MASTER", list(&absent));
            tell(found, &subject, what, "write the same real servers on all routers");
            continue;
        }
        type Field = fn(&RealServer) -> String;
        let fields: [(&str, Field, &str); 3] = [
            (
                "weight",
                |server| server.weight.to_string(),
                "the load is spread in another way after a take-over",
            ),
            ("lvs_method", |server| method(server.method), "the server has to be prepared for both"),
            ("the check", |server| checks(&server.checks), "the routers can disagree whether it is up"),
        ];
        for (keyword, field, effect) in fields {
            if let Some(values) = spread_values(&mut same.iter().map(|(name, server)| (*name, field(server))))
            {
                let what = format!("{keyword} is {values}: {effect}");
                tell(found, &subject, what, &format!("write {keyword} alike on all routers"));
            }
        }
    }
}

fn method(method: Method) -> String {
    match method {
        Method::Nat => "NAT",
        Method::Direct => "DR",
        Method::Tunnel(tunnel) => match tunnel.kind {
            TunnelKind::Ipip => "TUN",
            TunnelKind::Gue => "TUN with gue",
            TunnelKind::Gre => "TUN with gre",
        },
    }
    .to_owned()
}

/// The kinds of checks, in their order.
fn checks(checks: &[Checker]) -> String {
    let kinds: Vec<&str> = checks.iter().map(|check| check.probe.keyword()).collect();
    if kinds.is_empty() { "none".to_owned() } else { kinds.join(" and ") }
}
