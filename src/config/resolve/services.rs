//! What holds between the keywords of a virtual server, its group and its real servers.

use crate::base::addr::{Family, IpAddr};
use crate::base::map::Set;
use crate::config::diag::{Diagnostic, Diagnostics, Severity};
use crate::config::keyword::Given;
use crate::config::model::global::Mail;
use crate::config::model::service::{Entry, Group, Key, Protocol, VirtualServer};
use crate::config::rows::services::service::{PERSISTENCE, ServiceDraft};
use crate::config::tree::Position;

/// What is known of a service before its servers are read.
#[derive(Debug, Default)]
pub(crate) struct Above {
    /// Its name in messages: `[10.0.0.1]:tcp:80`, `FWM 5`, `[group]:0`.
    pub(crate) name: String,
    /// How many services of its group stand above.
    order: u32,
    /// It cannot be used, which was told.
    pub(super) unusable: bool,
    /// It has a mark.
    pub(super) marks: bool,
    /// It has an address.
    pub(super) addresses: bool,
    /// Families of its addresses and of marks that say theirs.
    pub(super) families: Set<Family>,
    /// A mark does not say its family.
    pub(super) open_mark: bool,
    /// What it listens to: one address for each port.
    pub(super) listens: Vec<(IpAddr, u16)>,
}

/// Told like a mistake, but not counted, as in keepalived.
pub(super) fn log_only(found: &mut Diagnostics, at: Position, message: String, remedy: &str) {
    found.report(Diagnostic::new(Severity::Note, at, message).remedy(remedy));
}

/// Whether a group can be used at all.
pub(crate) fn group(group: &Group, found: &mut Diagnostics) -> bool {
    let above = entries(group);
    let bad = above.open_mark && above.families.len() > 1;
    if bad {
        let name = &group.name;
        let message = format!(
            "virtual server group {name} cannot have IPv4, IPv6 and fwmark without family - removing"
        );
        found.tell(Severity::Error, group.at.0, message, "write inet or inet6 after each mark");
    }
    !bad
}

fn entries(group: &Group) -> Above {
    let mut above = Above::default();
    let mut ports = Set::new();
    for entry in &group.entries {
        match entry {
            Entry::Addresses { first, port, .. } => {
                above.addresses = true;
                above.families.insert(Family::of(first));
                if ports.insert(*port) {
                    above.listens.push((*first, *port));
                }
            }
            Entry::Mark { family, .. } => {
                above.marks = true;
                above.open_mark |= family.is_none();
                above.families.extend(*family);
            }
        }
    }
    above
}

/// What a service listens to; `order` counts the services of its group.
pub(crate) fn listens(
    service: &VirtualServer,
    group: Option<&Group>,
    order: u32,
    found: &mut Diagnostics,
) -> Above {
    let mut above = match (&service.key, group) {
        (Key::Address(addr, port), _) => Above {
            addresses: true,
            families: [Family::of(addr)].into_iter().collect(),
            listens: vec![(*addr, *port)],
            ..Above::default()
        },
        (Key::Mark(_), _) => Above { marks: true, ..Above::default() },
        (Key::Group(_), Some(group)) => entries(group),
        (Key::Group(name), None) => {
            let message = format!("Virtual server group {name} not found - ignoring the virtual server");
            log_only(found, service.at.0, message, "define the virtual_server_group, or correct its name");
            Above { unusable: true, ..Above::default() }
        }
    };
    above.order = order;
    above.name = service.name(order).to_string();
    above
}

/// `smtp_alert` of a server or a service: its own, or that of `global_defs`.
pub(crate) fn alert(own: Option<bool>, mail: &Mail, default: bool) -> bool {
    own.or(mail.alert_checker).or(mail.alert).unwrap_or(default)
}

/// Completes what does not depend on the servers.
pub(crate) fn begin(
    draft: &mut ServiceDraft,
    above: &mut Above,
    empty: bool,
    mail: &Mail,
    given: &Given,
    found: &mut Diagnostics,
) {
    if empty {
        let message = format!("Virtual server {} has no real servers - ignoring", above.name);
        found.tell(Severity::Error, draft.service.at.0, message, "write a real_server block");
        above.unusable = true;
    }
    if above.unusable {
        return;
    }
    protocol(draft, above, given, found);
    scheduling(draft, above, given, found);
    draft.service.smtp_alert = alert(draft.smtp_alert, mail, false);
}

fn protocol(draft: &mut ServiceDraft, above: &mut Above, given: &Given, found: &mut Diagnostics) {
    let service = &mut draft.service;
    let at = service.at.0;
    if !above.addresses {
        if service.protocol.take().is_some() {
            let at = given.at("protocol").unwrap_or(at);
            let message = format!(
                "Warning: Virtual server {}: protocol specified for fwmark - protocol will be ignored",
                above.name
            );
            found.tell(
                Severity::Warning,
                at,
                message,
                "a mark stands for packets of any protocol: remove the line",
            );
        }
    } else if service.protocol.is_none() {
        let message = format!("Virtual server {}: no protocol set - defaulting to UDP", above.name);
        found.tell(Severity::Warning, at, message, "write protocol TCP, UDP or SCTP");
        service.protocol = Some(Protocol::Udp);
    }
    above.name = service.name(above.order).to_string();
    if service.one_packet && above.addresses && service.protocol != Some(Protocol::Udp) {
        let at = given.at("ops").unwrap_or(at);
        let message =
            format!("Virtual server {}: one packet scheduling requires UDP - resetting", above.name);
        found.tell(Severity::Warning, at, message, "remove ops, or write protocol UDP");
        service.one_packet = false;
    }
}

fn scheduling(draft: &mut ServiceDraft, above: &Above, given: &Given, found: &mut Diagnostics) {
    let service = &mut draft.service;
    let (at, name) = (service.at.0, &above.name);
    if service.granularity.is_some() {
        service.persistence.get_or_insert(PERSISTENCE);
    }
    if service.persistence.is_none() && above.listens.iter().any(|(_, port)| *port == 0) {
        let message =
            format!("Virtual server {name}: zero port only valid for persistent services - setting");
        found.tell(Severity::Warning, at, message, "write a port, or persistence_timeout");
        service.persistence = Some(PERSISTENCE);
    }
    if draft.scheduler.is_none() {
        let message = format!("Virtual server {name}: no scheduler set, setting default 'wlc'");
        found.tell(Severity::Warning, at, message, "write lvs_sched and a scheduler");
    }
    service.scheduler = draft.scheduler.unwrap_or_default();
    if draft.method.is_none() {
        let message = format!("Virtual server {name}: no forwarding method set, setting default NAT");
        found.tell(Severity::Warning, at, message, "write lvs_method NAT, DR or TUN");
    }
    service.method = draft.method.unwrap_or_default();
    if let Some(sorry) = &mut service.sorry {
        sorry.method = draft.sorry_method.unwrap_or(service.method);
    }
    if service.ha_suspend && above.marks {
        let at = given.at("ha_suspend").unwrap_or(at);
        let message =
            format!("Virtual server {name}: cannot use ha_suspend with fwmarks - clearing ha_suspend");
        found.tell(Severity::Warning, at, message, "a mark has no address that could be there or not");
        service.ha_suspend = false;
    }
}
