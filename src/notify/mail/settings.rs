//! What a configuration says of mail.

use crate::base::limit;
use crate::base::time::Span;
use crate::config::model::Global;
use crate::daemon::log::warn;
use crate::sys::user;

/// What a configuration says of mail, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) hello: String,
    pub(super) from: String,
    /// Stands in brackets before each subject.
    pub(super) id: String,
    pub(super) to: Vec<String>,
    pub(super) patience: Span,
}

impl Settings {
    /// The settings, if there is a relay and somebody to get mail.
    #[must_use]
    pub fn new(global: &Global) -> Option<Self> {
        let mail = &global.mail;
        let (host, port) = mail.server.clone()?;
        if mail.to.is_empty() {
            return None;
        }
        let name = user::host_name();
        if mail.to.len() > limit::MAIL_RECIPIENTS {
            warn!("Only the first {} recipients of notification_email get mail", limit::MAIL_RECIPIENTS);
        }
        Some(Self {
            host,
            port,
            hello: mail.helo_name.clone().unwrap_or_else(|| name.clone()),
            from: mail.from.clone().unwrap_or_else(|| format!("root@{name}")),
            id: global.files.router_id.clone().unwrap_or(name),
            to: mail.to.iter().take(limit::MAIL_RECIPIENTS).cloned().collect(),
            patience: mail.connect_timeout,
        })
    }

    pub(super) fn recipients(&self) -> u8 {
        u8::try_from(self.to.len()).unwrap_or(u8::MAX)
    }

    /// Octets of the longest message: every character may become one of two octets.
    pub(super) fn longest(&self) -> usize {
        let to: usize = self.to.iter().map(|to| to.len() + ENVELOPE).sum();
        ENVELOPE
            + 2 * (self.from.len() + self.id.len() + self.hello.len() + to)
            + 2 * (limit::MAIL_SUBJECT + limit::MAIL_BODY)
    }
}

/// Octets of the fixed words of a message, and of those of a recipient, with some to spare.
const ENVELOPE: usize = 256;
