//! The attempt of an HTTP check: one page of several, and which one is next.
//!
//! Nothing of a reply is kept: the head goes line by line, the body through the digest and the search for the pattern. The
//! verdict is given as soon as nothing can change it.

use core::fmt::{self, Write};
use std::sync::Arc;

use md5::{Digest, Md5};

use super::action::{Close, Failure, Transport};
use super::input::Cause;
use super::search::{Known, Pattern, Search};
use super::step::{Opening, Step};
use crate::base::addr::IpAddr;
use crate::base::bytes::{Short, Writer};
use crate::proto::check::http::{Page, Params, Version};
use crate::wire::http::{Bad, Body, Framing, Head, Host, Request};

/// What is fetched, and how far it is.
#[derive(Debug)]
pub(super) struct Fetch {
    params: Arc<Params>,
    target: (IpAddr, u16),
    tls: bool,
    /// Which page it is now.
    page: u16,
    /// Pages that have to succeed in a row before the server counts as up again.
    owed: u16,
    heard: bool,
    head: Head,
    body: Option<Body>,
    /// Of the body as it is, and as it came with its framing. There is none without a page that wants one.
    digests: Option<Box<[Md5; 2]>>,
    search: Option<Search>,
}

/// What a page that succeeded means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The page.
    pub page: u16,
    /// The server is up, as far as this check goes.
    pub complete: bool,
    /// The next page is asked for without delay.
    pub hasty: bool,
}

impl Fetch {
    pub(super) fn new(params: Arc<Params>, target: (IpAddr, u16), tls: bool) -> Self {
        let digests = params.pages.iter().any(|page| page.digest.is_some());
        Self {
            params,
            target,
            tls,
            page: 0,
            owed: 0,
            heard: false,
            head: Head::default(),
            body: None,
            digests: digests.then(Box::default),
            search: None,
        }
    }

    pub(super) fn search(&mut self, pattern: Box<dyn Pattern>) {
        self.search = Some(Search::new(pattern));
    }

    pub(super) fn begin(&mut self) -> Opening {
        let params = Arc::clone(&self.params);
        let Some(page) = params.pages.get(usize::from(self.page)) else {
            return Opening::NotRun(Cause::Feature);
        };
        (self.heard, self.head, self.body) = (false, Head::default(), None);
        if let Some(digests) = &mut self.digests {
            **digests = Default::default();
        }
        match (&page.regex, &mut self.search) {
            (Some(regex), Some(search)) => search.begin(self.page, regex.from, regex.to),
            (Some(_), None) => return Opening::NotRun(Cause::Feature),
            (None, _) => {}
        }
        Opening::Transport(if self.tls { Transport::Tls } else { Transport::Stream })
    }

    pub(super) fn received(&mut self, octets: &[u8]) -> Step {
        self.heard = true;
        let params = Arc::clone(&self.params);
        let Some(page) = params.pages.get(usize::from(self.page)) else {
            return Step::Wait;
        };
        self.read(page, octets).map_or_else(Step::Fail, |done| if done { Step::Pass } else { Step::Wait })
    }

    pub(super) fn closed(&mut self) -> Step {
        let params = Arc::clone(&self.params);
        let page = params.pages.get(usize::from(self.page));
        match (page, &self.body) {
            (Some(page), Some(body)) if body.ends_by_close() => {
                self.judge(page).map_or_else(Step::Fail, |()| Step::Pass)
            }
            _ => Step::Fail(if self.heard { Failure::Truncated } else { Failure::Closed }),
        }
    }

    /// The reply has not ended in time. What has come of it may be enough.
    pub(super) fn expired(&mut self) -> Step {
        let wanted = self.current().is_some_and(
            |page| matches!(&page.regex, Some(regex) if !regex.inverted && page.digest.is_none()),
        );
        let found = self.body.is_some()
            && wanted
            && self.search.as_mut().map(|search| search.settle(false)) == Some(Known::Match);
        match (found, self.heard) {
            (true, _) => Step::Pass,
            (false, true) => Step::Fail(Failure::Unfinished),
            (false, false) => Step::Fail(Failure::Silent),
        }
    }

    pub(super) fn close(&self) -> Close {
        let compliant = self.params.tls_compliant || self.current().is_some_and(|page| page.tls_compliant);
        if self.tls && compliant { Close::Alert } else { Close::Graceful }
    }

    /// The name for SNI: a `Host` without its port.
    pub(super) fn server_name(&self) -> Option<&str> {
        let own = self.params.sni_name.as_deref();
        let name = own.or_else(|| self.host()?.split(':').next())?;
        Some(name).filter(|name| self.params.sni && !name.is_empty())
    }

    pub(super) fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        let (path, mut writer) = (self.current().map(|page| &*page.path).ok_or(Short)?, Writer::new(out));
        let request = Request {
            path,
            minor: u8::from(self.params.version == Version::V11),
            close: self.params.version != Version::V10,
            host: Host { name: self.host(), target: self.target },
        };
        write!(writer, "{request}").map_err(|fmt::Error| Short)?;
        Ok(writer.len())
    }

    /// A page succeeded. `up`: the server counted as up before.
    pub(super) fn passed(&mut self, up: bool) -> Progress {
        let page = self.page;
        self.page =
            page.checked_add(1).filter(|next| usize::from(*next) < self.params.pages.len()).unwrap_or(0);
        self.owed = if up { 0 } else { self.owed.saturating_sub(1) };
        let complete = self.owed == 0;
        Progress { page, complete, hasty: !complete && self.params.fast_recovery }
    }

    /// The server counts as down. `again`: it was up, so that the page that failed is asked for twice.
    pub(super) fn fallen(&mut self, again: bool) {
        let pages = u16::try_from(self.params.pages.len()).unwrap_or(u16::MAX);
        self.owed = pages.saturating_add(u16::from(again));
    }

    fn current(&self) -> Option<&Page> {
        self.params.pages.get(usize::from(self.page))
    }

    fn host(&self) -> Option<&str> {
        self.current().and_then(|page| page.host.as_deref()).or(self.params.host.as_deref())
    }

    /// Reads on; whether the page is as it should be, once that is certain.
    fn read(&mut self, page: &Page, octets: &[u8]) -> Result<bool, Failure> {
        let mut rest = octets;
        if self.body.is_none() {
            match self.read_head(page, octets)? {
                Some(after) => rest = after,
                None => return Ok(false),
            }
        }
        let Some(mut body) = self.body else { return Ok(false) };
        while !rest.is_empty() && !body.is_over() {
            let piece = body.push(rest).map_err(failure)?;
            let (raw, after) = rest.split_at_checked(piece.taken).unwrap_or((rest, &[]));
            self.take(page, piece.data, raw)?;
            if self.is_certain(page) {
                return Ok(true);
            }
            rest = after;
        }
        self.body = Some(body);
        if body.is_over() { self.judge(page).map(|()| true) } else { Ok(false) }
    }

    /// Reads the head; what follows it, once it has ended.
    fn read_head<'a>(&mut self, page: &Page, octets: &'a [u8]) -> Result<Option<&'a [u8]>, Failure> {
        let mut rest = octets;
        loop {
            let read = self.head.push(rest);
            let status = self.head.status();
            let accepted = status.is_some_and(|status| page.status.contains(status));
            // The final reply follows an interim one, unless the protocol is left (RFC 9110 section 15.2).
            let interim = !accepted && matches!(status, Some(100 | 102..200));
            if let Some(status) = status.filter(|_| !accepted && !interim) {
                return Err(Failure::Status(status));
            }
            // What is wrong behind the status comes after it, even if both came at once.
            let Some(taken) = read.map_err(failure)? else { return Ok(None) };
            rest = rest.get(taken..).unwrap_or_default();
            if !interim {
                break;
            }
            self.head.again();
        }
        self.body = Some(Body::new(self.head.framing()));
        Ok(Some(rest))
    }

    /// Takes octets of the body, and the same as they came.
    fn take(&mut self, page: &Page, data: &[u8], raw: &[u8]) -> Result<(), Failure> {
        if page.digest.is_some()
            && let Some([decoded, framed]) = self.digests.as_deref_mut()
        {
            decoded.update(data);
            if self.head.framing() == Framing::Chunked {
                framed.update(raw);
            }
        }
        match (&page.regex, &mut self.search) {
            (Some(regex), Some(search)) => match search.push(data) {
                Known::Match if regex.inverted => Err(Failure::Regex),
                Known::GaveUp => Err(Failure::RegexGaveUp),
                Known::Match | Known::Open | Known::Absent => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether a page is as it should be, whatever follows.
    fn is_certain(&mut self, page: &Page) -> bool {
        let found = self.search.as_ref().map(Search::known) == Some(Known::Match);
        found && page.digest.is_none() && page.regex.as_ref().is_some_and(|regex| !regex.inverted)
    }

    /// Judges a page that has ended.
    fn judge(&mut self, page: &Page) -> Result<(), Failure> {
        if let Some(wanted) = page.digest {
            let digests = self.digests.as_deref_mut();
            // Files may hold the digest that an old genhash made of a reply with its framing.
            let same = digests.is_some_and(|[decoded, framed]| {
                let framing = self.head.framing();
                let framed = (framing == Framing::Chunked).then(|| <[u8; 16]>::from(framed.finalize_reset()));
                <[u8; 16]>::from(decoded.finalize_reset()) == wanted || framed == Some(wanted)
            });
            if !same {
                return Err(Failure::Digest);
            }
        }
        match (&page.regex, &mut self.search) {
            (Some(regex), Some(search)) => match search.settle(true) {
                Known::GaveUp => Err(Failure::RegexGaveUp),
                known if (known == Known::Match) == regex.inverted => Err(Failure::Regex),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

const fn failure(bad: Bad) -> Failure {
    match bad {
        Bad::Malformed => Failure::Malformed,
        Bad::TooLong => Failure::TooLong,
    }
}
