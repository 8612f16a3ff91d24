//! Every capacity of the program, with its reason.

/// Addresses that one advert can carry: the count is one octet (RFC 9568 section 5.2.5).
pub const ADVERT_ADDRESSES: usize = 255;

/// Octets of the longest advert with its IPv4 header: 20 + AH 24 + 8 + 255 x 16 + trailer 28, rounded up.
pub const ADVERT_OCTETS: usize = 4_352;

/// Adverts taken from a socket by one recvmmsg, and received per source and turn of the loop.
pub const RECEIVE_BATCH: usize = 32;

/// Adverts handed to the kernel by one sendmmsg.
pub const SEND_BATCH: usize = 64;

/// Unicast peers of one instance. keepalived sets no limit; a mesh of 64 routers sends 64 packets an advert.
pub const UNICAST_PEERS: usize = 64;

/// Octets of a gratuitous ARP or an unsolicited neighbour advertisement: 14 + 40 + 32.
pub const ANNOUNCEMENT_OCTETS: usize = 86;

/// Octets of one log line; a longer one is cut. An advert's worth of text never comes near.
pub const LOG_LINE: usize = 1_024;

/// Octets of one line of a configuration; keepalived's own limit is 1022 and a newline.
pub const CONFIG_LINE: usize = 1_022;

/// Lines that the expansion of one configuration may reach: 65,024 instances of 60 lines fit.
pub const CONFIG_LINES: usize = 8_000_000;

/// Includes inside includes. keepalived stops when it runs out of files; 32 is deeper than any tree seen.
pub const INCLUDE_DEPTH: usize = 32;

/// Mistakes of a configuration that are told; the rest are only counted.
pub const DIAGNOSTICS: usize = 1_000;

/// Octets that one configuration may hold in files, or grow to by parameters and sequences: 65,024 instances
/// of 60 lines of 60 octets fit.
pub const CONFIG_OCTETS: usize = 256 << 20;

/// Blocks inside blocks. The language needs five; the rest is for blocks whose closing brace was forgotten.
pub const CONFIG_NESTING: usize = 32;

/// Parameters put into one line, and times its result is looked at again. 1,022 octets cannot use more than
/// 510 parameters; values that are made of empty values could go on for ever.
pub const CONFIG_SUBSTITUTIONS: usize = 1_024;

/// Parameters inside the values of parameters.
pub const PARAMETER_DEPTH: usize = 32;

/// Alternatives that the braces of one include pattern may stand for.
pub const INCLUDE_ALTERNATIVES: usize = 1_024;
