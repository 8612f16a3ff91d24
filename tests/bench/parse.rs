//! How long a configuration takes to read and how much memory that needs, ours and Debian's keepalived side by
//! side in one run.
//!
//! Each program checks the same file (`-t -f FILE`), in the order A B B A. Every measurement is a process of
//! its own: this bench again, which starts the program, waits, and tells the wall time and the peak resident
//! memory that the kernel has for its children. A fresh one each time, because that peak never goes down, and
//! a small one, because a child begins with its parent's. The files lie in a node of the lab: its folder is
//! memory that vanishes with the bench, whatever ends it, and it has the interfaces that the files name.
//!
//!     cargo bench --bench parse              about 80 seconds, 60 of them one run of keepalived
//!     cargo bench --bench parse -- --quick   a smoke run
//!
//! A wrong exit status of either program is a failure, a time never is: a busy machine would decide.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a bench is not the daemon: it prints, waits, reads the clock, and fails by panicking"
)]

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[path = "../lab/kit/mod.rs"]
#[allow(dead_code, reason = "the kit serves the labs and the demo too")]
mod kit;

use kit::node::{Node, UNDER_TEST};

const REFERENCE: &str = "/usr/sbin/keepalived";
/// This bench as the node sees it.
const MEASURE: &str = "/run/lab/measure";
/// The word that makes this bench measure one run and nothing else.
const MEASURE_WORD: &str = "--measure";
/// How long one run may take before it is killed.
const LIMIT: Duration = Duration::from_secs(60);
/// Virtual routers on one interface, of 255 possible ones; with [`INTERFACES`] it makes 65,024.
const PER_INTERFACE: usize = 254;
const INTERFACES: usize = 256;

/// One file that both programs check.
struct Case {
    name: &'static str,
    /// Virtual routers, or real servers, by which growth is judged.
    items: usize,
    rounds: usize,
    text: String,
    /// The share of keepalived's time that ours may take.
    wanted: Option<f64>,
}

/// What one run took.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    /// Peak resident memory.
    kibibytes: i64,
    /// It was killed at the limit: both numbers are lower bounds.
    cut: bool,
}

/// All runs of one program on one file.
#[derive(Default)]
struct Runs(Vec<Run>);

impl Runs {
    fn cut(&self) -> bool {
        self.0.iter().any(|run| run.cut)
    }

    fn median_seconds(&self) -> f64 {
        let mut seconds: Vec<_> = self.0.iter().map(|run| run.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let middle = seconds.len() / 2;
        if seconds.len().is_multiple_of(2) {
            f64::midpoint(seconds[middle - 1], seconds[middle])
        } else {
            seconds[middle]
        }
    }

    fn least_seconds(&self) -> f64 {
        self.0.iter().map(|run| run.seconds).fold(f64::INFINITY, f64::min)
    }

    fn mebibytes(&self) -> f64 {
        self.0.iter().map(|run| run.kibibytes).max().unwrap_or_default() as f64 / 1024.0
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [word, program, file] = arguments.as_slice()
        && word == MEASURE_WORD
    {
        measure(program, file);
        return;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let begin = Instant::now();
    println!("ours: {}", kit::node::binary_under_test().display());
    println!("keepalived: {REFERENCE}");
    let node = furnish();
    let cases = if quick { vec![instances("1,000 instances", 1_000, 1)] } else { full() };
    let mut measured = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let file = format!("/run/lab/parse/{index}.conf");
        node.write(&file, &case.text);
        let mut sides = [Runs::default(), Runs::default()];
        for round in 0..case.rounds {
            for kind in turns(round) {
                // What does not end is not tried again.
                if !sides[kind].cut() {
                    sides[kind].0.push(run(&node, [UNDER_TEST, REFERENCE][kind], &file, case.name));
                }
            }
            eprint!(".");
        }
        node.remove(&file);
        measured.push((case, sides));
    }
    print(&measured);
    println!("\n{:.0} s", begin.elapsed().as_secs_f64());
}

/// The order in which the two programs take their turns: A B, B A, A B, ...
fn turns(round: usize) -> [usize; 2] {
    if round.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

/// A node with the interfaces e0 to e255 and this bench.
fn furnish() -> Node {
    let node = Node::new("parse");
    let this = std::env::current_exe().expect("the path of this bench");
    std::fs::copy(this, node.path(MEASURE)).expect("this bench in the node");
    let mut links = String::new();
    for even in (0..INTERFACES).step_by(2) {
        let odd = even + 1;
        writeln!(links, "link add e{even} type veth peer name e{odd}").unwrap();
        writeln!(links, "link set e{even} up\nlink set e{odd} up").unwrap();
    }
    node.write("/run/lab/links", &links);
    node.shell("ip -batch /run/lab/links");
    node
}

fn full() -> Vec<Case> {
    vec![
        instances("1,000 instances", 1_000, 10),
        instances("10,000 instances", 10_000, 6),
        sequence("65,024 instances made by ~SEQ", 4),
        servers("1,000 x 100 real servers", 1_000, 100, 6),
    ]
}

/// Virtual routers, each written out.
fn instances(name: &'static str, items: usize, rounds: usize) -> Case {
    let mut text = String::new();
    for index in 0..items {
        let (interface, vrid) = (index / PER_INTERFACE, index % PER_INTERFACE + 1);
        write!(
            text,
            "vrrp_instance VI_{index} {{\n    state BACKUP\n    interface e{interface}\n    version 3\n    \
             virtual_router_id {vrid}\n    priority 100\n    advert_int 1\n    virtual_ipaddress {{\n        \
             10.{}.{}.{vrid}/32\n    }}\n}}\n",
            interface / 256,
            interface % 256
        )
        .unwrap();
    }
    // keepalived is quadratic, ours is linear.
    let wanted = Some(if items >= 10_000 { 0.05 } else { 0.5 });
    Case { name, items, rounds, text, wanted }
}

/// As many virtual routers as VRIDs and interfaces give, from one template.
fn sequence(name: &'static str, rounds: usize) -> Case {
    let text = format!(
        "$ROUTER= \\
vrrp_instance VI_${{LINK}}_${{ID}} {{ \\
    state BACKUP \\
    interface e${{LINK}} \\
    version 3 \\
    virtual_router_id ${{ID}} \\
    priority 100 \\
    advert_int 1 \\
    virtual_ipaddress {{ \\
        10.0.${{LINK}}.${{ID}}/32 \\
    }} \\
}}

~SEQ(LINK, 0, {}) ~SEQ(ID, 1, {PER_INTERFACE}) $ROUTER
",
        INTERFACES - 1
    );
    Case { name, items: INTERFACES * PER_INTERFACE, rounds, text, wanted: None }
}

/// Virtual servers with real servers, each with a checker.
fn servers(name: &'static str, services: usize, reals: usize, rounds: usize) -> Case {
    let mut text = String::new();
    for service in 0..services {
        let (high, low) = (service / 250, service % 250 + 1);
        write!(
            text,
            "virtual_server 10.200.{high}.{low} 80 {{\n    delay_loop 10\n    lb_algo rr\n    lb_kind NAT\n    \
             protocol TCP\n"
        )
        .unwrap();
        for real in 0..reals {
            write!(
                text,
                "    real_server 10.{}.{high}.{low} 80 {{\n        weight 1\n        TCP_CHECK {{\n            \
                 connect_timeout 3\n        }}\n    }}\n",
                real + 1
            )
            .unwrap();
        }
        text += "}\n";
    }
    Case { name, items: services * reals, rounds, text, wanted: Some(0.5) }
}

/// One run, measured by a fresh process; panics if the program finds the file wrong.
fn run(node: &Node, program: &str, file: &str, case: &str) -> Run {
    let output = node
        .command(MEASURE)
        .args([MEASURE_WORD, program, file])
        .stderr(Stdio::inherit())
        .output()
        .expect("nsenter runs");
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<_> = line.split_whitespace().collect();
    let [seconds, kibibytes, outcome] = words.as_slice() else {
        panic!("{case}: {program} was not measured: {line:?}");
    };
    assert!(matches!(*outcome, "0" | "cut"), "{case}: {program} -t ends with {outcome}");
    Run {
        seconds: seconds.parse().expect("seconds"),
        kibibytes: kibibytes.parse().expect("kibibytes"),
        cut: *outcome == "cut",
    }
}

/// In the fresh process: runs the program and prints seconds, peak KiB, and the exit code or "cut".
fn measure(program: &str, file: &str) {
    let begin = Instant::now();
    let mut child = Command::new(program)
        .args(["-t", "-f", file])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = Pid::from_raw(child.id().cast_signed());
    let (ended, end) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        let late = end.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout);
        if late {
            let _ = kill(pid, Signal::SIGKILL);
        }
        late
    });
    let status = child.wait().expect("the program ends");
    let seconds = begin.elapsed().as_secs_f64();
    drop(ended);
    let cut = watch.join().expect("the watch ends");
    let peak = getrusage(UsageWho::RUSAGE_CHILDREN).expect("resource usage").max_rss();
    let outcome = if cut { "cut".to_owned() } else { status.code().unwrap_or(-1).to_string() };
    println!("{seconds} {peak} {outcome}");
}

fn print(measured: &[(&Case, [Runs; 2])]) {
    println!("\n{:<32} {:>10} {:>3} {:>14} {:>14} {:>14}", "", "", "n", "min s", "p50 s", "peak MiB");
    for (case, sides) in measured {
        for (kind, runs) in sides.iter().enumerate() {
            let bound = |value: f64, digits: usize| {
                format!("{}{value:.digits$}", if runs.cut() { "more than " } else { "" })
            };
            println!(
                "{:<32} {:>10} {:>3} {:>14} {:>14} {:>14}",
                if kind == 0 { case.name } else { "" },
                if kind == 0 { "ours" } else { "keepalived" },
                runs.0.len(),
                bound(runs.least_seconds(), if runs.cut() { 0 } else { 4 }),
                bound(runs.median_seconds(), if runs.cut() { 0 } else { 4 }),
                bound(runs.mebibytes(), 1)
            );
        }
    }
    println!();
    for (case, [ours, reference]) in measured {
        let bound = if reference.cut() { "<" } else { "=" };
        println!(
            "RATIO ours/keepalived {}: min{bound}{:.4} p50{bound}{:.4}{} memory{bound}{:.3} (wanted below 1)",
            case.name,
            ours.least_seconds() / reference.least_seconds(),
            ours.median_seconds() / reference.median_seconds(),
            case.wanted.map(|most| format!(" (wanted at most {most})")).unwrap_or_default(),
            ours.mebibytes() / reference.mebibytes()
        );
    }
    for (case, [ours, reference]) in measured {
        println!(
            "microseconds an item, {} ({}): ours {:.2}, keepalived {}{:.2}",
            case.name,
            case.items,
            ours.median_seconds() * 1e6 / case.items as f64,
            if reference.cut() { "more than " } else { "" },
            reference.median_seconds() * 1e6 / case.items as f64
        );
    }
}
