//! Which new configuration a running daemon does not go over to.

use keepalived::base::name::IfName;
use keepalived::child::check::Interfaces;
use keepalived::config::diag::Diagnostic;
use keepalived::config::source::SourceMap;

use super::Loaded;

/// A finding that outlives the text it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// What tells it from others, wherever it stands.
    message: String,
    /// Where it stands.
    place: String,
    /// The interface that it is about, which is not there.
    absent: Option<IfName>,
}

impl Mistake {
    pub(super) fn new(one: &Diagnostic, sources: &SourceMap, interfaces: &Interfaces) -> Self {
        let absent = interfaces.absent.get(&one.message).cloned();
        Self { message: one.message.clone(), place: one.place(sources).to_string(), absent }
    }
}

/// A finding as a line of the log, with its remedy.
pub(super) fn told(one: &Diagnostic, sources: &SourceMap) -> String {
    let line = one.line(sources);
    one.remedy.as_deref().map_or_else(|| line.to_string(), |remedy| format!("{line} - {remedy}"))
}

/// Why a running daemon does not go over to a new configuration, a line each; none: it does.
///
/// It goes on with a file that has mistakes only if it has always had them, or if nothing is lost by them: a
/// half-written file, or a line that lost its meaning, must not change a network. Nor must a file that a full disk
/// left without content. An interface that is not there now is away if the configuration that runs names it, too,
/// wherever: its name is no mistake of the file, which may put something else on it.
pub(super) fn refusals(running: &Loaded, new: &Loaded) -> Vec<String> {
    let mut known = running.errors.clone();
    let (mut why, mut fresh) = (Vec::new(), Vec::new());
    let mut errors = new.errors.clone();
    if running.outline.global.files.reload_check_config.is_some() {
        known.extend_from_slice(&running.warnings);
        errors.extend_from_slice(&new.warnings);
    }
    for error in &errors {
        match known.iter().position(|old| old.message == error.message) {
            Some(position) => drop(known.swap_remove(position)),
            None if error.absent.as_ref().is_some_and(|name| running.interfaces.contains(name)) => {}
            None => fresh.push(error.place.as_str()),
        }
    }
    why.extend(told_fresh(&fresh));
    if new.empty && !running.empty {
        why.push("The configuration is empty; to end what it described, stop the daemon".to_owned());
    }
    let (before, after) = (&running.outline.daemon, &new.outline.daemon);
    if before.net_namespace != after.net_namespace || before.instance != after.instance {
        why.push("net_namespace and instance cannot be changed by a reload; restart instead".to_owned());
    }
    if scratch_of(running) != scratch_of(new) {
        why.push("tmp_config_directory cannot be changed by a reload; restart instead".to_owned());
    }
    why
}

/// Which of the mistakes, all of which have been told with what they are, the configuration that runs does not have.
fn told_fresh(places: &[&str]) -> Option<String> {
    let (shown, others) = places.split_at_checked(PLACES).unwrap_or((places, &[]));
    let at = shown.join(", ");
    match (places.len(), others.len()) {
        (0, _) => None,
        (1, _) => Some(format!("New mistake in the configuration, at {at}")),
        (all, 0) => Some(format!("{all} new mistakes in the configuration, at {at}")),
        (all, 1) => Some(format!("{all} new mistakes in the configuration, at {at} and 1 other place")),
        (all, others) => {
            Some(format!("{all} new mistakes in the configuration, at {at} and {others} other places"))
        }
    }
}

/// Places of mistakes on one line of the log.
const PLACES: usize = 8;

fn scratch_of(loaded: &Loaded) -> Option<&String> {
    loaded.outline.global.files.tmp_config_directory.as_ref()
}

#[cfg(test)]
mod tests {
    use keepalived::config::assemble;
    use keepalived::config::diag::Diagnostics;
    use keepalived::config::expand::{self, Parsed};
    use keepalived::config::snapshot::Snapshot;
    use keepalived::daemon::cli::Options;

    use super::super::Read;
    use super::*;

    /// What a text comes to that was read without a disk.
    fn loaded(text: &str) -> Loaded {
        let mut found = Diagnostics::new();
        let Parsed { tree, sources } = expand::parse_text(text, &mut found);
        let model = assemble::model(&tree, &mut found);
        let empty = tree.nodes().next().is_none();
        let (snapshot, interfaces) = (Snapshot::default(), Interfaces::default());
        let read = Read { model, empty, snapshot, interfaces, sources, found };
        Loaded::new(read, &Options::default(), None)
    }

    const GOOD: &str = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.2.1\n \
                        }\n}\n";

    fn accepted(running: &str, new: &str) -> bool {
        refusals(&loaded(running), &loaded(new)).is_empty()
    }

    #[test]
    fn a_reload_may_not_bring_mistakes() {
        assert!(accepted(GOOD, &GOOD.replace("192.0.2.1", "192.0.2.2")));
        assert!(accepted(GOOD, "global_defs {\n}\n"), "to remove an instance is no mistake");
        let bad = format!("{GOOD}nonsense 1\n");
        let why = refusals(&loaded(GOOD), &loaded(&bad));
        assert_eq!(why, ["New mistake in the configuration, at configuration:8:1"]);
        // What follows from a typo is not told beside it.
        let typo = GOOD.replace("virtual_ipaddress", "virtual_ipadress");
        let why = refusals(&loaded(GOOD), &loaded(&typo));
        assert_eq!(why, ["New mistake in the configuration, at configuration:4:2"]);
        // What was told is not told again, however many there are.
        let why = refusals(&loaded(&bad), &loaded(&format!("{bad}{}", "nonsense 1\n".repeat(9))));
        let places = (9..17).map(|line| format!("configuration:{line}:1")).collect::<Vec<_>>().join(", ");
        assert_eq!(why, [format!("9 new mistakes in the configuration, at {places} and 1 other place")]);
        assert!(!accepted(GOOD, GOOD.trim_end().trim_end_matches('}')), "a file cut off");
    }

    #[test]
    fn a_value_that_cannot_be_read_is_a_mistake_and_one_that_is_put_right_is_none() {
        let with =
            |line: &str| GOOD.replace("virtual_router_id 1\n", &format!("virtual_router_id 1\n {line}\n"));
        for line in ["priority 300", "priority ten", "state FOO", "advert_int 1000"] {
            assert!(!accepted(GOOD, &with(line)), "{line}");
        }
        for line in [
            "garp_master_repeat 0",
            "priority 100",
            "version 2\n authentication {\n auth_type PASS\n auth_pass 123456789\n }",
        ] {
            assert!(accepted(GOOD, &with(line)), "{line}");
        }
    }

    /// What is told and counted, and costs no address and no check.
    #[test]
    fn what_loses_nothing_is_applied() {
        let with = |line: &str| GOOD.replace(" virtual_ipaddress", &format!(" {line}\n virtual_ipaddress"));
        for line in [
            "track_interface {\n eth0\n }",
            "track_interface {\n eth1\n eth1\n }",
            "virtual_ipaddress {\n 192.0.2.1\n }",
            "virtual_ipaddress_excluded {\n 192.0.2.7/24\n 192.0.2.7/24\n }",
            "version 3\n authentication {\n auth_type PASS\n auth_pass 1234\n }",
            "version 3\n authentication {\n auth_pass 1234\n }",
            "unicast_peer {\n 192.0.2.8\n 192.0.2.8\n }",
            "unicast_peer {\n 192.0.2.8\n }\n mcast_dst_ip 224.0.0.19",
            "vrf red",
            "virtual_ipaddress {\n 192.0.2.9\n }\n native_ipv6",
            "debug 99",
            "smtp_alert maybe",
        ] {
            let new = with(line);
            assert!(!loaded(&new).warnings.is_empty(), "{line} is told");
            assert!(accepted(GOOD, &new), "{line}");
        }
        for block in [
            "vrrp_sync_group G {\n}",
            "global_defs {\n json_version 7\n smtp_server\n}",
            "global_defs {\n notification_email_from\n vmac_prefix a\n vmac_prefix a\n}",
            "garp_group {\n interface eth0\n}",
            "track_file f {\n file /tmp/f\n file /tmp/f\n}",
            "vrrp_track_process p {\n process a b\n process a b\n}",
        ] {
            assert!(accepted(GOOD, &format!("{block}\n{GOOD}")), "{block}");
        }
    }

    /// The neighbours of those: something is lost, however softly it is told.
    #[test]
    fn what_loses_an_address_or_a_check_is_refused() {
        let with = |line: &str| GOOD.replace(" virtual_ipaddress", &format!(" {line}\n virtual_ipaddress"));
        for line in [
            "track_interface {\n eth1 weight 5\n eth1 weight 7\n }",
            "virtual_ipaddress_excluded {\n 192.0.2.7/24 dve eth1\n }",
            "virtual_ipaddress_excluded {\n 192.0.2.7/33\n }",
            "virtual_ipaddress {\n 192.0.2.1 dev eth1\n }",
            "authentication {\n auth_type PASS\n }",
            "version 2\n strict_mode on\n authentication {\n auth_type PASS\n auth_pass 1234\n }",
            "unicast_peer {\n 192.0.2.8\n 192.0.2.8 min_ttl 3\n }",
            "smtp_alert {\n priority 7\n }",
            "nopreempt priority 7",
            "virtual_ipaddress_excluded {\n {{ other }}\n }",
        ] {
            assert!(!accepted(GOOD, &with(line)), "{line}");
        }
        for block in [
            "vrrp_sync_group G {\n group {\n B\n }\n}",
            "global_defs {\n vmac_prefix a\n vmac_prefix b\n}",
            "global_defs {\n notification_email\n a@b\n}",
            "track_file f {\n file /tmp/f\n file /tmp/g\n}",
            "vrrp_track_process p {\n process a b\n process a c\n}",
        ] {
            assert!(!accepted(GOOD, &format!("{block}\n{GOOD}")), "{block}");
        }
    }

    #[test]
    fn mistakes_that_were_always_there_may_stay_move_and_go() {
        let bad = format!("{GOOD}nonsense 1\n");
        assert!(accepted(&bad, &format!("\n\n{bad}")));
        assert!(accepted(&bad, GOOD));
        assert!(!accepted(&bad, &format!("{bad}nonsense 2\n")), "another one of the same kind");
    }

    #[test]
    fn an_interface_that_is_named_already_is_no_mistake() {
        let (mut running, mut new) = (loaded(GOOD), loaded(GOOD));
        let missing = |name: &str, instance: &str| {
            let message = format!("WARNING - interface {name} for vrrp_instance {instance} doesn't exist");
            Mistake { place: String::new(), message, absent: IfName::new(name) }
        };
        new.errors.push(missing("eth0", "A"));
        assert_eq!(refusals(&running, &new).len(), 1, "one that nobody knows");
        running.interfaces.extend(IfName::new("eth0"));
        assert!(refusals(&running, &new).is_empty());
        new.errors.push(missing("eth0", "B"));
        assert!(refusals(&running, &new).is_empty(), "for somebody else");
        running.errors.push(missing("eth0", "A"));
        new.errors.push(missing("eth1", "A"));
        assert_eq!(refusals(&running, &new).len(), 1, "another one");
    }

    #[test]
    fn nothing_at_all_is_taken_for_an_accident() {
        assert!(!accepted(GOOD, ""));
        assert!(!accepted(GOOD, "# gone\n"));
        assert!(accepted("", "") && accepted("", GOOD));
    }

    #[test]
    fn what_only_a_restart_can_change_is_refused() {
        assert!(!accepted(GOOD, &format!("instance other\n{GOOD}")));
        assert!(!accepted(GOOD, &format!("net_namespace other\n{GOOD}")));
    }
}
