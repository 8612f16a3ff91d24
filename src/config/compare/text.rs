//! Phrases that several parts use.

use super::Member;
use crate::base::time::Span;
use crate::config::value::Seconds;

/// `1 on a, 2 on b and c`, in the order in which the values come; none if all are equal.
pub(super) fn spread(group: &[Member<'_>], value: &dyn Fn(&Member<'_>) -> String) -> Option<String> {
    spread_values(&mut group.iter().map(|member| (member.name, value(member))))
}

/// The same of values with the names of their routers.
pub(super) fn spread_values(of: &mut dyn Iterator<Item = (&str, String)>) -> Option<String> {
    let mut values: Vec<(String, Vec<&str>)> = Vec::new();
    for (name, own) in of {
        match values.iter_mut().find(|(known, _)| *known == own) {
            Some((_, names)) => names.push(name),
            None => values.push((own, vec![name])),
        }
    }
    if values.len() < 2 {
        return None;
    }
    let parts: Vec<String> =
        values.iter().map(|(value, names)| format!("{value} on {}", list(names))).collect();
    Some(parts.join(", "))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.as_ref().to_owned(),
        [head @ .., last] => {
            let head: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", head.join(", "), last.as_ref())
        }
    }
}

/// Seconds with two decimals at most, rounded up.
pub(super) fn seconds(span: Span) -> String {
    let centis = (span + Span::from_micros(9_999)).as_centis();
    format!("{} s", Seconds(Span::from_centis(centis)))
}

/// `within 3.61 s`, or `at once`.
pub(super) fn within(span: Span) -> String {
    if span < Span::from_millis(10) { "at once".to_owned() } else { format!("within {}", seconds(span)) }
}
