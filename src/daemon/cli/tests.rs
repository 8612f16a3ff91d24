//! Options as typed, what they come to, and the answers to those that cannot be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::base::feature;
use std::path::Path;

fn invoke(line: &str) -> Invocation {
    parse(core::iter::once("keepalived").chain(line.split_whitespace()).map(OsString::from))
}

fn run(line: &str) -> Options {
    match invoke(line) {
        Invocation::Run(options) => options,
        other => panic!("{line}: {other:?}"),
    }
}

fn answer(line: &str) -> Answer {
    match invoke(line) {
        Invocation::Answer(answer) => answer,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn short_long_clustered_and_attached_forms_mean_the_same() {
    for line in [
        "-nlD -f /a -S3 -p /p -r/r",
        "--dont-fork --log-console --log-detail --use-file=/a --log-facility local3 --pid /p --vrrp_pid=/r",
    ] {
        let options = run(line);
        assert!(options.foreground && options.log.console && options.log.detail, "{line}");
        assert_eq!(options.config.as_deref(), Some(Path::new("/a")));
        assert!(matches!(options.log.facility, Facility::LOG_LOCAL3));
        assert_eq!(options.pid_files.parent.as_deref(), Some(Path::new("/p")));
        assert_eq!(options.pid_files.vrrp.as_deref(), Some(Path::new("/r")));
        assert!(options.complaints.is_empty());
    }
}

#[test]
fn every_option_that_works_or_tunes_an_absent_part_is_taken() {
    let options = run("-P -C -B --all -G -g /l --flush-log-file -X -V -I -R -d -c /c -a -b /b -e -i id \
         -u 022 -m -M --no-mem-check --ignore-sigint stray words");
    assert!(options.only.vrrp && options.only.checkers && options.no_bfd && options.all);
    assert!(!options.log.syslog && options.log.file.is_some() && !options.log.console);
    assert!(options.keep_vrrp && options.keep_ipvs && options.no_respawn);
    assert!(options.dump && options.address_monitoring && options.all_config && options.core_dump);
    assert_eq!(options.config_id.as_deref(), Some("id"));
    assert_eq!(options.umask, Some(0o22));
    assert_eq!(options.core_pattern.as_deref(), Some("core"));
    assert_eq!(run("-Mcore.%p").core_pattern.as_deref(), Some("core.%p"));
}

#[test]
fn refusals_use_keepaliveds_words_and_code() {
    for (line, text) in [
        ("--bogus", "Unknown option --bogus\n"),
        ("-Z", "Unknown option -Z\n"),
        ("-f", "Missing parameter for option -f\n"),
        ("--use-file", "Missing parameter for option --use-file\n"),
        ("--vrrp=1", "Unknown option --vrrp=1\n"),
        ("--signum=TDATA", "Unknown sigfunc TDATA\n"),
        ("--signum=stop", "Unknown sigfunc stop\n"),
    ] {
        let answer = answer(line);
        assert_eq!(answer.text, text);
        assert_eq!((answer.output, answer.exit), (false, Exit::Fatal));
    }
}

#[test]
fn what_this_version_lacks_is_said_in_one_line() {
    for line in ["--perf", "--perf=all", "--debug=DvEc"] {
        let answer = answer(line);
        assert!(answer.text.contains("this version has no") && answer.text.lines().count() == 1, "{line}");
        assert_eq!((answer.output, answer.exit), (false, Exit::Fatal));
    }
}

#[test]
fn signal_numbers_go_to_standard_output() {
    for (name, number) in [("STOP", 15), ("RELOAD", 1), ("DATA", 10), ("STATS", 12)] {
        let answer = answer(&format!("--signum={name}"));
        assert_eq!(answer.text, format!("{number}\n"));
        assert!(answer.output);
    }
    assert_eq!(answer("--signum JSON").text, format!("{}\n", libc::SIGRTMIN() + 2));
    assert_eq!(answer("--signum STATS_CLEAR").text, format!("{}\n", libc::SIGRTMAX() - 1));
}

#[test]
fn help_and_version_go_to_standard_error_and_name_every_option() {
    for line in ["-h", "--help", "-v", "--version"] {
        let answer = answer(line);
        assert_eq!((answer.output, answer.exit), (false, Exit::Ok));
    }
    assert!(answer("-v").text.starts_with("Keepalived v2.4.3"));
    let help = answer("-h").text;
    for letter in "fPCBlDSgGuXVIRndprTcabxAsmMeitvh".chars() {
        assert!(help.contains(&format!("  -{letter}, --")), "-{letter}");
    }
    assert!(help.lines().all(|line| line.len() <= 100));
}

#[test]
fn a_config_test_takes_its_file_only_when_attached() {
    assert!(matches!(invoke("-t"), Invocation::Test(_, None)));
    assert!(matches!(invoke("-t /x"), Invocation::Test(_, None)));
    assert!(matches!(invoke("-t/x"), Invocation::Test(_, Some(_))));
    assert!(matches!(invoke("--config-test=/x -f /y"), Invocation::Test(o, Some(_)) if o.config.is_some()));
}

#[test]
fn invalid_values_are_told_and_ignored() {
    let options = run("-S 9 -u 9x");
    assert_eq!(options.complaints, ["Invalid log facility '9'", "Invalid --umask option 9x"]);
    assert!(matches!(options.log.facility, Facility::LOG_DAEMON));
    assert_eq!(options.umask, None);
    assert_eq!((umask("0"), umask("18"), umask("0x12"), umask("01000")), (Some(0), Some(18), Some(18), None));
    assert!(facility("localuser").is_none());
}

#[test]
fn the_command_line_is_logged_in_wrapped_quotes() {
    let words: Vec<String> =
        ["keepalived", "-n", "-l", "-G", "-f", "/tmp/t.conf", "-p", "/tmp/ka.pid", "-r", "/tmp/kv.pid"]
            .map(String::from)
            .to_vec();
    let more = ["--log-detail", "--dont-release-vrrp"].map(String::from);
    let lines = command_lines(&[words, more.to_vec()].concat());
    assert_eq!(
        lines,
        [
            "Command line: 'keepalived' '-n' '-l' '-G' '-f' '/tmp/t.conf' '-p' '/tmp/ka.pid' '-r' '/tmp/kv.pid'",
            "              '--log-detail' '--dont-release-vrrp'",
        ]
    );
}

#[cfg(feature = "tools")]
#[test]
fn explain_answers_from_the_rows() {
    for line in ["--explain priority", "--explain=priority"] {
        let answer = answer(line);
        assert!(answer.text.contains("priority <1..255>\n"), "{}", answer.text);
        assert_eq!((answer.output, answer.exit), (true, Exit::Ok));
    }
    assert!(answer("--explain").text.starts_with("block "));
    assert!(answer("--explain --all").text.starts_with("# keepalived.conf\n"));
    assert!(answer("--explain lint").text.contains("\nnopreempt-weights "));
    let refused = answer("--explain priorty");
    assert!(refused.text.contains("did you mean priority?"));
    assert_eq!((refused.output, refused.exit), (false, Exit::Fatal));
}

#[cfg(feature = "tools")]
#[test]
fn compare_needs_two_files() {
    for line in ["-i x --compare a.conf b.conf@r2 c.conf", "--compare=a.conf b.conf@r2 c.conf -i x"] {
        match invoke(line) {
            Invocation::Compare(options, files) => {
                assert_eq!(files, ["a.conf", "b.conf@r2", "c.conf"].map(PathBuf::from));
                assert_eq!(options.config_id.as_deref(), Some("x"));
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    for line in ["--compare", "--compare a.conf"] {
        assert_eq!(answer(line).exit, Exit::Fatal);
    }
}

#[cfg(feature = "tools")]
#[test]
fn lint_off_takes_names_and_complains_about_others() {
    match invoke("-t --lint-off=garp-once,unicast-self --lint-off all --lint-off garp-onec") {
        Invocation::Test(options, None) => {
            assert_eq!(options.lint_off, ["garp-once", "unicast-self", "all"]);
            assert_eq!(options.complaints, ["no check is called 'garp-onec'; did you mean garp-once?"]);
        }
        other => panic!("{other:?}"),
    }
}

#[cfg(not(feature = "tools"))]
#[test]
fn an_option_whose_feature_the_build_lacks_is_refused_by_its_name() {
    for option in ["--explain", "--compare"] {
        let answer = answer(&format!("{option} a b"));
        assert_eq!(
            answer.text,
            format!("keepalived: {option} needs the feature 'tools', which this build lacks\n")
        );
        assert_eq!((answer.output, answer.exit), (false, Exit::Fatal));
    }
    let options = run("--lint-off all -n");
    assert_eq!(options.complaints, ["--lint-off needs the feature 'tools', which this build lacks"]);
    assert!(options.foreground);
}

#[test]
fn the_version_names_the_features_that_are_built_and_those_that_are_not() {
    let text = answer("-v").text;
    for feature in feature::ALL {
        let title = if feature.built { "Features: " } else { "Left out: " };
        let line = text.lines().find(|line| line.starts_with(title)).unwrap();
        assert!(line.split(' ').any(|name| name == feature.name), "{text}");
    }
    assert_eq!(answer("-h").text.contains("\n      --explain"), feature::TOOLS.built);
}

#[cfg(feature = "lvs")]
#[test]
fn genhash_has_a_command_line_of_its_own() {
    for (line, called, rest) in [
        ("keepalived -T -s ::1 -u /x", "keepalived --genhash", &["-s", "::1", "-u", "/x"][..]),
        ("keepalived --genhash -h", "keepalived --genhash", &["-h"]),
        ("/usr/bin/genhash -S -v", "genhash", &["-S", "-v"]),
        ("genhash", "genhash", &[]),
    ] {
        match parse(line.split(' ').map(OsString::from)) {
            Invocation::Genhash(name, words) => {
                assert_eq!(name, called);
                assert!(words.iter().eq(rest.iter()), "{words:?}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[cfg(feature = "status")]
#[test]
fn a_client_is_one_by_its_option_or_by_its_name() {
    let client = |line: &str| match parse(line.split_whitespace().map(OsString::from)) {
        Invocation::Control(socket, words) => {
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
            format!("{} {}", socket.display(), words.join(" "))
        }
        other => format!("{other:?}"),
    };
    assert_eq!(client("keepalived --ctl status VI_1 --json"), "/run/keepalived.sock status VI_1 --json");
    assert_eq!(client("/usr/sbin/keepalivedctl status -x"), "/run/keepalived.sock status -x");
    assert_eq!(client("keepalivedctl -s blue version"), "/run/keepalived_blue.sock version");
    assert_eq!(client("keepalivedctl --control-socket=/a.sock help"), "/a.sock help");
    assert_eq!(client("keepalivedctl --control-socket /a.sock help"), "/a.sock help");
    assert_eq!(client("keepalived --control-socket=/a.sock --ctl help"), "/a.sock help");
    for line in ["keepalived --ctl", "keepalivedctl", "keepalivedctl -s blue"] {
        assert!(client(line).contains("a word is missing"), "{line}");
    }
}
