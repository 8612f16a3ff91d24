//! The link state of a network interface, asked of its driver: by the registers of its transceiver (MII), by ethtool,
//! or by the flags of the interface. For drivers that do not tell netlink of it.
//!
//! None of these calls sends anything; the longest reads registers over a serial bus, in about 0.1 ms.

use std::ffi::{c_char, c_int};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd};

use super::check;
use super::socket::open;
use crate::base::name::IfName;

/// Asks drivers.
#[derive(Debug)]
pub struct Carrier {
    socket: OwnedFd,
}

impl Carrier {
    /// A socket to ask by; it stays in the network namespace that it is opened in.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open() -> io::Result<Self> {
        open(libc::AF_INET, libc::SOCK_DGRAM, 0).map(|socket| Self { socket })
    }

    /// What the registers of the transceiver say.
    ///
    /// # Errors
    /// EOPNOTSUPP if the driver has none or no transceiver answers, ENODEV if there is no such interface.
    pub fn by_registers(&self, name: &IfName) -> io::Result<bool> {
        let mut request = request(name);
        self.call(SIOCGMIIPHY, &mut request)?;
        let [phy, ..] = registers(&mut request);
        let mut status = 0;
        // The first reading may be of a loss that is over: the bit stays low until it has been read.
        for _ in 0..2 {
            put_registers(&mut request, [phy, BASIC_STATUS, 0, 0]);
            self.call(SIOCGMIIREG, &mut request)?;
            [_, _, _, status] = registers(&mut request);
        }
        if status == NOBODY_ANSWERS {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        Ok(status & LINK_STATUS != 0)
    }

    /// What the driver says to ethtool.
    ///
    /// # Errors
    /// EOPNOTSUPP if the driver does not know, ENODEV if there is no such interface.
    pub fn by_driver(&self, name: &IfName) -> io::Result<bool> {
        let mut value = [ETHTOOL_GLINK, 0];
        let mut request = request(name);
        request.ifr_ifru.ifru_data = (&raw mut value).cast::<c_char>();
        self.call(SIOCETHTOOL, &mut request)?;
        let [_, up] = value;
        Ok(up != 0)
    }

    /// What the flags of the interface say: up and running.
    ///
    /// # Errors
    /// ENODEV if there is no such interface.
    pub fn by_flags(&self, name: &IfName) -> io::Result<bool> {
        let mut request = request(name);
        self.call(SIOCGIFFLAGS, &mut request)?;
        // SAFETY: the kernel has just written the flags there; they are a plain integer.
        let flags = c_int::from(unsafe { request.ifr_ifru.ifru_flags });
        let both = libc::IFF_UP | libc::IFF_RUNNING;
        Ok(flags & both == both)
    }

    fn call(&self, what: u16, request: &mut libc::ifreq) -> io::Result<()> {
        // SAFETY: each of the four calls reads and writes one ifreq, which `request` is; SIOCETHTOOL also writes the two
        // integers that `ifru_data` points to, which its caller keeps for the time of the call.
        let result = unsafe { libc::ioctl(self.socket.as_raw_fd(), what.into(), request) };
        check(result).map(|_| ())
    }
}

fn request(name: &IfName) -> libc::ifreq {
    // SAFETY: ifreq is plain integers and a pointer, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.as_str().bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    request
}

/// The kernel's mii_ioctl_data, which lies in the request itself: transceiver, register, value in, value out.
fn registers(request: &mut libc::ifreq) -> [u16; 4] {
    // SAFETY: the union is longer than eight octets and aligned for a pointer; its octets are all initialised, and any
    // of them make integers.
    unsafe { (&raw mut request.ifr_ifru).cast::<[u16; 4]>().read() }
}

fn put_registers(request: &mut libc::ifreq, values: [u16; 4]) {
    // SAFETY: the union is longer than eight octets and aligned for a pointer.
    unsafe { (&raw mut request.ifr_ifru).cast::<[u16; 4]>().write(values) };
}

// From the kernel's sockios.h, mii.h and ethtool.h; libc does not have all of them for every system.
const SIOCGIFFLAGS: u16 = 0x8913;
const SIOCETHTOOL: u16 = 0x8946;
const SIOCGMIIPHY: u16 = 0x8947;
const SIOCGMIIREG: u16 = 0x8948;
const ETHTOOL_GLINK: u32 = 10;
const BASIC_STATUS: u16 = 1;
const LINK_STATUS: u16 = 4;
/// Nobody pulls the bus low.
const NOBODY_ANSWERS: u16 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::test_net::{eventually, in_namespace};

    #[test]
    fn drivers_answer_what_they_can() {
        in_namespace(|network| {
            let carrier = Carrier::open().unwrap();
            let name = IfName::new("near").unwrap();
            assert_eq!(carrier.by_driver(&name).unwrap_err().raw_os_error(), Some(libc::ENODEV));
            let (near, far) = network.pair("near", "far");
            assert!(carrier.by_driver(&name).unwrap());
            assert!(carrier.by_flags(&name).unwrap());
            assert_eq!(carrier.by_registers(&name).unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
            network.up(far, false);
            assert!(!carrier.by_driver(&name).unwrap(), "without a carrier");
            assert!(eventually(|| !carrier.by_flags(&name).unwrap()));
            network.up(far, true);
            assert!(eventually(|| carrier.by_flags(&name).unwrap()));
            network.up(near, false);
            assert!(!carrier.by_driver(&name).unwrap());
            assert!(!carrier.by_flags(&name).unwrap(), "taken down");
        });
    }
}
