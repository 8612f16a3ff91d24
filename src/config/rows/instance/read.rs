//! Readers of `vrrp_instance` keywords that depend on what was read before.

use super::draft::{AuthType, InstanceDraft};
use crate::base::addr::{Family, IpAddr};
use crate::config::command;
use crate::config::line::Line;
use crate::config::model::instance::OldChecksum;
use crate::config::model::{At, Named};
use crate::config::row::fit;
use crate::config::value;
use crate::proto::vrrp::{Start, Version};

/// `state`
pub(super) fn state(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "MASTER|BACKUP");
    };
    let state = match word.text {
        "MASTER" => Start::Master,
        "BACKUP" => Start::Backup,
        other => {
            let message = format_args!("unknown state '{other}', defaulting to BACKUP");
            line.error(word, message, "write MASTER or BACKUP, in capitals");
            Start::Backup
        }
    };
    if draft.state == Some(Start::Master) && state == Start::Backup {
        return line.error(
            word,
            format_args!("state already MASTER - ignoring BACKUP"),
            "one state line is enough",
        );
    }
    draft.state = Some(state);
}

/// The interface that is always there and has no neighbours: no router can be heard on it.
const LOOPBACK: &str = "lo";

/// `interface`
pub(super) fn interface(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    if let Some(named) = link(line, "vrrp") {
        draft.instance.interface = Some(named);
    }
}

/// `vrf`
pub(super) fn vrf(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    if let Some(named) = link(line, "vrf") {
        draft.instance.vrf = Some(Box::new(named));
    }
}

/// An interface that adverts can leave by, or a report.
fn link(line: &mut Line<'_>, what: &str) -> Option<Named> {
    let Some(word) = line.arg(0) else {
        line.missing(line.keyword, "<interface>");
        return None;
    };
    line.surplus(1);
    let named = line.interface(word)?;
    if named.name.as_str() == LOOPBACK {
        let message = format_args!("cannot use a loopback interface ({LOOPBACK}) for {what} - ignoring");
        line.error(word, message, "write the interface that leads to the other routers");
        return None;
    }
    Some(named)
}

/// `version`
pub(super) fn version(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "2|3");
    };
    let Some(number) = line.number("version", word, 2..=3) else {
        return;
    };
    let version = if number == 3 { Version::V3 } else { Version::V2 };
    let deduced = if draft.family == Some(Family::V6) { Some(Version::V3) } else { draft.version };
    match deduced {
        Some(before) if before != version => {
            let before = if before == Version::V3 { 3 } else { 2 };
            let message = format_args!(
                "vrrp_version {number} conflicts with configured or deduced version {before}; ignoring."
            );
            line.error(word, message, "IPv6 needs version 3; one version line is enough");
        }
        _ => draft.version = Some(version),
    }
}

/// `native_ipv6`
pub(super) fn native_ipv6(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    if !draft.claim(Family::V6) {
        line.idle(line.keyword, format_args!("Cannot specify native_ipv6 with IPv4 addresses"), "remove it");
    }
}

/// `mcast_src_ip`, `unicast_src_ip`
pub(super) fn source(draft: &mut InstanceDraft, line: &mut Line<'_>, unicast: bool) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<ip>");
    };
    if unicast {
        draft.unicast.get_or_insert(line.keyword.at);
    }
    let Some(addr) = value::address(word.text) else {
        let message = format_args!("malformed src address[{}]. Skipping...", word.text);
        return line.error(word, message, "write a numeric IPv4 or IPv6 address");
    };
    if !draft.claim(Family::of(&addr)) {
        let message = format_args!("src address[{addr}] MUST match VRRP instance family. Skipping...");
        return line.error(word, message, "an instance speaks one family only");
    }
    draft.instance.source = Some(addr);
}

/// `mcast_dst_ip`
pub(super) fn group(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<multicast ip>");
    };
    let text = word.text;
    let Ok(addr) = text.parse::<IpAddr>() else {
        let message = format_args!("malformed mcast dest address {text}. Skipping...");
        return line.error(word, message, "write a numeric multicast address");
    };
    let link_local = match addr {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0x000f == 2),
    };
    if !addr.is_multicast() || !link_local {
        let message = format_args!("mcast dest address {text} is not a multicast address. Skipping...");
        return line.error(word, message, "write an address from 224.0.0.0/4 or ff02::/16");
    }
    if !draft.claim(Family::of(&addr)) {
        let message = format_args!("mcast dest address {text} MUST match VRRP instance family. Skipping...");
        return line.error(word, message, "an instance speaks one family only");
    }
    draft.group = Some((addr, At(word.at)));
}

/// `check_unicast_src`
pub(super) fn check_unicast_src(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    draft.instance.params.check_unicast_src = true;
    draft.unicast.get_or_insert(line.keyword.at);
}

/// `old_unicast_checksum`
pub(super) fn old_unicast_checksum(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    draft.unicast.get_or_insert(line.keyword.at);
    draft.instance.old_unicast_checksum = match line.arg(0) {
        None => OldChecksum::Yes,
        Some(word) if word.text == "never" => OldChecksum::Never,
        Some(word) => {
            let message = format_args!("Unknown old_unicast_chksum mode {} - ignoring", word.text);
            return line.error(word, message, "write never or nothing");
        }
    };
}

/// `timer_expired_backup`
pub(super) fn timer_expired(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    draft.instance.params.timer_expired_backup = match line.arg(0) {
        None => Some(254),
        Some(word) => match line.number("timer_expired_backup", word, 1..=254) {
            Some(number) => Some(fit(number)),
            None => return,
        },
    };
}

/// `notify_deleted`
pub(super) fn notify_deleted(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    draft.instance.notify.deleted = true;
    if !line.args.is_empty() {
        draft.instance.notify.deleted_script = command::read(line);
    }
}

/// `auth_type`
pub(super) fn auth_type(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "PASS|AH");
    };
    draft.auth_type = match word.text {
        "PASS" => Some(AuthType::Pass),
        "AH" => Some(AuthType::Header),
        other => {
            let message = format_args!("unknown authentication type '{other}'");
            return line.error(word, message, "write PASS or AH, in capitals");
        }
    };
}

/// `auth_pass`
pub(super) fn auth_pass(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<text>");
    };
    let mut text = word.text;
    if text.len() > 8 {
        line.warn(
            word,
            format_args!("Truncating auth_pass to 8 characters"),
            "version 2 carries eight bytes",
        );
        if text.is_char_boundary(8) {
            text = super::super::global_read::cut(text, 8);
        }
    }
    draft.instance.auth_pass = Some(text.into());
}
