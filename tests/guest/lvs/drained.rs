//! An operator changes the weight of a real server while clients come all the time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::stage::{CHECK, Stage, conf, listed};
use super::stub::Speaks;
use crate::kit::bounds::{ALLOWANCE, eventually};
use crate::kit::capture::{enter_network, now};
use crate::kit::load;

/// An operation has its effect within this time, on a machine of its own.
const PROMISED: Duration = Duration::from_millis(100);
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(20);
const SERVICE: &str = "10.9.0.100:80";
/// Connections that stay open, and those that must have come before a step is judged.
const OPEN: usize = 8;
const ENOUGH: usize = 24;

/// When the connection of a client began, and which server answered.
type Answer = (Instant, Option<String>);

/// Clients who come one after another.
struct Load {
    over: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Answer>>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn begin(stage: &Stage) -> Self {
        let (over, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let client = |_| {
            let (holder, over, seen) = (stage.client().holder(), Arc::clone(&over), Arc::clone(&seen));
            std::thread::spawn(move || {
                enter_network(holder);
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let stream = TcpStream::connect_timeout(&SERVICE.parse().expect("an address"), SLOW);
                    let name = stream.ok().and_then(|mut stream| who(&mut stream));
                    seen.lock().expect("nobody panics with it").push((begun, name));
                }
            })
        };
        let clients = (0..2).map(client).collect();
        Self { over, seen, clients }
    }

    /// Who answered those whose connection began after a moment; nobody went away without an answer.
    fn since(&self, moment: Instant) -> Vec<String> {
        let seen = self.seen.lock().expect("nobody panics with it");
        let later = seen.iter().filter(|(begun, _)| *begun > moment);
        later.map(|(_, name)| name.clone().expect("every client is answered")).collect()
    }

    fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().expect("a client ends"));
        let seen = self.seen.lock().expect("nobody panics with it");
        assert!(seen.iter().all(|(_, name)| name.is_some()), "every client was answered");
    }
}

/// The server at the other end of a connection.
fn who(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(SLOW)).ok()?;
    stream.write_all(b"who?").ok()?;
    let mut octets = [0; 64];
    let count = stream.read(&mut octets).ok().filter(|count| *count > 0)?;
    Some(String::from_utf8_lossy(&octets[..count]).into_owned())
}

/// What the control socket is asked for; the moment of its answer, by which the kernel has the weight.
fn operate(stage: &Stage, words: &str, weight: &str) -> Instant {
    let mut socket = UnixStream::connect(stage.director.path("/run/keepalived.sock")).expect("it listens");
    socket.set_read_timeout(Some(SLOW)).expect("a mode of every socket");
    let (begun, begin) = (Instant::now(), now());
    socket.write_all(format!("{words}\n").as_bytes()).expect("it reads");
    let mut head = String::new();
    BufReader::new(socket).read_line(&mut head).expect("it answers");
    let (answered, took) = (Instant::now(), begun.elapsed());
    let table = listed(stage.director.holder());
    let line =
        table.lines().find(|line| line.contains("0A09000B:0050")).expect("the server stays in the table");
    assert_eq!(line, format!("-> 0A09000B:0050 Masq {weight}"), "{words}: {head}");
    assert!(head.starts_with("ok "), "{words}: {head}");
    println!("{words}: {:.1} ms", took.as_secs_f64() * 1e3);
    let bound = load::stretched(PROMISED + ALLOWANCE, begin, now());
    assert!(took <= bound, "{words} took {took:?}, and may take {bound:?}");
    answered
}

/// Connections to a server that is drained go on, all new ones go to the other server from the moment of the answer on, and
/// no client is turned away; `weight` and `enable` have their effect as soon.
pub(crate) fn under_load(stage: &Stage) {
    let [one, two] = ["10.9.0.11", "10.9.0.12"];
    let _servers = [one, two].map(|at| stage.stub(&format!("{at}:80"), Speaks::Session));
    let conf = conf("", &[(one, CHECK), (two, CHECK)]).replace("lvs_sched rr", "lvs_sched wrr");
    let daemon = stage.start(&conf);
    let entry = |at: &str| format!("-a -t 10.9.0.100:80 -r {at}:80 -m -w 1");
    stage.expect("start", &["-A -t 10.9.0.100:80 -s wrr", &entry(one), &entry(two)]);
    let mut open: Vec<_> = (0..OPEN)
        .map(|_| {
            let mut stream = stage.connect(SERVICE);
            let name = who(&mut stream).expect("an answer");
            (stream, name)
        })
        .collect();
    let at_one = open.iter().filter(|(_, name)| name == one).count();
    assert_eq!(at_one, OPEN / 2, "both servers have connections");
    let load = Load::begin(stage);
    for (words, weight) in [("drain", "0"), ("weight", "3"), ("drain", "0"), ("enable", "1")] {
        let value = if words == "weight" { format!(" {weight}") } else { String::new() };
        let answered = operate(stage, &format!("{words} {one}:80{value}"), weight);
        eventually("clients come", SLOW, || load.since(answered).len() >= ENOUGH);
        let seen = load.since(answered);
        let first = seen.iter().filter(|name| *name == one).count();
        let share = first * 100 / seen.len();
        let right = match weight {
            "0" => first == 0,
            "3" => (60..=90).contains(&share),
            _ => (35..=65).contains(&share),
        };
        assert!(right, "{words}: {first} of {} went to the first server", seen.len());
        for (stream, name) in &mut open {
            assert_eq!(who(stream).as_ref(), Some(&*name), "{words}: a connection stays where it was");
        }
    }
    load.end();
    daemon.stop();
    stage.expect("stop", &[]);
}
