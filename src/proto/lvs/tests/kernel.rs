//! A model of the kernel's table: it does what ip_vs does, and refuses what ip_vs refuses.

use std::collections::BTreeMap;

use super::base::Instant;
use super::lvs::{
    DestKey, DestValue, Director, Look, Operation, Pending, Refusal, ServiceKey, ServiceValue, Tell,
};

/// What a service of the kernel holds.
pub type Dests = BTreeMap<DestKey, DestValue>;

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kernel {
    /// Its services and their destinations.
    pub services: BTreeMap<ServiceKey, (ServiceValue, Dests)>,
}

impl Kernel {
    /// Carries out one operation.
    pub fn carry_out(&mut self, operation: &Operation) -> Result<(), Refusal> {
        let services = &mut self.services;
        let (key, dest, value) = match operation {
            Operation::Flush => {
                services.clear();
                return Ok(());
            }
            Operation::NewService(key, _) if services.contains_key(key) => return Err(Refusal::Exists),
            Operation::NewService(key, value) => {
                services.insert(*key, (*value, Dests::new()));
                return Ok(());
            }
            Operation::SetService(key, value) => {
                services.get_mut(key).ok_or(Refusal::NoService)?.0 = *value;
                return Ok(());
            }
            Operation::DelService(key) => {
                return services.remove(key).map(drop).ok_or(Refusal::NoService);
            }
            Operation::NewDest(key, dest, value) | Operation::SetDest(key, dest, value) => {
                (key, dest, Some(*value))
            }
            Operation::DelDest(key, dest) => (key, dest, None),
        };
        let (_, dests) = services.get_mut(key).ok_or(Refusal::NoService)?;
        let Some(value) = value else {
            return dests.remove(dest).map(drop).ok_or(Refusal::NoDest);
        };
        if value.weight > i32::MAX.cast_unsigned() || value.lower > value.upper && value.upper > 0 {
            return Err(Refusal::Other(34));
        }
        match (operation, dests.contains_key(dest)) {
            (Operation::NewDest(..), true) => Err(Refusal::Exists),
            (Operation::SetDest(..), false) => Err(Refusal::NoDest),
            _ => {
                dests.insert(*dest, value);
                Ok(())
            }
        }
    }

    /// Carries out what a director asks for, at most so many operations in one message; what was asked for.
    pub fn settle(
        &mut self,
        now: Instant,
        director: &mut Director,
        batch: usize,
        tell: &mut Tell<'_>,
    ) -> Vec<Operation> {
        let mut all = Vec::new();
        loop {
            let asked = self.step(now, director, batch, tell);
            if asked.is_empty() && director.is_settled() {
                return all;
            }
            all.extend(asked);
            assert!(all.len() < 1_000_000, "it never ends");
        }
    }

    /// Carries out one message.
    pub fn step(
        &mut self,
        now: Instant,
        director: &mut Director,
        batch: usize,
        tell: &mut Tell<'_>,
    ) -> Vec<Operation> {
        let asked: Vec<Pending> = core::iter::from_fn(|| director.pull()).take(batch).collect();
        let refused: Vec<_> = asked
            .iter()
            .filter_map(|pending| Some((pending, self.carry_out(&pending.operation).err()?)))
            .collect();
        for (pending, refusal) in refused {
            director.refused(now, pending, refusal, tell);
        }
        asked.into_iter().map(|pending| pending.operation).collect()
    }

    /// Shows the table to a director.
    pub fn show(&self, now: Instant, director: &mut Director, look: Look, tell: &mut Tell<'_>) {
        director.look(look);
        for (key, (value, dests)) in &self.services {
            director.seen_service(key, value);
            for (dest, value) in dests {
                director.seen_dest(key, dest, value);
            }
        }
        director.look_end(now, tell);
    }
}
