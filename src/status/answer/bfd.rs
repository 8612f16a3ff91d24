//! BFD sessions, as they are now.

use core::fmt::{self, Write};

use super::{Sheet, column};
use crate::config::model::Bfd;
use crate::proto::bfd::Session;
use crate::status::dump::Seconds;
use crate::status::json::Fields;
use crate::wire::bfd::State;

/// The heading of the table.
pub const SESSIONS: &str = "BFD session      State      Neighbour                     Detection time";

/// Writes a session.
///
/// # Errors
/// What `out` says.
pub fn session(out: &mut dyn Write, sheet: Sheet, config: &Bfd, machine: &Session) -> fmt::Result {
    let state = match machine.state() {
        State::AdminDown => "AdminDown",
        State::Down => "Down",
        State::Init => "Init",
        State::Up => "Up",
    };
    if sheet.json {
        let mut fields = Fields::open(out);
        fields.text("name", &config.name);
        fields.text("state", state);
        fields.text("neighbor", config.neighbor);
        fields.number("transmit_interval", Seconds(machine.transmit_interval()));
        fields.number("detection_time", Seconds(machine.detection_time()));
        return fields.close();
    }
    column(out, &config.name, 17)?;
    column(out, state, 11)?;
    column(out, config.neighbor, 30)?;
    writeln!(out, "{} s", Seconds(machine.detection_time()))
}
