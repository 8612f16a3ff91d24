//! Any inputs in any order: what is asked of the binding makes sense, and no server goes down without its retries.

use std::sync::Arc;

use super::kit::{Literals, span};
use crate::base::addr::Family;
use crate::proto::check::http::{Codes, Page, Params, Regex};
use crate::proto::check::machine::*;
use crate::proto::check::{dns, file, smtp, tcp, udp};

fn kinds() -> Vec<(Kind, Option<Params>)> {
    let page = |path: &str, regex| Page {
        path: path.into(),
        digest: None,
        status: Codes::success(),
        host: None,
        regex,
        tls_compliant: false,
    };
    let regex = Regex { pattern: (*b"ab").into(), ..Regex::default() };
    let pages = [page("/a", None), page("/b", Some(Box::new(regex)))];
    let http = Params { pages: pages.into(), ..Params::default() };
    let fast = Params { fast_recovery: true, ..http.clone() };
    let target = ("10.0.0.1".parse().unwrap(), 80);
    let wanted = udp::Params { reply: Some(udp::Pattern::default()), ..udp::Params::default() };
    let mut all: Vec<(Kind, Option<Params>)> = [
        Kind::Tcp(tcp::Params::default()),
        Kind::Smtp(Arc::new(smtp::Params::default())),
        Kind::Dns(Arc::new(dns::Params::default())),
        Kind::Udp(Arc::new(udp::Params::default())),
        Kind::Udp(Arc::new(wanted)),
        Kind::Ping(Family::V6),
        Kind::Misc { dynamic: true },
        Kind::File(file::Params { weight: 0, reverse: false }),
        Kind::File(file::Params { weight: 3, reverse: true }),
        Kind::Bfd,
    ]
    .into_iter()
    .map(|kind| (kind, None))
    .collect();
    for (params, tls) in [(http, false), (fast, true)] {
        all.push((Kind::Http { params: Arc::new(params.clone()), target, tls }, Some(params)));
    }
    all
}

/// What a binding knows of one check.
struct Binding {
    check: Check,
    timed: bool,
    open: bool,
    connected: bool,
    running: bool,
    up: bool,
    streak: u32,
    proven: bool,
    longest: usize,
}

impl Binding {
    fn step(&mut self, now: Instant, input: Input<'_>) {
        let before = self.check.last();
        let mut out = Actions::new();
        self.check.handle(now, input, &mut out);
        self.settle(now, before, &out);
    }

    fn settle(&mut self, now: Instant, before: Option<Outcome>, out: &Actions) {
        self.longest = self.longest.max(out.len());
        let retry = self.check.cadence().retry;
        let result = self.check.last().filter(|last| Some(*last) != before).map(|last| last.result);
        match result {
            Some(Ok(())) => self.streak = 0,
            Some(Err(_)) => self.streak += 1,
            None => {}
        }
        for action in out {
            match *action {
                Action::Open(_) => {
                    assert!(!self.open && !self.running);
                    (self.open, self.connected) = (true, false);
                }
                Action::Send => assert!(self.open && self.connected),
                Action::Close(_) => assert!(core::mem::take(&mut self.open)),
                Action::Run => assert!(!core::mem::replace(&mut self.running, true)),
                Action::Terminate | Action::Kill => assert!(self.running),
                Action::Verdict(verdict) => {
                    let up = verdict == Verdict::Up;
                    assert_ne!(core::mem::replace(&mut self.up, up), up);
                    assert!(
                        result.is_some_and(|result| result.is_ok() == up),
                        "no verdict without its result"
                    );
                    if !up && self.timed && self.proven {
                        assert!(self.streak > retry, "{} failures and {retry} retries", self.streak);
                    }
                }
                Action::Weight(weight) => assert_eq!(self.check.weight(), weight),
                Action::Log(Fact::Down { retries, .. }) => assert!(retries <= retry),
                Action::Log(_) => {}
            }
        }
        self.proven |= result == Some(Ok(()));
        assert_eq!(self.check.is_up(), self.up);
        if self.timed && !self.check.is_suspended() {
            // There is something to wait for: a time, or the end of a program that was killed.
            assert!(self.check.poll_at().is_some() || self.running, "asleep for ever");
            assert!(self.check.poll_at().is_none_or(|due| due <= now + span(100_000)));
        }
    }
}

fn play(seed: u64, kind: Kind, http: Option<&Params>) -> usize {
    let mut random = Random::new(seed);
    let mut below = |most: u64| random.next() % most;
    let cadence = Cadence {
        delay_loop: span(1 + below(20_000)),
        delay_before_retry: span(below(5_000)),
        warmup: span(below(10_000)),
        timeout: span(1 + below(8_000)),
        retry: u32::try_from(below(4)).unwrap(),
        alpha: below(2) == 0,
        log_all_failures: below(2) == 0,
        fail_on_local_failure: false,
    };
    let start = [Start::Fresh, Start::Trusted, Start::Failed][usize::try_from(below(3)).unwrap()];
    let mut now = Instant::START;
    let mut check = Check::new(now, cadence.clone(), kind.clone(), start, seed);
    if let Some(params) = http {
        check = check.with_pattern(Literals::of(params));
    }
    let mut binding = Binding {
        timed: !matches!(kind, Kind::File(_) | Kind::Bfd),
        up: check.is_up(),
        proven: start != Start::Fresh,
        check,
        open: false,
        connected: false,
        running: false,
        streak: 0,
        longest: 0,
    };
    for _ in 0..400 {
        now += Span::from_micros(1);
        let octets: [&[u8]; 8] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"xxabxx",
            b"220 a\r\n",
            b"250 b\r\n",
            b"\x81\0\0\0\0\0\0\x01",
            b"",
            b"\xff\n",
        ];
        let pick = |number: u64| octets[usize::try_from(number).unwrap()];
        match below(24) {
            0..=9 => {
                let due = binding.check.poll_at();
                now = due.filter(|_| below(8) > 0).unwrap_or(now + span(below(30_000))).max(now);
                binding.step(now, Input::Timer);
            }
            10..=12 if binding.open && !binding.connected => {
                binding.connected = true;
                binding.step(now, Input::Connected);
            }
            10..=14 if binding.open && binding.connected => {
                binding.step(now, Input::Received(pick(below(8))))
            }
            10..=14 if binding.running => {
                binding.running = false;
                let codes = [0, 0, 1, 2, 200];
                binding.step(now, Input::Ended(Ending::Exited(codes[usize::try_from(below(5)).unwrap()])));
            }
            15 if binding.open && binding.connected => binding.step(now, Input::Closed),
            16 if binding.open => binding.step(now, Input::Failed(Fault::Unreachable)),
            17 if binding.open || binding.running => {
                (binding.open, binding.running) = (false, false);
                binding.step(now, Input::NotRun(Cause::Memory));
            }
            18 => {
                binding.streak = 0;
                binding.step(now, Input::Suspend);
            }
            19 => binding.step(now, Input::Resume),
            20 if matches!(kind, Kind::File(_)) => {
                binding.step(now, Input::Value(i64::try_from(below(3)).unwrap()));
            }
            21 if matches!(kind, Kind::Bfd) => binding.step(now, Input::Session { up: below(2) == 0 }),
            _ => {}
        }
    }
    let mut out = Actions::new();
    binding.check.stop(now, &mut out);
    binding.settle(now, binding.check.last(), &out);
    assert!(!binding.open);
    binding.longest
}

#[test]
fn any_inputs_in_any_order_make_sense() {
    let mut longest = 0;
    for (kind, http) in kinds() {
        for seed in 0..300 {
            longest = longest.max(play(seed, kind.clone(), http.as_ref()));
        }
    }
    assert!((4..=LONGEST).contains(&longest), "{longest}");
}
