//! Generic netlink: messages of a family that has a name, and a number that the kernel gives it when it comes.
//!
//! ```text
//! message: nlmsghdr { number of the family }, { command u8, version u8, 0 u16 }, attributes
//! ```

use std::io;

use neli::consts::genl::{CtrlAttr, CtrlCmd};
use neli::consts::nl::{GenlId, NlmF};
use neli::consts::socket::NlFamily;
use nix::errno::Errno;

use super::batch::{Batch, Head};
use super::command::Refusal;
use super::dump::Dump;
use super::message::Message;
pub(in crate::sys) use super::message::{Attributes, Full, Requests, number, octet, text};

/// A socket for the messages of one family, and the batch being collected.
pub(in crate::sys) struct Genl {
    batch: Batch,
    dump: Dump,
    name: &'static str,
    /// nlmsg_type of its messages.
    family: u16,
    version: u8,
}

/// One message of an answer.
#[derive(Clone, Copy)]
pub(in crate::sys) struct Part<'a> {
    /// The family's number of what it is.
    pub(in crate::sys) command: u8,
    /// What it says.
    pub(in crate::sys) attributes: Attributes<'a>,
}

impl Genl {
    /// Opens a socket for a family of this name and version, and for batches of at most `most` messages of `octets`
    /// together. For load time: allocates.
    ///
    /// # Errors
    /// ENOENT: the kernel does not have the family; what the socket calls say.
    pub(in crate::sys) fn open(
        name: &'static str,
        version: u8,
        most: usize,
        octets: usize,
    ) -> io::Result<Self> {
        let batch = Batch::open(NlFamily::Generic, most, octets)?;
        let mut genl = Self { batch, dump: Dump::new(), name, family: 0, version };
        genl.look_up()?;
        Ok(genl)
    }

    /// Asks for the number of the family again, which is another one after its module was unloaded.
    ///
    /// # Errors
    /// ENOENT: the kernel does not have the family; what the socket calls say.
    pub(in crate::sys) fn look_up(&mut self) -> io::Result<()> {
        let name = self.name;
        let ask = [CtrlCmd::Getfamily.into(), CONTROL_VERSION, 0, 0];
        self.dump.ask(GenlId::Ctrl.into(), NlmF::empty(), ask, &mut |request| {
            request.text(CtrlAttr::FamilyName, name);
        })?;
        let mut found = None;
        self.dump.one(self.batch.transport(), &mut |message| {
            found = part(message).and_then(|part| family_number(part.attributes));
        })?;
        self.family = found.ok_or(io::Error::from_raw_os_error(libc::ENOENT))?;
        Ok(())
    }

    /// Messages collected and not committed.
    pub(in crate::sys) const fn len(&self) -> usize {
        self.batch.len()
    }

    /// How many more messages fit, if their octets do.
    pub(in crate::sys) const fn room(&self) -> usize {
        self.batch.room()
    }

    /// Appends a message that will have a result under its tag.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub(in crate::sys) fn append(
        &mut self,
        tag: u32,
        command: u8,
        attributes: &mut dyn FnMut(&mut Requests),
    ) -> Result<(), Full> {
        let head = Head { tag, kind: self.family, flags: NlmF::ACK, marked: false };
        self.batch.append(head, [command, self.version, 0, 0], attributes)
    }

    /// Sends what is collected and empties the batch. Each tag gets exactly one result, in the order of the messages,
    /// except that those whose acknowledgement was lost come last with ENOBUFS.
    pub(in crate::sys) fn commit(&mut self, on_result: &mut dyn FnMut(u32, Result<(), Refusal<'_>>)) {
        self.batch.commit(&mut |tag, code, text| on_result(tag, result_of(code, text)));
    }

    /// As [`Self::commit`], but where the send fails no message has a result: the kernel has seen none of them.
    ///
    /// # Errors
    /// What the send says.
    pub(in crate::sys) fn try_commit(
        &mut self,
        on_result: &mut dyn FnMut(u32, Result<(), Refusal<'_>>),
    ) -> Result<(), Errno> {
        let sent = self.batch.try_commit(&mut |tag, code, text| on_result(tag, result_of(code, text)));
        sent.map_err(Errno::from_raw)
    }

    /// Asks for a dump and hands each message of it to `each`; begins again, after `None`, if the kernel says that a
    /// change ran into it.
    ///
    /// # Errors
    /// `ResourceBusy` if changes ran into every attempt, or what the kernel says.
    pub(in crate::sys) fn dump(
        &mut self,
        command: u8,
        attributes: &mut dyn FnMut(&mut Requests),
        each: &mut dyn FnMut(Option<Part<'_>>),
    ) -> io::Result<()> {
        let (family, fixed) = (self.family, [command, self.version, 0, 0]);
        self.dump.ask(family, NlmF::DUMP, fixed, attributes)?;
        self.dump.all(self.batch.transport(), &mut |message| match message {
            None => each(None),
            Some(message) if message.kind == family => {
                if let Some(part) = part(message) {
                    each(Some(part));
                }
            }
            Some(_) => {}
        })
    }

    /// Asks for one thing; `each` gets the answer.
    ///
    /// # Errors
    /// What the kernel says.
    pub(in crate::sys) fn one(
        &mut self,
        command: u8,
        attributes: &mut dyn FnMut(&mut Requests),
        each: &mut dyn FnMut(Part<'_>),
    ) -> io::Result<()> {
        self.dump.ask(self.family, NlmF::empty(), [command, self.version, 0, 0], attributes)?;
        self.dump.one(self.batch.transport(), &mut |message| {
            if let Some(part) = part(message) {
                each(part);
            }
        })
    }
}

#[cfg(test)]
impl Genl {
    /// The messages that are collected.
    pub(in crate::sys) fn collected(&self) -> &[u8] {
        self.batch.collected()
    }
}

fn result_of(code: i32, text: &str) -> Result<(), Refusal<'_>> {
    if code == 0 { Ok(()) } else { Err(Refusal { errno: Errno::from_raw(code), text }) }
}

fn part(message: Message<'_>) -> Option<Part<'_>> {
    let (&[command, _, _, _], attributes) = message.payload.split_first_chunk()?;
    Some(Part { command, attributes: Attributes(attributes) })
}

fn family_number(mut attributes: Attributes<'_>) -> Option<u16> {
    let (_, payload) = attributes.find(|(kind, _)| *kind == u16::from(CtrlAttr::FamilyId))?;
    payload.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The version of the family that knows the others.
const CONTROL_VERSION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kernel with generic netlink has the family that knows the others.
    #[test]
    fn a_family_is_found_by_its_name_and_what_is_missing_is_told() {
        let mut genl = Genl::open("nlctrl", 2, 4, 512).unwrap();
        assert_eq!(genl.family, u16::from(GenlId::Ctrl));
        genl.look_up().unwrap();
        let missing = Genl::open("no-such-family", 1, 4, 512).map(|_| ());
        assert_eq!(missing.unwrap_err().raw_os_error(), Some(libc::ENOENT));
    }

    #[test]
    fn messages_of_a_family_are_answered_each_and_dumped() {
        let mut genl = Genl::open("nlctrl", 2, 4, 512).unwrap();
        let ask = |genl: &mut Genl, tag, name: &str| {
            genl.append(tag, CtrlCmd::Getfamily.into(), &mut |request| {
                request.text(CtrlAttr::FamilyName, name);
            })
        };
        ask(&mut genl, 7, "nlctrl").unwrap();
        ask(&mut genl, 8, "no-such-family").unwrap();
        assert_eq!((genl.len(), genl.room()), (2, 2));
        let mut results = Vec::new();
        genl.commit(&mut |tag, result| results.push((tag, result.map_err(|refusal| refusal.errno))));
        assert_eq!(results, [(7, Ok(())), (8, Err(Errno::ENOENT))]);
        let mut names = Vec::new();
        let mut collect = |part: Option<Part<'_>>| match part {
            None => names.clear(),
            Some(part) => {
                let mut attributes = part.attributes;
                let name = attributes.find(|(kind, _)| *kind == u16::from(CtrlAttr::FamilyName));
                names.extend(name.and_then(|(_, payload)| text(payload)).map(str::to_owned));
            }
        };
        genl.dump(CtrlCmd::Getfamily.into(), &mut |_| (), &mut collect).unwrap();
        assert!(names.contains(&"nlctrl".to_owned()), "{names:?}");
        let mut answers = 0;
        let named = &mut |request: &mut Requests| request.text(CtrlAttr::FamilyName, "nlctrl");
        genl.one(CtrlCmd::Getfamily.into(), named, &mut |part| {
            answers += 1;
            assert_eq!(family_number(part.attributes), Some(GenlId::Ctrl.into()));
        })
        .unwrap();
        assert_eq!(answers, 1);
    }
}
