//! FIFOs and mail of one child. The lines and the letters are phrased by the child.

use core::fmt::Arguments;

use super::kept::Kept;
use super::report;
use super::scripts::Scripts;
use crate::daemon::keep::{self, Keep, Note};
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::token::SourceId;
use crate::notify::fifo::{self, Fifos, Wanted};
use crate::notify::mail::{About, Mailer, Place, Settings, Unsent};
use crate::sys::process::{Ended, Pid};

/// The FIFOs and the mailer of a child.
pub struct Alerts {
    /// The FIFOs.
    pub fifos: Fifos,
    /// The mailer; none: the configuration has no relay, or no receiver of mail.
    mail: Option<Box<Mailer>>,
    /// The kind of the sources of FIFOs in the loop.
    kind: u8,
    /// The notes of the FIFOs that this process made.
    made: [Note; fifo::COUNT],
}

/// The kind of the notes of FIFOs, whose values are device and inode.
const FIFO: &str = "fifo";

/// The deadlines and the sources of FIFOs and mail in the loop of their child.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// The deadline of FIFO scripts that are to end.
    pub fifos: u32,
    /// The sources and the deadline of the mailer.
    pub mail: Place,
}

impl Alerts {
    /// No FIFO and no mail yet. `kind`: that of the sources of FIFOs; `word`: what the child is called in the log.
    #[must_use]
    pub const fn new(kind: u8, word: &'static str) -> Self {
        Self { fifos: Fifos::new(kind, word), mail: None, kind, made: [Note::NONE; fifo::COUNT] }
    }

    /// Goes over to the FIFOs of a configuration, with room for the lines of so many objects. For load time: allocates.
    pub fn load_fifos<N: Copy, O: Copy>(
        &mut self,
        turn: &mut Turn<'_>,
        places: Places,
        wanted: [Option<Wanted>; fifo::COUNT],
        objects: usize,
        scripts: &mut Scripts<N, O>,
    ) {
        self.fifos.load(turn, wanted, objects, &mut |script| scripts.start_tied(script));
        self.arm_fifos(turn, places);
    }

    /// The FIFOs that the predecessor made count as made here, so that they go at the stop. Before the first load. A child
    /// that writes what it changes in the kernel to disk tells [`Fifos::inherit`] itself.
    pub fn inherit_fifos(&mut self, kept: &Kept) {
        let notes = kept.left.all_of(keep::key(FIFO, ""));
        let left: Vec<_> = notes.map(|note| kept.keep.values(note)).collect();
        self.fifos.inherit(&left.iter().map(|[device, inode, _]| (*device, *inode)).collect::<Vec<_>>());
    }

    /// Notes which FIFOs were made here, for a successor. After each load, and at the stop.
    pub fn keep_fifos(&mut self, keep: &Keep) {
        let mut made = self.fifos.made();
        for note in &mut self.made {
            match made.next() {
                Some((device, inode)) => keep.put(note, keep::key(FIFO, ""), [device, inode, 0]),
                None => keep.forget(note),
            }
        }
    }

    /// Goes over to the mail of a configuration; none: it has no relay, or no receiver of mail. For load
    /// time: allocates.
    pub fn load_mail(
        &mut self,
        turn: &mut Turn<'_>,
        places: Places,
        settings: Option<Settings>,
        objects: usize,
        keep: &Keep,
    ) {
        match (settings, &mut self.mail) {
            (Some(settings), Some(mail)) => mail.reconfigure(turn, places.mail, settings, objects),
            (Some(settings), none) => *none = Some(Box::new(Mailer::new(settings, objects, keep.clone()))),
            (None, mail) => {
                if let Some(mail) = mail.take() {
                    mail.finish(turn, places.mail);
                }
            }
        }
    }

    /// Mails what the predecessor of this child was about to. `phrase` gives the subject and the text of a letter, none
    /// if the configuration does not know the object any more. For load time: allocates.
    pub fn resume_mail(
        &mut self,
        turn: &mut Turn<'_>,
        places: Places,
        unsent: &[Unsent],
        mut phrase: impl FnMut(About) -> Option<(String, String)>,
    ) {
        let mut lost = 0_usize;
        for one in unsent {
            match (phrase(one.about), &mut self.mail) {
                (Some((subject, text)), Some(mail)) => {
                    mail.resume(turn, places.mail, one, format_args!("{subject}"), format_args!("{text}"));
                }
                _ => lost += 1,
            }
        }
        if lost > 0 {
            report::mail_lost(lost);
        }
    }

    /// Mails a letter, if there is mail.
    pub fn mail(
        &mut self,
        turn: &mut Turn<'_>,
        places: Places,
        about: About,
        subject: Arguments<'_>,
        text: Arguments<'_>,
    ) {
        if let Some(mail) = &mut self.mail {
            mail.mail(turn, places.mail, about, subject, text);
        }
    }

    /// The notes of mail that a successor would have to send, and those of FIFOs.
    pub fn notes(&self) -> impl Iterator<Item = Note> {
        self.mail.iter().flat_map(|mail| mail.notes()).chain(self.made)
    }

    /// A source of a FIFO or of the mailer is ready.
    pub fn ready(&mut self, turn: &mut Turn<'_>, places: Places, source: SourceId) -> Again {
        if source.kind == self.kind {
            self.fifos.ready(turn, source.index);
            return Again::Done;
        }
        self.mail.as_mut().map_or(Again::Done, |mail| mail.ready(turn, places.mail, source))
    }

    /// The deadline of the mailer has passed.
    pub fn mail_due(&mut self, turn: &mut Turn<'_>, places: Places) {
        if let Some(mail) = &mut self.mail {
            mail.expired(turn, places.mail);
        }
    }

    /// Scripts of FIFOs take too long to end.
    pub fn fifos_overdue(&mut self, turn: &mut Turn<'_>, places: Places) {
        self.fifos.overdue(turn);
        self.arm_fifos(turn, places);
    }

    /// The script of a FIFO has ended.
    pub fn fifo_script_ended(&mut self, turn: &mut Turn<'_>, places: Places, (pid, how): (Pid, Ended)) {
        self.fifos.ended(turn, pid, how);
        self.arm_fifos(turn, places);
    }

    /// The child stops, and everything has been said: mail that was not sent is logged and forgotten, FIFOs close.
    pub fn finish(&mut self, turn: &mut Turn<'_>, places: Places) {
        if let Some(mail) = self.mail.take() {
            mail.finish(turn, places.mail);
        }
        self.fifos.finish(turn);
        self.arm_fifos(turn, places);
    }

    fn arm_fifos(&self, turn: &mut Turn<'_>, places: Places) {
        turn.set_deadline(places.fifos, self.fifos.poll_at());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use crate::config::model::{Global, global};
    use crate::daemon::log::logged;
    use crate::daemon::reactor::Reactor;
    use crate::notify::Resolver;

    const PLACES: Places = Places {
        fifos: 0,
        mail: Place {
            connection: SourceId { kind: 8, index: 0 },
            lookup: SourceId { kind: 9, index: 0 },
            slot: 1,
        },
    };

    fn load_fifo(alerts: &mut Alerts, turn: &mut Turn<'_>, path: &str) {
        let fifo = global::Fifo { path: Some(path.to_owned()), ..global::Fifo::default() };
        let wanted =
            Wanted::new(&fifo, &Resolver::new(&Global::default()), &mut |_, _, why| panic!("{why:?}"));
        let mut scripts = Scripts::<u8, u8>::new().unwrap();
        alerts.load_fifos(turn, PLACES, [wanted, None], 1, &mut scripts);
    }

    #[test]
    fn a_fifo_that_a_predecessor_made_goes_at_the_stop_and_one_that_was_there_stays() {
        let path = std::env::temp_dir().join(format!("ka-alerts-{}", std::process::id()));
        let text = path.to_str().unwrap();
        let mut reactor = Reactor::new(2, None).unwrap();
        let (mut turn, keep) = (reactor.turn(), Keep::new());
        let mut first = Alerts::new(7, "vrrp");
        load_fifo(&mut first, &mut turn, text);
        first.keep_fifos(&keep);
        assert_eq!(keep.all().len(), 1);
        assert_eq!(first.notes().filter(|note| *note != Note::NONE).count(), 1);
        // One that knows nothing of it leaves it there.
        let mut stranger = Alerts::new(7, "vrrp");
        load_fifo(&mut stranger, &mut turn, text);
        stranger.finish(&mut turn, PLACES);
        assert!(path.exists());
        let mut successor = Alerts::new(7, "vrrp");
        successor.inherit_fifos(&Kept::new(keep.clone(), Some(Instant::START)));
        load_fifo(&mut successor, &mut turn, text);
        successor.finish(&mut turn, PLACES);
        assert!(!path.exists());
        first.finish(&mut turn, PLACES);
        first.keep_fifos(&keep);
        assert!(keep.all().is_empty(), "none is left to be told of");
    }

    #[test]
    fn mail_begins_and_ends_with_the_configuration_and_what_was_not_sent_is_told() {
        let relay = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = relay.local_addr().unwrap().port();
        let mut global = Global::default();
        global.mail.server = Some(("127.0.0.1".to_owned(), port));
        global.mail.to = vec!["a@example".to_owned()];
        let mut reactor = Reactor::new(2, None).unwrap();
        let (mut turn, keep) = (reactor.turn(), Keep::new());
        let mut alerts = Alerts::new(7, "vrrp");
        let about = About { key: 5, state: 1 };
        let mail = |alerts: &mut Alerts, turn: &mut Turn<'_>| {
            alerts.mail(turn, PLACES, about, format_args!("subject"), format_args!("text"));
        };
        mail(&mut alerts, &mut turn);
        assert!(keep.all().is_empty(), "there is no relay");
        for _ in 0..2 {
            alerts.load_mail(&mut turn, PLACES, Settings::new(&global), 1, &keep);
            mail(&mut alerts, &mut turn);
        }
        assert_eq!(alerts.notes().filter(|note| *note != Note::NONE).count(), 2);
        let left = keep::Left::of(&keep);
        let unsent = crate::notify::mail::unsent(&keep, &left);
        let lines = logged(|| alerts.load_mail(&mut turn, PLACES, None, 1, &keep));
        assert_eq!(lines, [format!("2 SMTP alerts were not sent to [127.0.0.1]:{port}")]);
        assert!(keep.all().is_empty());
        // A successor without mail, and one whose configuration does not know the object any more.
        let letter = Some(("subject".to_owned(), "text".to_owned()));
        let lost = logged(|| alerts.resume_mail(&mut turn, PLACES, &unsent, |_| letter.clone()));
        assert_eq!(lost, ["2 SMTP alerts of before the restart are left out"]);
        alerts.load_mail(&mut turn, PLACES, Settings::new(&global), 1, &keep);
        let lost = logged(|| alerts.resume_mail(&mut turn, PLACES, &unsent, |_| None));
        assert_eq!(lost, ["2 SMTP alerts of before the restart are left out"]);
        let lost = logged(|| alerts.resume_mail(&mut turn, PLACES, &unsent, |_| letter.clone()));
        assert!(lost.is_empty(), "{lost:?}");
        let lines = logged(|| alerts.finish(&mut turn, PLACES));
        assert_eq!(lines, [format!("2 SMTP alerts were not sent to [127.0.0.1]:{port}")]);
        assert!(logged(|| alerts.finish(&mut turn, PLACES)).is_empty(), "once");
    }
}
