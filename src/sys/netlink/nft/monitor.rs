//! Notifications of what another program deletes from a table.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use neli::consts::socket::NlFamily;

use super::super::family::family_number;
use super::{SUBSYSTEM, TABLE};
use crate::base::addr::Family;
use crate::base::limit;
use crate::sys::inbox::Inbox;
use crate::sys::netlink::message::{Attributes, Message, text};
use crate::sys::netlink::transport::Transport;

/// A socket that receives notifications of changes to all tables.
pub struct TableMonitor {
    transport: Transport,
    inbox: Inbox,
}

impl TableMonitor {
    /// Opens the socket; from now on no change is missed unnoticed, except those that the socket with the port id
    /// `port` asks for ([`super::Nft::port`]).
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open(port: u32) -> io::Result<Self> {
        let transport = Transport::open(NlFamily::Netfilter, &[NFTABLES_GROUP])?;
        transport.ignore_port(port)?;
        Ok(Self { transport, inbox: Inbox::new(limit::MONITOR_BATCH, limit::DELETION_OCTETS) })
    }

    /// Empties the queue; whether something in a table of this name was deleted, or may have been because notifications
    /// were lost or cut.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost notifications.
    pub fn read(&mut self, table: &str) -> io::Result<bool> {
        let mut deleted = false;
        let mut each = |message: Option<Message<'_>>| {
            deleted |= message.is_none_or(|message| is_deletion(message.kind, message.payload, table));
        };
        while self.transport.notifications(&mut self.inbox, &mut each)? > 0 {}
        Ok(deleted)
    }
}

impl AsRawFd for TableMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.transport.as_raw_fd()
    }
}

fn is_deletion(kind: u16, payload: &[u8], table: &str) -> bool {
    let [subsystem, number] = kind.to_be_bytes();
    let deletions = [
        libc::NFT_MSG_DELTABLE,
        libc::NFT_MSG_DELCHAIN,
        libc::NFT_MSG_DELRULE,
        libc::NFT_MSG_DELSET,
        libc::NFT_MSG_DELSETELEM,
    ];
    let ours = [Family::V4, Family::V6].map(family_number);
    u16::from(subsystem) == SUBSYSTEM
        && deletions.contains(&i32::from(number))
        && payload.first().is_some_and(|family| ours.contains(family))
        && Attributes(payload.get(4..).unwrap_or_default())
            .find(|(kind, _)| *kind == TABLE)
            .and_then(|(_, name)| text(name))
            == Some(table)
}

/// NFNLGRP_NFTABLES.
const NFTABLES_GROUP: u32 = 7;
