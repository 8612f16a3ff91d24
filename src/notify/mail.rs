//! Alert mail of one process: a queue of messages and one connection to the relay, never waited for.
//!
//! Messages leave one after another, so that they arrive in the order of what they tell. When too many wait, the
//! oldest makes room. A relay with a name is looked up by a process of its own. A message that is under way when a
//! reload changes the settings still goes by the old ones. Nothing is allocated for a message.

mod queue;
mod settings;

use core::fmt::{self, Arguments, Display, Write};
use core::net::SocketAddr;
use std::io;
use std::os::fd::AsRawFd;

use nix::errno::Errno;

use self::queue::{Letter, Queue};
pub use self::settings::Settings;
use crate::daemon::keep::{self, Keep, Left, Note};
use crate::daemon::log::{info, warn};
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::proto::mail::{Action, Actions, Client, Event, Input, Line};
use crate::sys::clock::{self, LocalTime, Wall};
use crate::sys::resolve::{ADDRESSES, Lookup};
use crate::sys::tcp::{Moved, Stream};
use crate::wire::smtp::{self, Message, Replies};

/// Where a mailer stands in the loop of its process.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The source of its connection.
    pub connection: SourceId,
    /// The source of its look-ups.
    pub lookup: SourceId,
    /// Its deadline.
    pub slot: u32,
}

/// The mail of one process.
pub struct Mailer {
    settings: Settings,
    /// What a reload brought while a message was under way.
    next: Option<Settings>,
    client: Client,
    queue: Queue,
    /// The message under way.
    letter: Option<Letter>,
    link: Option<Link>,
    lookup: Option<(Lookup, Option<Registration>)>,
    addresses: heapless::Vec<SocketAddr, ADDRESSES>,
    /// What is still to be written.
    out: Vec<u8>,
    /// Messages left out since that was logged last.
    lost: u64,
    /// Where a successor finds what was not sent.
    keep: Keep,
    /// The number of the next message there.
    number: u64,
}

/// What a message tells, for a successor that has to write it anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The key of the object, as records have it.
    pub key: u64,
    /// The state that the object has entered, in the numbers of the child.
    pub state: u8,
}

/// A message that a predecessor did not send.
#[derive(Clone, Copy, Debug)]
pub struct Unsent {
    /// What it tells.
    pub about: About,
    at: Wall,
    note: Note,
}

/// The messages that a predecessor did not send, in order. For load time: allocates.
#[must_use]
pub fn unsent(keep: &Keep, left: &Left) -> Vec<Unsent> {
    let mut notes: Vec<_> = left.all_of(keep::key(KIND, "")).map(|note| (keep.values(note), note)).collect();
    notes.sort_unstable_by_key(|([_, _, what], _)| what >> 8);
    let unsent = notes.into_iter().filter_map(|([micros, key, what], note)| {
        let state = u8::try_from(what & 0xff).ok()?;
        let at = Wall {
            secs: i64::try_from(micros / 1_000_000).ok()?,
            micros: u32::try_from(micros % 1_000_000).ok()?,
        };
        Some(Unsent { about: About { key, state }, at, note })
    });
    unsent.collect()
}

/// The kind of the notes.
const KIND: &str = "mail";

struct Link {
    stream: Stream,
    registration: Option<Registration>,
    to: SocketAddr,
    made: bool,
    replies: Replies,
}

/// Reads of one turn.
const READS: usize = 8;

impl Mailer {
    /// A mailer with room for the messages of so many objects.
    #[must_use]
    pub fn new(settings: Settings, objects: usize, keep: Keep) -> Self {
        let mut made = Self {
            client: Client::new(settings.patience),
            next: None,
            queue: Queue::default(),
            letter: None,
            link: None,
            lookup: None,
            addresses: heapless::Vec::new(),
            out: Vec::new(),
            lost: 0,
            keep,
            number: 0,
            settings,
        };
        made.reserve(objects);
        made
    }

    fn reserve(&mut self, objects: usize) {
        self.queue.reserve(queue::messages(objects));
        let room = self.settings.longest();
        self.out.reserve(room.saturating_sub(self.out.len()));
    }

    /// After a reload, which may have moved the deadline.
    pub fn reconfigure(&mut self, turn: &mut Turn<'_>, place: Place, settings: Settings, objects: usize) {
        self.next = (settings != self.settings).then_some(settings);
        if self.client.is_apart() && self.next.is_some() {
            self.adopt();
            if self.letter.is_some() {
                let recipients = self.settings.recipients();
                self.drive(turn, place, Input::Letter { recipients });
            }
        }
        self.reserve(objects);
        self.go_on(turn, place);
    }

    /// Goes over to new settings, between two conversations.
    fn adopt(&mut self) {
        if let Some(next) = self.next.take() {
            self.client = Client::new(next.patience);
            self.addresses.clear();
            self.settings = next;
            let room = self.settings.longest();
            self.out.reserve(room.saturating_sub(self.out.len()));
        }
    }

    /// Mails a subject and a text.
    pub fn mail(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
        about: About,
        subject: Arguments<'_>,
        body: Arguments<'_>,
    ) {
        let (at, mut note) = (clock::wall(), Note::NONE);
        let secs = u64::try_from(at.secs).unwrap_or(0);
        let micros = secs.saturating_mul(1_000_000).saturating_add(u64::from(at.micros));
        let what = self.number << 8 | u64::from(about.state);
        self.number = self.number.wrapping_add(1);
        self.keep.put(&mut note, keep::key(KIND, ""), [micros, about.key, what]);
        self.queue_up(at, note, subject, body);
        self.go_on(turn, place);
    }

    /// Mails what a predecessor did not.
    pub fn resume(
        &mut self,
        turn: &mut Turn<'_>,
        place: Place,
        unsent: &Unsent,
        subject: Arguments<'_>,
        body: Arguments<'_>,
    ) {
        let [_, _, what] = self.keep.values(unsent.note);
        self.number = self.number.max((what >> 8).wrapping_add(1));
        self.queue_up(unsent.at, unsent.note, subject, body);
        self.go_on(turn, place);
    }

    /// Where what was not sent is kept.
    pub fn notes(&self) -> impl Iterator<Item = Note> {
        self.queue.notes().chain(self.letter.as_ref().map(|letter| letter.note))
    }

    fn queue_up(&mut self, at: Wall, note: Note, subject: Arguments<'_>, body: Arguments<'_>) {
        let keep = &self.keep;
        if self.queue.push(at, note, subject, body, |mut gone| keep.forget(&mut gone)) {
            self.lost += 1;
            if self.lost == 1 {
                warn!("SMTP alerts: too many wait for {}; the oldest are left out", self.server());
            }
        }
    }

    /// The process stops: what was not sent is logged and forgotten.
    pub fn finish(mut self: Box<Self>, turn: &mut Turn<'_>, place: Place) {
        self.close(turn);
        turn.set_deadline(place.slot, None);
        let unsent = self.queue.len() as u64 + u64::from(self.letter.is_some()) + self.lost;
        for mut note in self.notes().collect::<Vec<_>>() {
            self.keep.forget(&mut note);
        }
        if unsent > 0 {
            warn!("{unsent} SMTP alerts were not sent to {}", self.server());
        }
    }

    /// A source of the mailer's is ready.
    pub fn ready(&mut self, turn: &mut Turn<'_>, place: Place, source: SourceId) -> Again {
        let again = if source.kind == place.lookup.kind {
            self.looked_up(turn, place);
            Again::Done
        } else {
            self.converse(turn, place)
        };
        self.go_on(turn, place);
        again
    }

    /// The deadline has passed.
    pub fn expired(&mut self, turn: &mut Turn<'_>, place: Place) {
        self.drive(turn, place, Input::Timeout);
        self.go_on(turn, place);
    }

    /// Begins the next message if none is under way, and sets the deadline.
    fn go_on(&mut self, turn: &mut Turn<'_>, place: Place) {
        while self.client.is_idle() && self.letter.is_none() {
            self.adopt();
            let Some(letter) = self.queue.pop() else { break };
            self.letter = Some(letter);
            let recipients = self.settings.recipients();
            self.drive(turn, place, Input::Letter { recipients });
        }
        turn.set_deadline(place.slot, self.client.poll_at());
    }

    fn drive(&mut self, turn: &mut Turn<'_>, place: Place, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut out = Actions::new();
            self.client.handle(turn.now(), input, &mut out);
            for action in &out {
                match *action {
                    Action::Connect => next = self.connect(turn, place).err().map(|error| self.broke(&error)),
                    Action::Say(line) => {
                        if let Err(error) = self.say(line).and_then(|()| self.write()) {
                            next = Some(self.broke(&error));
                        }
                    }
                    Action::Close => {
                        self.close(turn);
                        next = None;
                    }
                    Action::Report(event) => self.report(event),
                    Action::Finish => {
                        if let Some(mut letter) = self.letter.take() {
                            self.keep.forget(&mut letter.note);
                        }
                    }
                }
            }
        }
    }

    /// Why a connection failed, for the log; what it means for the client.
    fn broke(&self, error: &io::Error) -> Input {
        match error.raw_os_error() {
            // The text of a system error takes memory, and this one comes as often as a relay is tried.
            Some(number) => warn!("SMTP server {}: {}", self.server(), Errno::from_raw(number).desc()),
            None => warn!("SMTP server {}: {error}", self.server()),
        }
        Input::Broken
    }

    fn connect(&mut self, turn: &mut Turn<'_>, place: Place) -> io::Result<()> {
        self.close(turn);
        if self.addresses.is_empty() {
            if let Ok(literal) = self.settings.host.parse() {
                // Room for one there is.
                let _ = self.addresses.push(SocketAddr::new(literal, self.settings.port));
            } else {
                let lookup = Lookup::start(&self.settings.host, self.settings.port)?;
                let registration = turn.register(lookup.as_raw_fd(), place.lookup, Interest::Read)?;
                self.lookup = Some((lookup, Some(registration)));
                return Ok(());
            }
        }
        let turn_of = usize::from(self.client.failures()) % self.addresses.len().max(1);
        let to = *self.addresses.get(turn_of).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let stream = Stream::connect(to)?;
        let registration = turn.register(stream.as_raw_fd(), place.connection, Interest::Both)?;
        let registration = Some(registration);
        self.link = Some(Link { stream, registration, to, made: false, replies: Replies::default() });
        Ok(())
    }

    fn looked_up(&mut self, turn: &mut Turn<'_>, place: Place) {
        let Some((lookup, registration)) = &mut self.lookup else { return };
        let Some(found) = lookup.read() else { return };
        if let Some(registration) = registration.take() {
            turn.deregister(registration);
        }
        self.lookup = None;
        self.addresses = found;
        let failed = if self.addresses.is_empty() {
            warn!("SMTP server {} cannot be resolved", self.server());
            Some(Input::Broken)
        } else {
            self.connect(turn, place).err().map(|error| self.broke(&error))
        };
        if let Some(input) = failed {
            self.drive(turn, place, input);
        }
    }

    /// The connection has something to say, or room.
    fn converse(&mut self, turn: &mut Turn<'_>, place: Place) -> Again {
        let Some(link) = &mut self.link else { return Again::Done };
        if !link.made {
            match link.stream.is_made() {
                Ok(false) => return Again::Done,
                Ok(true) => {
                    link.made = true;
                    self.drive(turn, place, Input::Connected);
                }
                Err(error) => {
                    let input = self.broke(&error);
                    self.drive(turn, place, input);
                    return Again::Done;
                }
            }
        }
        if let Err(error) = self.write() {
            let input = self.broke(&error);
            self.drive(turn, place, input);
        }
        for _ in 0..READS {
            let mut octets = [0; 512];
            let Some(link) = &mut self.link else { return Again::Done };
            match link.stream.read(&mut octets) {
                Ok(Moved::Some(count)) => self.hear(turn, place, octets.get(..count).unwrap_or_default()),
                Ok(Moved::Later) => return Again::Done,
                Ok(Moved::End) => self.drive(turn, place, Input::Closed),
                Err(error) => {
                    let input = self.broke(&error);
                    self.drive(turn, place, input);
                }
            }
        }
        Again::More
    }

    fn hear(&mut self, turn: &mut Turn<'_>, place: Place, mut octets: &[u8]) {
        while !octets.is_empty() {
            let Some(link) = &mut self.link else { return };
            let input = match link.replies.push(octets) {
                Ok(None) => return,
                Ok(Some((taken, code))) => {
                    octets = octets.get(taken..).unwrap_or_default();
                    Input::Reply(code)
                }
                Err(smtp::Malformed) => Input::Garbage,
            };
            self.drive(turn, place, input);
        }
    }

    /// Puts what the client says behind what is still to be written.
    fn say(&mut self, line: Line) -> io::Result<()> {
        let Self { settings, letter, out, .. } = self;
        let mut out = Room(out);
        let written = match line {
            Line::Hello => write!(out, "{}", smtp::Line::Hello(&settings.hello)),
            Line::From => write!(out, "{}", smtp::Line::From(&settings.from)),
            Line::To(number) => {
                let to = settings.to.get(usize::from(number)).map_or("", String::as_str);
                write!(out, "{}", smtp::Line::To(to))
            }
            Line::Data => write!(out, "{}", smtp::Line::Data),
            Line::Quit => write!(out, "{}", smtp::Line::Quit),
            Line::Text => match letter {
                Some(letter) => {
                    let message = Message {
                        date: Date(clock::local(letter.at)),
                        from: &settings.from,
                        id: &settings.id,
                        subject: &letter.subject,
                        to: &settings.to,
                        body: &letter.body,
                    };
                    write!(out, "{message}")
                }
                None => Err(fmt::Error),
            },
        };
        written.map_err(|fmt::Error| io::ErrorKind::OutOfMemory.into())
    }

    /// Writes what there is room for.
    fn write(&mut self) -> io::Result<()> {
        let Some(link) = self.link.as_mut().filter(|link| link.made) else { return Ok(()) };
        while !self.out.is_empty() {
            match link.stream.write(&self.out)? {
                Moved::Some(count) => drop(self.out.drain(..count)),
                Moved::Later => break,
                Moved::End => return Err(io::ErrorKind::WriteZero.into()),
            }
        }
        Ok(())
    }

    /// Lets go of the connection and of a look-up.
    fn close(&mut self, turn: &mut Turn<'_>) {
        self.out.clear();
        if let Some(registration) = self.link.take().and_then(|mut link| link.registration.take()) {
            turn.deregister(registration);
        }
        if let Some((_, Some(registration))) = self.lookup.take() {
            turn.deregister(registration);
        }
    }

    fn report(&mut self, event: Event) {
        if let Event::Broken | Event::TimedOut { connecting: true } = event {
            // Another one may answer, or the name stands for another one by now.
            self.addresses.clear();
        }
        let server = self.server();
        match event {
            Event::Connected => info!("Remote SMTP server {server} connected."),
            Event::Sent => {
                info!("SMTP alert successfully sent.");
                if self.lost > 0 {
                    warn!("{} SMTP alerts were left out", self.lost);
                }
                self.lost = 0;
            }
            Event::Refused { command, code } => {
                warn!("Error processing {command} cmd on SMTP server {server}. SMTP status code = {code}");
            }
            // What went wrong has been logged.
            Event::Broken => {}
            Event::Closed => warn!("Remote SMTP server {server} closed the connection."),
            Event::TimedOut { connecting: true } => warn!("Timeout connecting to SMTP server {server}."),
            Event::TimedOut { connecting: false } => {
                warn!("Timeout reading data to remote SMTP server {server}.");
            }
            Event::Garbage => warn!("Remote SMTP server {server} does not speak SMTP."),
            Event::Again(pause) => info!("SMTP alert not sent - trying again in {} s", pause.as_secs()),
            Event::GivenUp => {
                let subject = self.letter.as_ref().map_or("", |letter| letter.subject.as_str());
                warn!("SMTP alert given up: {subject}");
            }
        }
    }

    fn server(&self) -> Server<'_> {
        match &self.link {
            Some(link) => Server::Address(link.to),
            None => Server::Named(&self.settings.host, self.settings.port),
        }
    }
}

/// The relay as keepalived writes it.
enum Server<'a> {
    Address(SocketAddr),
    Named(&'a str, u16),
}

impl Display for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "[{}]:{}", address.ip(), address.port()),
            Self::Named(host, port) => write!(f, "[{host}]:{port}"),
        }
    }
}

/// Writes into the room that there is.
struct Room<'a>(&'a mut Vec<u8>);

impl Write for Room<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.capacity().saturating_sub(self.0.len()) < part.len() {
            return Err(fmt::Error);
        }
        self.0.extend_from_slice(part.as_bytes());
        Ok(())
    }
}

/// A point of time in the form of RFC 5322.
struct Date(LocalTime);

impl Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = &self.0;
        let (weekday, month) = (time.weekday_name(), time.month_name());
        let (sign, offset) = (if time.offset < 0 { '-' } else { '+' }, time.offset.unsigned_abs());
        write!(f, "{weekday}, {:02} {month} {} ", time.day, time.year)?;
        write!(f, "{:02}:{:02}:{:02} ", time.hour, time.minute, time.second)?;
        write!(f, "{sign}{:02}{:02}", offset / 60, offset % 60)
    }
}

#[cfg(test)]
mod tests;
