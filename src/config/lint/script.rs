//! Tracked scripts, and commands run on transitions.

use super::places::named;
use super::{Facts, Input, Program, Report};
use crate::base::map::Set;
use crate::base::time::Span;
use crate::config::model::instance::Notify;
use crate::config::model::{Model, Probe, Script, ScriptCommand, VirtualServer};
use crate::config::value::Seconds;

pub(super) fn overlap(input: &Input<'_>, report: &mut Report<'_>) {
    for script in &input.model.scripts {
        let interval = script.params.interval;
        if let Some(timeout) = script.params.timeout.filter(|timeout| *timeout > interval) {
            let at = input.places.mark("vrrp_script", &script.name, "timeout", script.at.0);
            let message = format_args!(
                "vrrp_script {}: a run may last {} s and the next one is due after {} s; it is left out",
                script.name,
                Seconds(timeout),
                Seconds(interval)
            );
            report.tell(at, message);
        }
    }
}

pub(super) fn slow(input: &Input<'_>, report: &mut Report<'_>) {
    for script in &input.model.scripts {
        let params = &script.params;
        let noticed = params.interval * u64::from(params.fall.max(1));
        if noticed > Span::from_secs(30) {
            let at = input.places.mark("vrrp_script", &script.name, "interval", script.at.0);
            let times = if params.fall > 1 {
                format!(" ({} failures, one every {} s)", params.fall, Seconds(params.interval))
            } else {
                String::new()
            };
            let message = format_args!(
                "vrrp_script {}: a failure counts only after up to {} s{times}",
                script.name,
                Seconds(noticed)
            );
            report.tell(at, message);
        }
    }
}

pub(super) fn ping_fault(input: &Input<'_>, report: &mut Report<'_>) {
    let faulting: Set<usize> = input
        .model
        .instances
        .iter()
        .flat_map(|instance| &instance.track_scripts)
        .filter(|tracked| tracked.weight.value == 0)
        .map(|tracked| tracked.script.index())
        .collect();
    for (index, script) in input.model.scripts.iter().enumerate() {
        let words = script.command.raw.split_whitespace();
        let pings = words
            .map(|word| word.rsplit('/').next().unwrap_or(word))
            .any(|word| matches!(word, "ping" | "ping6" | "fping" | "arping"));
        if pings && faulting.contains(&index) {
            let message = format_args!(
                "vrrp_script {}: when the pinged host dies every router goes to FAULT, and nobody holds the addresses",
                script.name
            );
            report.tell(named(&script.name, script.at.0), message);
        }
    }
}

pub(super) fn exposed(input: &Input<'_>, report: &mut Report<'_>) {
    let mut told: Set<&str> = Set::new();
    for used in uses(input.model) {
        let who = match state(input.facts, used.command) {
            Some(Program::Foreign) => "belongs to",
            Some(Program::Writable) => "can be changed by",
            _ => continue,
        };
        // One file may be the check of a thousand servers.
        if !told.insert(&used.command.raw) {
            continue;
        }
        let message = format_args!(
            "{} {}: the file, or a folder on the way to it, {who} others than root, and root runs it",
            used.keyword,
            first(used.command)
        );
        report.tell(used.command.at.0, message);
    }
}

pub(super) fn missing(input: &Input<'_>, report: &mut Report<'_>) {
    for script in &input.model.scripts {
        if state(input.facts, &script.command) == Some(Program::Missing) {
            let message = format_args!(
                "vrrp_script {}: {} cannot be executed: {}",
                script.name,
                first(&script.command),
                consequence(script)
            );
            report.tell(script.command.at.0, message);
        }
    }
}

const fn consequence(script: &Script) -> &'static str {
    if script.params.weight.value == 0 {
        "instances that track it do not watch what they should"
    } else {
        "the priority does not follow what it should check"
    }
}

pub(super) fn notify_missing(input: &Input<'_>, report: &mut Report<'_>) {
    for used in uses(input.model).filter(|used| used.keyword != "script") {
        let is_missing = state(input.facts, used.command) == Some(Program::Missing);
        if is_missing && !report.is_told(used.command.at.0, &first(used.command)) {
            let message = format_args!(
                "{}{}: {} cannot be executed: {}",
                used.owner,
                used.keyword,
                first(used.command),
                when(used.keyword)
            );
            report.tell(used.command.at.0, message);
        }
    }
}

fn when(keyword: &str) -> &'static str {
    match keyword {
        "notify_master" => "nothing will happen on becoming MASTER",
        "notify_backup" => "nothing will happen on becoming BACKUP",
        "notify_fault" => "nothing will happen on entering FAULT",
        "notify_stop" => "nothing will happen when VRRP stops",
        "misc_path" => "the server counts as down",
        "quorum_up" | "quorum_down" => "nothing will happen when the quorum changes",
        _ => "nothing will happen on a change",
    }
}

pub(super) fn notify_one_sided(input: &Input<'_>, report: &mut Report<'_>) {
    for instance in &input.model.instances {
        let notify = &instance.notify;
        let Some(master) = &notify.master else { continue };
        if notify.any.is_none() && notify.backup.is_none() && notify.fault.is_none() {
            let message = format_args!(
                "({}) notify_master runs something and nothing ends it when the router is no longer MASTER",
                instance.name
            );
            report.tell(master.at.0, message);
        }
    }
}

/// A command, and what it is for.
struct Used<'a> {
    owner: String,
    keyword: &'static str,
    command: &'a ScriptCommand,
}

/// Every command of a model.
pub fn commands(model: &Model) -> impl Iterator<Item = &ScriptCommand> {
    uses(model).map(|used| used.command)
}

fn uses(model: &Model) -> impl Iterator<Item = Used<'_>> {
    let scripts = model.scripts.iter().map(|script| Used {
        owner: String::new(),
        keyword: "script",
        command: &script.command,
    });
    let instances = model.instances.iter().flat_map(|instance| {
        of_instance(&instance.notify).map(|(keyword, command)| Used {
            owner: format!("({}) ", instance.name),
            keyword,
            command,
        })
    });
    let services = model.virtual_servers().iter().flat_map(of_service);
    scripts.chain(instances).chain(services)
}

/// Every command of an instance with its keyword.
fn of_instance(notify: &Notify) -> impl Iterator<Item = (&'static str, &ScriptCommand)> {
    [
        ("notify_master", &notify.master),
        ("notify_backup", &notify.backup),
        ("notify_fault", &notify.fault),
        ("notify_stop", &notify.stop),
        ("notify", &notify.any),
        ("notify_master_rx_lower_pri", &notify.master_rx_lower_pri),
        ("notify_deleted", &notify.deleted_script),
    ]
    .into_iter()
    .filter_map(|(keyword, command)| Some((keyword, command.as_ref()?)))
}

/// Every command of a service, its servers and their checks.
fn of_service(service: &VirtualServer) -> impl Iterator<Item = Used<'_>> {
    let own = [("quorum_up", &service.quorum_up), ("quorum_down", &service.quorum_down)];
    let own = own.into_iter().filter_map(|(keyword, command)| Some((keyword, command.as_ref()?)));
    let servers = service.servers.iter().flat_map(|server| {
        let checks = server.checks.iter().filter_map(|check| match &check.probe {
            Probe::Misc(misc) => Some(("misc_path", &misc.command)),
            _ => None,
        });
        let more = server.more.iter().flat_map(|more| {
            [("notify_up", &more.notify_up), ("notify_down", &more.notify_down)]
                .into_iter()
                .filter_map(|(keyword, command)| Some((keyword, command.as_ref()?)))
        });
        checks.chain(more)
    });
    own.chain(servers).map(|(keyword, command)| Used { owner: String::new(), keyword, command })
}

fn state(facts: &Facts, command: &ScriptCommand) -> Option<Program> {
    facts.programs.get(&command.raw).copied()
}

/// The program itself.
fn first(command: &ScriptCommand) -> String {
    command.argv.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
}
