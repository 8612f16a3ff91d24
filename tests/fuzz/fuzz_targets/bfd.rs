//! Any octets as what the peer of a BFD session sends: packets of any content, each after a time of any length.

#![no_main]

use keepalived::base::bytes::Writer;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::bfd::Params;
use keepalived::proto::bfd::session::{Actions, Input, Session};
use keepalived::wire::bfd::{Control, LEN};

const MY: u32 = 1;
/// A length of time and a packet with an authentication section.
const STEP: usize = 1 + LEN + 2;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let mut now = Instant::START;
    let mut session = Session::new(Params::default(), MY, 7);
    let mut step = |now: Instant, input: Input| {
        let mut out = Actions::new();
        session.handle(now, input, &mut out);
        session.poll_at()
    };
    step(now, Input::Start(None));
    for piece in octets.chunks(STEP) {
        let [millis, packet @ ..] = piece else { return };
        now += Span::from_millis(u64::from(*millis));
        step(now, Input::Timeout);
        let Ok(control) = Control::parse(packet) else { continue };
        let mut again = [0; LEN];
        control.emit(&mut Writer::new(&mut again)).unwrap();
        assert_eq!(Control::parse(&again), Ok(control));
        // The session is found by this number; a peer that does not know it yet says 0.
        if control.your == 0 || control.your == MY {
            step(now, Input::Received { control, arrived: now });
        }
    }
});
