//! What has happened, as a client is told.

use core::fmt::Write;

use crate::base::json;
use crate::daemon::events::{self, Event};
use crate::daemon::moment::{Epoch, Moment};
use crate::daemon::parent::{Parent, Program};
use crate::sys::clock;
use crate::wire::control::{self, Outcome, Request, SCHEMA};

impl<P: Program> Parent<'_, P> {
    /// Tells a client the events that it asks for.
    pub(super) fn tell_events(&mut self, index: usize, request: &Request<'_>) {
        let last = events::last();
        let after = match request.value.map(str::parse::<u64>) {
            None => 0,
            // A number from before the start of this daemon.
            Some(Ok(after)) if after > last => 0,
            Some(Ok(after)) => after,
            Some(Err(_)) => {
                let text = "--follow= takes the number of an event\n".to_owned();
                return self.tell(index, Outcome::Unknown, text);
            }
        };
        let wanted = |event: &Event| request.name.is_none_or(|name| event.name == name);
        let mut all = events::since(after).into_iter().filter(|event| event.number <= last && wanted(event));
        let follows = request.has(control::FOLLOW);
        let mut text = if follows { format!("{last}\n") } else { String::new() };
        if !request.has(control::JSON) {
            all.for_each(|event| line(&mut text, &event));
        } else if follows {
            all.for_each(|event| {
                object(&mut text, &event);
                text.push('\n');
            });
        } else {
            list(&mut text, last, &mut all);
        }
        self.tell(index, Outcome::Ok, text);
    }
}

// Writing to a String does not fail.

fn line(out: &mut String, Event { at, kind, name, text, .. }: &Event) {
    let (moment, millis, kind) = (Moment(*at), at.micros / 1_000, kind.word());
    let _ = writeln!(out, "{moment}.{millis:03}  {kind:<10}  {name}: {text}");
}

/// All events, as JSON.
pub(super) fn all(out: &mut String) {
    list(out, events::last(), &mut events::since(0).into_iter());
}

/// All events with the number of the last one.
fn list(out: &mut String, last: u64, all: &mut dyn Iterator<Item = Event>) {
    let time = Epoch(clock::wall());
    let _ = write!(out, "{{\"schema\":{SCHEMA},\"time\":{time},\"last\":{last},\"events\":[");
    for (event, position) in all.zip(0..) {
        if position > 0 {
            out.push(',');
        }
        object(out, &event);
    }
    out.push_str("]}\n");
}

fn object(out: &mut String, Event { number, at, kind, name, text }: &Event) {
    let (time, kind) = (Epoch(*at), kind.word());
    let _ = write!(out, "{{\"number\":{number},\"time\":{time},\"kind\":\"{kind}\",\"name\":");
    let _ = json::string(out, name);
    out.push_str(",\"text\":");
    let _ = json::string(out, text);
    out.push('}');
}
