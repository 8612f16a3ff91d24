//! What the configuration alone knows: KEEPALIVED-MIB below `global`.

use core::fmt::{self, Write};

use super::{Table, row};
use crate::base::addr::IpAddr;
use crate::config::model::global::Flush;
use crate::config::model::{Global, Model};
use crate::daemon::cli::{TITLE, VERSION};
use crate::sys::user;

/// Writes all of it.
///
/// # Errors
/// What `out` says.
pub fn global(out: &mut dyn Write, model: &Model) -> fmt::Result {
    let global = &model.global;
    row(out, Table::GLOBAL, &[0], |row| {
        row.text(1, format_args!("{TITLE} {VERSION}"));
        let host = user::host_name();
        row.text(2, global.files.router_id.as_deref().unwrap_or(&host));
        row.truth(4, global.monitoring.traps);
        // Link states come by netlink; polling is an interface's.
        row.int(5, 1);
        row.truth(6, global.lvs.flush);
        row.truth(7, true);
        row.text(8, model.daemon.net_namespace.as_deref().unwrap_or(""));
        row.truth(9, false);
        row.truth(10, global.vrrp.dynamic_interfaces);
        row.int(11, flush_on_stop(global));
        row.truth(12, global.vrrp.v3_checksum_as_v2);
    })?;
    mail(out, global)
}

fn flush_on_stop(global: &Global) -> i32 {
    match global.lvs.flush_on_stop {
        Some(Flush::All) => 1,
        None => 2,
        Some(Flush::Own) => 3,
    }
}

fn mail(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let mail = &global.mail;
    row(out, Table::MAIL, &[0], |row| {
        if let Some((server, port)) = &mail.server {
            if let Ok(addr) = server.parse::<IpAddr>() {
                row.family(1, &addr);
                row.address(2, &addr);
            }
            row.gauge(6, u64::from(*port));
        }
        row.gauge(3, mail.connect_timeout.as_secs());
        row.maybe(4, mail.from.as_ref());
        row.truth(7, !mail.no_faults);
        for (column, alert) in (8..).zip([mail.alert, mail.alert_vrrp, mail.alert_checker]) {
            row.int(column, alert.map_or(3, |on| if on { 1 } else { 2 }));
        }
    })?;
    for (number, to) in (1..).zip(&mail.to) {
        row(out, Table::EMAIL, &[number], |row| row.text(2, to))?;
    }
    Ok(())
}
