//! Ancillary data of a datagram (cmsg): appended for sending, walked after receiving.

use std::ffi::c_int;
use std::mem;

/// Octets for the ancillary data of one datagram: packet information (40), hop limit (24), time stamp (32), and
/// some to spare.
const CAPACITY: usize = 128;

/// The ancillary data of one datagram.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    octets: [u8; CAPACITY],
    len: usize,
}

impl Control {
    /// Nothing yet.
    pub(super) const EMPTY: Self = Self { octets: [0; CAPACITY], len: 0 };

    /// Appends one value. What does not fit is left out: the capacity covers every use in this layer.
    pub(super) fn push<T: Plain>(&mut self, level: c_int, kind: c_int, value: T) {
        let payload = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
        // SAFETY: pure arithmetic.
        let (whole, space) = unsafe { (libc::CMSG_LEN(payload), libc::CMSG_SPACE(payload)) };
        let end = self.len.saturating_add(space as usize);
        let Some(room) = self.octets.get_mut(self.len..end) else {
            debug_assert!(false, "ancillary data past its capacity");
            return;
        };
        // SAFETY: cmsghdr is plain integers, for which all zeroes is a value.
        let mut header: libc::cmsghdr = unsafe { mem::zeroed() };
        header.cmsg_len = whole as _;
        header.cmsg_level = level;
        header.cmsg_type = kind;
        // SAFETY: `room` is CMSG_SPACE long, which covers the header and, at CMSG_LEN(0), the value; both
        // writes allow any alignment.
        unsafe {
            room.as_mut_ptr().cast::<libc::cmsghdr>().write_unaligned(header);
            room.as_mut_ptr().add(data_offset()).cast::<T>().write_unaligned(value);
        }
        self.len = end;
    }

    /// Points the header of an outgoing message here; to nothing if nothing was appended.
    pub(super) fn point_outgoing(&mut self, header: &mut libc::msghdr) {
        match self.len {
            0 => point(header, std::ptr::null_mut(), 0),
            len => point(header, self.octets.as_mut_ptr(), len),
        }
    }

    /// Points the header of a message to be received here.
    pub(super) fn point_incoming(&mut self, header: &mut libc::msghdr) {
        self.len = 0;
        point(header, self.octets.as_mut_ptr(), CAPACITY);
    }

    /// Takes from the header how much the kernel wrote.
    pub(super) fn finish_incoming(&mut self, header: &libc::msghdr) {
        #[allow(clippy::unnecessary_cast, reason = "socklen_t with musl")]
        let len = header.msg_controllen as usize;
        self.len = len.min(CAPACITY);
    }

    /// The value of the first entry of a kind.
    pub(super) fn find<T: Plain>(&self, level: c_int, kind: c_int) -> Option<T> {
        let mut rest = self.octets.get(..self.len)?;
        loop {
            let header: libc::cmsghdr = plain(rest)?;
            #[allow(clippy::unnecessary_cast, reason = "socklen_t with musl")]
            let whole = header.cmsg_len as usize;
            let data = rest.get(data_offset()..whole)?;
            if header.cmsg_level == level && header.cmsg_type == kind {
                return plain(data);
            }
            let payload = u32::try_from(data.len()).ok()?;
            // SAFETY: pure arithmetic.
            let space = unsafe { libc::CMSG_SPACE(payload) };
            rest = rest.get(space as usize..)?;
        }
    }
}

/// # Safety
/// The type is plain integers without invalid values.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: an integer.
unsafe impl Plain for c_int {}
// SAFETY: integers only.
unsafe impl Plain for libc::cmsghdr {}
// SAFETY: integers only.
unsafe impl Plain for libc::in_pktinfo {}
// SAFETY: integers only.
unsafe impl Plain for libc::in6_pktinfo {}
// SAFETY: integers only.
unsafe impl Plain for libc::timespec {}

fn plain<T: Plain>(octets: &[u8]) -> Option<T> {
    if octets.len() < size_of::<T>() {
        return None;
    }
    // SAFETY: long enough (checked), any alignment, and `Plain` promises that any octets make a value.
    Some(unsafe { octets.as_ptr().cast::<T>().read_unaligned() })
}

fn point(header: &mut libc::msghdr, octets: *mut u8, len: usize) {
    header.msg_control = octets.cast();
    #[allow(clippy::cast_possible_truncation, reason = "socklen_t with musl; at most CAPACITY")]
    let len = len as _;
    header.msg_controllen = len;
}

fn data_offset() -> usize {
    // SAFETY: pure arithmetic.
    (unsafe { libc::CMSG_LEN(0) }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_pushed() {
        let mut control = Control::EMPTY;
        assert_eq!(control.find::<c_int>(1, 2), None);
        control.push(1, 2, 77 as c_int);
        control.push(1, 3, 78 as c_int);
        assert_eq!(control.find::<c_int>(1, 3), Some(78));
        assert_eq!(control.find::<c_int>(1, 2), Some(77));
        assert_eq!(control.find::<c_int>(2, 2), None);
    }

    #[test]
    fn any_octets_are_walked_to_an_end() {
        let mut control = Control::EMPTY;
        for fill in 0..=255 {
            control.octets = [fill; CAPACITY];
            for len in 0..=CAPACITY + 1 {
                control.len = len.min(CAPACITY);
                assert_eq!(control.find::<c_int>(-2, 7), None);
            }
        }
    }
}
