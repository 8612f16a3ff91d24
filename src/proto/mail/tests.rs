//! What the client says and when it tries again, step by step and for any sequence of answers.

use super::*;

const PATIENCE: Span = Span::from_secs(30);

fn at(seconds: u64) -> Instant {
    Instant::START + Span::from_secs(seconds)
}

/// Gives inputs at one moment; everything that the client then does.
fn drive(client: &mut Client, now: Instant, inputs: &[Input]) -> Vec<Action> {
    let mut all = Vec::new();
    for input in inputs {
        let mut out = Actions::new();
        client.handle(now, *input, &mut out);
        all.extend(out);
    }
    all
}

use Action::{Close, Connect, Finish, Report, Say};
use Input::{Connected, Letter, Reply, Timeout};

const TWO: Input = Letter { recipients: 2 };

#[test]
fn a_message_goes_to_all_and_the_next_may_come() {
    let mut client = Client::new(PATIENCE);
    let inputs =
        [TWO, Connected, Reply(220), Reply(250), Reply(250), Reply(250), Reply(251), Reply(354), Reply(250)];
    assert_eq!(
        drive(&mut client, at(0), &inputs),
        [
            Connect,
            Report(Event::Connected),
            Say(Line::Hello),
            Say(Line::From),
            Say(Line::To(0)),
            Say(Line::To(1)),
            Say(Line::Data),
            Say(Line::Text),
            Report(Event::Sent),
            Finish,
            Say(Line::Quit),
        ]
    );
    assert!(!client.is_idle());
    assert_eq!(drive(&mut client, at(0), &[Reply(221)]), [Close]);
    assert!(client.is_idle() && client.poll_at().is_none());
}

#[test]
fn one_bad_recipient_does_not_keep_the_others_from_it() {
    let mut client = Client::new(PATIENCE);
    drive(&mut client, at(0), &[TWO, Connected, Reply(220), Reply(250), Reply(250)]);
    let refused = Report(Event::Refused { command: "RCPT", code: 550 });
    assert_eq!(drive(&mut client, at(0), &[Reply(550)]), [refused, Say(Line::To(1))]);
    let rest = drive(&mut client, at(0), &[Reply(250), Reply(354), Reply(250)]);
    assert_eq!(rest[2..], [Report(Event::Sent), Finish, Say(Line::Quit)]);
}

#[test]
fn all_bad_recipients_end_it() {
    let mut client = Client::new(PATIENCE);
    drive(&mut client, at(0), &[TWO, Connected, Reply(220), Reply(250), Reply(250), Reply(550)]);
    let refused = Report(Event::Refused { command: "RCPT", code: 553 });
    assert_eq!(
        drive(&mut client, at(0), &[Reply(553)]),
        [refused, Say(Line::Quit), Close, Report(Event::GivenUp), Finish]
    );
    assert!(client.is_idle());
}

#[test]
fn a_recipient_that_is_put_off_is_tried_again_alone() {
    let mut client = Client::new(PATIENCE);
    drive(
        &mut client,
        at(0),
        &[TWO, Connected, Reply(220), Reply(250), Reply(250), Reply(450), Reply(250), Reply(354)],
    );
    let again = drive(&mut client, at(0), &[Reply(250)]);
    assert_eq!(again, [Report(Event::Sent), Say(Line::Quit), Close, Report(Event::Again(PAUSE))]);
    assert_eq!(client.done(), 0b10);
    assert_eq!(drive(&mut client, at(4), &[Timeout]), []);
    assert_eq!(drive(&mut client, at(5), &[Timeout]), [Connect]);
    let second =
        drive(&mut client, at(5), &[Connected, Reply(220), Reply(250), Reply(250), Reply(250), Reply(354)]);
    assert_eq!(second[3..], [Say(Line::To(0)), Say(Line::Data), Say(Line::Text)]);
    assert_eq!(drive(&mut client, at(5), &[Reply(250)])[1], Finish);
}

#[test]
fn what_never_works_is_tried_ever_more_rarely_and_given_up() {
    let mut client = Client::new(PATIENCE);
    let (mut now, mut pauses) = (at(0), Vec::new());
    let mut actions = drive(&mut client, now, &[TWO]);
    while actions == [Connect] {
        let failed = drive(&mut client, now, &[Input::Broken]);
        assert_eq!(failed[..2], [Report(Event::Broken), Close]);
        match failed[2] {
            Report(Event::Again(pause)) => {
                pauses.push(pause.as_secs());
                now += pause;
                actions = drive(&mut client, now, &[Timeout]);
            }
            Report(Event::GivenUp) => {
                assert_eq!(failed[3], Finish);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pauses[..8], [5, 10, 20, 40, 80, 160, 300, 300]);
    assert_eq!(pauses.len(), usize::from(limit::MAIL_TRIES) - 1);
    // The next message waits for its turn, and one that gets through ends the pauses.
    assert_eq!(drive(&mut client, now, &[Letter { recipients: 1 }]), []);
    now = client.poll_at().unwrap();
    let sent = [
        Timeout,
        Connected,
        Reply(220),
        Reply(250),
        Reply(250),
        Reply(250),
        Reply(354),
        Reply(250),
        Reply(221),
    ];
    drive(&mut client, now, &sent);
    assert_eq!(drive(&mut client, now, &[TWO]), [Connect]);
}

#[test]
fn silence_ends_each_step() {
    let steps = [Connected, Reply(220), Reply(250), Reply(250), Reply(250), Reply(250), Reply(354)];
    for count in 0..=steps.len() {
        let mut client = Client::new(PATIENCE);
        drive(&mut client, at(0), &[TWO]);
        drive(&mut client, at(1), &steps[..count]);
        let due = client.poll_at().unwrap();
        assert_eq!(due, at(u64::from(count > 0)) + PATIENCE);
        let timed_out = drive(&mut client, due, &[Timeout]);
        assert_eq!(timed_out[0], Report(Event::TimedOut { connecting: count == 0 }));
        assert_eq!(timed_out[1..], [Close, Report(Event::Again(PAUSE))]);
        assert!(client.is_apart());
    }
}

/// Whatever comes, the client ends up idle or waiting for a time, and says nothing without a connection.
#[test]
fn no_sequence_of_inputs_leads_astray() {
    let mut random = 0x9e37_79b9_u32;
    let mut draw = |below: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % below
    };
    let codes = [220, 221, 250, 251, 354, 421, 450, 500, 550, 554];
    let mut longest = 0;
    for _ in 0..2_000 {
        let mut client = Client::new(PATIENCE);
        let (mut now, mut connection, mut letters) = (at(0), false, 0_i32);
        for _ in 0..60 {
            let input = match draw(12) {
                0 => Letter { recipients: 3 },
                1 | 2 => Connected,
                3 => Input::Broken,
                4 => Input::Closed,
                5 => Input::Garbage,
                6 => Timeout,
                _ => Reply(codes[draw(10) as usize]),
            };
            if let Letter { .. } = input
                && client.is_idle()
            {
                letters += 1;
            }
            if draw(4) == 0 {
                now = client.poll_at().unwrap_or(now).max(now);
            }
            let mut out = Actions::new();
            client.handle(now, input, &mut out);
            longest = longest.max(out.len());
            for action in out {
                match action {
                    Connect => connection = true,
                    Say(_) => assert!(connection),
                    Close => connection = false,
                    Finish => letters -= 1,
                    Report(_) => {}
                }
            }
            assert_eq!(client.is_idle(), client.poll_at().is_none());
            assert!((0..=1).contains(&letters), "each message is done with once");
            assert!(!client.is_apart() || !connection);
        }
    }
    assert!(longest < LONGEST, "there is room for one more: none was left out");
}
