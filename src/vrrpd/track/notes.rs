//! What a successor of this process has to know of trackers, as the values of a note.

use crate::base::time::{Instant, Span};
use crate::daemon::keep::Values;
use crate::proto::track::{ScriptMemory, Verdict};

/// So many intervals after the death of its predecessor a script's verdict still counts, and so long in any case.
const FRESH: u64 = 3;
const FRESH_AT_LEAST: Span = Span::from_secs(3);

/// A verdict in two bits; 0: none.
pub(super) const fn verdict_bits(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Unknown => 0,
        Verdict::Up => 1,
        Verdict::Down => 2,
    }
}

pub(super) const fn verdict_of(bits: u64) -> Verdict {
    match bits & 3 {
        1 => Verdict::Up,
        2 => Verdict::Down,
        _ => Verdict::Unknown,
    }
}

pub(super) fn script_values(memory: &ScriptMemory) -> Values {
    let code = memory.last_code.map_or(0, |code| u64::from(code) + 1);
    let all = verdict_bits(memory.verdict) | code << 2 | u64::from(memory.streak) << 32;
    [all, memory.next_run.as_micros(), 0]
}

/// What a script that runs once an interval has said; none if it said nothing, or so long before the `pause` since the
/// predecessor's death that it may not say so any more.
pub(super) fn script_memory(
    [all, next_run, _]: Values,
    interval: Span,
    pause: Option<Span>,
) -> Option<ScriptMemory> {
    pause.filter(|pause| *pause <= interval * FRESH + FRESH_AT_LEAST)?;
    let verdict = verdict_of(all);
    let code = (all >> 2 & 0x1ff).checked_sub(1);
    (verdict != Verdict::Unknown).then(|| ScriptMemory {
        verdict,
        streak: u32::try_from(all >> 32).unwrap_or(0),
        last_code: code.and_then(|code| u8::try_from(code).ok()),
        next_run: Instant::from_micros(next_run),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Span = Span::from_secs(1);

    #[test]
    fn an_old_verdict_of_a_script_is_not_taken_up() {
        let memory =
            ScriptMemory { verdict: Verdict::Up, streak: 0, last_code: Some(0), next_run: Instant::START };
        let after = |interval: Span, pause| script_memory(script_values(&memory), interval, pause).is_some();
        assert!(after(SECOND, Some(SECOND * 6)) && !after(SECOND, Some(SECOND * 6 + Span::from_micros(1))));
        assert!(after(SECOND * 60, Some(SECOND * 183)) && !after(SECOND * 60, Some(SECOND * 184)));
        assert!(!after(SECOND, None), "nobody knows when the predecessor died");
    }

    #[test]
    fn scripts_come_back_as_they_were_noted() {
        for (verdict, streak, last_code) in
            [(Verdict::Up, 0, None), (Verdict::Down, u32::MAX, Some(255)), (Verdict::Up, 7, Some(0))]
        {
            let memory = ScriptMemory { verdict, streak, last_code, next_run: Instant::from_micros(99) };
            assert_eq!(script_memory(script_values(&memory), SECOND, Some(SECOND)), Some(memory));
        }
        assert_eq!(script_memory([0, 5, 0], SECOND, Some(SECOND)), None, "no verdict, nothing to go on with");
    }
}
