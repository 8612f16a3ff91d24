//! Metrics of the path: numbers in the kernel's units, some of them with `lock`.

use super::super::option::{Choice, Reader, Unusable, Words};
use super::RouteDraft;
use crate::config::model::route::{MetricKind, PathMetric};
use crate::config::row::Term;
use crate::config::tree::Word;

type Done = Result<(), Unusable>;

const fn choice(
    name: &'static str,
    syntax: &'static str,
    meaning: &'static str,
    read: Reader<RouteDraft>,
) -> Choice<RouteDraft> {
    Choice { term: Term::new(name, syntax, "that of the system", meaning), read }
}

const LOCKABLE: &str = "[lock] <0..4294967295>";
const NUMBER: &str = "<0..4294967295>";
const TIME: &str = "[lock] <number>[ms|s|sec|secs], 0.2..120 s";
const U32: i64 = u32::MAX as i64;

/// The words of metrics.
#[rustfmt::skip]
pub(super) static OPTIONS: &[Choice<RouteDraft>] = &[
    choice("mtu", LOCKABLE, "Largest packet of the path, in octets", |d, w, o| number(d, w, o, MetricKind::Mtu, true, U32)),
    choice("advmss", LOCKABLE, "Segment size that is advertised, in octets", |d, w, o| number(d, w, o, MetricKind::AdvertisedMss, true, U32)),
    choice("reordering", LOCKABLE, "Reordering that is expected at first, in segments", |d, w, o| number(d, w, o, MetricKind::Reordering, true, U32)),
    choice("cwnd", LOCKABLE, "Bound of the congestion window, in segments", |d, w, o| number(d, w, o, MetricKind::CongestionWindow, true, U32)),
    choice("ssthresh", LOCKABLE, "Threshold of slow start at first, in segments", |d, w, o| number(d, w, o, MetricKind::SlowStart, true, U32)),
    choice("window", NUMBER, "Largest window that is advertised, in octets", |d, w, o| number(d, w, o, MetricKind::Window, false, U32)),
    choice("initcwnd", NUMBER, "Congestion window at first, in segments", |d, w, o| number(d, w, o, MetricKind::InitialWindow, false, U32)),
    choice("initrwnd", NUMBER, "Receive window at first, in segments", |d, w, o| number(d, w, o, MetricKind::InitialReceiveWindow, false, U32)),
    choice("hoplimit", "<0..255>", "Hop limit of packets", |d, w, o| number(d, w, o, MetricKind::HopLimit, false, 255)),
    choice("quickack", "<0|1>", "Acknowledges without delay", |d, w, o| number(d, w, o, MetricKind::QuickAck, false, 1)),
    choice("fastopen_no_cookie", "<0|1>", "TCP fast open without a cookie", |d, w, o| number(d, w, o, MetricKind::FastOpenNoCookie, false, 1)),
    choice("rtt", TIME, "Round trip time at first; a bare number counts eighths of a millisecond", |d, w, o| time(d, w, o, MetricKind::RoundTrip, 8)),
    choice("rttvar", TIME, "Its variance at first; a bare number counts quarters of a millisecond", |d, w, o| time(d, w, o, MetricKind::RoundTripVariance, 4)),
    choice("rto_min", TIME, "Shortest time before TCP sends again; a bare number counts milliseconds", |d, w, o| time(d, w, o, MetricKind::LeastTimeout, 1)),
];

/// Each metric has one value, the last one.
fn put(draft: &mut RouteDraft, kind: MetricKind, value: u32, lock: bool) {
    let metrics = &mut draft.route.metrics;
    metrics.retain(|metric| metric.kind != kind);
    let at = metrics.partition_point(|metric| metric.kind < kind);
    metrics.insert(at, PathMetric { kind, value, lock });
}

fn number<'a>(
    draft: &mut RouteDraft,
    words: &mut Words<'_, 'a>,
    option: &'a Word<'a>,
    kind: MetricKind,
    lockable: bool,
    most: i64,
) -> Done {
    let lock = lockable && words.take("lock");
    let value = words.number(option, 0..=most)?;
    put(draft, kind, value, lock);
    Ok(())
}

/// A time of which `unit` units are a millisecond.
fn time<'a>(
    draft: &mut RouteDraft,
    words: &mut Words<'_, 'a>,
    option: &'a Word<'a>,
    kind: MetricKind,
    unit: u64,
) -> Done {
    let lock = words.take("lock");
    let word = words.value(option, TIME)?;
    let Some(units) = units(word.text, unit) else {
        let message = format_args!("Invalid {} {} for route", option.text, word.text);
        return Err(words.refuse(word, message, "write a number and s or ms; the route is not used"));
    };
    let (least, most) = (unit * 200, unit * 120_000);
    let used = units.clamp(least, most);
    if used != units {
        let message = format_args!("{} {} is outside 0.2..120 s", option.text, word.text);
        let nearer = if used == least { "200ms" } else { "120s" };
        words.line.warn(word, message, &format!("{nearer} is used"));
    }
    put(draft, kind, u32::try_from(used).unwrap_or(u32::MAX), lock);
    Ok(())
}

/// Decimals with a unit of time, or a bare number of units.
fn units(text: &str, unit: u64) -> Option<u64> {
    let end = text.bytes().position(|b| !(b.is_ascii_digit() || b == b'.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    // Thousandths of a unit.
    let scale: u64 = match suffix {
        "" => 1_000,
        "ms" => unit.checked_mul(1_000)?,
        "s" | "sec" | "secs" => unit.checked_mul(1_000_000)?,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut total = whole.checked_mul(scale)?;
    let mut digit_scale = scale;
    for digit in fraction.bytes() {
        digit_scale /= 10;
        total = total.checked_add(u64::from(digit.saturating_sub(b'0')).checked_mul(digit_scale)?)?;
    }
    Some(total.saturating_add(500) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::units;

    #[test]
    fn times_of_the_kernel() {
        assert_eq!(units("200ms", 8), Some(1_600));
        assert_eq!(units("1.5s", 4), Some(6_000));
        assert_eq!(units("300", 8), Some(300));
        assert_eq!(units(".25secs", 1), Some(250));
        assert_eq!(units("0.5ms", 1), Some(1));
        assert_eq!(units("99999999999999999999s", 1), None);
        assert_eq!(units("9999999999999999999s", 8), None);
        for bad in ["", ".", "s", "1e3", "1.2.3", "1 s", "-1", "1min"] {
            assert_eq!(units(bad, 8), None, "{bad}");
        }
    }
}
