//! The kernel's table of IPVS: operations of the director are carried out, many in one system call, and what is there is
//! listed for it.

mod pace;
mod sending;
pub(super) mod values;

use std::io;

use super::report;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::config::model::Model;
use crate::proto::lvs::{Director, Look, Operation, Refusal, Tell};
use crate::sys::clock;
use crate::sys::ipvs::{self, Full, Ipvs, KernelDestination, KernelService, Timeouts, Unavailable};
use crate::sys::netns;
use nix::errno::Errno;
use pace::Pace;
use sending::{Sending, Step};

/// The table.
#[derive(Default)]
pub(super) struct Table {
    /// None: the kernel has no IPVS, or it could not be opened.
    pub(super) ipvs: Option<Ipvs>,
    /// That was told.
    told: bool,
    /// The network namespace of the table (`net_namespace_ipvs`); none: that of this process.
    namespace: Option<String>,
    /// What is on its way to the kernel.
    sending: Sending,
    pace: Pace,
    services: Vec<KernelService>,
    destinations: Vec<KernelDestination>,
    /// How many of `services` were looked at; none: no look goes on.
    looked: Option<usize>,
}

/// How far a look at the table has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// There are services that were not looked at.
    More,
    /// All were, or the kernel did not answer.
    Over,
}

impl Table {
    /// The table of a model's network namespace, not open yet.
    pub(super) fn new(model: &Model) -> Self {
        Self { namespace: model.daemon.net_namespace_ipvs.clone(), ..Self::default() }
    }

    /// Opens the table, if it is not. Loads the module where it is missing and `load` says so. True: it is open now and
    /// was not before.
    pub(super) fn open(&mut self, load: bool) -> bool {
        if self.ipvs.is_some() {
            return false;
        }
        let mut opened = self.within(Ipvs::open);
        if load && matches!(opened, Err(Unavailable::Missing)) {
            ipvs::load();
            opened = self.within(Ipvs::open);
        }
        match opened {
            Ok(ipvs) => {
                self.ipvs = Some(ipvs);
                if core::mem::take(&mut self.told) {
                    report::ipvs_there();
                }
                true
            }
            Err(why) => {
                if !core::mem::replace(&mut self.told, true) {
                    report::no_ipvs(why);
                }
                false
            }
        }
    }

    fn within<T>(&self, open: impl FnOnce() -> Result<T, Unavailable>) -> Result<T, Unavailable> {
        match &self.namespace {
            None => open(),
            Some(name) => netns::within(name, open).map_err(Unavailable::from)?,
        }
    }

    /// Carries out what the director asks for, all of it or as many batches as `most` operations need. `between` is called
    /// between the batches.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        (director, most): (&mut Director, usize),
        between: &mut dyn FnMut(),
        tell: &mut Tell<'_>,
    ) {
        let Self { ipvs: Some(ipvs), sending, .. } = self else { return };
        let (mut done, mut tries): (usize, u32) = (0, 0);
        while done < most {
            match sending.step(now, director, ipvs, tell) {
                Step::Done(operations) => {
                    done = done.saturating_add(operations);
                    between();
                }
                Step::Nothing if director.is_settled() => return,
                // Where much was looked at and nothing was to be done there may be more.
                Step::Nothing => {}
                // Who asks for all of it may not come back.
                Step::Waits if most == usize::MAX && tries < limit::LVS_TRIES => {
                    tries = tries.saturating_add(1);
                    sending.hurry();
                }
                Step::Waits => return,
            }
        }
    }

    /// The director has back what has not been carried out: another one is about to follow it.
    pub(super) fn give_back(&mut self, now: Instant, director: &mut Director, tell: &mut Tell<'_>) {
        self.sending.give_back(now, director, tell);
    }

    /// Whether an acknowledgement was lost for good: only a look at the table shows what became of its operation.
    pub(super) const fn is_unsure(&self) -> bool {
        self.sending.unsure
    }

    /// When operations that the kernel could not take are sent again; none: there are none.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        self.sending.due()
    }

    /// When the next look is due, if none goes on; where there is no table, the next attempt to open it.
    pub(super) fn next_look(&self, now: Instant) -> Instant {
        match self.ipvs {
            None => now + MISSING,
            Some(_) => self.pace.due(self.sending.unsure).max(now),
        }
    }

    /// Lists what the kernel has, for the director: the next `most` services. Operations may be carried out between
    /// the parts of a look at a table that is at work.
    pub(super) fn look(
        &mut self,
        now: Instant,
        director: &mut Director,
        (how, most): (Look, usize),
        tell: &mut Tell<'_>,
    ) -> Looked {
        let begin = clock::now();
        let looked = self.look_on(now, director, (how, most), tell);
        self.pace.took(begin, clock::now(), !matches!(looked, Ok(Looked::More)));
        if !matches!(looked, Ok(Looked::More)) {
            self.looked = None;
        }
        looked.unwrap_or_else(|error| {
            report::kernel_failed("listing the table of IPVS", &error);
            Looked::Over
        })
    }

    fn look_on(
        &mut self,
        now: Instant,
        director: &mut Director,
        (how, most): (Look, usize),
        tell: &mut Tell<'_>,
    ) -> io::Result<Looked> {
        let Self { ipvs: Some(ipvs), services, destinations, sending, pace, looked, .. } = self else {
            return Ok(Looked::Over);
        };
        let from = match *looked {
            Some(from) => from,
            None => {
                pace.begins(core::mem::take(&mut sending.unsure));
                ipvs.services(services)?;
                director.look(how);
                0
            }
        };
        for there in services.iter().skip(from).take(most) {
            let (key, value) = values::of_service(&there.service);
            director.seen_service(&key, &value);
            ipvs.destinations(&there.service.key, destinations)?;
            for there in &*destinations {
                let (dest, value) = values::of_destination(&there.destination);
                director.seen_dest(&key, &dest, &value);
            }
        }
        let to = from.saturating_add(most);
        if to < services.len() {
            *looked = Some(to);
            return Ok(Looked::More);
        }
        director.look_end(now, tell);
        Ok(Looked::Over)
    }

    /// A look that goes on is begun again by the next one: the director is another one now.
    pub(super) const fn forget_look(&mut self) {
        self.looked = None;
    }

    /// Whether a look has been begun and is not over.
    pub(super) const fn is_looking(&self) -> bool {
        self.looked.is_some()
    }

    /// Sets the timeouts of connections (`lvs_timeouts`).
    pub(super) fn set_timeouts(&mut self, model: &Model) {
        let lvs = &model.global.lvs;
        let timeouts = Timeouts { tcp: lvs.tcp, tcp_fin: lvs.tcpfin, udp: lvs.udp };
        let (Some(ipvs), true) = (&mut self.ipvs, timeouts != Timeouts::default()) else { return };
        // Nothing else is collected.
        let _ = ipvs.set_timeouts(0, timeouts);
        ipvs.commit(|_, result| {
            if let Err(refusal) = result {
                report::timeouts_refused(refusal.errno);
            }
        });
    }

    /// Empties the whole table, other people's services too.
    pub(super) fn flush(&mut self) {
        let Some(ipvs) = &mut self.ipvs else { return };
        let _ = ipvs.flush(0);
        ipvs.commit(|_, _| ());
    }
}

/// A kernel without IPVS is asked for it so often.
const MISSING: Span = Span::from_secs(10);

fn ask(ipvs: &mut Ipvs, tag: u32, operation: &Operation) -> Result<(), Full> {
    match operation {
        Operation::Flush => ipvs.flush(tag),
        Operation::NewService(key, value) => ipvs.add_service(tag, &values::service(key, value)),
        Operation::SetService(key, value) => ipvs.set_service(tag, &values::service(key, value)),
        Operation::DelService(key) => ipvs.delete_service(tag, key),
        Operation::NewDest(key, dest, value) => {
            ipvs.add_destination(tag, key, &values::destination(dest, value))
        }
        Operation::SetDest(key, dest, value) => {
            ipvs.set_destination(tag, key, &values::destination(dest, value))
        }
        Operation::DelDest(key, dest) => ipvs.delete_destination(tag, key, dest),
    }
}

/// What an error number means for an operation.
fn meaning(operation: &Operation, errno: Errno) -> Refusal {
    use Operation::{DelDest, DelService, NewDest, NewService, SetDest, SetService};
    match (operation, errno) {
        (NewService(..) | NewDest(..), Errno::EEXIST) => Refusal::Exists,
        (SetService(..) | DelService(_) | NewDest(..) | SetDest(..) | DelDest(..), Errno::ESRCH) => {
            Refusal::NoService
        }
        (SetDest(..) | DelDest(..), Errno::ENOENT) => Refusal::NoDest,
        // The acknowledgement was lost.
        (_, Errno::ENOBUFS) => Refusal::Unknown,
        #[allow(clippy::as_conversions, reason = "the kernel's number")]
        (_, errno) => Refusal::Other(errno as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::lvs::{DestKey, Protocol, ServiceKey};

    #[test]
    fn an_error_means_what_the_operation_was_about() {
        let key = ServiceKey::Address(Protocol::Tcp, "192.0.2.1".parse().unwrap(), 80);
        let dest = DestKey { addr: "10.0.0.1".parse().unwrap(), port: 80 };
        assert_eq!(meaning(&Operation::DelService(key), Errno::ESRCH), Refusal::NoService);
        assert_eq!(meaning(&Operation::DelDest(key, dest), Errno::ESRCH), Refusal::NoService);
        assert_eq!(meaning(&Operation::DelDest(key, dest), Errno::ENOENT), Refusal::NoDest);
        assert_eq!(meaning(&Operation::DelService(key), Errno::ENOENT), Refusal::Other(libc::ENOENT));
        assert_eq!(meaning(&Operation::Flush, Errno::EPERM), Refusal::Other(libc::EPERM));
        assert_eq!(meaning(&Operation::DelDest(key, dest), Errno::ENOBUFS), Refusal::Unknown);
    }
}
