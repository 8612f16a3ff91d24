//! Writes PDUs, in network byte order.

use super::value::{Oid, Value, padding};
use super::{HEADER, Header, NETWORK_ORDER, Pdu, Range, Registration, VERSION, error};
use crate::base::bytes::{Short, Writer};

/// A PDU under way.
#[derive(Debug)]
pub struct Draft<'w, 'b> {
    out: &'w mut Writer<'b>,
    begin: usize,
}

/// Where its length stands in the header.
const LENGTH_AT: usize = 16;
/// Where error and index stand in a response.
const ERROR_AT: usize = HEADER + 4;

impl<'w, 'b> Draft<'w, 'b> {
    /// Begins one.
    ///
    /// # Errors
    /// [`Short`] if its header does not fit.
    pub fn new(out: &'w mut Writer<'b>, header: &Header) -> Result<Self, Short> {
        let begin = out.len();
        out.put(&[VERSION, header.kind.number(), NETWORK_ORDER, 0])?;
        for word in [header.session, header.transaction, header.packet, 0] {
            out.u32(word)?;
        }
        Ok(Self { out, begin })
    }

    /// Begins the response to a PDU, without an error.
    ///
    /// # Errors
    /// [`Short`] if it does not fit.
    pub fn response(out: &'w mut Writer<'b>, to: &Header) -> Result<Self, Short> {
        let this = Self::new(out, &Header { kind: super::Kind::Response, ..*to })?;
        // How long the subagent runs is nobody's business: the master says how long it does.
        this.out.u32(0)?;
        this.out.u16(error::NONE)?;
        this.out.u16(0)?;
        Ok(this)
    }

    /// Appends a name and its value.
    ///
    /// # Errors
    /// [`Short`] if it does not fit; nothing of it is written then.
    pub fn varbind(&mut self, name: &[u32], value: &Value<'_>) -> Result<(), Short> {
        let before = self.out.len();
        let written = varbind(self.out, name, value);
        if written.is_err() {
            self.out.truncate(before);
        }
        written
    }

    /// Octets of it so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len().saturating_sub(self.begin)
    }

    /// Never: it has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the answer out of a response, and says why there is none.
    ///
    /// # Errors
    /// [`Short`] if it is no response.
    pub fn fail(&mut self, error: u16, index: u16) -> Result<(), Short> {
        let at = self.begin.saturating_add(ERROR_AT);
        self.out.truncate(at.saturating_add(4));
        self.out.patch_u16(at, error)?;
        self.out.patch_u16(at.saturating_add(2), index)
    }

    /// Ends it: its length is known.
    ///
    /// # Errors
    /// None that can happen: the header is there.
    pub fn finish(self) -> Result<(), Short> {
        let len = u32::try_from(self.len().saturating_sub(HEADER)).map_err(|_| Short)?;
        self.out.patch(self.begin.saturating_add(LENGTH_AT), &len.to_be_bytes())
    }
}

/// Writes a whole PDU.
///
/// # Errors
/// [`Short`] if it does not fit.
pub fn pdu(out: &mut Writer<'_>, header: &Header, pdu: &Pdu<'_>) -> Result<(), Short> {
    let draft = Draft::new(out, header)?;
    let out = &mut *draft.out;
    match pdu {
        Pdu::Open { timeout, id, description } => {
            out.put(&[*timeout, 0, 0, 0])?;
            oid(out, id.numbers(), false)?;
            octets(out, description)?;
        }
        Pdu::Close(reason) => out.put(&[*reason, 0, 0, 0])?,
        Pdu::Register(one) | Pdu::Unregister(one) => registration(out, one)?,
        Pdu::Get(list) | Pdu::GetNext(list) => ranges(out, *list)?,
        Pdu::GetBulk { non_repeaters, max_repetitions, ranges: list } => {
            out.u16(*non_repeaters)?;
            out.u16(*max_repetitions)?;
            ranges(out, *list)?;
        }
        Pdu::TestSet(list) | Pdu::Notify(list) => varbinds(out, *list)?,
        Pdu::CommitSet | Pdu::UndoSet | Pdu::CleanupSet | Pdu::Ping => {}
        Pdu::Response { uptime, error, index, varbinds: list } => {
            out.u32(*uptime)?;
            out.u16(*error)?;
            out.u16(*index)?;
            varbinds(out, *list)?;
        }
    }
    draft.finish()
}

fn registration(out: &mut Writer<'_>, one: &Registration) -> Result<(), Short> {
    let position = one.range.map_or(0, |(position, _)| position);
    out.put(&[one.timeout, one.priority, position, 0])?;
    oid(out, one.subtree.numbers(), false)?;
    one.range.map_or(Ok(()), |(_, bound)| out.u32(bound))
}

fn ranges(out: &mut Writer<'_>, list: impl Iterator<Item = Range>) -> Result<(), Short> {
    for Range { start, include, end } in list {
        oid(out, start.numbers(), include)?;
        oid(out, end.numbers(), false)?;
    }
    Ok(())
}

fn varbinds<'v>(out: &mut Writer<'_>, list: impl Iterator<Item = (Oid, Value<'v>)>) -> Result<(), Short> {
    for (name, value) in list {
        varbind(out, name.numbers(), &value)?;
    }
    Ok(())
}

fn varbind(out: &mut Writer<'_>, name: &[u32], value: &Value<'_>) -> Result<(), Short> {
    out.u16(value.number())?;
    out.u16(0)?;
    oid(out, name, false)?;
    match value {
        Value::Integer(number) => out.put(&number.to_be_bytes()),
        Value::Octets(string) | Value::Opaque(string) => octets(out, string),
        Value::Oid(id) => oid(out, id.numbers(), false),
        Value::IpAddress(addr) => octets(out, addr),
        Value::Counter32(number) | Value::Gauge32(number) | Value::TimeTicks(number) => out.u32(*number),
        Value::Counter64(number) => out.put(&number.to_be_bytes()),
        Value::Null | Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView => Ok(()),
    }
}

fn oid(out: &mut Writer<'_>, numbers: &[u32], include: bool) -> Result<(), Short> {
    out.put(&[u8::try_from(numbers.len()).map_err(|_| Short)?, 0, u8::from(include), 0])?;
    numbers.iter().try_for_each(|number| out.u32(*number))
}

fn octets(out: &mut Writer<'_>, string: &[u8]) -> Result<(), Short> {
    out.u32(u32::try_from(string.len()).map_err(|_| Short)?)?;
    out.put(string)?;
    out.put([0; 3].get(..padding(string.len())).unwrap_or_default())
}
