//! Links that lie on others: macvlans and ipvlans made, put in groups and in VRFs.

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Ifla, IflaInfo, Rtm};

use super::command::{Commands, Full};
use super::link::{Which, fixed};
use super::message::Requests;
use crate::base::id::IfIndex;
use crate::base::mac::Mac;
use crate::base::name::IfName;

/// How ipvlans of one parent reach each other. The kernel keeps one flag for all ipvlans of a parent: that of the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IpvlanFlag {
    /// Directly.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// By a switch that sends frames back.
    Vepa,
}

impl Commands {
    /// Asks to make a macvlan in private mode on `parent`, down, in the parent's group unless another is given;
    /// refused with EEXIST if the name is taken. The kernel takes nothing about IPv6 in this
    /// request: call [`Self::set_addr_gen_mode`] before the link is set up.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn create_macvlan(
        &mut self,
        tag: u32,
        name: &IfName,
        parent: IfIndex,
        mac: Mac,
        group: Option<u32>,
    ) -> Result<(), Full> {
        self.create(tag, name, parent, group, |request| {
            request.attribute(Ifla::Address, &mac.0);
            request.nest(Ifla::Linkinfo, |info| {
                info.text(IflaInfo::Kind, "macvlan");
                info.nest(IflaInfo::Data, |data| {
                    data.attribute(IFLA_MACVLAN_MODE, &MACVLAN_MODE_PRIVATE.to_ne_bytes());
                });
            });
        })
    }

    /// Asks to make an ipvlan in mode L2 on `parent`, down; refused with EEXIST if the name is taken, EOPNOTSUPP if
    /// the kernel has no ipvlan, EBUSY if the parent has macvlans.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn create_ipvlan(
        &mut self,
        tag: u32,
        name: &IfName,
        parent: IfIndex,
        flag: IpvlanFlag,
        group: Option<u32>,
    ) -> Result<(), Full> {
        let flags: u16 = match flag {
            IpvlanFlag::Bridge => 0,
            IpvlanFlag::Private => 1,
            IpvlanFlag::Vepa => 2,
        };
        self.create(tag, name, parent, group, |request| {
            request.nest(Ifla::Linkinfo, |info| {
                info.text(IflaInfo::Kind, "ipvlan");
                info.nest(IflaInfo::Data, |data| {
                    data.attribute(IFLA_IPVLAN_MODE, &IPVLAN_MODE_L2.to_ne_bytes());
                    data.attribute(IFLA_IPVLAN_FLAGS, &flags.to_ne_bytes());
                });
            });
        })
    }

    /// Asks to put a link in a group. The kernel notifies of the link even if it is in that group already.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_link_group(&mut self, tag: u32, which: Which<'_>, group: u32) -> Result<(), Full> {
        self.change_link(tag, which, None, |request| {
            request.attribute(Ifla::Group, &group.to_ne_bytes());
        })
    }

    /// Asks to put a link in a VRF, or in none (0).
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn set_link_master(&mut self, tag: u32, which: Which<'_>, master: IfIndex) -> Result<(), Full> {
        self.change_link(tag, which, None, |request| {
            request.attribute(Ifla::Master, &master.0.to_ne_bytes());
        })
    }

    /// Asks to give a link another name, for tests.
    #[cfg(test)]
    pub(crate) fn set_link_name(&mut self, tag: u32, index: IfIndex, name: &IfName) -> Result<(), Full> {
        self.change_link(tag, Which::Index(index), None, |request| {
            request.text(Ifla::Ifname, name.as_str());
        })
    }

    fn create(
        &mut self,
        tag: u32,
        name: &IfName,
        parent: IfIndex,
        group: Option<u32>,
        attributes: impl Fn(&mut Requests),
    ) -> Result<(), Full> {
        let fixed = fixed(IfIndex(0), None).ok_or(Full)?;
        self.append(tag, Rtm::Newlink, NlmF::CREATE | NlmF::EXCL, fixed, |request| {
            request.text(Ifla::Ifname, name.as_str());
            request.attribute(Ifla::Link, &parent.0.to_ne_bytes());
            if let Some(group) = group {
                request.attribute(Ifla::Group, &group.to_ne_bytes());
            }
            attributes(request);
        })
    }
}

// From the kernel's if_link.h; neli does not have them.
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_PRIVATE: u32 = 1;
const IFLA_IPVLAN_MODE: u16 = 1;
const IPVLAN_MODE_L2: u16 = 0;
const IFLA_IPVLAN_FLAGS: u16 = 2;
