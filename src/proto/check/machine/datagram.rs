//! The attempts over datagrams and echoes: what is sent, and which reply is the one.

use std::sync::Arc;

use super::action::Failure;
use super::random::Random;
use super::step::Step;
use crate::base::addr::Family;
use crate::base::bytes::{Short, Writer};
use crate::proto::check::{dns, udp};
use crate::wire::dns::{Question, Reply};
use crate::wire::icmp::Echo;

/// What is sent, over and over, where the octets do not matter.
const TEXT: &[u8] = b"keepalived check - ";
/// Octets of that in a datagram.
const DATAGRAM: usize = 32;
/// Octets of that in an echo.
const ECHO: usize = 128;

/// A question to a DNS server.
#[derive(Debug)]
pub(super) struct Query {
    params: Arc<dns::Params>,
    id: u16,
}

impl Query {
    pub(super) const fn new(params: Arc<dns::Params>) -> Self {
        Self { params, id: 0 }
    }

    pub(super) const fn begin(&mut self, random: &mut Random) {
        self.id = random.next_u16();
    }

    /// What is no reply to the question is nobody's failure: the reply may come yet.
    pub(super) fn received(&self, octets: &[u8]) -> Step {
        match Reply::parse(octets).filter(|reply| reply.id == self.id) {
            Some(Reply { rcode: 0, .. }) => Step::Pass,
            Some(Reply { rcode, .. }) => Step::Fail(Failure::Rcode(rcode)),
            None => Step::Wait,
        }
    }

    pub(super) fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        Question { id: self.id, kind: self.params.kind.number(), name: &self.params.name }.emit(out)
    }
}

/// A datagram and what becomes of it.
#[derive(Debug)]
pub(super) struct Exchange {
    params: Arc<udp::Params>,
    /// The last failure was an error that the kernel reported, so that silence is to be doubted.
    doubtful: bool,
}

impl Exchange {
    pub(super) const fn new(params: Arc<udp::Params>) -> Self {
        Self { params, doubtful: false }
    }

    /// Whether silence is a success that may yet turn out to be none, and is not to be believed early.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful && self.params.reply.is_none()
    }

    /// The transport failed.
    pub(super) const fn failed(&mut self) {
        self.doubtful = true;
    }

    pub(super) fn received(&mut self, octets: &[u8]) -> Step {
        self.doubtful = false;
        let length = self.params.shortest.into()..=self.params.longest.into();
        match &self.params.reply {
            Some(reply) if !reply.matches(octets) || !length.contains(&octets.len()) => {
                Step::Fail(Failure::Mismatch)
            }
            _ => Step::Pass,
        }
    }

    pub(super) fn expired(&mut self) -> Step {
        self.doubtful = false;
        if self.params.reply.is_some() { Step::Fail(Failure::Silent) } else { Step::Pass }
    }

    pub(super) fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        match self.params.payload.as_deref() {
            Some(payload) => put(payload, out),
            None => put(&text::<DATAGRAM>(), out),
        }
    }
}

/// An echo.
#[derive(Debug)]
pub(super) struct Ping {
    family: Family,
    sequence: u16,
}

impl Ping {
    pub(super) const fn new(family: Family) -> Self {
        Self { family, sequence: 0 }
    }

    /// `anew`: the socket, and with it the identifier, is another one than for the echo before.
    pub(super) const fn begin(&mut self, anew: bool) {
        self.sequence = if anew { 1 } else { self.sequence.wrapping_add(1) };
    }

    /// What is no reply to the last echo may be one to an earlier one.
    pub(super) fn received(&self, octets: &[u8]) -> Step {
        match Echo::parse(self.family, octets) {
            Some(Echo { sequence, .. }) if sequence == self.sequence => Step::Pass,
            _ => Step::Wait,
        }
    }

    pub(super) fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        Echo { sequence: self.sequence, data: &text::<ECHO>() }.emit(self.family, out)
    }
}

fn text<const N: usize>() -> [u8; N] {
    let mut octets = [0; N];
    for (place, octet) in octets.iter_mut().zip(TEXT.iter().cycle()) {
        *place = *octet;
    }
    octets
}

fn put(octets: &[u8], out: &mut [u8]) -> Result<usize, Short> {
    let mut writer = Writer::new(out);
    writer.put(octets)?;
    Ok(writer.len())
}
