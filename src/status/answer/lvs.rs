//! Virtual servers, their real servers and the checks of those, as they are now.

use core::fmt::{self, Display, Write};

use super::{Ago, Sheet, column};
use crate::config::model::service::VirtualServer;
use crate::config::model::{ServerName, ServiceName};
use crate::daemon::moment::Epoch;
use crate::proto::lvs::ServiceView;
use crate::status::dump::Clock;
use crate::status::dump::service::{CheckView, ServerView};
use crate::status::json::Fields;

/// The heading of the table of services and their servers.
pub const SERVICES: &str = "Virtual server                                State       Weight  Up";
/// The heading of the table of checks.
pub const CHECKS: &str = "Check           Real server                   State       Last result";

/// Writes a virtual server and its real servers.
///
/// # Errors
/// What `out` says.
pub fn service<'s>(
    out: &mut dyn Write,
    sheet: Sheet,
    config: &VirtualServer,
    name: ServiceName<'_>,
    view: &ServiceView,
    servers: impl Iterator<Item = (ServerName, ServerView)> + 's,
) -> fmt::Result {
    if sheet.json {
        let mut fields = Fields::open(out);
        fields.text("name", name);
        fields.truth("quorum", view.quorum);
        fields.number("quorum_needed", config.params.quorum);
        fields.number("live_weight", view.live);
        fields.number("servers_up", view.up);
        fields.truth("sorry_server", config.sorry.is_some());
        fields.truth("sorry_server_answers", view.sorry);
        fields.objects("servers", servers, |fields, (name, ServerView { view, failed })| {
            fields.text("name", name);
            fields.truth("up", view.up);
            fields.number("weight", view.weight);
            fields.truth("by_hand", view.by_hand.is_some());
            fields.number("failed_checks", failed);
            match view.wanted {
                Some(weight) => fields.number("table_weight", weight),
                None => fields.number("table_weight", "null"),
            }
        });
        return fields.close();
    }
    column(out, name, 46)?;
    let state = match (view.quorum, view.sorry) {
        (true, _) => "quorum",
        (false, true) => "sorry",
        (false, false) => "no quorum",
    };
    column(out, state, 12)?;
    column(out, view.live, 8)?;
    writeln!(out, "{}/{}", view.up, config.servers.len())?;
    for (name, ServerView { view, failed }) in servers {
        out.write_str("  ")?;
        column(out, name, 44)?;
        column(out, if view.up { "up" } else { "down" }, 12)?;
        column(out, view.wanted.unwrap_or(0), 8)?;
        if view.by_hand.is_some() {
            out.write_str("weight by hand ")?;
        }
        match failed {
            0 => out.write_char('\n')?,
            1 => out.write_str("1 failed check\n")?,
            _ => writeln!(out, "{failed} failed checks")?,
        }
    }
    Ok(())
}

/// Writes a check; `why`: the reason of a failure, in words.
///
/// # Errors
/// What `out` says.
pub fn check(
    out: &mut dyn Write,
    clock: &Clock,
    sheet: Sheet,
    view: &CheckView<'_>,
    why: Option<impl Display>,
) -> fmt::Result {
    let (machine, overdue) = (view.machine, view.machine.is_overdue(clock.now));
    if sheet.json {
        let mut fields = Fields::open(out);
        fields.text("kind", view.config.probe.keyword());
        fields.text("server", view.server);
        fields.text("service", view.service);
        // Checks that do the same run once.
        fields.number("more_servers", view.shared);
        fields.truth("up", machine.is_up());
        fields.truth("enabled", !machine.is_suspended());
        fields.truth("overdue", overdue);
        fields.truth("can_run", machine.not_run().is_none());
        match machine.last() {
            Some(last) => fields.number("last_run", Epoch(clock.wall_of(last.at))),
            None => fields.number("last_run", "null"),
        }
        fields.maybe("last_failure", why);
        return fields.close();
    }
    column(out, view.config.probe.keyword(), 16)?;
    column(out, view.server, 30)?;
    let state = match (machine.is_suspended(), overdue, machine.is_up()) {
        (true, ..) => "suspended",
        (_, true, _) => "overdue",
        (.., true) => "up",
        (.., false) => "down",
    };
    column(out, state, 12)?;
    match (machine.last(), why) {
        (None, _) => out.write_str("none yet")?,
        (Some(last), None) => write!(out, "passed {} s ago", Ago::of(clock.now, last.at))?,
        (Some(last), Some(why)) => write!(out, "failed {} s ago: {why}", Ago::of(clock.now, last.at))?,
    }
    match view.shared {
        0 => out.write_char('\n'),
        more => writeln!(out, " (for {more} more servers)"),
    }
}
