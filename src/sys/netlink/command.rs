//! Requests to change links, addresses, routes and rules: many in one send, acknowledged in bulk.
//!
//! The requests themselves are in [`super::addr`], [`super::link`], [`super::make`], [`super::route`] and
//! [`super::rule`].

use std::io;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;
use neli::{Size, ToBytes};
use nix::errno::Errno;

use super::batch::{Batch, Head};
use super::dump::{Dump, Part};
pub use super::message::Full;
use super::message::{Message, Requests};
use crate::base::limit;
use crate::sys::queue::QueueSize;

/// A socket for requests of rtnetlink, and the batch being collected.
pub struct Commands {
    batch: Batch,
    dump: Dump,
}

/// Why the kernel refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The kernel's number.
    pub errno: Errno,
    /// The kernel's explanation; often empty.
    pub text: &'a str,
}

impl Commands {
    /// Opens the socket.
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open() -> io::Result<Self> {
        let octets = limit::NETLINK_BATCH * limit::NETLINK_REQUEST_OCTETS;
        Ok(Self { batch: Batch::open(NlFamily::Route, limit::NETLINK_BATCH, octets)?, dump: Dump::new() })
    }

    /// Sets the size of the kernel's queue of answers.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN, if it is to be more than the system allows.
    pub fn set_receive_buffer(&self, size: QueueSize) -> io::Result<()> {
        self.batch.transport().set_receive_buffer(size)
    }

    /// Whether a list is taken as it comes when changes ran into every attempt, so that it may lack what was there all
    /// the time: for one that can do nothing without a list. It lists everything again once [`Self::take_torn`] says so.
    pub const fn set_takes_torn(&mut self, takes: bool) {
        self.dump.set_takes_torn(takes);
    }

    /// Whether a list was taken that way since this was asked last.
    pub const fn take_torn(&mut self) -> bool {
        self.dump.take_torn()
    }

    /// Requests collected and not committed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether no request is collected.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more requests fit, of any kind.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.batch.room()
    }

    /// The port id of the socket, which notifications of what it asked for carry.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.batch.transport().port()
    }

    pub(super) fn set_strict(&self, on: bool) {
        self.batch.transport().set_strict(on);
    }

    /// Sends the collected requests and empties the batch. Each tag gets exactly one result, in the order of the
    /// requests, except that those whose acknowledgement was lost come last with ENOBUFS: then only a dump
    /// shows what became of the request. A request that is refused does not hold up the next one.
    pub fn commit(&mut self, mut on_result: impl FnMut(u32, Result<(), Refusal<'_>>)) {
        self.batch.commit(&mut |tag, code, text| match code {
            0 => on_result(tag, Ok(())),
            code => on_result(tag, Err(Refusal { errno: Errno::from_raw(code), text })),
        });
    }

    /// Appends a request to the batch.
    pub(super) fn append(
        &mut self,
        tag: u32,
        kind: Rtm,
        flags: NlmF,
        fixed: impl Size + ToBytes,
        mut attributes: impl FnMut(&mut Requests),
    ) -> Result<(), Full> {
        let head = Head { tag, kind: kind.into(), flags, marked: false };
        self.append_as(head, fixed, &mut attributes)
    }

    /// The same under a header of the caller's, to which NLM_F_ACK is added.
    pub(super) fn append_as(
        &mut self,
        head: Head,
        fixed: impl Size + ToBytes,
        attributes: &mut dyn FnMut(&mut Requests),
    ) -> Result<(), Full> {
        let flags = head.flags | NlmF::ACK;
        self.batch.append(Head { flags, ..head }, fixed, attributes)
    }

    /// Asks for a dump and hands each message of it to `each`; begins again, after `None`, if a change ran into it.
    pub(super) fn dump(
        &mut self,
        kind: Rtm,
        fixed: impl Size + ToBytes,
        mut attributes: impl FnMut(&mut Requests),
        each: &mut dyn FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        self.dump.ask(kind.into(), NlmF::DUMP, fixed, &mut attributes)?;
        self.dump.all(self.batch.transport(), each)
    }

    /// Asks for a dump that is received part by part with [`Self::receive_part`].
    pub(super) fn begin_dump(
        &mut self,
        kind: Rtm,
        fixed: impl Size + ToBytes,
        mut attributes: impl FnMut(&mut Requests),
    ) -> io::Result<()> {
        self.dump.ask(kind.into(), NlmF::DUMP, fixed, &mut attributes)?;
        self.dump.begin(self.batch.transport())
    }

    /// Receives the next part of the dump and hands each message of the part to `each`.
    pub(super) fn receive_part(&mut self, each: &mut dyn FnMut(Message<'_>)) -> io::Result<Part> {
        self.dump.receive(self.batch.transport(), each)
    }

    /// Asks for one thing; `each` gets the answer.
    pub(super) fn one(
        &mut self,
        kind: Rtm,
        fixed: impl Size + ToBytes,
        mut attributes: impl FnMut(&mut Requests),
        each: &mut dyn FnMut(Message<'_>),
    ) -> io::Result<()> {
        self.dump.ask(kind.into(), NlmF::empty(), fixed, &mut attributes)?;
        self.dump.one(self.batch.transport(), each)
    }
}

#[cfg(test)]
impl std::os::fd::AsRawFd for Commands {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.batch.transport().as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::Prefix;
    use crate::sys::netlink::addr::Address;
    use crate::sys::test_net::in_namespace;

    /// Needs root.
    #[test]
    fn a_lost_acknowledgement_is_told_and_the_next_batch_is_whole() {
        in_namespace(|net| {
            let (near, _) = net.pair("va", "vb");
            let add_all = |commands: &mut Commands, first: u8| {
                for host in 0..60 {
                    let addr = [10, 9, first, host].into();
                    let address = Address::new(near, Prefix { addr, len: 32 });
                    commands.add_address(u32::from(host), &address).unwrap();
                }
                let mut results = Vec::new();
                commands.commit(|tag, result| results.push((tag, result.map_err(|refusal| refusal.errno))));
                results
            };
            net.commands.set_receive_buffer(QueueSize { octets: 1, force: true }).unwrap();
            let mut results = add_all(&mut net.commands, 0);
            let lost = results.iter().filter(|(_, result)| *result == Err(Errno::ENOBUFS));
            assert!((1..60).contains(&lost.count()), "{results:?}");
            results.sort_by_key(|(tag, _)| *tag);
            let tags: Vec<u32> = results.iter().map(|(tag, _)| *tag).collect();
            assert_eq!(tags, (0..60).collect::<Vec<_>>());
            let v4 = |address: &Address| address.prefix.addr.is_ipv4();
            assert_eq!(net.addresses().into_iter().filter(v4).count(), 60);

            net.commands.set_receive_buffer(QueueSize { octets: 1 << 20, force: true }).unwrap();
            let results = add_all(&mut net.commands, 1);
            assert!(results.iter().all(|(_, result)| *result == Ok(())), "{results:?}");
            assert_eq!(results.len(), 60);
        });
    }

    /// Needs root.
    #[test]
    fn a_list_in_between_leaves_the_batch_alone() {
        in_namespace(|net| {
            net.commands
                .delete_link(7, crate::sys::netlink::link::Which::Index(crate::base::id::IfIndex(9_999)))
                .unwrap();
            assert_eq!(net.links().len(), 1);
            let mut results = Vec::new();
            net.commands.commit(|tag, result| results.push((tag, result.map_err(|refusal| refusal.errno))));
            assert_eq!(results, [(7, Err(Errno::ENODEV))]);
        });
    }
}
