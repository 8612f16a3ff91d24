//! `track_interface`, `track_script`, `track_file`, `track_process` and `track_bfd` of instances and groups: one
//! tracker a line, `<name> [weight <number> [reverse|noreverse]]`.

use crate::base::map::Map;
use crate::config::line::{Line, Used};
use crate::config::model::track::TrackedInterface;
use crate::config::row::{Shown, Term, fit};
use crate::config::tree::{Position, Word};
use crate::config::value::{self, Bad, Quoted};
use crate::proto::track::Weight;

/// What an instance or a group tracks while it is read; objects by name.
#[derive(Clone, Debug, Default)]
pub struct Trackers {
    /// `track_interface`
    pub interfaces: Vec<TrackedInterface>,
    /// `track_script`
    pub scripts: Vec<NamedTracker>,
    /// `track_file`
    pub files: Vec<NamedTracker>,
    /// `track_process`
    pub processes: Vec<NamedTracker>,
    /// `track_bfd`
    pub bfds: Vec<NamedTracker>,
    /// Keywords and names so far: each object is tracked once.
    seen: Map<(&'static str, String), String>,
}

/// A tracker by name.
#[derive(Clone, Debug)]
pub struct NamedTracker {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub at: Position,
    /// Its own weight.
    pub weight: Option<i16>,
    /// `reverse` or `noreverse`.
    pub reverse: Option<bool>,
}

/// A kind of tracker: how it is written.
pub(super) struct Kind {
    /// The keyword.
    keyword: &'static str,
    /// What it is in messages.
    what: &'static str,
    /// The block of lines.
    pub(super) syntax: &'static str,
    /// The first word of a line.
    name: Term,
    /// The weight: farthest from zero, and what holds without it.
    most: i64,
    default: &'static str,
    /// `noreverse` is known.
    noreverse: bool,
}

/// `track_interface`
pub(super) static INTERFACE: Kind = Kind {
    keyword: "track_interface",
    what: "track interface",
    syntax: "{ <if> [weight <-253..253> [reverse]] ... }",
    name: Term::new("<if>", "<if> [weight <-253..253> [reverse]]", "none", "The interface"),
    most: 253,
    default: "0",
    noreverse: false,
};

/// `track_script`
pub(super) static SCRIPT: Kind = Kind {
    keyword: "track_script",
    what: "track script",
    syntax: "{ <vrrp_script> [weight <-253..253> [reverse|noreverse]] ... }",
    name: Term::new(
        "<vrrp_script>",
        "<vrrp_script> [weight <-253..253> [reverse|noreverse]]",
        "none",
        "A vrrp_script that stands before",
    ),
    most: 253,
    default: "that of the vrrp_script",
    noreverse: true,
};

/// `track_file`
pub(super) static FILE: Kind = Kind {
    keyword: "track_file",
    what: "track file",
    syntax: "{ <track_file> [weight <-254..254> [reverse|noreverse]] ... }",
    name: Term::new(
        "<track_file>",
        "<track_file> [weight <-254..254> [reverse|noreverse]]",
        "none",
        "A track_file that stands before",
    ),
    most: 254,
    default: "that of the track_file",
    noreverse: true,
};

/// `track_process`
pub(super) static PROCESS: Kind = Kind {
    keyword: "track_process",
    what: "track process",
    syntax: "{ <vrrp_track_process> [weight <-254..254> [reverse|noreverse]] ... }",
    name: Term::new(
        "<vrrp_track_process>",
        "<vrrp_track_process> [weight <-254..254> [reverse|noreverse]]",
        "none",
        "A vrrp_track_process that stands before",
    ),
    most: 254,
    default: "that of the vrrp_track_process",
    noreverse: true,
};

/// `track_bfd`
pub(super) static BFD: Kind = Kind {
    keyword: "track_bfd",
    what: "track bfd",
    syntax: "{ <bfd_instance> [weight <-253..253> [reverse|noreverse]] ... }",
    name: Term::new(
        "<bfd_instance>",
        "<bfd_instance> [weight <-253..253> [reverse|noreverse]]",
        "none",
        "A bfd_instance that stands before",
    ),
    most: 253,
    default: "that of the bfd_instance",
    noreverse: true,
};

impl Kind {
    /// The words of a line.
    pub(super) fn terms(&self) -> Vec<Term> {
        let range = if self.most == 253 { "<-253..253>" } else { "<-254..254>" };
        let mut terms = vec![
            self.name,
            Term::new(
                "weight",
                range,
                self.default,
                "Added to the priority while up if above 0, while down if below; 0: FAULT when down",
            ),
            Term::new(
                "reverse",
                "",
                if self.noreverse { "as where it is declared" } else { "off" },
                "Up and down change places; stands behind the weight",
            ),
        ];
        if self.noreverse {
            terms.push(Term::new(
                "noreverse",
                "",
                "as where it is declared",
                "Takes back a reverse of the declaration",
            ));
        }
        terms
    }

    /// Reads a line of a tracker that has a name.
    pub(super) fn read(
        &self,
        trackers: &mut Trackers,
        list: fn(&mut Trackers) -> &mut Vec<NamedTracker>,
        line: &mut Line<'_>,
    ) {
        let name = line.keyword;
        if self.twice(trackers, line) {
            return;
        }
        if let Some((weight, reverse)) = self.weight(line) {
            self.keep(trackers, line);
            list(trackers).push(NamedTracker { name: name.text.to_owned(), at: name.at, weight, reverse });
        }
    }

    /// Whether the object of the line is tracked already, which is told.
    fn twice(&self, trackers: &Trackers, line: &mut Line<'_>) -> bool {
        let before = trackers.seen.get(&(self.keyword, line.keyword.text.to_owned()));
        if let Some(before) = before {
            let same = *before == options(line);
            let message = format_args!("duplicate {} {} - ignoring", self.keyword, line.keyword.text);
            line.again(same, line.keyword, message, "name each one once");
        }
        before.is_some()
    }

    fn keep(&self, trackers: &mut Trackers, line: &Line<'_>) {
        trackers.seen.insert((self.keyword, line.keyword.text.to_owned()), options(line));
    }

    /// What follows the name of a tracker: none if the entry cannot be used, else weight and sense.
    fn weight(&self, line: &mut Line<'_>) -> Option<(Option<i16>, Option<bool>)> {
        let (what, name) = (self.what, line.keyword.text);
        let Some(option) = line.arg(1) else {
            return Some((None, None));
        };
        let remedy = format!(
            "write weight, a number from -{0} to {0} and maybe reverse; the line is not used",
            self.most
        );
        if option.text != "weight" {
            let message = format_args!("unknown {what} {name} option {} - ignoring", option.text);
            line.error(option, message, &remedy);
            return None;
        }
        let Some(number) = line.arg(2) else {
            let message = format_args!("weight without value specified for {what} {name} - ignoring");
            line.error(option, message, &remedy);
            return None;
        };
        let weight = self.number(line, number);
        let reverse = match line.arg(3) {
            None => None,
            Some(word) if word.text == "reverse" => Some(true),
            Some(word) if word.text == "noreverse" && self.noreverse => Some(false),
            Some(word) => {
                let message = format_args!("unknown {what} {name} weight option {} - ignoring", word.text);
                line.warn(word, message, "only reverse can follow the number");
                None
            }
        };
        Some((weight, reverse))
    }

    /// A weight; 254 is brought to 253 where that is the bound, one farther out is not used.
    fn number(&self, line: &mut Line<'_>, word: &Word<'_>) -> Option<i16> {
        let most = self.most;
        match value::integer(word.text, -254..=254, true) {
            Ok(read) => {
                let used = read.value.clamp(-most, most);
                if used != read.value {
                    let message =
                        format_args!("weight for {} cannot be +/-254. Setting to +/-253", line.keyword.text);
                    line.warn(word, message, "");
                } else if read.trailing {
                    let message = format_args!("weight '{}' has text after it, {used} is used", word.text);
                    line.warn(word, message, &format!("write a number from -{most} to {most}"));
                }
                Some(fit(used))
            }
            Err(bad) => {
                line.bad_number("weight", word, bad, &format!("-{most}, {most}"), Used::Nothing);
                None
            }
        }
    }
}

/// What follows the name.
fn options(line: &Line<'_>) -> String {
    let words: Vec<&str> = line.args.iter().skip(1).map(|word| word.text).collect();
    words.join(" ")
}

/// `<if> [weight <-253..253> [reverse]]`
pub(super) fn interface(trackers: &mut Trackers, line: &mut Line<'_>) {
    let Some(interface) = line.interface(line.keyword) else {
        return;
    };
    if INTERFACE.twice(trackers, line) {
        return;
    }
    if let Some((value, reverse)) = INTERFACE.weight(line) {
        let weight = Weight { value: value.unwrap_or(0), reverse: reverse.unwrap_or(false) };
        INTERFACE.keep(trackers, line);
        trackers.interfaces.push(TrackedInterface { interface, weight });
    }
}

/// The printer of interfaces.
pub(super) fn show_interfaces(list: &[TrackedInterface]) -> Shown {
    super::show::entries(list, |tracked| {
        let name = Quoted(tracked.interface.name.as_str());
        if tracked.weight == Weight::default() {
            name.to_string()
        } else {
            format!("{name} weight {}", weight_text(tracked.weight))
        }
    })
}

/// A weight of a `vrrp_script`; one beyond is brought to the nearer end, and told.
pub(super) fn weight_number(line: &mut Line<'_>, word: &Word<'_>) -> Option<i16> {
    match value::integer(word.text, i64::MIN..=i64::MAX, true) {
        Ok(read) => {
            let used = read.value.clamp(-253, 253);
            if used != read.value {
                line.bad_number("weight", word, Bad::Range, "-253, 253", Used::Nearest(&used.to_string()));
            } else if read.trailing {
                let message = format_args!("weight '{}' has text after it, {used} is used", word.text);
                line.warn(word, message, "write a number from -253 to 253");
            }
            Some(fit(used))
        }
        Err(bad) => {
            line.bad_number("weight", word, bad, "-253, 253", Used::Nothing);
            None
        }
    }
}

/// A weight as it is written.
pub(crate) fn weight_text(weight: Weight) -> String {
    format!("{}{}", weight.value, if weight.reverse { " reverse" } else { "" })
}

/// A weight, unless it is none.
pub(super) fn show_weight(weight: Weight) -> Shown {
    if weight == Weight::default() { Shown::Nothing } else { Shown::One(weight_text(weight)) }
}
