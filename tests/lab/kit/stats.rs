//! The statistics file of SIGUSR2, read into numbers.

use std::collections::BTreeMap;

/// The label of the line that carries the number of heap allocations of the VRRP child since its start-up.
const ALLOCATIONS: &str = "Heap allocations since start-up";

/// The numbers, under names like `VI_1/Advertisements/Sent`.
#[derive(Clone, Debug)]
pub(crate) struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// Reads the file's text; indentation says what belongs to what.
    pub(crate) fn parse(text: &str) -> Self {
        let mut numbers = BTreeMap::new();
        let mut path: Vec<(usize, String)> = Vec::new();
        for line in text.lines() {
            let depth = line.len() - line.trim_start().len();
            let Some((label, value)) = line.trim().split_once(':') else {
                continue;
            };
            path.retain(|(above, _)| *above < depth);
            let value = value.trim();
            if let Ok(number) = value.parse() {
                let mut name: Vec<_> = path.iter().map(|(_, part)| part.as_str()).collect();
                name.push(label);
                numbers.insert(name.join("/"), number);
            } else {
                path.push((depth, if value.is_empty() { label } else { value }.to_owned()));
            }
        }
        Self(numbers)
    }

    /// A number; panics if the file has no such line.
    pub(crate) fn number(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("the statistics have no {name}: {:?}", self.0))
    }

    /// Heap allocations of the VRRP child since it finished starting up.
    pub(crate) fn allocations(&self) -> u64 {
        let line = self.0.iter().find(|(name, _)| name.ends_with(ALLOCATIONS));
        *line.unwrap_or_else(|| panic!("the statistics have no line `{ALLOCATIONS}`: {:?}", self.0)).1
    }

    /// Every advert that was handed to the daemon, accepted, rejected for a reason or ignored.
    ///
    /// Each counter but those of what the daemon did itself stands for packets, and each packet is counted
    /// once; priority zero is counted among the accepted.
    pub(crate) fn packets(&self) -> u64 {
        let own = ["Sent", "Became master", "Released master", ALLOCATIONS];
        self.0
            .iter()
            .filter(|(name, _)| {
                !own.iter().any(|label| name.ends_with(label)) && !name.contains("Priority Zero")
            })
            .filter(|(name, _)| ["Advert", "Error"].iter().any(|part| name.contains(part)))
            .map(|(_, number)| number)
            .sum()
    }
}

#[test]
fn numbers_are_found_by_their_place() {
    let text = "VRRP Instance: VI_1\n  Advertisements:\n    Received: 3\n    Sent: 4\n  Became master: 1\n  \
                Packet Errors:\n    TTL: 2\n  Priority Zero:\n    Received: 1\n    Sent: 0\nProcess:\n  \
                Heap allocations since start-up: 7\n";
    let stats = Stats::parse(text);
    assert_eq!(stats.number("VI_1/Advertisements/Sent"), 4);
    assert_eq!(stats.number("VI_1/Became master"), 1);
    assert_eq!(stats.number("VI_1/Priority Zero/Received"), 1);
    assert_eq!(stats.allocations(), 7);
    assert_eq!(stats.packets(), 5);
}
