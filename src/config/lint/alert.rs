//! Alerts by mail.

use super::{Input, Report};
use crate::config::diag::Mark;

fn wanted(input: &Input<'_>) -> bool {
    let mail = &input.model.global.mail;
    mail.alert == Some(true)
        || mail.alert_vrrp == Some(true)
        || mail.alert_checker == Some(true)
        || input.model.instances.iter().any(|instance| instance.smtp_alert)
}

fn mark(input: &Input<'_>, keyword: &str) -> Mark {
    let places = &input.places;
    places.line("global_defs", "", keyword).map_or_else(
        || {
            let mut instances = input.model.instances.iter();
            instances
                .find_map(|one| places.instance(&one.name, keyword))
                .map_or_else(Mark::default, |line| Mark::from(line.keyword()))
        },
        |line| Mark::from(line.keyword()),
    )
}

pub(super) fn no_server(input: &Input<'_>, report: &mut Report<'_>) {
    let mail = &input.model.global.mail;
    if mail.server.is_some() {
        return;
    }
    if wanted(input) {
        report.tell(
            mark(input, "smtp_alert"),
            format_args!("smtp_alert is on and no smtp_server is given: no mail leaves"),
        );
    } else if !mail.to.is_empty() {
        let message =
            format_args!("notification_email names receivers and no smtp_server is given: no mail leaves");
        report.tell(mark(input, "notification_email"), message);
    }
}

pub(super) fn nobody(input: &Input<'_>, report: &mut Report<'_>) {
    if input.model.global.mail.to.is_empty() && wanted(input) {
        report.tell(
            mark(input, "smtp_alert"),
            format_args!("smtp_alert is on and nobody is to receive it: no mail leaves"),
        );
    }
}
