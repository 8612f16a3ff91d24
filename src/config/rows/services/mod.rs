//! Virtual servers: their groups, real servers and checks, one file a block.
//!
//! A build without virtual servers has only the names of these keywords. Start with [`service`]; nested blocks are read
//! by `config::services` into drafts of their own.

pub mod check;
mod draft;
pub mod group;
pub mod http;
pub mod method;
pub mod probe;
pub mod real;
pub mod service;

use super::known;
#[cfg(feature = "tools")]
use super::{Known, list};
use crate::base::time::Span;
use crate::config::model::service::Timing;
#[cfg(feature = "tools")]
use crate::config::row::Effect;
use crate::config::row::Kind::{Integer, Seconds, Switch};
use crate::config::row::{Decimal, Integer as Whole, Row, Shown, fit};
use crate::config::value;
#[cfg(feature = "tools")]
use crate::proto::check::http::Regex;

/// What has times of checks: those that were given, or those that hold.
pub trait Timed {
    /// The times.
    fn timing(&self) -> Timing;
}

/// What times of checks are written to.
pub trait Takes {
    /// Where they go.
    fn times(&mut self) -> &mut Timing;
}

/// `delay_loop`
const fn delay_loop<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let number = Decimal::new(1, u64::MAX - 1, |d: &mut D, s| d.times().delay_loop = Some(s));
    Row::new("delay_loop", Seconds(number), default, "From one check to the next")
        .show(|m| span(m.timing().delay_loop))
}

/// `delay_before_retry`
const fn delay_before_retry<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let number = Decimal::new(0, u64::MAX - 1, |d: &mut D, s| d.times().delay_before_retry = Some(s));
    let meaning = "From a failed attempt to the next one";
    Row::new("delay_before_retry", Seconds(number), default, meaning)
        .show(|m| span(m.timing().delay_before_retry))
}

/// `warmup`
const fn warmup<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let number = Decimal::new(0, u64::MAX - 1, |d: &mut D, s| d.times().warmup = Some(s));
    let meaning = "The first check waits a random time up to this";
    Row::new("warmup", Seconds(number), default, meaning).show(|m| span(m.timing().warmup))
}

/// `connect_timeout`
const fn connect_timeout<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let number = Decimal::new(1, 4_294_967_295, |d: &mut D, s| d.times().connect_timeout = Some(s));
    let meaning = "What connecting and each answer may take";
    Row::new("connect_timeout", Seconds(number), default, meaning).show(|m| span(m.timing().connect_timeout))
}

/// `retry` of a server or a service.
const fn retry<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let number = Whole::new("", 1..=U32, |d: &mut D, n| d.times().retry = Some(fit(n))).strict();
    Row::new("retry", Integer(number), default, RETRY).show(|m| super::show::maybe(m.timing().retry))
}

/// `retry` of a check.
const fn retry_of_check<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let number = Whole::new("", 0..=U32, |d: &mut D, n| d.times().retry = Some(fit(n)));
    Row::new("retry", Integer(number), default, RETRY).show(|m| super::show::maybe(m.timing().retry))
}

/// `alpha` of a server or a check.
const fn alpha<D: Takes, M: Timed>(default: &'static str) -> Row<D, M> {
    let meaning = "Counts as failed until it was checked";
    Row::new("alpha", Switch(|d: &mut D, on| d.times().alpha = Some(on)), default, meaning)
        .show(|m| m.timing().alpha.map_or(Shown::Nothing, super::show::either))
}

fn span(value: Option<Span>) -> Shown {
    super::show::maybe(value.map(value::Seconds))
}

const U32: i64 = u32::MAX as i64;
const RETRY: &str = "Attempts after the first before it counts as failed";

/// Every row of these blocks.
#[cfg(feature = "tools")]
pub(super) fn catalogue(all: &mut Vec<Known>) {
    list("virtual_server_group", group::ROWS, Effect::Full, all);
    list("virtual_server", service::ROWS, Effect::Full, all);
    list("virtual_server/lvs_method", method::ROWS, Effect::Full, all);
    list("virtual_server/sorry_server_lvs_method", method::ROWS, Effect::Full, all);
    let real = "virtual_server/real_server";
    list(real, real::ROWS, Effect::Full, all);
    list(&format!("{real}/lvs_method"), method::ROWS, Effect::Full, all);
    for (name, parts) in check::TABLES {
        parts.iter().for_each(|rows| list(&format!("{real}/{name}"), rows, Effect::Full, all));
    }
    let [host, _] = check::HOST;
    list(&format!("{real}/SMTP_CHECK/host"), host, Effect::Full, all);
    for (name, rows) in [("HTTP_GET", http::URL), ("SSL_GET", http::URL_TLS)] {
        list(&format!("{real}/{name}/url"), rows, Effect::Full, all);
        all.extend(Regex::OPTIONS.map(|option| Known {
            block: format!("{real}/{name}/url/regex_options"),
            name: option,
            syntax: String::new(),
            default: "off",
            meaning: "PCRE2 option of the same name",
            reload: true,
            effect: Effect::Full,
            block_follows: false,
            replaced: None,
        }));
    }
}

/// Where a word is known, as the end of a sentence.
pub(super) fn elsewhere(word: &str) -> Option<&'static str> {
    if known!(LVS, &[service::ROWS], word) {
        Some("in virtual_server")
    } else if known!(LVS, &[real::ROWS], word) {
        Some("in real_server")
    } else if known!(LVS, &[http::URL], word) {
        Some("in url of HTTP_GET or SSL_GET")
    } else if known!(LVS, &[http::URL_TLS], word) {
        Some("in SSL_GET or its url")
    } else if known!(LVS, check::ROWS, word) {
        Some("in a check of a real_server")
    } else {
        None
    }
}
