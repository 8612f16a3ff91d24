//! Which known word somebody meant who wrote another one.

/// The known word nearest to `word`: at most one edit away for a short word, three for a long one; the first
/// of equals. Insertions, deletions, replacements and swapped neighbours count one each.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    nearest_of(word, &mut known.into_iter())
}

/// The same for every kind of iterator, so that it is in the program once.
fn nearest_of<'a>(word: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    /// The longest word worth comparing: keywords are below 48 bytes.
    const LONGEST: usize = 48;
    let word = word.as_bytes();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let allowed = match word.len() {
        1..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let other = candidate.as_bytes();
        if other.len() > LONGEST || other.len().abs_diff(word.len()) > allowed {
            continue;
        }
        let far = distance(word, other);
        // Half of a word replaced is another word.
        if far <= allowed && far.saturating_mul(2) <= word.len() && best.is_none_or(|(least, _)| far < least)
        {
            best = Some((far, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edits between two words; case alone counts nothing, so that `State` finds `state`.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let width = b.len().saturating_add(1);
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    let mut last_a = 0_u8;
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(width);
        row.push(i.saturating_add(1));
        let mut last_b = 0_u8;
        for (j, &y) in b.iter().enumerate() {
            let at = |line: &[usize], k: usize| line.get(k).copied().unwrap_or(usize::MAX);
            let same = x.eq_ignore_ascii_case(&y);
            let mut cost = at(&above, j).saturating_add(usize::from(!same));
            cost = cost.min(at(&above, j.saturating_add(1)).saturating_add(1));
            cost = cost.min(at(&row, j).saturating_add(1));
            if i > 0 && j > 0 && x.eq_ignore_ascii_case(&last_b) && last_a.eq_ignore_ascii_case(&y) {
                cost = cost.min(at(&before, j.saturating_sub(1)).saturating_add(1));
            }
            row.push(cost);
            last_b = y;
        }
        before = core::mem::replace(&mut above, row);
        last_a = x;
    }
    above.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_word() {
        let known = ["priority", "preempt", "state", "interface", "garp_master_delay", "dev"];
        assert_eq!(nearest("priorty", known), Some("priority"));
        assert_eq!(nearest("pirority", known), Some("priority"));
        assert_eq!(nearest("State", known), Some("state"));
        assert_eq!(nearest("garp_mster_dleay", known), Some("garp_master_delay"));
        assert_eq!(nearest("protocol", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("xy", known), None);
    }
}
