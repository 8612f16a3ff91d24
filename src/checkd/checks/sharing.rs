//! Which checks of a model are the same: one of each definition runs, and serves every real server that wants it.

use core::hash::{Hash, Hasher};

use crate::base::id::MachineId;
use crate::base::map::Map;
use crate::checkd::services::count;
use crate::config::model::service::Key;
use crate::config::model::{Checker, Model};

/// Where a check stands in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::checkd) struct Place {
    /// The position of the virtual server.
    pub(in crate::checkd) service: u32,
    /// The position of the real server in it.
    pub(in crate::checkd) server: u32,
    /// The position of the check in that.
    pub(in crate::checkd) checker: u32,
}

impl Place {
    /// The check that stands there.
    pub(in crate::checkd) fn of(self, model: &Model) -> Option<&Checker> {
        let server = model.services.get(self.service as usize)?.servers.get(self.server as usize)?;
        server.checks.get(self.checker as usize)
    }
}

/// Every check of a model in order. For load time: allocates.
pub(in crate::checkd) fn places(model: &Model) -> Vec<Place> {
    let mut all = Vec::new();
    for (config, service) in model.services.iter().zip(0_u32..) {
        for (config, server) in config.servers.iter().zip(0_u32..) {
            all.extend((0..count(config.checks.len())).map(|checker| Place { service, server, checker }));
        }
    }
    all
}

/// The definitions of checks that are known, each with its number.
#[derive(Default)]
pub(in crate::checkd) struct Definitions(Map<u64, Vec<(Place, MachineId)>>);

impl Definitions {
    /// The number of a definition that is the same as that of `place`, which stands in `model`, and that is `free`;
    /// those that are known stand in `of`.
    pub(in crate::checkd) fn find(
        &self,
        of: &Model,
        (place, model): (Place, &Model),
        free: &mut dyn FnMut(MachineId) -> bool,
    ) -> Option<MachineId> {
        let wanted = definition(model, place)?;
        let alike = self.0.get(&digest(&wanted))?;
        let same = |known: &Place| definition(of, *known).as_ref() == Some(&wanted);
        alike.iter().find(|(known, id)| same(known) && free(*id)).map(|(_, id)| *id)
    }

    /// Enters a definition.
    pub(in crate::checkd) fn enter(&mut self, model: &Model, place: Place, id: MachineId) {
        if let Some(definition) = definition(model, place) {
            self.0.change(digest(&definition), |alike| alike.push((place, id)));
        }
    }
}

/// What makes a check the one that it is: how it is made, and the address without which it does not run.
fn definition(model: &Model, place: Place) -> Option<(&Checker, Option<&Key>)> {
    let service = model.services.get(place.service as usize)?;
    Some((place.of(model)?, Some(&service.key).filter(|_| service.ha_suspend)))
}

/// The definition at a place as a number.
pub(in crate::checkd) fn digest_of(model: &Model, place: Place) -> u64 {
    definition(model, place).as_ref().map_or(0, digest)
}

fn digest((checker, key): &(&Checker, Option<&Key>)) -> u64 {
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    checker.hash(&mut digest);
    key.hash(&mut digest);
    digest.finish()
}

/// FNV-1a of 64 bits.
struct Digest(u64);

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = (self.0 ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};

    #[test]
    fn checks_that_wait_for_different_addresses_have_notes_of_their_own() {
        let digests = |suspend: &str| {
            let service = |addr: &str| {
                let check = "TCP_CHECK {\n }\n";
                let real = format!("real_server 10.0.0.1 80 {{\n {check} }}\n");
                format!("virtual_server {addr} 80 {{\n {suspend}\n {real} }}\n")
            };
            let text = service("192.0.2.1") + &service("192.0.2.2");
            let mut found = Diagnostics::new();
            let model = assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found);
            places(&model).into_iter().map(|place| digest_of(&model, place)).collect::<Vec<_>>()
        };
        let [one, other] = *digests("ha_suspend") else { panic!("two checks") };
        assert_ne!(one, other);
        let [one, other] = *digests("") else { panic!("two checks") };
        assert_eq!(one, other, "one check for both");
    }
}
