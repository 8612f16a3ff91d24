//! The log lines of the subagent. Those that people know keep keepalived's text.

use crate::daemon::kind::Kind;
use crate::daemon::log;
use crate::proto::agentx::{Event, Why};
use crate::status::mib::tree;
use crate::wire::agentx::error;

pub(super) fn starting() {
    log::info!("Starting SNMP subagent");
}

pub(super) fn event(event: Event, place: &str) {
    match event {
        Event::Opened => log::info!("AgentX subagent connected"),
        Event::Lost(why) => log::warn!("AgentX master disconnected us, reconnecting: {}", reason(why)),
        Event::Unreachable(why) => {
            log::warn!("Warning: Failed to connect to the agentx master agent ({place}): {}", reason(why));
        }
        Event::Refused(refused, error::DUPLICATE_REGISTRATION) => {
            log::warn!("{}: another subagent has registered these objects; tried again", tree_name(refused));
        }
        Event::Refused(refused, error) => {
            log::warn!(
                "{}: the agentx master agent refuses these objects with error {error}",
                tree_name(refused)
            );
        }
    }
}

pub(super) fn silent(of: Kind) {
    log::warn!("The {} process does not tell of its objects: requests for them fail", of.title());
}

pub(super) fn notices_lost(count: u32) {
    log::warn!("{count} SNMP notifications were not sent: there was no agentx master agent");
}

fn reason(why: Why) -> &'static str {
    match why {
        Why::Connection => "there is no connection",
        Why::Silent => "it does not answer",
        Why::Closed => "it has ended the session",
        Why::Denied(_) => "it wants no session",
        Why::Garbled => "it does not speak AgentX",
    }
}

fn tree_name(number: u8) -> &'static str {
    match number {
        tree::RFC_2787 => "VRRP-MIB",
        tree::RFC_6527 => "VRRPV3-MIB",
        tree::GLOBAL => "KEEPALIVED-MIB global",
        tree::VRRP => "KEEPALIVED-MIB vrrp",
        _ => "KEEPALIVED-MIB check",
    }
}
