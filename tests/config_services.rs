//! Virtual servers, checks, BFD and SSL: what claims to have an effect has one.

use keepalived::config::diag::Diagnostics;
use keepalived::config::row::Effect;
use keepalived::config::{Model, assemble, expand, rows};

fn mine(block: &str) -> bool {
    ["virtual_server", "SSL", "bfd_instance"].iter().any(|name| block.starts_with(name))
}

/// Everything of virtual servers and sessions has its effect.
#[test]
fn rows_claim_the_effect_that_they_have() {
    for row in rows::catalogue().iter().filter(|row| mine(&row.block)) {
        let never = matches!(
            (row.block.as_str(), row.name),
            ("virtual_server", "hashed") | ("virtual_server/real_server/HTTP_GET", "enable_sni" | "sni_name")
        );
        let wanted = if never { Effect::Never } else { Effect::Full };
        assert_eq!(row.effect, wanted, "{} of {}", row.name, row.block);
    }
}

fn load(text: &str) -> (Model, Diagnostics) {
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    (assemble::model(&parsed.tree, &mut found), found)
}

/// Two thousand services: nothing is told of those that are right, and mistakes find room.
#[test]
fn many_services_leave_room_for_mistakes() {
    let mut text = String::new();
    for service in 0..2_000 {
        text.push_str(&format!(
            "virtual_server fwmark {} {{\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.0.1 {{\nTCP_CHECK {{\n}}\n}}\n}}\n",
            service + 1
        ));
    }
    text.push_str("virtual_server fwmark 5 {\nlvs_shed rr\n}\n");
    let (model, found) = load(&text);
    assert_eq!(model.services.len(), 2_000);
    assert_eq!(found.len(), 2, "{:?}", found.iter().collect::<Vec<_>>());
    assert!(found.iter().any(|finding| finding.message.contains("lvs_shed")));
}
