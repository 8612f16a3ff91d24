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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::log::logged;

    fn global() -> Global {
        let mut global = Global::default();
        global.mail.server = Some(("relay.example".to_owned(), 587));
        global.mail.to = vec!["a@example".to_owned(), "b@example".to_owned()];
        global
    }

    #[test]
    fn there_is_no_mail_without_a_relay_or_without_a_receiver() {
        assert!(Settings::new(&global()).is_some());
        let mut unserved = global();
        unserved.mail.server = None;
        assert!(Settings::new(&unserved).is_none());
        let mut unread = global();
        unread.mail.to.clear();
        assert!(Settings::new(&unread).is_none());
    }

    #[test]
    fn what_the_configuration_does_not_say_follows_from_the_name_of_the_host() {
        let (settings, name) = (Settings::new(&global()).unwrap(), user::host_name());
        assert_eq!((settings.host.as_str(), settings.port), ("relay.example", 587));
        assert_eq!((&settings.hello, &settings.id), (&name, &name));
        assert_eq!(settings.from, format!("root@{name}"));
        assert_eq!(settings.recipients(), 2);
        let mut named = global();
        named.mail.helo_name = Some("hello".to_owned());
        named.mail.from = Some("from@example".to_owned());
        named.files.router_id = Some("R1".to_owned());
        let settings = Settings::new(&named).unwrap();
        assert_eq!(
            (settings.hello, settings.from, settings.id),
            ("hello".into(), "from@example".into(), "R1".into())
        );
    }

    #[test]
    fn receivers_past_the_bound_are_left_out_and_that_is_told() {
        let mut many = global();
        many.mail.to = vec!["a@example".to_owned(); limit::MAIL_RECIPIENTS];
        let lines = logged(|| assert_eq!(Settings::new(&many).unwrap().to.len(), limit::MAIL_RECIPIENTS));
        assert!(lines.is_empty(), "{lines:?}");
        many.mail.to.push("last@example".to_owned());
        let lines = logged(|| assert_eq!(Settings::new(&many).unwrap().to.len(), limit::MAIL_RECIPIENTS));
        assert_eq!(lines, ["Only the first 64 recipients of notification_email get mail"]);
    }
}
