//! A `vrrp_instance` while it is read.

use std::rc::Rc;

use super::super::rule::Preferences;
use super::super::track::Trackers;
use crate::base::addr::{Family, IpAddr};
use crate::base::map::Set;
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::config::iproute::Tables;
use crate::config::model::hmac::{HmacKey, HmacMode, Replay};
use crate::config::model::instance::{Instance, OldChecksum, Settings};
use crate::config::model::{At, Common, Global, Rare};
use crate::config::tree::Position;
use crate::proto::vrrp::{Params, Start, Version};

/// A `vrrp_instance` while it is read: what holds by default, and what was said.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one thing that was said")]
pub struct InstanceDraft {
    /// With the defaults of `global_defs`; written as lines are read.
    pub instance: Instance,
    /// Fixed by the first item that has one.
    pub family: Option<Family>,
    /// `version`
    pub version: Option<Version>,
    /// `state`
    pub state: Option<Start>,
    /// `priority`
    pub priority: Option<u8>,
    /// `mcast_dst_ip`
    pub group: Option<(IpAddr, At)>,
    /// The first keyword that marks it unicast.
    pub unicast: Option<Position>,
    /// `auth_type`
    pub auth_type: Option<AuthType>,
    /// `accept`, `no_accept`
    pub accept: Option<bool>,
    /// `garp_lower_prio_repeat`
    pub lower_prio_repeat: Option<u32>,
    /// `garp_lower_prio_delay`
    pub lower_prio_delay: Option<Span>,
    /// `lower_prio_no_advert`
    pub lower_prio_no_advert: Option<bool>,
    /// `owner_ignore_adverts`
    pub owner_ignore_adverts: Option<bool>,
    /// `smtp_alert`
    pub smtp_alert: Option<bool>,
    /// The hardware address of `use_vmac` has five octets: the VRID is the sixth.
    pub mac_lacks_vrid: bool,
    /// Addresses of `virtual_ipaddress` so far.
    pub advertised: Set<IpAddr>,
    /// Addresses of `virtual_ipaddress_excluded` so far, with their interfaces.
    pub excluded: Set<(IpAddr, Option<IfName>)>,
    /// What it tracks, objects by name.
    pub trackers: Trackers,
    /// `auth_hmac`
    pub hmac: HmacDraft,
    /// Names that have numbers.
    pub names: Rc<Tables>,
    /// What rules without a preference get.
    pub preferences: Preferences,
    /// `notify_priority_changes`
    pub notify_priority_changes: Option<bool>,
}

/// `auth_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthType {
    /// A password in clear.
    Pass,
    /// An authentication header.
    Header,
}

impl InstanceDraft {
    /// An instance with what `global_defs` says.
    #[must_use]
    pub fn new(name: &str, at: At, global: &Global) -> Self {
        let vrrp = &global.vrrp;
        let params = Params {
            down_timer_adverts: vrrp.down_timer_adverts,
            higher_prio_send_advert: vrrp.higher_prio_send_advert,
            skip_check_adv_addr: vrrp.skip_check_adv_addr,
            check_unicast_src: vrrp.check_unicast_src,
            v3_checksum_as_v2: vrrp.v3_checksum_as_v2,
            garp: vrrp.garp.clone(),
            ..Params::default()
        };
        let settings = Settings {
            vrf: None,
            vmac: None,
            ipvlan: None,
            use_vmac_addr: false,
            vmac_xmit_base: false,
            source: None,
            track_source: false,
            group: IpAddr::V4(vrrp.group4),
            peers: Rare::default(),
            unicast_ttl: None,
            nopreempt_gave_way: false,
            fault_no_peer: false,
            old_unicast_checksum: OldChecksum::Detect,
            auth_pass: None,
            hmac: None,
            excluded: Rare::default(),
            no_addresses: false,
            routes: Rare::default(),
            rules: Rare::default(),
            promote_secondaries: false,
            accept: true,
            strict: vrrp.strict,
            dont_track_primary: false,
            track_interfaces: Rare::default(),
            track_scripts: Rare::default(),
            track_files: Rare::default(),
            track_processes: Rare::default(),
            track_bfds: Rare::default(),
            notify: Rare::default(),
            notify_priority_changes: vrrp.notify_priority_changes,
            smtp_alert: false,
            receive_buffer: None,
            garp_extra: vrrp.garp_extra,
            debug: 0,
            linkbeat_polling: false,
            lvs_sync_interface: None,
            conflict: None,
        };
        let instance = Instance {
            name: name.to_owned(),
            at,
            params: Common::new(params),
            interface: None,
            addresses: Vec::new(),
            sync_group: None,
            settings: Common::new(settings),
        };
        Self {
            instance,
            family: None,
            version: None,
            state: None,
            priority: None,
            group: None,
            unicast: None,
            auth_type: None,
            accept: None,
            lower_prio_repeat: None,
            lower_prio_delay: None,
            lower_prio_no_advert: None,
            owner_ignore_adverts: None,
            smtp_alert: None,
            mac_lacks_vrid: false,
            advertised: Set::new(),
            excluded: Set::new(),
            trackers: Trackers::default(),
            hmac: HmacDraft::default(),
            names: Rc::default(),
            preferences: Preferences::default(),
            notify_priority_changes: None,
        }
    }

    /// Whether an item of this family fits; the first one decides.
    pub fn claim(&mut self, family: Family) -> bool {
        *self.family.get_or_insert(family) == family
    }
}

/// `auth_hmac` while it is read.
#[derive(Clone, Debug, Default)]
pub struct HmacDraft {
    /// `key`
    pub keys: Vec<HmacKey>,
    /// `active_key`
    pub active: Option<u8>,
    /// `time_window`
    pub window: Option<Span>,
    /// `anti_replay`
    pub replay: Replay,
    /// `mode`
    pub mode: HmacMode,
}
