//! What alert mail says, and the mail that a dead predecessor did not get rid of.

use core::fmt::{self, Display, Formatter};

use super::report;
use super::state::Vrrp;
use crate::base::map::Map;
use crate::daemon::reactor::Turn;
use crate::daemon::record;
use crate::notify::Standing;
use crate::notify::mail::{self, About};

/// A state to be mailed, of an instance or of a sync group.
#[derive(Clone, Copy, Debug)]
pub(super) struct News<'a> {
    pub(super) group: bool,
    pub(super) name: &'a str,
    pub(super) to: Standing,
}

impl News<'_> {
    pub(super) fn about(self) -> About {
        let key = if self.group { record::group_key } else { record::key };
        About { whose: key(self.name), to: self.to }
    }
}

/// The subject.
impl Display for News<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.group { "Group" } else { "Instance" };
        write!(f, "VRRP {kind} {} - Entering {} state", self.name, self.to.word())
    }
}

/// The text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<'a>(pub(super) News<'a>);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            News { group: true, to, .. } => {
                write!(f, "=> All VRRP group instances are now in {} state <=", to.word())
            }
            News { to: Standing::Master, .. } => write!(f, "=> VRRP Instance is now owning VRRP VIPs <="),
            News { .. } => write!(f, "=> VRRP Instance is no longer owning VRRP VIPs <="),
        }
    }
}

impl Vrrp {
    /// Mails what the predecessor was about to. For load time: allocates.
    pub(super) fn resume_mail(&mut self, turn: &mut Turn<'_>) {
        let unsent = mail::unsent(&self.kept.keep, &self.kept.left);
        if unsent.is_empty() {
            return;
        }
        let place = self.mail_place();
        let instances = self.routers.instances.iter().map(|instance| (false, &*instance.config.name));
        let groups = self.model.groups.iter().map(|group| (true, &*group.name));
        let names: Map<u64, _> = instances
            .chain(groups)
            .map(|(group, name)| (News { group, name, to: Standing::Stop }.about().whose, (group, name)))
            .collect();
        let mut lost = 0_usize;
        for one in &unsent {
            match (names.get(&one.about.whose), &mut self.notifies.alerts.mail) {
                (Some((group, name)), Some(mail)) => {
                    let news = News { group: *group, name, to: one.about.to };
                    mail.resume(turn, place, one, format_args!("{news}"), format_args!("{}", Text(news)));
                }
                _ => lost += 1,
            }
        }
        if lost > 0 {
            report::mail_lost(lost);
        }
    }
}
