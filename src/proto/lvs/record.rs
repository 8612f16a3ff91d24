//! The state file: which keys of the kernel are ours, so that a daemon that was killed leaves nothing behind that the
//! next one does not know of.
//!
//! ```text
//! tcp 192.0.2.10 80
//! > 10.0.0.1 80
//! > 10.0.0.2 80
//! fwmark 7 inet
//! ```

use core::fmt::{self, Write};

use super::values::{DestKey, Protocol, ServiceKey};
use crate::base::addr::{Family, IpAddr};
use crate::base::backward::Backward;

/// Writes the lines.
#[derive(Debug, Default)]
pub struct RecordWriter {
    last: Option<ServiceKey>,
}

impl RecordWriter {
    /// Writes a key, as [`super::Director::owned`] has it.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn line(&mut self, key: &ServiceKey, dest: Option<&DestKey>, out: &mut dyn Write) -> fmt::Result {
        if self.last != Some(*key) {
            self.last = Some(*key);
            match key {
                ServiceKey::Address(protocol, addr, port) => {
                    writeln!(out, "{} {addr} {port}", protocol_name(*protocol))?;
                }
                ServiceKey::Mark(family, mark) => writeln!(out, "fwmark {mark} {}", family_name(*family))?,
            }
        }
        match dest {
            Some(DestKey { addr: IpAddr::V4(addr), port }) => {
                // Of at most 2 + 15 + 1 + 5 + 1 octets.
                let mut line = Backward::<24>::default();
                line.text("\n");
                line.number(*port);
                line.text(" ");
                line.address(*addr);
                line.text("> ");
                out.write_str(line.written())
            }
            Some(dest) => writeln!(out, "> {} {}", dest.addr, dest.port),
            None => Ok(()),
        }
    }
}

/// Reads the lines.
#[derive(Debug, Default)]
pub struct RecordReader {
    last: Option<ServiceKey>,
}

impl RecordReader {
    /// What a line says is ours; none if it is not one of ours, nor are the destinations that follow it then.
    pub fn line(&mut self, line: &str) -> Option<(ServiceKey, Option<DestKey>)> {
        let mut words = line.split_ascii_whitespace();
        let (kind, first, second) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        if kind == ">" {
            let dest = DestKey { addr: first.parse().ok()?, port: second.parse().ok()? };
            return Some((self.last?, Some(dest)));
        }
        self.last = None;
        let key = if kind == "fwmark" {
            let family =
                [Family::V4, Family::V6].into_iter().find(|family| family_name(*family) == second)?;
            ServiceKey::Mark(family, first.parse().ok()?)
        } else {
            let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
            let protocol = all.into_iter().find(|protocol| protocol_name(*protocol) == kind)?;
            ServiceKey::Address(protocol, first.parse().ok()?, second.parse().ok()?)
        };
        self.last = Some(key);
        Some((key, None))
    }
}

const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

const fn family_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::addr;
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let keys = [
            ServiceKey::Address(Protocol::Tcp, addr("192.0.2.10"), 80),
            ServiceKey::Address(Protocol::Sctp, addr("2001:db8::10"), 0),
            ServiceKey::Mark(Family::V6, u32::MAX),
        ];
        let dests = [addr("10.0.0.1"), addr("2001:db8::1")].map(|addr| DestKey { addr, port: 8_080 });
        let mut all = vec![(keys[0], Some(dests[0])), (keys[0], Some(dests[1])), (keys[1], None)];
        all.extend([(keys[2], Some(dests[1])), (keys[0], Some(dests[0]))]);
        let mut text = String::new();
        let mut writer = RecordWriter::default();
        for (key, dest) in &all {
            writer.line(key, dest.as_ref(), &mut text).unwrap();
        }
        assert_eq!(
            text,
            "tcp 192.0.2.10 80\n> 10.0.0.1 8080\n> 2001:db8::1 8080\nsctp 2001:db8::10 0\n\
             fwmark 4294967295 inet6\n> 2001:db8::1 8080\ntcp 192.0.2.10 80\n> 10.0.0.1 8080\n"
        );
        let mut reader = RecordReader::default();
        let read: Vec<_> = text.lines().map(|line| reader.line(line).unwrap()).collect();
        assert_eq!(read.iter().filter(|(_, dest)| dest.is_some()).count(), 4);
        assert!(all.iter().all(|one| read.contains(one)));
    }

    #[test]
    fn lines_that_are_not_ours_are_left_out_with_what_follows_them() {
        let mut reader = RecordReader::default();
        assert_eq!(reader.line("> 10.0.0.1 80"), None);
        assert!(reader.line("udp 192.0.2.10 53").is_some());
        for line in
            ["", "udp", "udp 192.0.2.10", "> 10.0.0.1", "> 10.0.0.1 80 80", "> x 80", "> 10.0.0.1 65536"]
        {
            assert_eq!(reader.line(line), None, "{line}");
        }
        assert!(reader.line("> 10.0.0.1 80").is_some());
        for line in ["icmp 192.0.2.10 53", "fwmark 1 inet5", "fwmark -1 inet", "tcp 192.0.2.10 x"] {
            assert_eq!(reader.line(line), None, "{line}");
            assert_eq!(reader.line("> 10.0.0.1 80"), None, "of nobody");
        }
    }
}
