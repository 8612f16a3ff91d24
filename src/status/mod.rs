//! Status files for people and tools: the data dump of SIGUSR1, the statistics of SIGUSR2 and the JSON status.
//!
//! Job: the form of the files, from values that the children lend. Uses `config`, `proto`, `sys` and `base`. Start
//! with [`stats`] for what is counted, [`dump`] for what is known and [`json`] for both in one; [`mod@file`] is how
//! each gets to its place, [`lines`] how a dump gets into the log, `answer` what clients of the control socket are told.
//! The writers are pure and allocate nothing: whoever calls them decides how much is written in one turn of a loop.

#[cfg(feature = "status")]
pub mod answer;
pub mod dump;
pub mod file;
pub mod json;
pub mod lines;
#[cfg(feature = "snmp")]
pub mod mib;
pub mod stats;

use std::io::Write;

use crate::config::Model;
use crate::daemon::log::error;
use crate::sys::file::Place;

/// Writes the data dump of the parent, which knows the global definitions and no more. It may allocate: the parent
/// sends no adverts.
pub fn write_parent(model: &Model) {
    let (daemon, global) = (&model.daemon, &model.global);
    let place = file::place(file::Kind::ParentData, daemon, global);
    let mut text = String::new();
    // Writing to a String does not fail.
    let machine = dump::machine::Machine::learn(global);
    let _ = dump::global::global(&mut text, daemon, global, &machine);
    let written = Place::new(&place).and_then(|mut place| {
        let mut file = place.replace(0o600)?;
        file.file().write_all(text.as_bytes())?;
        file.keep()
    });
    if let Err(error) = written {
        error!(
            "Unable to write {}: {error}; make room there or let {} name another place",
            place.display(),
            file::Kind::ParentData.keyword()
        );
    }
}
