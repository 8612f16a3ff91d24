//! How much slower this machine is than one of its own would be: bounds are stretched by what it could not give.
//!
//! A thread looks every few milliseconds at what the kernel says about it (/proc/pressure/cpu: how long somebody has
//! waited for a processor), and at how late it is woken itself, which also tells where the kernel says nothing, or where
//! the machine's own processors belong to another one. On an idle machine both are nothing, and bounds are what the
//! protocol says.

use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use super::capture::now;
use super::decode::Stamp;

/// The sums up to a moment.
#[derive(Clone, Copy)]
struct Sample {
    at: Stamp,
    lost: Duration,
    late: Duration,
}

static SAMPLES: Mutex<Vec<Sample>> = Mutex::new(Vec::new());
static BEGUN: Once = Once::new();

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(5);
/// The same in the guest, where a look takes as much as ten outside.
const GUEST_PERIOD: Duration = Duration::from_millis(20);
/// What a sleep takes longer than it should on an idle machine.
const USUAL: Duration = Duration::from_millis(1);
/// A bound is stretched by so many times itself at most: a machine that is slower still is none for labs.
const MOST: u32 = 4;

/// Whether this is the machine that QEMU emulates.
pub(crate) fn is_guest() -> bool {
    std::env::var_os("GUEST").is_some_and(|value| value == "inside")
}

/// Begins to measure, once a process.
pub(crate) fn begin() {
    BEGUN.call_once(|| {
        record(Duration::ZERO, Duration::ZERO);
        std::thread::spawn(|| {
            let (mut pressure, period) = (Pressure::open(), if is_guest() { GUEST_PERIOD } else { PERIOD });
            let (mut lost, mut late, mut told) = (Duration::ZERO, Duration::ZERO, pressure.total());
            loop {
                let begun = Instant::now();
                std::thread::sleep(period);
                let overslept = begun.elapsed().saturating_sub(period + USUAL);
                let before = std::mem::replace(&mut told, pressure.total());
                late += overslept;
                lost += told.saturating_sub(before).max(overslept);
                record(lost, late);
            }
        });
    });
}

fn record(lost: Duration, late: Duration) {
    SAMPLES.lock().expect("nobody panics with it").push(Sample { at: now(), lost, late });
}

/// What the kernel says of how long somebody has waited for a processor. The file is left open: it is read two hundred times a
/// second.
struct Pressure {
    file: Option<fs::File>,
    text: [u8; 256],
}

impl Pressure {
    fn open() -> Self {
        Self { file: fs::File::open("/proc/pressure/cpu").ok(), text: [0; 256] }
    }

    /// How long that was since the machine began; zero where the kernel does not tell.
    fn total(&mut self) -> Duration {
        let length = self.file.as_ref().and_then(|file| file.read_at(&mut self.text, 0).ok());
        let text = std::str::from_utf8(&self.text[..length.unwrap_or_default()]).unwrap_or_default();
        let total = text.lines().next().and_then(|line| line.rsplit_once("total=")?.1.parse().ok());
        Duration::from_micros(total.unwrap_or_default())
    }
}

/// What is measured between two moments. The last look may be a little ago: the next one is waited for.
fn between(from: Stamp, to: Stamp) -> [Duration; 2] {
    begin();
    let to = to.min(now());
    let mut samples = SAMPLES.lock().expect("nobody panics with it");
    while samples.last().is_none_or(|last| last.at < to) {
        drop(samples);
        std::thread::sleep(PERIOD / 2);
        samples = SAMPLES.lock().expect("nobody panics with it");
    }
    let at = |moment| samples.get(samples.partition_point(|sample| sample.at < moment)).copied();
    let before = samples.partition_point(|sample| sample.at <= from).saturating_sub(1);
    match (samples.get(before), at(to)) {
        (Some(first), Some(last)) => {
            // Whoever looks may have been late, too: what was before the first moment does not count.
            let whole = Duration::from_nanos(to.saturating_sub(from));
            [(first.lost, last.lost), (first.late, last.late)]
                .map(|(before, after)| after.saturating_sub(before).min(whole))
        }
        _ => [Duration::ZERO; 2],
    }
}

/// How long somebody had to wait for a processor between two moments.
pub(crate) fn lost(from: Stamp, to: Stamp) -> Duration {
    let [lost, _] = between(from, to);
    lost
}

/// A length of time that begins at `from`, in which something is to be done that takes the processor its time: longer
/// by as much as others had until `to`.
pub(crate) fn stretched(span: Duration, from: Stamp, to: Stamp) -> Duration {
    span + lost(from, to).min(span * MOST)
}

/// How late somebody may have been who had only to be woken between two moments.
pub(crate) fn late(from: Stamp, to: Stamp) -> Duration {
    let [_, late] = between(from, to);
    late
}

/// What took so long between two moments, on a machine of its own.
pub(crate) fn alone(took: Duration, from: Stamp, to: Stamp) -> Duration {
    let lost = lost(from, to);
    let whole = Duration::from_nanos(to.saturating_sub(from)).max(Duration::from_nanos(1));
    took.mul_f64(1.0 - lost.as_secs_f64().min(whole.as_secs_f64() * 0.8) / whole.as_secs_f64())
}
