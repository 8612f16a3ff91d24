//! What a config test asks the machine about the names of any child: do its interfaces, commands and users exist.
//!
//! Each child walks its own part of the model, asks here, and reports what is missing in the words of keepalived.

mod commands;
mod interfaces;
mod present;
mod services;

pub use commands::{Broken, Commands, report_insecure, unusable};
pub use interfaces::{Check, mark};
pub use present::{Interfaces, Present};
pub use services::check_services;

use crate::config::diag::{Class, Diagnostic, Diagnostics, Severity};
use crate::config::model::Model;
use crate::config::tree::Position;
use crate::sys::resolve;

/// What takes time to find out, for a config test: has the mail relay an address. A daemon looks it up when it has
/// mail.
pub fn mail_relay(model: &Model, found: &mut Diagnostics) {
    if let Some((host, port)) = &model.global.mail.server
        && !resolve::exists(host, *port)
    {
        let message = format!("Invalid smtp server {host} {port}");
        let finding = Diagnostic::new(Severity::Warning, Position::default(), message).class(Class::Ordinary);
        found.report(finding.remedy("give its address, or see to it that its name can be looked up"));
    }
}
