//! The configurations of several routers held against each other: what does not match, and who will be master.
//!
//! Job: for `--compare`. Uses the model, and the routers of `proto` on a virtual clock, so that what is foretold
//! follows from the same code that runs. Start with [`compare`]: `matching` finds the instances that belong together,
//! `differ` tells what differs between them, `signatures` who hears whose signed adverts, `services` what differs between virtual servers, `forecast` plays what
//! can fail.

mod differ;
mod forecast;
mod matching;
mod services;
mod signatures;
mod text;
mod trackers;

use core::fmt::{self, Write};

use super::model::{Instance, Model};

/// One of the routers.
#[derive(Debug)]
pub struct Router<'a> {
    /// What the text calls it.
    pub name: String,
    /// Its configuration.
    pub model: &'a Model,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What the routers are called.
    pub routers: Vec<String>,
    /// What does not match.
    pub differences: Vec<Difference>,
    /// What each virtual router will do.
    pub forecasts: Vec<Forecast>,
}

/// Something that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub subject: String,
    /// What differs, and what follows from it.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// What one virtual router will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forecast {
    /// Which one.
    pub subject: String,
    /// What happens, and what follows.
    pub lines: Vec<(String, String)>,
}

/// An instance and the router that it is on.
#[derive(Clone, Copy, Debug)]
struct Member<'a> {
    router: usize,
    name: &'a str,
    model: &'a Model,
    instance: &'a Instance,
}

type Found = Vec<Difference>;

fn tell(found: &mut Found, group: &[Member<'_>], what: String, remedy: &str) {
    found.push(Difference { subject: matching::subject(group), what, remedy: remedy.to_owned() });
}

/// Compares two routers or more.
#[must_use]
pub fn compare(routers: &[Router<'_>]) -> Comparison {
    let mut made = Comparison {
        routers: routers.iter().map(|router| router.name.clone()).collect(),
        ..Comparison::default()
    };
    let groups = matching::groups(routers);
    for group in &groups {
        differ::presence(group, &groups, routers, &mut made.differences);
        differ::instances(group, &mut made.differences);
    }
    services::services(routers, &mut made.differences);
    for group in groups.iter().filter(|group| group.len() > 1) {
        made.forecasts.push(forecast::forecast(group, &groups));
    }
    made
}

impl Comparison {
    /// Whether something does not match.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.differences.is_empty()
    }

    /// Writes it for people.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> fmt::Result {
        writeln!(out, "{} routers: {}", self.routers.len(), self.routers.join(", "))?;
        match self.differences.len() {
            0 => writeln!(out, "nothing differs that should not")?,
            1 => writeln!(out, "1 difference")?,
            more => writeln!(out, "{more} differences")?,
        }
        for one in &self.differences {
            writeln!(out, "\n{}: {}\n    {}", one.subject, one.what, one.remedy)?;
        }
        for one in &self.forecasts {
            writeln!(out, "\n{}", one.subject)?;
            for (event, outcome) in &one.lines {
                writeln!(out, "    {event}: {outcome}")?;
            }
        }
        Ok(())
    }
}
