//! Hearing of processes that fork, execute, rename themselves and end: the kernel's process connector.
//!
//! It works in the initial network namespace and the initial process namespace only: the kernel has no connector in
//! other network namespaces, and tells process numbers of the initial namespace to everybody.
//!
//! ```text
//! nlmsghdr 16 | cn_msg 20: index, value, sequence, ack, length, flags | proc_event: what u32, processor u32,
//! time u64, then what belongs to the kind
//! ```

use std::io;
use std::io::Cursor;
use std::os::fd::{AsRawFd, RawFd};

use neli::ToBytes;
use neli::connector::CnMsgBuilder;
use neli::consts::connector::{CnMsgIdx, CnMsgVal, ProcCnMcastOp};
use neli::consts::nl::{NlmF, Nlmsg};
use neli::consts::socket::{Msg, NlFamily};
use neli::nl::{NlPayload, NlmsghdrBuilder};
use neli::socket::NlSocket;
use neli::utils::Groups;

use super::inbox::Inbox;
use super::netlink::note_overrun;
use super::queue::{self, QueueSize};

/// Something happened to a process (not to one of its threads).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The kernel has confirmed that it will tell.
    Confirmed,
    /// A process made a copy of itself.
    Fork {
        /// The one that did.
        parent: i32,
        /// The new one.
        child: i32,
    },
    /// A process executes another program, or has another name.
    Changed(i32),
    /// A process ended.
    Exit(i32),
    /// Events were lost: look at all processes again.
    Lost,
}

/// The listener.
pub struct ProcessEvents {
    socket: NlSocket,
    inbox: Inbox,
}

/// Octets of one event: 76, with room for what later kernels add.
const EVENT: usize = 256;

/// Events taken by one system call, and system calls of one [`ProcessEvents::read`].
const BATCH: usize = 32;
const READS: usize = 4;

/// System calls of one [`ProcessEvents::discard`]: a queue of the default size holds a few hundred events.
const DISCARDS: usize = 256;

impl ProcessEvents {
    /// Opens the listener and asks the kernel to tell. From now on nothing is missed unnoticed, once
    /// [`ProcessEvent::Confirmed`] has come. `buffer`: octets of the queue, and whether they may exceed what the
    /// system allows.
    ///
    /// # Errors
    /// Where the connector does not work, or we may not use it.
    pub fn open(buffer: Option<(usize, bool)>) -> io::Result<Self> {
        if std::fs::read_link("/proc/self/ns/pid")?.as_os_str() != INITIAL_NAMESPACE {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        let socket = NlSocket::connect(NlFamily::Connector, None, Groups::new_groups(&[libc::CN_IDX_PROC]))?;
        socket.nonblock()?;
        if let Some((octets, force)) = buffer {
            queue::set(socket.as_raw_fd(), QueueSize { octets, force })?;
        }
        let made = Self { socket, inbox: Inbox::new(BATCH, EVENT) };
        made.ask(ProcCnMcastOp::Listen)?;
        Ok(made)
    }

    fn ask(&self, operation: ProcCnMcastOp) -> io::Result<()> {
        let broken = |_| io::Error::from(io::ErrorKind::InvalidData);
        let message = CnMsgBuilder::default()
            .idx(CnMsgIdx::Proc)
            .val(CnMsgVal::Proc)
            .payload(operation)
            .build()
            .map_err(|_| io::ErrorKind::InvalidData)?;
        let message = NlmsghdrBuilder::default()
            .nl_type(Nlmsg::Done)
            .nl_flags(NlmF::empty())
            .nl_payload(NlPayload::Payload(message))
            .build()
            .map_err(|_| io::ErrorKind::InvalidData)?;
        let mut octets = Cursor::new(Vec::new());
        message.to_bytes(&mut octets).map_err(broken)?;
        self.socket.send(octets.get_ref(), Msg::empty()).map(|_| ())
    }

    /// Hands what is queued to `each`, in order; true if there may be more.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost events; its refusal to tell.
    pub fn read(&mut self, mut each: impl FnMut(ProcessEvent)) -> io::Result<bool> {
        for _ in 0..READS {
            let count = match self.inbox.receive(self.socket.as_raw_fd()) {
                Ok(count) => count,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    note_overrun();
                    each(ProcessEvent::Lost);
                    return Ok(true);
                }
                Err(error) => return Err(error),
            };
            for received in self.inbox.iter().filter(|it| it.source.netlink_port() == Some(0)) {
                match decode(received.octets) {
                    Some(Ok(event)) => each(event),
                    Some(Err(number)) => return Err(io::Error::from_raw_os_error(number)),
                    None => {}
                }
            }
            if count < self.inbox.capacity() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Forgets what is queued, for who looks at everything next. The kernel, once it has lost an event, loses all
    /// that follow until the queue is empty.
    pub fn discard(&mut self) {
        for _ in 0..DISCARDS {
            if self.inbox.receive(self.socket.as_raw_fd()).is_ok_and(|count| count < self.inbox.capacity()) {
                return;
            }
        }
    }
}

impl Drop for ProcessEvents {
    fn drop(&mut self) {
        // The kernel counts its listeners and works for nobody else.
        let _ = self.ask(ProcCnMcastOp::Ignore);
    }
}

impl AsRawFd for ProcessEvents {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// The kernel's number for the process namespace that it starts with (PROC_PID_INIT_INO).
const INITIAL_NAMESPACE: &str = "pid:[4026531836]";

/// What an event says; an error number if the kernel refuses to tell; nothing if it is of no interest.
fn decode(octets: &[u8]) -> Option<Result<ProcessEvent, i32>> {
    let word = |at: usize| octets.get(at..)?.first_chunk().map(|word| u32::from_ne_bytes(*word));
    let number = |at: usize| Some(word(EVENT_DATA.saturating_add(at))?.cast_signed());
    if word(INDEX)? != libc::CN_IDX_PROC || word(INDEX + 4)? != libc::CN_VAL_PROC {
        return None;
    }
    let event = match word(WHAT)? {
        libc::PROC_EVENT_NONE => match number(0)? {
            0 => ProcessEvent::Confirmed,
            error => return Some(Err(error)),
        },
        libc::PROC_EVENT_FORK => {
            let (parent, pid, child) = (number(4)?, number(8)?, number(12)?);
            if pid != child {
                return None;
            }
            ProcessEvent::Fork { parent, child }
        }
        libc::PROC_EVENT_EXEC => ProcessEvent::Changed(number(4)?),
        libc::PROC_EVENT_COMM | libc::PROC_EVENT_EXIT => {
            let (pid, process) = (number(0)?, number(4)?);
            if pid != process {
                return None;
            }
            if word(WHAT)? == libc::PROC_EVENT_EXIT {
                ProcessEvent::Exit(process)
            } else {
                ProcessEvent::Changed(process)
            }
        }
        _ => return None,
    };
    Some(Ok(event))
}

/// Where things are in a datagram.
const INDEX: usize = 16;
const WHAT: usize = INDEX + 20;
const EVENT_DATA: usize = WHAT + 16;

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn datagram(what: u32, data: &[i32]) -> Vec<u8> {
        let mut octets = vec![0; INDEX];
        for word in [1, 1, 0, 0, 40, what, 0, 0, 0] {
            octets.extend(u32::to_ne_bytes(word));
        }
        data.iter().for_each(|word| octets.extend(word.to_ne_bytes()));
        octets
    }

    #[test]
    fn events_of_processes_are_told_and_those_of_threads_are_not() {
        let decoded = |what, data: &[i32]| decode(&datagram(what, data));
        assert_eq!(decoded(0, &[0]), Some(Ok(ProcessEvent::Confirmed)));
        assert_eq!(decoded(0, &[1]), Some(Err(1)));
        let fork = ProcessEvent::Fork { parent: 7, child: 9 };
        assert_eq!(decoded(1, &[8, 7, 9, 9]), Some(Ok(fork)));
        assert_eq!(decoded(1, &[7, 7, 9, 7]), None, "a thread");
        assert_eq!(decoded(2, &[9, 7]), Some(Ok(ProcessEvent::Changed(7))));
        assert_eq!(decoded(0x200, &[7, 7, 0]), Some(Ok(ProcessEvent::Changed(7))));
        assert_eq!(decoded(0x200, &[9, 7, 0]), None);
        assert_eq!(decoded(0x8000_0000, &[7, 7, 0, 0]), Some(Ok(ProcessEvent::Exit(7))));
        assert_eq!(decoded(0x8000_0000, &[9, 7, 0, 0]), None);
        assert_eq!(decoded(4, &[7, 7, 0, 0]), None, "a change of user");
    }

    #[test]
    fn any_octets_are_an_event_or_none() {
        let whole = datagram(1, &[8, 7, 9, 9]);
        for end in 0..whole.len() {
            assert_eq!(decode(whole.get(..end).unwrap()), None);
        }
    }

    /// Where the kernel has the connector for us, it tells of a process of ours; elsewhere `open` says so.
    #[test]
    fn tells_of_a_process_that_comes_and_goes() {
        let Ok(mut events) = ProcessEvents::open(None) else {
            return;
        };
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        child.wait().unwrap();
        let mut seen = Vec::new();
        let end = crate::sys::clock::now() + crate::base::time::Span::from_secs(5);
        while !seen.contains(&ProcessEvent::Exit(pid)) {
            assert!(crate::sys::clock::now() < end, "{seen:?}");
            let _ = events.read(|event| seen.push(event)).unwrap();
        }
        assert!(seen.contains(&ProcessEvent::Confirmed));
        assert!(seen.iter().any(|event| matches!(event, ProcessEvent::Fork { child, .. } if *child == pid)));
        assert!(seen.contains(&ProcessEvent::Changed(pid)));
    }
}
