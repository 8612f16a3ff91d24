//! What interfaces count as over time, over a reload and over a restart, and what the log says of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::states::Wanted;
use super::*;
use crate::base::addr::Prefix;
use crate::base::id::IfIndex;
use crate::base::map::Map;
use crate::base::name::IfName;
use crate::base::time::{Instant, Span};
use crate::daemon::keep::{Keep, Left};
use crate::daemon::log::logged;
use crate::proto::track::{Delays, LinkMethod};
use crate::sys::netlink::link::{ETHERNET, HardwareAddress, Link as KernelLink, LinkFlags, OperState};

pub(super) const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
pub(super) const UP: u32 = libc::IFF_UP as u32;
pub(super) const RUNNING: u32 = libc::IFF_RUNNING as u32;

/// An Ethernet interface that is up.
pub(super) fn kernel_link(index: u32, name: &str) -> KernelLink {
    KernelLink {
        index: IfIndex(index),
        name: IfName::new(name).unwrap(),
        flags: LinkFlags(UP | RUNNING),
        state: OperState::Up,
        carrier: Some(true),
        mtu: 1_500,
        hardware_type: ETHERNET,
        address: HardwareAddress::of(&MAC),
        broadcast: HardwareAddress::of(&[0xff; 6]),
        parent: IfIndex(0),
        parent_elsewhere: false,
        master: IfIndex(0),
        in_vrf: false,
        group: 0,
        kind: heapless::String::new(),
        table: None,
    }
}

fn down(index: u32, name: &str) -> KernelLink {
    KernelLink { flags: LinkFlags(UP), ..kernel_link(index, name) }
}

fn at(secs: u64) -> Instant {
    Instant::START + Span::from_secs(1_000 + secs)
}

/// Down counts after 4 s, up after 6 s.
fn delays() -> Delays {
    Delays { down: Span::from_secs(4), up: Span::from_secs(6) }
}

fn interfaces() -> (Interfaces, LinkId) {
    let mut table = Links::default();
    let eth0 = table.named(&IfName::new("eth0").unwrap());
    (Interfaces::open(table, &Commands::open().unwrap()).unwrap(), eth0)
}

fn watch(interfaces: &mut Interfaces, now: Instant, wanted: &[(LinkId, Wanted)]) {
    let wanted: Map<LinkId, Wanted> = wanted.iter().copied().collect();
    interfaces.watch(now, wanted, &Keep::default(), &Left::default());
}

/// eth0, which is up and has delays.
fn delayed() -> (Interfaces, LinkId) {
    let (mut interfaces, eth0) = interfaces();
    interfaces.table.update(&kernel_link(7, "eth0"));
    watch(&mut interfaces, at(0), &[(eth0, Wanted { delays: Some(delays()), beat: None })]);
    (interfaces, eth0)
}

/// The kernel says something of eth0. Whether there may be another deadline.
fn hear(interfaces: &mut Interfaces, now: Instant, kernel: &KernelLink) -> bool {
    let changes = interfaces.table.update(kernel);
    let mut deadline = false;
    for (link, change) in changes.into_iter().flatten() {
        deadline |= interfaces.weigh(now, link, change);
    }
    deadline
}

fn counts_up(interfaces: &Interfaces, link: LinkId) -> bool {
    interfaces.table.link(link).unwrap().counts_up()
}

#[test]
fn without_delays_an_interface_counts_at_once_and_the_log_says_who_reports_it() {
    let (mut interfaces, eth0) = interfaces();
    let lines = logged(|| {
        assert!(!hear(&mut interfaces, at(0), &kernel_link(7, "eth0")));
        assert!(!hear(&mut interfaces, at(1), &down(7, "eth0")));
        assert!(!counts_up(&interfaces, eth0));
        assert!(!hear(&mut interfaces, at(2), &down(7, "eth0")), "no news");
        assert!(!hear(&mut interfaces, at(2), &kernel_link(7, "eth0")));
        assert!(counts_up(&interfaces, eth0));
    });
    assert_eq!(lines, ["Netlink reports eth0 down", "Netlink reports eth0 up"]);
    assert_eq!(interfaces.poll_at(), None);
}

#[test]
fn with_delays_a_change_counts_when_it_has_lasted() {
    let (mut interfaces, eth0) = delayed();
    let lines = logged(|| {
        assert!(hear(&mut interfaces, at(10), &down(7, "eth0")));
        assert!(counts_up(&interfaces, eth0) && interfaces.watch_of(eth0).waits);
        assert_eq!(interfaces.poll_at(), Some(at(14)));
        assert_eq!(interfaces.next_settled(at(13), &mut 0), None);
        assert!(counts_up(&interfaces, eth0));
        let mut position = 0;
        assert_eq!(interfaces.next_settled(at(14), &mut position), Some(eth0));
        assert_eq!(interfaces.next_settled(at(14), &mut position), None);
        assert!(!counts_up(&interfaces, eth0) && !interfaces.watch_of(eth0).waits);
        assert_eq!(interfaces.poll_at(), None);
        assert!(hear(&mut interfaces, at(20), &kernel_link(7, "eth0")));
        assert_eq!((counts_up(&interfaces, eth0), interfaces.poll_at()), (false, Some(at(26))));
    });
    assert_eq!(
        lines,
        [
            "eth0: Adding change to down delay by 4000000",
            "Netlink reports eth0 down",
            "eth0: Adding change to up delay by 6000000",
        ]
    );
}

#[test]
fn a_change_that_does_not_last_never_counts() {
    let (mut interfaces, eth0) = delayed();
    hear(&mut interfaces, at(10), &down(7, "eth0"));
    let lines = logged(|| {
        hear(&mut interfaces, at(12), &kernel_link(7, "eth0"));
    });
    assert!(lines.is_empty(), "{lines:?}");
    assert_eq!((counts_up(&interfaces, eth0), interfaces.poll_at()), (true, None));
    assert_eq!(interfaces.next_settled(at(14), &mut 0), None);
}

#[test]
fn an_interface_that_vanishes_or_comes_counts_without_a_delay() {
    let (mut interfaces, eth0) = delayed();
    interfaces.table.remove(IfIndex(7));
    assert!(interfaces.weigh(at(10), eth0, Change::Vanished));
    assert!(!counts_up(&interfaces, eth0));
    hear(&mut interfaces, at(11), &kernel_link(8, "eth0"));
    assert_eq!((counts_up(&interfaces, eth0), interfaces.poll_at()), (true, None));
}

#[test]
fn a_reload_goes_on_with_a_change_that_waits_and_one_without_delays_lets_it_count() {
    let (mut interfaces, eth0) = delayed();
    hear(&mut interfaces, at(10), &down(7, "eth0"));
    let longer = Delays { down: Span::from_secs(5), ..delays() };
    watch(&mut interfaces, at(12), &[(eth0, Wanted { delays: Some(longer), beat: None })]);
    assert_eq!((counts_up(&interfaces, eth0), interfaces.poll_at()), (true, Some(at(15))));
    assert_eq!(interfaces.watch_of(eth0).delays, longer);
    watch(&mut interfaces, at(13), &[]);
    assert_eq!((counts_up(&interfaces, eth0), interfaces.poll_at()), (false, None));
    assert!(!interfaces.watch_of(eth0).waits);
}

#[test]
fn a_reload_with_a_shorter_delay_that_is_over_lets_the_change_count_and_tells_it() {
    let (mut interfaces, eth0) = delayed();
    hear(&mut interfaces, at(10), &down(7, "eth0"));
    let shorter = Delays { down: Span::from_secs(1), ..delays() };
    let wanted = [(eth0, Wanted { delays: Some(shorter), beat: None })];
    let lines = logged(|| watch(&mut interfaces, at(12), &wanted));
    assert_eq!(lines, ["Netlink reports eth0 down"]);
    assert!(!counts_up(&interfaces, eth0));
}

#[test]
fn a_successor_goes_on_with_what_an_interface_counted_as() {
    let keep = Keep::new();
    let (mut before, eth0) = delayed();
    hear(&mut before, at(10), &down(7, "eth0"));
    before.keep_states(&keep);
    assert_eq!(before.notes().count(), 1);
    // The successor finds the interface down, but the change has not lasted yet.
    let (mut after, _) = interfaces();
    after.table.update(&down(7, "eth0"));
    let wanted = [(eth0, Wanted { delays: Some(delays()), beat: None })];
    after.watch(at(12), wanted.iter().copied().collect(), &keep, &Left::of(&keep));
    assert_eq!((counts_up(&after, eth0), after.poll_at()), (true, Some(at(14))));
    assert_eq!(after.notes().collect::<Vec<_>>(), before.notes().collect::<Vec<_>>());
    assert_eq!(after.next_settled(at(14), &mut 0), Some(eth0));
    after.keep_states(&keep);
    assert_eq!(keep.all().len(), 1, "one note of each interface");
    // Without a note it counts as what it is.
    let (mut first, _) = interfaces();
    first.table.update(&down(7, "eth0"));
    first.watch(at(12), wanted.iter().copied().collect(), &keep, &Left::default());
    assert_eq!((counts_up(&first, eth0), first.poll_at()), (false, None));
}

#[test]
fn drivers_are_asked_once_a_second_each_in_turn() {
    let (mut interfaces, eth0) = interfaces();
    let [eth1, eth2] = ["eth1", "eth2"].map(|name| interfaces.table.named(&IfName::new(name).unwrap()));
    let polled = Wanted { delays: None, beat: Some(Some(LinkMethod::Ethtool)) };
    let wanted = [(eth0, polled), (eth1, Wanted { delays: Some(delays()), beat: None }), (eth2, polled)];
    let lines = logged(|| {
        watch(&mut interfaces, at(0), &wanted);
        watch(&mut interfaces, at(0), &wanted);
    });
    assert_eq!(lines, ["Using MII-BMSR/ETHTOOL NIC polling thread(s)..."], "once");
    assert_eq!(interfaces.poll_at(), Some(at(1)));
    assert_eq!(interfaces.next_polled(at(0)), None);
    let asked = [eth0, eth2, eth0].map(|_| interfaces.next_polled(at(1)));
    assert_eq!(asked, [Some(eth0), Some(eth2), None]);
    assert_eq!((interfaces.poll_at(), interfaces.next_polled(at(1))), (Some(at(2)), None));
    // After a pause the rounds that were missed are left out.
    let asked = [eth0, eth2, eth0].map(|_| interfaces.next_polled(at(60)));
    assert_eq!(asked, [Some(eth0), Some(eth2), None]);
    assert_eq!(interfaces.poll_at(), Some(at(61)));
    assert!(!interfaces.poll(eth0), "an interface that is not there is not asked");
    assert_eq!(interfaces.watch_of(eth0).method, Some(LinkMethod::Ethtool));
    assert_eq!(interfaces.watch_of(eth1).method, None);
    watch(&mut interfaces, at(61), &[]);
    assert_eq!(interfaces.poll_at(), None);
}

#[test]
fn a_driver_that_gives_no_answer_leaves_the_word_to_netlink() {
    let (mut interfaces, eth0) = interfaces();
    interfaces.table.update(&kernel_link(7, "eth0"));
    let mut absent = kernel_link(9, "ka-no-such");
    absent.flags = LinkFlags(UP | RUNNING);
    let none = interfaces.table.named(&absent.name);
    interfaces.table.update(&absent);
    let polled = Wanted { delays: None, beat: Some(None) };
    watch(&mut interfaces, at(0), &[(none, polled)]);
    assert!(!interfaces.poll(none) && !interfaces.poll(eth0));
    assert!(counts_up(&interfaces, none) && counts_up(&interfaces, eth0));
}

#[test]
fn the_driver_of_a_polled_interface_is_believed_and_named_in_the_log() {
    let (mut interfaces, _) = interfaces();
    let lo = interfaces.table.named(&IfName::new("lo").unwrap());
    interfaces.table.update(&kernel_link(1, "lo"));
    let polled = Wanted { delays: None, beat: Some(None) };
    watch(&mut interfaces, at(0), &[(lo, polled)]);
    assert!(interfaces.table.link(lo).unwrap().state.polled.is_some(), "each interface has flags at least");
    interfaces.table.link_mut(lo).unwrap().set_polled(Some(true));
    let unwanted = KernelLink { flags: LinkFlags(0), ..kernel_link(1, "lo") };
    let lines = logged(|| assert!(hear(&mut interfaces, at(1), &unwanted), "it goes on being asked"));
    assert_eq!(lines, ["Linkbeat reports lo down"]);
    watch(&mut interfaces, at(2), &[]);
    assert_eq!(interfaces.table.link(lo).unwrap().state.polled, None, "netlink is believed again");
}

#[test]
fn lost_notifications_are_told() {
    let (mut interfaces, _) = interfaces();
    let lines = logged(|| interfaces.recover(true));
    assert_eq!(lines, ["Netlink: messages were lost (ENOBUFS); reading all interfaces and addresses again"]);
}

#[test]
fn interfaces_that_come_go_or_are_not_there_are_told() {
    let (mut interfaces, eth0) = interfaces();
    let lines = logged(|| {
        interfaces.log_absent(&[eth0]);
        interfaces.table.update(&kernel_link(7, "eth0"));
        interfaces.log_absent(&[eth0]);
        for change in [Change::Appeared, Change::State, Change::Setting, Change::None, Change::Vanished] {
            interfaces.log_change(eth0, change);
        }
        let names = ["eth0", "eth1"].map(|name| IfName::new(name).unwrap());
        report::renamed(&names[0], &names[1]);
        report::deleted(&names[1]);
        report::not_polled(&names[0], "it is a bridge");
    });
    assert_eq!(
        lines,
        [
            "Configuration specifies interface eth0 which doesn't currently exist - will use if created",
            "Interface eth0 added",
            "Interface eth0 deleted",
            "Interface name has changed from eth0 to eth1",
            "Interface eth1 deleted",
            "Turning off linkbeat for eth0 since it is a bridge",
        ]
    );
}

#[test]
fn each_address_that_comes_or_goes_is_told_only_if_that_is_asked_for() {
    let (mut interfaces, _) = interfaces();
    interfaces.table.update(&kernel_link(7, "eth0"));
    let prefix = Prefix { addr: "10.0.0.1".parse().unwrap(), len: 24 };
    let [known, other] = [7, 9].map(|index| Address::new(IfIndex(index), prefix));
    let quiet = logged(|| interfaces.log_address(&known, true));
    assert!(quiet.is_empty(), "{quiet:?}");
    interfaces.log_addresses = true;
    let lines = logged(|| {
        interfaces.log_address(&known, true);
        interfaces.log_address(&other, false);
    });
    assert_eq!(
        lines,
        [
            "Netlink reflector reports IP 10.0.0.1 added to eth0",
            "Netlink reflector reports IP 10.0.0.1 removed from interface 9",
        ]
    );
}
