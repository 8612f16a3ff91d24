//! Membership in multicast groups on macvlans, and on the interfaces below them: held by sockets that do nothing else,
//! each with as many memberships as the kernel allows. One receiver gets, for all macvlans of an interface, what these
//! sockets have joined.

use std::io;

use crate::base::addr::{Family, IpAddr};
use crate::base::id::{IfIndex, LinkId};
use crate::base::limit;
use crate::base::map::{Map, Set};
use crate::sys::raw::member::MemberSocket;

/// A group on an interface.
pub type Place = (IpAddr, LinkId);

/// All memberships.
#[derive(Default)]
pub struct Members {
    places: Map<Place, Membership>,
    holders: Vec<Holder>,
}

#[derive(Clone, Copy)]
struct Membership {
    index: IfIndex,
    holder: usize,
}

struct Holder {
    family: Family,
    /// None once it holds nothing.
    socket: Option<MemberSocket>,
    held: usize,
    /// How many it can hold.
    room: usize,
}

impl Members {
    /// Becomes a member of a group on the interface of this number, if it is none there. For load time and returning
    /// interfaces: allocates.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn join(&mut self, place: Place, index: IfIndex) -> io::Result<()> {
        match self.places.get(&place) {
            Some(there) if there.index == index => return Ok(()),
            Some(_) => self.leave(place),
            None => {}
        }
        let family = Family::of(&place.0);
        // One whose limit is less than was thought says so once, and then has no room.
        for _ in 0..2 {
            let holder = self.holder(family)?;
            let Some(Holder { socket: Some(socket), held, room, .. }) = self.holders.get_mut(holder) else {
                continue;
            };
            match socket.join(place.0, index) {
                Err(error) if *held > 0 && is_full(&error) => *room = *held,
                Err(error) if error.raw_os_error() != Some(libc::EADDRINUSE) => {
                    self.close_idle(holder);
                    return Err(error);
                }
                _ => {
                    *held = held.saturating_add(1);
                    self.places.insert(place, Membership { index, holder });
                    return Ok(());
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::ENOBUFS))
    }

    /// An interface is gone. What was joined there must be left now: one that comes with the same number is another one.
    pub fn abandon(&mut self, link: LinkId) {
        self.leave_all(|(_, there)| *there != link);
    }

    /// Leaves what is not wanted.
    pub fn retain(&mut self, wanted: &Set<Place>) {
        self.leave_all(|place| wanted.contains(place));
    }

    /// Joins everything again, for interfaces may have gone and come back unseen.
    pub fn join_again(&self) {
        for ((group, _), membership) in self.places.iter() {
            let holder = self.holders.get(membership.holder);
            if let Some(socket) = holder.and_then(|holder| holder.socket.as_ref()) {
                let _ = socket.leave(*group, membership.index);
                // If it has gone for good, the list that follows says so.
                let _ = socket.join(*group, membership.index);
            }
        }
    }

    /// A socket with room, which may be a new one.
    fn holder(&mut self, family: Family) -> io::Result<usize> {
        let roomy =
            |holder: &Holder| holder.family == family && holder.socket.is_some() && holder.held < holder.room;
        if let Some(position) = self.holders.iter().position(roomy) {
            return Ok(position);
        }
        let socket = Some(MemberSocket::open(family)?);
        let fresh = Holder { family, socket, held: 0, room: limit::GROUPS_PER_SOCKET };
        match self.holders.iter().position(|holder| holder.socket.is_none()) {
            Some(position) => {
                if let Some(free) = self.holders.get_mut(position) {
                    *free = fresh;
                }
                Ok(position)
            }
            None => {
                self.holders.push(fresh);
                Ok(self.holders.len().saturating_sub(1))
            }
        }
    }

    fn leave_all(&mut self, stays: impl Fn(&Place) -> bool) {
        let left: Vec<Place> = self.places.keys().filter(|place| !stays(place)).copied().collect();
        left.into_iter().for_each(|place| self.leave(place));
    }

    fn leave(&mut self, place: Place) {
        let Some(membership) = self.places.remove(&place) else { return };
        let Some(holder) = self.holders.get_mut(membership.holder) else { return };
        if let Some(socket) = &holder.socket {
            // It may not be there any more for the kernel, which forgets all the same that it was joined.
            let _ = socket.leave(place.0, membership.index);
        }
        holder.held = holder.held.saturating_sub(1);
        self.close_idle(membership.holder);
    }

    fn close_idle(&mut self, position: usize) {
        if let Some(holder) = self.holders.get_mut(position).filter(|holder| holder.held == 0) {
            holder.socket = None;
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ENOMEM))
}
