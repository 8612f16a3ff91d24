//! What --help and --version print.

use std::fmt::Write;

use crate::base::feature;
use crate::sys::process;

/// The program's name.
pub const NAME: &str = "keepalived";

/// The same where it begins a line.
pub const TITLE: &str = "Keepalived";

/// The level of keepalived that this program follows, and its own version.
pub const VERSION: &str = concat!("v2.4.3 (rust ", env!("CARGO_PKG_VERSION"), ")");

/// The text of --version, in keepalived's order of lines.
pub(super) fn version() -> String {
    let (system, release, version) = process::kernel();
    let mut text = format!("{TITLE} {VERSION}\n\nLicensed under MIT or Apache-2.0\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(text, "Running on {system} {release} {version}");
    if let Some(distribution) = distribution() {
        let _ = writeln!(text, "Distro: {distribution}");
    }
    // An exporter of keepalived takes the JSON status only if it finds this word.
    text.push_str("\nconfigure options: --enable-json\n");
    text.push_str("\nConfig options:  VRRP VRRP_AUTH OLD_CHKSUM_COMPAT\n");
    text.push_str("\nSystem options:  MEMFD_CREATE\n");
    for (title, built) in [("Features:       ", true), ("Left out:       ", false)] {
        let names = || feature::ALL.iter().filter(|one| one.built == built).map(|one| one.name);
        if names().next().is_some() {
            let _ = write!(text, "\n{title}");
            names().for_each(|name| text.extend([" ", name]));
            text.push('\n');
        }
    }
    text
}

/// The distribution's own name for itself.
fn distribution() -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    let line = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches(['"', '\'']).to_owned())
}

/// The text of --help.
pub(super) fn help() -> String {
    let tools = if feature::TOOLS.built { TOOLS } else { "" };
    let control = if feature::STATUS.built { CONTROL } else { "" };
    [OPTIONS, control, tools, ANSWERS].concat()
}

const OPTIONS: &str = "\
Usage: keepalived [OPTION...]
  -f, --use-file=FILE          Read this configuration file; by default
                                /etc/keepalived.conf, else /etc/keepalived/keepalived.conf
  -P, --vrrp                   Run only the VRRP child
  -C, --check                  Run only the health checker child
  -B, --no_bfd                 Do not run the BFD child
      --all                    Run every child, even without a configuration for it
  -l, --log-console            Log to standard error too
  -D, --log-detail             Log in detail
  -S, --log-facility=FACILITY  Use this syslog facility: 0-7, local0-local7, user, daemon (default)
  -g, --log-file=FILE          Log to FILE too; children insert _vrrp, _healthcheckers, _bfd
                                before the last '.'
      --flush-log-file         Flush the log file after each line (always so)
  -G, --no-syslog              Do not log to syslog
  -u, --umask=MASK             Use this umask for new files, in numeric form
  -X, --release-vips           Drop addresses on a transition by signal (always so)
  -V, --dont-release-vrrp      Leave VRRP addresses and routes in place when stopping
  -I, --dont-release-ipvs      Leave the IPVS table in place when stopping
  -R, --dont-respawn           End when a child dies instead of replacing it
  -n, --dont-fork              Stay in the foreground
      --ignore-sigint          Do not stop at an interrupt from the terminal
  -d, --dump-conf              Write the data dump to the log after the start; with -t print the
                                effective configuration to standard output
  -p, --pid=FILE               Use this pid file for the parent
  -r, --vrrp_pid=FILE          Use this pid file for the VRRP child
  -T, --genhash                Be genhash; its options follow, -h lists them
  -c, --checkers_pid=FILE      Use this pid file for the checker child
  -a, --address-monitoring     Log all addresses that come or go
  -b, --bfd_pid=FILE           Use this pid file for the BFD child
  -x, --snmp                   Tell an SNMP agent of everything, as enable_snmp_... would
  -A, --snmp-agent-socket=FILE Reach the SNMP agent here; by default unix:/var/agentx/master
  -s, --namespace=NAME         Run in network namespace NAME
  -m, --core-dump              Let an abnormal end write a core file
  -M, --core-dump-pattern[=PATTERN]
                               The same, and set /proc/sys/kernel/core_pattern to PATTERN
                                (by default 'core') while running
  -e, --all-config             Refuse to run if any configuration file is missing
  -i, --config-id=ID           Skip lines that begin with '@' and another id, or with '@^' and
                                this id; by default the node name without its domain
      --signum=FUNCTION        Print the number of the signal for STOP, RELOAD, DATA, STATS,
                                STATS_CLEAR, JSON
  -t, --config-test[=FILE]     Check the configuration and write what is found to FILE, by
                                default to standard error
";

/// What the feature `status` adds.
const CONTROL: &str = "\
\x20     --control-socket=PATH    Answer, or with --ctl ask, at this socket; by default
                                /run/keepalived.sock, with _NAME before the dot for a namespace
                                or an instance
      --ctl WORDS              Ask the daemon that runs, as does a program called keepalivedctl;
                                --ctl help lists the words
";

/// What the feature `tools` adds.
const TOOLS: &str = "\
\x20     --lint-off=NAME[,NAME]   Do not make these checks in a config test; 'all': none
      --explain [WORD]         Explain a keyword, a block or a check; without WORD list the blocks;
                                'lint' lists the checks, with --all print everything as Markdown
      --compare FILE FILE...   Compare the configurations of the routers of one group, and say who
                                will be master when; FILE@ID reads FILE with -i ID
";

const ANSWERS: &str = "\
\x20 -v, --version                Print the version
  -h, --help                   Print this text
";
