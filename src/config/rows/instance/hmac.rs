//! `auth_hmac` of a `vrrp_instance`.

use zeroize::Zeroizing;

use super::super::show::{entry, plain};
use super::draft::InstanceDraft;
use crate::config::line::Line;
use crate::config::model::hmac::{HmacKey, HmacMode, Replay, Secret, key_octets};
use crate::config::model::{At, Instance};
use crate::config::row::Kind::{self, Choice, Custom, Integer};
use crate::config::row::{Integer as Whole, Row, Shown, fit, whole_seconds};
use crate::config::tree::Word;
use crate::config::value::Quoted;

const REPLAYS: [Replay; 2] = [Replay::Time, Replay::Monotonic];
const MODES: [HmacMode; 3] = [HmacMode::Enforce, HmacMode::Permissive, HmacMode::ReceiveOnly];

const fn row(
    name: &'static str,
    kind: Kind<InstanceDraft, Instance>,
    default: &'static str,
    meaning: &'static str,
) -> Row<InstanceDraft, Instance> {
    Row::new(name, kind, default, meaning)
}

/// Every keyword of `auth_hmac`.
#[rustfmt::skip]
pub static ROWS: &[Row<InstanceDraft, Instance>] = &[
    row("key", Custom("<id 1..255> <text of 32..64 bytes>|hex:<digits>|file:<path>", key), "none",
        "A key and its id; a file holds one of the other forms").show(key_texts),
    row("active_key", Integer(Whole::new("", 1..=255, |d: &mut InstanceDraft, n| d.hmac.active = Some(fit(n))).strict()), "required",
        "Id of the key that signs").show(|i| entry(i.hmac.as_ref(), |hmac| plain(hmac.active))),
    row("time_window", Integer(Whole::new("seconds", 1..=300, |d: &mut InstanceDraft, n| d.hmac.window = Some(whole_seconds(n))).strict()), "3 times advert_int, from 5 to 300",
        "Difference of clocks that is accepted").show(|i| entry(i.hmac.as_ref(), |hmac| plain(hmac.window.as_secs()))),
    row("anti_replay", Choice(&["time", "monotonic"], |d, index| d.hmac.replay = REPLAYS.get(index).copied().unwrap_or_default()), "time",
        "Replays are found by the clock, or by a number that grows").show(|i| entry(i.hmac.as_ref(), |hmac| match hmac.replay {
            Replay::Time => Shown::Nothing,
            Replay::Monotonic => plain("monotonic"),
        })),
    row("mode", Choice(&["enforce", "permissive", "receive-only"], |d, index| d.hmac.mode = MODES.get(index).copied().unwrap_or_default()), "enforce",
        "What happens to adverts without a signature while keys are rolled out").show(|i| entry(i.hmac.as_ref(), |hmac| match hmac.mode {
            HmacMode::Enforce => Shown::Nothing,
            HmacMode::Permissive => plain("permissive"),
            HmacMode::ReceiveOnly => plain("receive-only"),
        })),
];

/// `<id> <text>|hex:<digits>|file:<path>`
fn key(draft: &mut InstanceDraft, line: &mut Line<'_>) {
    let form = "write an id from 1 to 255, and text of 32 to 64 bytes, hex:<digits> or file:<path>";
    let (Some(id), Some(word)) = (line.arg(0), line.arg(1)) else {
        return line.error(
            line.keyword,
            format_args!("auth_hmac key needs an id and a key - ignoring"),
            form,
        );
    };
    let Some(id) = line.number("key", id, 1..=255).map(fit) else {
        return;
    };
    if draft.hmac.keys.iter().any(|known| known.id == id) {
        let message = format_args!("auth_hmac key {id} already specified - ignoring");
        return line.error(line.keyword, message, "the first one is used");
    }
    match secret(line, word) {
        Ok(secret) => draft.hmac.keys.push(HmacKey { id, secret, at: At(word.at) }),
        Err(why) => {
            let message = format_args!("auth_hmac key {id} {why} - ignoring");
            line.error(word, message, form);
        }
    }
}

fn secret(line: &Line<'_>, word: &Word<'_>) -> Result<Secret, &'static str> {
    if let Some(path) = word.text.strip_prefix("file:") {
        return if path.is_empty() { Err("names no file") } else { Ok(Secret::File(path.to_owned())) };
    }
    if !word.text.starts_with("hex:") {
        return key_octets(word.text.as_bytes()).map(Secret::Octets);
    }
    // Digits may stand in groups.
    let digits: String = line.args.iter().skip(1).map(|word| word.text).collect();
    key_octets(Zeroizing::new(digits).as_bytes()).map(Secret::Octets)
}

/// What follows `key`, for each key.
fn key_texts(instance: &Instance) -> Shown {
    let keys = instance.hmac.iter().flat_map(|hmac| &hmac.keys);
    let texts = keys.map(|key| match &key.secret {
        Secret::Octets(octets) => {
            let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{} hex:{digits}", key.id)
        }
        Secret::File(path) => format!("{} {}", key.id, Quoted(&format!("file:{path}"))),
    });
    Shown::Each(texts.collect())
}
