//! Configurations made by tests; those that stand for what people write lie in ../conf as files.

use std::fmt::Write;

/// One virtual router, with what most labs want as defaults.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// Name of the instance.
    pub(crate) name: &'static str,
    /// Its interface.
    pub(crate) interface: &'static str,
    /// Virtual router identifier.
    pub(crate) vrid: u8,
    /// Base priority.
    pub(crate) priority: u8,
    /// VRRP version.
    pub(crate) version: u8,
    /// Advertisement interval as the file writes it, in seconds.
    pub(crate) interval: &'static str,
    /// Virtual addresses as the file writes them.
    pub(crate) addresses: Vec<String>,
    /// More lines of the instance.
    pub(crate) lines: Vec<String>,
    /// Lines of global_defs.
    pub(crate) globals: Vec<String>,
    /// Blocks before the instance.
    pub(crate) before: String,
}

impl Default for Instance {
    fn default() -> Self {
        Self {
            name: "VI_1",
            interface: "eth0",
            vrid: 51,
            priority: 100,
            version: 3,
            interval: "0.1",
            addresses: vec!["10.9.0.100".to_owned()],
            lines: Vec::new(),
            globals: Vec::new(),
            before: String::new(),
        }
    }
}

impl Instance {
    /// With another priority.
    pub(crate) fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// With one more line in the instance, which may be a whole block.
    pub(crate) fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// With one more block before the instance.
    pub(crate) fn before(mut self, block: &str) -> Self {
        self.before += block;
        self.before += "\n";
        self
    }

    /// With one more line of global_defs.
    pub(crate) fn global(mut self, line: &str) -> Self {
        self.globals.push(line.to_owned());
        self
    }

    /// The file.
    pub(crate) fn text(&self) -> String {
        let mut text = String::from("global_defs {\n    router_id lab\n");
        for line in &self.globals {
            writeln!(text, "    {line}").expect("a string grows");
        }
        write!(
            text,
            "}}\n{}vrrp_instance {} {{\n    state BACKUP\n    interface {}\n    virtual_router_id {}\n    \
             priority {}\n    version {}\n    advert_int {}\n",
            self.before, self.name, self.interface, self.vrid, self.priority, self.version, self.interval
        )
        .expect("a string grows");
        for line in &self.lines {
            writeln!(text, "    {line}").expect("a string grows");
        }
        text += "    virtual_ipaddress {\n";
        for address in &self.addresses {
            writeln!(text, "        {address}").expect("a string grows");
        }
        text + "    }\n}\n"
    }
}
