//! A `vrrp_instance`: the parameters of its machine, and everything around them.

use core::ops::{Deref, DerefMut};

use super::track::{TrackedBfd, TrackedFile, TrackedProcess};
pub use super::track::{TrackedInterface, TrackedScript};
use super::{At, Common, Empty, Hmac, Named, Rare, Route, Rule, ScriptCommand, VirtualAddress};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::GroupId;
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::proto::vrrp::{Auth, Params};

/// One virtual router with all defaults filled in. Most instances of a configuration differ in little: what they have
/// alike they share ([`Common`]), and it reads as if it stood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// What the machine needs.
    pub params: Common<Params>,
    /// `interface`; none only with unicast peers and a source address.
    pub interface: Option<Named>,
    /// `virtual_ipaddress`: carried by adverts; at most 255.
    pub addresses: Vec<VirtualAddress>,
    /// The sync group that it is a member of.
    pub sync_group: Option<GroupId>,
    /// Everything else.
    pub settings: Common<Settings>,
}

/// What most instances of a configuration have alike.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one keyword")]
pub struct Settings {
    /// `vrf`.
    pub vrf: Option<Box<Named>>,
    /// `use_vmac`.
    pub vmac: Option<Box<Vmac>>,
    /// `use_ipvlan`, never together with `use_vmac`.
    pub ipvlan: Option<Box<Ipvlan>>,
    /// `use_vmac_addr`: macvlans for addresses on other interfaces, too.
    pub use_vmac_addr: bool,
    /// `vmac_xmit_base`: adverts leave by the parent interface.
    pub vmac_xmit_base: bool,
    /// `mcast_src_ip` or `unicast_src_ip`; none: the first address of the interface.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: FAULT while the source address is not there.
    pub track_source: bool,
    /// `mcast_dst_ip`, or the group of `global_defs`, of the family of the instance.
    pub group: IpAddr,
    /// `unicast_peer`. Empty: adverts go to the multicast group.
    pub peers: Rare<Vec<Peer>>,
    /// `unicast_ttl`; none: 255.
    pub unicast_ttl: Option<u8>,
    /// `nopreempt` was written, and gave way to `state MASTER`.
    pub nopreempt_gave_way: bool,
    /// `unicast_fault_no_peer` on an instance that was marked unicast and has no peer: it stays in FAULT.
    pub fault_no_peer: bool,
    /// `old_unicast_checksum`.
    pub old_unicast_checksum: OldChecksum,
    /// The password as text, if `params.auth` has one; for printing and the data dump.
    pub auth_pass: Option<Box<str>>,
    /// `auth_hmac`
    pub hmac: Option<Box<Hmac>>,
    /// `virtual_ipaddress_excluded`: moved, but not carried by adverts.
    pub excluded: Rare<Vec<VirtualAddress>>,
    /// `no_virtual_ipaddress`: none is meant.
    pub no_addresses: bool,
    /// `virtual_routes`: moved with mastership.
    pub routes: Rare<Vec<Route>>,
    /// `virtual_rules`: moved with mastership.
    pub rules: Rare<Vec<Rule>>,
    /// `promote_secondaries`: sets the sysctl of the interface.
    pub promote_secondaries: bool,
    /// `accept` and `no_accept`: packets to the addresses are taken.
    pub accept: bool,
    /// `strict_mode`.
    pub strict: bool,
    /// `dont_track_primary`: the state of the own interface does not matter.
    pub dont_track_primary: bool,
    /// `track_interface`.
    pub track_interfaces: Rare<Vec<TrackedInterface>>,
    /// `track_script`.
    pub track_scripts: Rare<Vec<TrackedScript>>,
    /// `track_file`.
    pub track_files: Rare<Vec<TrackedFile>>,
    /// `track_process`.
    pub track_processes: Rare<Vec<TrackedProcess>>,
    /// `track_bfd`.
    pub track_bfds: Rare<Vec<TrackedBfd>>,
    /// Commands run on transitions.
    pub notify: Rare<Notify>,
    /// `notify_priority_changes`.
    pub notify_priority_changes: bool,
    /// `smtp_alert`.
    pub smtp_alert: bool,
    /// `kernel_rx_buf_size` in bytes; none: by the policy of `global_defs`.
    pub receive_buffer: Option<u32>,
    /// `garp_extra_if`.
    pub garp_extra: Option<ExtraGarp>,
    /// `debug`, 0 to 4: without effect, as in keepalived.
    pub debug: u8,
    /// `linkbeat_use_polling`.
    pub linkbeat_polling: bool,
    /// `lvs_sync_daemon_interface`.
    pub lvs_sync_interface: Option<Box<Named>>,
    /// It has to stay in FAULT because of this other instance: both have one VRID on one link, which only
    /// `dynamic_interfaces allow_if_changes` allows, or would share a macvlan.
    pub conflict: Option<Box<str>>,
}

impl Settings {
    /// Whether it names places in the text, which others do not share.
    #[must_use]
    pub fn has_places(&self) -> bool {
        let Self { vrf, vmac, ipvlan, peers, hmac, excluded, routes, rules, notify, .. } = self;
        let lists = peers.is_empty() && excluded.is_empty() && routes.is_empty() && rules.is_empty();
        let links = vrf.is_none() && vmac.is_none() && ipvlan.is_none() && self.lvs_sync_interface.is_none();
        !(lists && links && hmac.is_none() && notify.is_absent() && self.tracks_nothing())
    }

    /// Whether both are the same, if neither [has places](Self::has_places): the lists are empty.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        // Every field is named, so that a new one is thought of.
        let Self {
            use_vmac_addr,
            vmac_xmit_base,
            track_source,
            nopreempt_gave_way,
            fault_no_peer,
            no_addresses,
            promote_secondaries,
            accept,
            strict,
            dont_track_primary,
            notify_priority_changes,
            smtp_alert,
            linkbeat_polling,
            source,
            group,
            unicast_ttl,
            old_unicast_checksum,
            auth_pass,
            receive_buffer,
            garp_extra,
            debug,
            conflict,
            vrf: _,
            vmac: _,
            ipvlan: _,
            peers: _,
            hmac: _,
            excluded: _,
            routes: _,
            rules: _,
            track_interfaces: _,
            track_scripts: _,
            track_files: _,
            track_processes: _,
            track_bfds: _,
            notify: _,
            lvs_sync_interface: _,
        } = self;
        let switches = [
            *use_vmac_addr,
            *vmac_xmit_base,
            *track_source,
            *nopreempt_gave_way,
            *fault_no_peer,
            *no_addresses,
            *promote_secondaries,
            *accept,
            *strict,
            *dont_track_primary,
            *notify_priority_changes,
            *smtp_alert,
            *linkbeat_polling,
        ] == [
            other.use_vmac_addr,
            other.vmac_xmit_base,
            other.track_source,
            other.nopreempt_gave_way,
            other.fault_no_peer,
            other.no_addresses,
            other.promote_secondaries,
            other.accept,
            other.strict,
            other.dont_track_primary,
            other.notify_priority_changes,
            other.smtp_alert,
            other.linkbeat_polling,
        ];
        switches
            && (*unicast_ttl, *old_unicast_checksum) == (other.unicast_ttl, other.old_unicast_checksum)
            && (*receive_buffer, *debug) == (other.receive_buffer, other.debug)
            && (*source, *group, *garp_extra) == (other.source, other.group, other.garp_extra)
            && (auth_pass, conflict) == (&other.auth_pass, &other.conflict)
    }

    /// Whether no tracker is named.
    #[must_use]
    pub fn tracks_nothing(&self) -> bool {
        self.track_interfaces.is_empty()
            && self.track_scripts.is_empty()
            && self.track_files.is_empty()
            && self.track_processes.is_empty()
            && self.track_bfds.is_empty()
    }
}

impl Deref for Instance {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

/// While it is read; what is changed is no longer shared.
impl DerefMut for Instance {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

impl Instance {
    /// Adverts go to peers instead of the multicast group.
    #[must_use]
    pub fn unicast(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The configured source of adverts if it has to be an address of this machine: unicast peers answer to it, IPv6 is
    /// not sent from an address that is not there, or `track_src_ip` asks for it. Over IPv4 a multicast advert may hide
    /// where it comes from. What the instance itself puts on an interface is no condition for it.
    #[must_use]
    pub fn tracked_source(&self) -> Option<IpAddr> {
        let source = self.source?;
        let own = self.ipvlan.as_ref().and_then(|ipvlan| ipvlan.address);
        let mut moves = self.addresses.iter().chain(&self.excluded).map(|line| line.prefix).chain(own);
        let needed = self.unicast() || self.params.family == Family::V6;
        let tracked = self.track_source || (needed && !moves.any(|prefix| prefix.addr == source));
        tracked.then_some(source)
    }

    /// Addresses may be on macvlans other than that of the instance.
    #[must_use]
    pub fn wants_macvlan(&self) -> bool {
        self.use_vmac_addr || self.addresses.iter().chain(&self.excluded).any(|line| line.use_vmac)
    }

    /// How many addresses an advert has room for on a link of this MTU; 0: not known.
    #[must_use]
    pub fn advert_room(&self, mtu: u32) -> usize {
        let header = if matches!(self.params.auth, Auth::Header(_)) { AUTHENTICATION_HEADER } else { 0 };
        let trailer = if self.hmac.is_some() { HMAC_TRAILER } else { 0 };
        self.params.advert_room(mtu, header + trailer)
    }

    /// What is said when adverts have room for `room` addresses only.
    #[must_use]
    pub fn overfull(&self, room: usize) -> String {
        format!(
            "Number of VIPs ({}) exceeds maximum/space available in packet (max {room} addresses) - excess moved to eVIPs",
            self.addresses.len()
        )
    }
}

/// Octets of `auth_type AH` in front of an advert.
const AUTHENTICATION_HEADER: usize = 24;

/// Octets of `auth_hmac` behind an advert.
const HMAC_TRAILER: usize = 28;

/// A macvlan with the virtual hardware address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vmac {
    /// Its name; none: `vmac_prefix` and the VRID.
    pub name: Option<IfName>,
    /// Its address; none: that of the virtual router.
    pub mac: Option<Mac>,
    /// `netlink_notify_msg`.
    pub netlink_notify: bool,
    /// `group`: the link group.
    pub group: Option<u32>,
    /// Where `use_vmac` stands.
    pub at: At,
}

/// An ipvlan with an address of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipvlan {
    /// Its name; none: `vmac_prefix` and the VRID.
    pub name: Option<IfName>,
    /// Its address, which is the source of adverts; IPv4 needs one, else the instance stays in FAULT.
    pub address: Option<Prefix>,
    /// How ipvlans of one interface see each other.
    pub mode: IpvlanMode,
    /// `group`: the link group.
    pub group: Option<u32>,
    /// Where `use_ipvlan` stands.
    pub at: At,
}

/// How ipvlans of one interface see each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    /// Directly.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By a switch that sends back.
    Vepa,
}

/// A unicast peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// Lowest accepted TTL or hop limit.
    pub min_ttl: u8,
    /// Highest accepted TTL or hop limit.
    pub max_ttl: u8,
    /// Where it stands.
    pub at: At,
}

/// `old_unicast_checksum`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldChecksum {
    /// Found out from what peers send.
    #[default]
    Detect,
    /// Used.
    Yes,
    /// Never used.
    Never,
}

/// `garp_extra_if`: announcements on interfaces that hold addresses besides the own one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraGarp {
    /// `all`: on every such interface, not only on macvlans.
    pub all: bool,
    /// Between two announcements; zero: none.
    pub interval: Span,
}

/// Commands run on transitions of one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// `notify_master`
    pub master: Option<ScriptCommand>,
    /// `notify_backup`
    pub backup: Option<ScriptCommand>,
    /// `notify_fault`
    pub fault: Option<ScriptCommand>,
    /// `notify_stop`
    pub stop: Option<ScriptCommand>,
    /// `notify`: any change; type, name, state and priority are appended.
    pub any: Option<ScriptCommand>,
    /// `notify_master_rx_lower_pri`
    pub master_rx_lower_pri: Option<ScriptCommand>,
    /// `notify_deleted`: DELETED is reported when a reload removes the instance, else FAULT.
    pub deleted: bool,
    /// Its command.
    pub deleted_script: Option<ScriptCommand>,
}

impl Empty for Notify {
    fn empty() -> &'static Self {
        static NONE: Notify = Notify {
            master: None,
            backup: None,
            fault: None,
            stop: None,
            any: None,
            master_rx_lower_pri: None,
            deleted: false,
            deleted_script: None,
        };
        &NONE
    }
}

impl Instance {
    /// The interfaces that addresses, routes and rules name without `no_track`, as often as they are named.
    pub fn named_interfaces(&self) -> impl Iterator<Item = &Named> {
        let addresses = self.addresses.iter().chain(&*self.excluded);
        let addresses = addresses.filter(|line| !line.no_track).filter_map(|line| line.dev.as_ref());
        let routes = self.routes.iter().filter(|route| !route.no_track);
        let routes = routes.filter_map(|route| route.dev.as_ref());
        let rules = self.rules.iter().filter(|rule| !rule.no_track);
        let rules = rules.flat_map(|rule| rule.input.iter().chain(&rule.output));
        addresses.chain(routes).chain(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::{Instance, Notify};
    use crate::config::model::{Empty, VirtualAddress};

    /// There may be 65,024 of them. What most have alike goes into [`super::Settings`], what few have into a `Rare`.
    #[test]
    fn a_plain_instance_is_small() {
        assert!(size_of::<Instance>() <= 112, "{}", size_of::<Instance>());
        assert!(size_of::<VirtualAddress>() <= 40, "{}", size_of::<VirtualAddress>());
    }

    #[test]
    fn no_commands_are_the_default() {
        assert_eq!(*Notify::empty(), Notify::default());
    }
}
