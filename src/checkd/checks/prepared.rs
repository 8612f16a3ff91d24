//! What checks need beside a socket, made while a configuration is loaded: compiled patterns, and what TLS reads from
//! files. Checks that need the same have one of it.

#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use std::rc::Rc;

#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use super::report;
#[cfg(feature = "regex")]
use crate::checkd::patterns::{Compiled, Patterns};
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use crate::checkd::tls::{Client, LIBRARIES};
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use crate::config::model::Model;
use crate::config::model::Probe;
use crate::proto::check;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use crate::proto::check::http::Certificate;

/// What was made so far for one configuration.
#[derive(Debug, Default)]
pub(in crate::checkd) struct Prepared {
    #[cfg(feature = "regex")]
    patterns: Compiled,
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    clients: Vec<Made>,
}

/// What was made for one demand on certificates.
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
#[derive(Debug)]
struct Made {
    asked: Option<Box<Certificate>>,
    /// None: it cannot be made, which was told.
    client: Option<Rc<Client>>,
}

impl Prepared {
    /// A machine with the patterns that its check needs. Without them it says that it cannot run.
    #[cfg_attr(
        not(feature = "regex"),
        allow(
            clippy::unused_self,
            clippy::needless_pass_by_ref_mut,
            reason = "there are none in this build"
        )
    )]
    pub(super) fn search(&mut self, machine: check::Check, probe: &Probe) -> check::Check {
        #[cfg(feature = "regex")]
        if let Probe::Http(_, params) | Probe::Ssl(_, params) = probe
            // A wrong one was told when the configuration was read.
            && let Ok(Some(patterns)) = Patterns::new(params, &mut self.patterns)
        {
            return machine.with_pattern(Box::new(patterns));
        }
        #[cfg(not(feature = "regex"))]
        let _ = probe;
        machine
    }

    /// What the sessions of a check share, if it uses TLS.
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    pub(super) fn client(&mut self, model: &Model, probe: &Probe) -> Option<Rc<Client>> {
        let Probe::Ssl(_, params) = probe else { return None };
        let asked = &params.certificate;
        if let Some(known) = self.clients.iter().find(|made| made.asked == *asked) {
            return known.client.clone();
        }
        let own = model.tls.clone().unwrap_or_default();
        let client = LIBRARIES.first().and_then(|library| {
            Client::new(*library, &own, asked.as_deref())
                .map_err(|error| report::no_client(&error))
                .ok()
                .map(Rc::new)
        });
        self.clients.push(Made { asked: asked.clone(), client: client.clone() });
        client
    }
}
