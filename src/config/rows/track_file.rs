//! `track_file`, of which `vrrp_track_file` is the older name.

use super::show::{plain, text};
use super::track::weight_text;
use crate::config::line::{Line, Used};
use crate::config::model::At;
use crate::config::model::track::{InitFile, TrackFile};
use crate::config::row::Kind::{self, Custom};
use crate::config::row::{Row, Shown, fit};
use crate::config::value::{self, Bad};
use crate::proto::track::Weight;

/// A `track_file` while it is read.
#[derive(Clone, Debug, Default)]
pub struct TrackFileDraft {
    /// The file, and its place.
    pub path: Option<(String, At)>,
    /// `weight`
    pub weight: Option<Weight>,
    /// `init_file`
    pub init: Option<InitFile>,
}

/// The weight without the keyword.
const WEIGHT: Weight = Weight { value: 1, reverse: false };

impl TrackFileDraft {
    /// The tracked file, if it names a file.
    #[must_use]
    pub fn finish(self, name: &str, at: At) -> Option<TrackFile> {
        let (path, path_at) = self.path?;
        Some(TrackFile {
            name: name.to_owned(),
            at,
            path,
            path_at,
            weight: self.weight.unwrap_or(WEIGHT),
            init: self.init,
        })
    }
}

const fn row(
    name: &'static str,
    kind: Kind<TrackFileDraft, TrackFile>,
    default: &'static str,
    meaning: &'static str,
) -> Row<TrackFileDraft, TrackFile> {
    Row::new(name, kind, default, meaning)
}

/// Every keyword of `track_file`.
#[rustfmt::skip]
pub static ROWS: &[Row<TrackFileDraft, TrackFile>] = &[
    row("file", Custom("<path>", file), "required",
        "The file that holds the number; its directory must exist").show(|f| text(Some(&f.path))),
    row("weight", Custom("<-254..254> [reverse]", weight), "1",
        "What the number is multiplied by").show(|f| if f.weight == WEIGHT { Shown::Nothing } else { plain(weight_text(f.weight)) }),
    row("init_file", Custom("[<integer>] [overwrite]", init_file), "off; bare: 0",
        "Makes the file at the start, also over an old one if that is said").fixed().show(|f| f.init.map_or(Shown::Nothing, |init| {
            plain(format!("{}{}", init.value, if init.overwrite { " overwrite" } else { "" }))
        })),
];

fn file(draft: &mut TrackFileDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0).filter(|word| !word.text.is_empty()) else {
        return line.error(line.keyword, format_args!("track file file name missing"), "write file <path>");
    };
    if let Some((known, _)) = &draft.path {
        let same = known == word.text;
        let message = format_args!("File already set for track file - ignoring {}", word.text);
        return line.again(same, word, message, "the first one is used");
    }
    draft.path = Some((word.text.to_owned(), At(word.at)));
}

fn weight(draft: &mut TrackFileDraft, line: &mut Line<'_>) {
    if let Some(weight) = read_weight(line, "track file", Some(1)) {
        match draft.weight {
            Some(known) if known.value != WEIGHT.value => {
                let message = format_args!("Weight already set for track file - ignoring {}", weight.value);
                line.again(known == weight, line.keyword, message, "the first one is used");
            }
            _ => draft.weight = Some(weight),
        }
    }
}

/// `<-254..254> [reverse]`; a bad number counts as `instead`, or the line is not used.
pub(super) fn read_weight(line: &mut Line<'_>, what: &str, instead: Option<i16>) -> Option<Weight> {
    let Some(word) = line.arg(0) else {
        let message = format_args!("No weight specified for {what} - ignoring");
        line.error(line.keyword, message, "write a number from -254 to 254");
        return None;
    };
    let value = match value::integer(word.text, -254..=254, true) {
        Ok(read) => {
            if read.trailing {
                let message =
                    format_args!("weight '{}' has text after it, {} is used", word.text, read.value);
                line.warn(word, message, "write a number from -254 to 254");
            }
            fit(read.value)
        }
        Err(bad) => {
            let used = instead.map(|used| used.to_string());
            line.bad_number(
                "weight",
                word,
                bad,
                "-254, 254",
                used.as_deref().map_or(Used::Nothing, Used::Default),
            );
            instead?
        }
    };
    let reverse = match line.arg(1) {
        None => false,
        Some(word) if word.text == "reverse" => true,
        Some(word) => {
            let message = format_args!("{what} unknown weight option {}", word.text);
            line.warn(word, message, "only reverse can follow the number");
            false
        }
    };
    Some(Weight { value, reverse })
}

fn init_file(draft: &mut TrackFileDraft, line: &mut Line<'_>) {
    let mut init = InitFile::default();
    for word in line.args {
        if word.text == "overwrite" {
            init.overwrite = true;
            continue;
        }
        match value::integer(word.text, i64::from(i32::MIN)..=i64::from(i32::MAX), false) {
            Ok(read) => {
                init.value = fit(read.value);
                if !(-254..=254).contains(&read.value) {
                    let message = format_args!(
                        "Track file init value {} is outside sensible range [-254, 254]",
                        read.value
                    );
                    line.warn(word, message, "a priority has no more than 254 steps");
                }
            }
            Err(Bad::Text) => {
                let message = format_args!("Unknown track file init option {}", word.text);
                line.warn(word, message, "write a number or overwrite; 0 is used");
            }
            Err(bad) => line.bad_number("init_file", word, bad, "-254, 254", Used::Default("0")),
        }
    }
    draft.init = Some(init);
}
