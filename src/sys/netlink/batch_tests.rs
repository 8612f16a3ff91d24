//! The octets of a batch, the answers to its messages, and rounds to the kernel that need no root.

use super::*;
use crate::sys::netlink::message::Messages;

const MOST: usize = 4;

fn batch(most: usize, octets: usize) -> Batch {
    Batch::open(NlFamily::Netfilter, most, octets).unwrap()
}

fn append(batch: &mut Batch, tag: u32, flags: NlmF) -> Result<(), Full> {
    let head = Head { tag, kind: 0x0a09, flags, marked: false };
    batch.append(head, [2, 0, 0, 0], &mut |request| request.text(1_u16, "lab"))
}

/// NLMSG_ERROR about a message, with the kernel's explanation behind the header of that message.
fn error(sequence: u32, code: i32, text: Option<&str>) -> Vec<u8> {
    let mut requests = Requests::new(256);
    let flags = if text.is_some() { NlmF::CAPPED | NlmF::ACK_TLVS } else { NlmF::CAPPED };
    let mut fixed = [0; 20];
    fixed[..4].copy_from_slice(&(-code).to_ne_bytes());
    fixed[4..8].copy_from_slice(&20_u32.to_ne_bytes());
    let mut put = |answer: &mut Requests| {
        if let Some(text) = text {
            answer.text(NlmsgerrAttr::Msg, text);
        }
    };
    requests.append(Nlmsg::Error.into(), flags, sequence, fixed, &mut put).unwrap();
    requests.octets().to_vec()
}

/// What a batch makes of answers: the results, and for each answer whether it was awaited.
fn results(batch: &mut Batch, answers: &[Vec<u8>]) -> (Vec<(u32, i32, String)>, Vec<bool>) {
    let mut results = Vec::new();
    let awaited = answers.iter().map(|octets| {
        take(&mut batch.pending, batch.first, octets, &mut |tag, code, text| {
            results.push((tag, code, text.to_owned()));
        })
    });
    let awaited = awaited.collect();
    (results, awaited)
}

#[test]
fn messages_stand_one_after_the_other_and_are_numbered() {
    let mut batch = batch(MOST, 256);
    append(&mut batch, 70, NlmF::ACK | NlmF::CREATE).unwrap();
    let marked = Head { tag: 71, kind: 20, flags: NlmF::empty(), marked: true };
    batch.append(marked, [0; 4], &mut |_| ()).unwrap();
    let native = |number: u32| number.to_ne_bytes();
    let short = |number: u16| number.to_ne_bytes();
    let expected = [
        &native(28)[..],
        &short(0x0a09),
        &short(0x0405),
        &native(1),
        &native(0),
        &[2, 0, 0, 0],
        &short(8),
        &short(1),
        b"lab\0",
        &native(20),
        &short(20),
        &short(1),
        &native(0x8000_0002),
        &native(0),
        &[0; 4],
    ]
    .concat();
    assert_eq!(batch.requests.octets(), expected);
    assert_eq!((batch.len(), batch.room()), (2, 2));
    batch.clear();
    append(&mut batch, 72, NlmF::ACK).unwrap();
    let numbers: Vec<_> = Messages(batch.requests.octets()).map(|message| message.sequence).collect();
    assert_eq!(numbers, [3], "a number is not used again");
}

#[test]
fn a_batch_is_full_of_messages_or_of_octets_and_never_grows() {
    let mut few = batch(MOST, 1_024);
    for tag in 0..4 {
        append(&mut few, tag, NlmF::ACK).unwrap();
    }
    assert_eq!(append(&mut few, 4, NlmF::ACK), Err(Full));
    assert_eq!((few.len(), few.room()), (4, 0));
    let mut narrow = batch(MOST, 60);
    append(&mut narrow, 0, NlmF::ACK).unwrap();
    append(&mut narrow, 1, NlmF::ACK).unwrap();
    assert_eq!(append(&mut narrow, 2, NlmF::ACK), Err(Full));
    assert_eq!((narrow.len(), narrow.requests.octets().len()), (2, 56));
    narrow.reserve(8, 1_024).unwrap();
    assert_eq!((narrow.len(), narrow.room()), (0, 8));
    for tag in 0..8 {
        append(&mut narrow, tag, NlmF::ACK).unwrap();
    }
    assert_eq!(append(&mut narrow, 8, NlmF::ACK), Err(Full));
}

#[test]
fn each_answer_is_about_the_message_of_its_number() {
    let mut batch = batch(MOST, 256);
    batch.first = u32::MAX;
    append(&mut batch, 10, NlmF::ACK).unwrap();
    append(&mut batch, 11, NlmF::ACK).unwrap();
    let marked = Head { tag: 12, kind: 20, flags: NlmF::ACK, marked: true };
    batch.append(marked, [0; 4], &mut |_| ()).unwrap();
    let numbers: Vec<_> = Messages(batch.requests.octets()).map(|message| message.sequence).collect();
    assert_eq!(numbers, [0x7fff_ffff, 0, 0x8000_0001]);
    let answers = [
        error(0, libc::ENOENT, Some("no such set")),
        error(0x8000_0001, 4_352, None),
        error(0x7fff_ffff, 0, None),
        error(0, 0, None),
        error(2, libc::EPERM, None),
        error(0x7fff_fffe, libc::EPERM, None),
    ];
    let (results, awaited) = results(&mut batch, &answers);
    let wanted =
        [(11, libc::ENOENT, "no such set".to_owned()), (12, 4_352, String::new()), (10, 0, String::new())];
    assert_eq!(results, wanted);
    assert_eq!(awaited, [true, true, true, false, false, false]);
}

#[test]
fn a_message_that_asks_for_no_acknowledgement_has_a_result_only_when_it_is_refused() {
    let mut transaction = batch(MOST, 256);
    append(&mut transaction, 1, NlmF::empty()).unwrap();
    append(&mut transaction, 2, NlmF::ACK).unwrap();
    append(&mut transaction, 3, NlmF::empty()).unwrap();
    let answers = [error(1, libc::EOPNOTSUPP, None), error(2, 0, None)];
    let (results, awaited) = results(&mut transaction, &answers);
    assert_eq!(results, [(1, libc::EOPNOTSUPP, String::new()), (2, 0, String::new())]);
    assert_eq!(awaited, [false, true]);
}

/// An rtnetlink socket takes RTM_GETLINK from anybody; a message for another number of the loopback is refused.
#[test]
fn a_whole_batch_is_answered_and_empty_afterwards() {
    let mut batch = Batch::open(NlFamily::Route, MOST, 512).unwrap();
    let head = |tag, flags| Head { tag, kind: libc::RTM_GETLINK, flags, marked: false };
    let link = |index: i32| {
        let mut fixed = [0; 16];
        fixed[4..8].copy_from_slice(&index.to_ne_bytes());
        fixed
    };
    for _ in 0..3 {
        batch.append(head(5, NlmF::ACK), link(1), &mut |_| ()).unwrap();
        batch.append(head(6, NlmF::ACK), link(999_999), &mut |_| ()).unwrap();
        batch.append(head(7, NlmF::empty()), link(999_999), &mut |_| ()).unwrap();
        let mut results = Vec::new();
        batch.commit(&mut |tag, code, _| results.push((tag, code)));
        assert_eq!(results, [(5, 0), (6, libc::ENODEV), (7, libc::ENODEV)]);
        assert_eq!(batch.len(), 0);
    }
    batch.commit(&mut |tag, _, _| panic!("{tag}"));
}

#[test]
fn any_answer_is_read_without_trust() {
    let mut seed = 1_u32;
    let mut answers = 0;
    for _ in 0..20_000 {
        let mut octets: Vec<u8> = (0..64)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 26) as u8
            })
            .collect();
        if let Some(kind) = octets.get_mut(..6) {
            kind.copy_from_slice(&[64, 0, 0, 0, 2, 0]);
        }
        answers += usize::from(Message::clipped(&octets).and_then(answer).is_some());
    }
    assert_eq!(answers, 20_000);
}

/// Generic netlink, as IPVS speaks it: the controller is asked for families by name, which anybody may.
#[test]
fn a_batch_of_generic_netlink_is_answered_message_by_message() {
    const CONTROLLER: u16 = 16;
    const GET_FAMILY: [u8; 4] = [3, 1, 0, 0];
    const FAMILY_NAME: u16 = 2;
    let mut batch = Batch::open(NlFamily::Generic, MOST, 512).unwrap();
    for (tag, name) in [(1, "nlctrl"), (2, "no such family"), (3, "nlctrl")] {
        let head = Head { tag, kind: CONTROLLER, flags: NlmF::ACK, marked: false };
        batch.append(head, GET_FAMILY, &mut |request| request.text(FAMILY_NAME, name)).unwrap();
    }
    let mut results = Vec::new();
    batch.commit(&mut |tag, code, _| results.push((tag, code)));
    assert_eq!(results, [(1, 0), (2, libc::ENOENT), (3, 0)]);
}
