//! Keywords whose feature the build lacks.

use super::*;
use crate::base::exit::Exit;
use crate::base::feature::Feature;
use crate::config::expand;

/// How often a keyword was read.
struct Count(u32);

const LEFT_OUT: Feature = Feature { name: "bfd", built: false };
const BUILT: Feature = Feature { name: "forge", built: true };
static ROWS: &[Row<Count, Count>] = &[
    Row::new("anvil", Kind::Flag(|count: &mut Count| count.0 += 1), "off", "").needs(&LEFT_OUT),
    Row::new("yard", Kind::Lines("{ ... }", |count: &mut Count, _| count.0 += 1), "none", "")
        .needs(&LEFT_OUT),
    Row::new("bellows", Kind::Flag(|count: &mut Count| count.0 += 1), "off", "").needs(&BUILT),
];

#[test]
fn a_keyword_whose_feature_the_build_lacks_is_not_used_and_told_by_place_and_name() {
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text("bellows\nanvil\nyard {\n  anvil\n  x\n}\nbellows\n", &mut found);
    let (mut given, mut objects, mut count) = (Given::default(), Vec::new(), Count(0));
    let mut scope = Scope {
        owner: "",
        place: None,
        elsewhere: |_| None,
        quiet: false,
        given: &mut given,
        objects: &mut objects,
        found: &mut found,
    };
    read(&mut parsed.tree.cursor(), ROWS, &mut count, &mut scope);
    assert_eq!(count.0, 2);
    let lines: Vec<String> = found.iter().map(|one| one.line(&parsed.sources).to_string()).collect();
    let lacks = "needs the feature 'bfd', which this build lacks";
    assert_eq!(
        lines,
        [format!("configuration:2:1: anvil {lacks}"), format!("configuration:3:1: yard {lacks}")]
    );
    // As with an unknown keyword.
    assert_eq!(found.exit_test(), Exit::ConfigTest);
}

#[cfg(not(feature = "iptables"))]
#[test]
fn keywords_of_iptables_are_refused_without_it() {
    let mut found = Diagnostics::new();
    let text = "global_defs {\n  vrrp_iptables a b\n  vrrp_ipsets c\n}\n";
    let parsed = expand::parse_text(text, &mut found);
    let model = crate::config::assemble::model(&parsed.tree, &mut found);
    assert_eq!((&model.global.firewall.iptables, &model.global.firewall.ipsets), (&None, &None));
    assert_eq!(found.iter().filter(|one| one.message.contains("feature 'iptables'")).count(), 2);
}
