//! The JSON status: keepalived's keys in keepalived's order, on one line.
//!
//! Version 1 is an array of instances, version 2 an object with that array as `vrrp` and the process monitors as
//! `track_process`. [`mod@instance`] has one virtual router, [`mod@process`] one monitor; whoever calls writes
//! [`open`], the instances with [`next`] before each but the first, [`monitors`] and the monitors if there are any,
//! and [`close`]. Everything is lent and nothing is allocated.

pub mod instance;
pub mod process;

use core::fmt::{self, Display, Write};

use crate::base::json::string;

/// The form of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The instances alone.
    #[default]
    One,
    /// Instances and process monitors by name.
    Two,
}

impl Version {
    /// That of `json_version`; none: 1.
    #[must_use]
    pub const fn of(configured: Option<u8>) -> Self {
        match configured {
            None | Some(..=1) => Self::One,
            Some(2..) => Self::Two,
        }
    }
}

/// Writes what stands before the first instance.
///
/// # Errors
/// What `out` says.
pub fn open(out: &mut dyn Write, version: Version) -> fmt::Result {
    out.write_str(match version {
        Version::One => "[",
        Version::Two => "{\"vrrp\":[",
    })
}

/// Writes what stands between two members of an array.
///
/// # Errors
/// What `out` says.
pub fn next(out: &mut dyn Write) -> fmt::Result {
    out.write_char(',')
}

/// Writes what stands between the last instance and the first process monitor. For version 2, if there is a monitor.
///
/// # Errors
/// What `out` says.
pub fn monitors(out: &mut dyn Write) -> fmt::Result {
    out.write_str("],\"track_process\":[")
}

/// Writes what stands at the end.
///
/// # Errors
/// What `out` says.
pub fn close(out: &mut dyn Write, version: Version) -> fmt::Result {
    out.write_str(match version {
        Version::One => "]\n",
        Version::Two => "]}\n",
    })
}

/// An object under way. What goes wrong is told in the end.
pub(in crate::status) struct Fields<'a> {
    out: &'a mut dyn Write,
    any: bool,
    written: fmt::Result,
}

impl<'a> Fields<'a> {
    pub(in crate::status) fn open(out: &'a mut dyn Write) -> Self {
        let written = out.write_char('{');
        Self { out, any: false, written }
    }

    pub(in crate::status) fn close(self) -> fmt::Result {
        self.written?;
        self.out.write_char('}')
    }

    /// What goes on writing writes nothing once something has gone wrong.
    #[inline(never)]
    fn write(&mut self, write: &mut dyn FnMut(&mut dyn Write) -> fmt::Result) {
        if self.written.is_ok() {
            self.written = write(&mut *self.out);
        }
    }

    /// A key, and what belongs to it. Keys are ours: they need no escapes.
    #[inline(never)]
    pub(in crate::status) fn key(&mut self, key: &str, write: &mut dyn FnMut(&mut dyn Write) -> fmt::Result) {
        let comma = if core::mem::replace(&mut self.any, true) { "," } else { "" };
        self.write(&mut |out| {
            write!(out, "{comma}\"{key}\":")?;
            write(out)
        });
    }

    /// An object.
    pub(in crate::status) fn object(&mut self, key: &str, write: &mut dyn FnMut(&mut Fields<'_>)) {
        self.key(key, &mut |out| {
            let mut fields = Fields::open(out);
            write(&mut fields);
            fields.close()
        });
    }

    /// `value` has the form of a number.
    pub(in crate::status) fn number(&mut self, key: &str, value: impl Display) {
        self.put(key, &value);
    }

    #[inline(never)]
    fn put(&mut self, key: &str, value: &dyn Display) {
        self.key(key, &mut |out| write!(out, "{value}"));
    }

    #[inline(never)]
    fn put_text(&mut self, key: &str, value: &dyn Display) {
        self.key(key, &mut |out| string(out, value));
    }

    /// As 0 or 1, which keepalived writes where it keeps a number.
    pub(in crate::status) fn digit(&mut self, key: &str, value: bool) {
        self.number(key, u8::from(value));
    }

    pub(in crate::status) fn truth(&mut self, key: &str, value: bool) {
        self.put(key, &value);
    }

    pub(in crate::status) fn text(&mut self, key: &str, value: impl Display) {
        self.put_text(key, &value);
    }

    pub(in crate::status) fn list(&mut self, key: &str, values: impl Iterator<Item = impl Display>) {
        self.begin(key);
        values.enumerate().for_each(|(position, value)| self.member(position, &value));
        self.end();
    }

    fn begin(&mut self, key: &str) {
        self.key(key, &mut |out| out.write_char('['));
    }

    #[inline(never)]
    fn member(&mut self, position: usize, value: &dyn Display) {
        self.part(position);
        self.write(&mut |out| string(out, value));
    }

    /// What stands before a member.
    fn part(&mut self, position: usize) {
        if position > 0 {
            self.write(&mut next);
        }
    }

    fn end(&mut self) {
        self.write(&mut |out| out.write_char(']'));
    }

    /// A list that is left out when it is empty.
    pub(in crate::status) fn some(&mut self, key: &str, values: impl Iterator<Item = impl Display>) {
        let mut values = values.peekable();
        if values.peek().is_some() {
            self.list(key, values);
        }
    }

    /// Text, or null.
    #[cfg(feature = "status")]
    pub(in crate::status) fn maybe(&mut self, key: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.number(key, "null"),
        }
    }

    /// A list of objects.
    #[cfg(feature = "status")]
    pub(in crate::status) fn objects<T>(
        &mut self,
        key: &str,
        values: impl Iterator<Item = T>,
        write: impl Fn(&mut Fields<'_>, &T),
    ) {
        self.begin(key);
        for (position, value) in values.enumerate() {
            self.part(position);
            self.write(&mut |out| {
                let mut fields = Fields::open(out);
                write(&mut fields, &value);
                fields.close()
            });
        }
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_lists_have_commas_between_and_none_elsewhere() {
        let mut out = String::new();
        let mut fields = Fields::open(&mut out);
        fields.number("a", 1);
        fields.some("left_out", core::iter::empty::<&str>());
        fields.list("b", core::iter::empty::<&str>());
        fields.some("c", ["x", "/"].iter());
        fields.digit("d", true);
        fields.truth("e", false);
        fields.close().unwrap();
        assert_eq!(out, r#"{"a":1,"b":[],"c":["x","\/"],"d":1,"e":false}"#);
    }
}
