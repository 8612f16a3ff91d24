//! A new configuration on its way from the parent to a model, in slices: the first step of a reload.

use std::os::fd::OwnedFd;

use super::report;
use crate::config::assemble::Assembly;
use crate::config::diag::Diagnostics;
use crate::config::expand::Replay;
use crate::config::model::Model;
use crate::config::snapshot::Snapshot;
use crate::config::tree::Tree;
use crate::sys::memory;

/// How far the configuration has come.
pub enum Reading {
    /// The descriptor that the parent sent.
    Descriptor(OwnedFd),
    /// What was in it.
    Octets(Vec<u8>),
    /// The files and their positions.
    Snapshot(Box<Snapshot>),
    /// The lines so far.
    Lines(Box<(Snapshot, Replay, Diagnostics)>),
    /// Blocks and lines, and the model so far.
    Tree(Box<(Tree, Assembly, Diagnostics)>),
    /// Nothing: the model has been made, or what the parent sent cannot be read.
    Over,
}

/// What became of a slice.
pub enum Step {
    /// There are more of them.
    More,
    /// The model.
    Model(Box<Model>),
    /// What the parent sent is no configuration; told.
    Failed,
}

impl Reading {
    /// Whether the text has arrived whole and is about to be read: a child says so, and saves what a reload changes.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Snapshot(_))
    }

    /// Does the next slice.
    pub fn advance(&mut self, running: &Model) -> Step {
        *self = match core::mem::replace(self, Self::Over) {
            Self::Descriptor(fd) => match memory::read(fd) {
                Ok(octets) => Self::Octets(octets),
                Err(_) => return unreadable(),
            },
            Self::Octets(octets) => match Snapshot::decode(&octets) {
                Ok(snapshot) => Self::Snapshot(Box::new(snapshot)),
                Err(_) => return unreadable(),
            },
            Self::Snapshot(snapshot) => {
                // The parent has told its mistakes, or will.
                let mut found = Diagnostics::unread();
                let replay = Replay::new(&snapshot, &mut found);
                Self::Lines(Box::new((*snapshot, replay, found)))
            }
            Self::Lines(mut lines) => {
                let (snapshot, replay, found) = &mut *lines;
                if replay.advance(snapshot, found) {
                    Self::Lines(lines)
                } else {
                    let (snapshot, replay, mut found) = *lines;
                    let tree = replay.finish(&snapshot, &mut found).tree;
                    Self::Tree(Box::new((tree, Assembly::default(), found)))
                }
            }
            Self::Tree(mut read) => {
                let (tree, assembly, found) = &mut *read;
                if assembly.advance(tree, found) {
                    *self = Self::Tree(read);
                    return Step::More;
                }
                let mut model = read.1.finish();
                // The process stays in the network namespace in which it is, whatever the file says: the command line
                // may have had another word.
                model.daemon.net_namespace.clone_from(&running.daemon.net_namespace);
                return Step::Model(Box::new(model));
            }
            Self::Over => return Step::Failed,
        };
        Step::More
    }
}

fn unreadable() -> Step {
    report::snapshot_unreadable();
    Step::Failed
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::source::Disk;
    use crate::config::{assemble, expand};

    /// The descriptor of a configuration, as a parent sends it.
    pub(in crate::child) fn sent(name: &str, text: &str) -> OwnedFd {
        let path = std::env::temp_dir().join(format!("ka-reading-{name}-{}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let path = path.to_string_lossy().into_owned();
        let asked = expand::Options { path: path.clone(), ..expand::Options::default() };
        let (_, snapshot) = expand::load(&Disk, &asked, &mut Diagnostics::new());
        std::fs::remove_file(path).unwrap();
        memory::sealed("test", &snapshot.encode()).unwrap()
    }

    #[test]
    fn a_configuration_becomes_a_model_in_steps_and_stays_in_its_network_namespace() {
        let mut running = Model::default();
        running.daemon.net_namespace = Some("blue".to_owned());
        let mut reading = Reading::Descriptor(sent("good", "vrrp_script A {\n script /bin/true\n}\n"));
        let mut whole = Vec::new();
        let model = loop {
            whole.push(reading.is_whole());
            match reading.advance(&running) {
                Step::More => {}
                Step::Model(model) => break model,
                Step::Failed => panic!("a good configuration"),
            }
        };
        assert_eq!(whole.get(..3), Some(&[false, false, true][..]));
        assert_eq!(whole.iter().filter(|whole| **whole).count(), 1, "a child is told once");
        assert_eq!(model.scripts.len(), 1);
        assert_eq!(model.daemon.net_namespace, running.daemon.net_namespace);
        assert!(matches!(reading.advance(&running), Step::Failed), "nothing is left");
    }

    #[test]
    fn mistakes_that_nobody_reads_change_nothing_of_the_model() {
        let text = "nonsense\nvrrp_instance A {\n interface eth0\n virtual_router_id 300\n virtual_router_ide 7\n \
                    virtual_ipadress {\n 192.0.2.1\n }\n virtual_ipaddress {\n 192.0.2.2\n 192.0.2.2\n 192.0.2.3/40\n \
                    }\n}\nvrrp_script S {\n scirpt /bin/true\n}\nvrrp_script T {\n script /bin/true\n interval x\n}\n\
                    virtual_server 192.0.2.1 80 {\n real_server 10.0.0.1 80 {\n wieght 3\n TCP_CHEK {\n }\n }\n \
                    real_server 10.0.0.2 80 {\n weight 5\n}\n";
        let mut reading = Reading::Descriptor(sent("bad", text));
        let model = loop {
            if let Step::Model(model) = reading.advance(&Model::default()) {
                break model;
            }
        };
        let mut found = Diagnostics::new();
        let parsed = expand::parse_text(text, &mut found);
        let told = assemble::model(&parsed.tree, &mut found);
        assert!(found.len() > 8, "{found:?}");
        assert_eq!(*model, told);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let mut reading = Reading::Descriptor(memory::sealed("test", b"nonsense").unwrap());
        assert!(matches!(reading.advance(&Model::default()), Step::More));
        assert!(matches!(reading.advance(&Model::default()), Step::Failed));
    }
}
