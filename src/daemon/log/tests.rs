//! Sinks that start late, fill up, go away and come back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::*;
use std::fs;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ka-log-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("folder");
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn sinks(socket: PathBuf) -> Sinks {
    let options = Options { syslog_socket: socket, ..Options::default() };
    let (sinks, opened) = Sinks::open(&options, Identity::VRRP);
    opened.expect("no file to open");
    sinks
}

fn write(sinks: &mut Sinks, text: &str) {
    sinks.write(Level::Info, &format::message(format_args!("{text}")));
}

fn text(socket: &UnixDatagram) -> Option<String> {
    let mut buffer = [0; 2_048];
    let len = socket.recv(&mut buffer).ok()?;
    let line = String::from_utf8_lossy(&buffer[..len]).into_owned();
    line.split_once("]: ").map(|(_, text)| text.to_owned())
}

fn listen(path: &std::path::Path) -> UnixDatagram {
    let socket = UnixDatagram::bind(path).expect("bind");
    socket.set_nonblocking(true).expect("non-blocking");
    socket
}

#[test]
fn a_syslogd_that_starts_late_and_is_restarted_misses_nothing() {
    let folder = Folder::new("late");
    let path = folder.path("log");
    let mut sinks = sinks(path.clone());
    write(&mut sinks, "early");
    assert!(!sinks.is_flushed());
    sinks.offer();
    assert!(!sinks.is_flushed());

    let first = listen(&path);
    sinks.offer();
    write(&mut sinks, "second");
    assert_eq!(text(&first).as_deref(), Some("early"));
    assert_eq!(text(&first).as_deref(), Some("second"));
    assert!(sinks.is_flushed());

    drop(first);
    fs::remove_file(&path).unwrap();
    write(&mut sinks, "while away");
    let second = listen(&path);
    sinks.offer();
    assert_eq!(text(&second).as_deref(), Some("while away"));

    drop(second);
    fs::remove_file(&path).unwrap();
    let third = listen(&path);
    write(&mut sinks, "at once");
    assert_eq!(text(&third).as_deref(), Some("at once"), "a restart between two lines costs nothing");
    assert_eq!(sinks.lost(), 0);
}

#[test]
fn a_full_syslogd_costs_lines_that_are_counted_and_no_time() {
    let folder = Folder::new("full");
    let path = folder.path("log");
    let socket = listen(&path);
    let mut sinks = sinks(path);
    let start = clock::now();
    for number in 0..20_000 {
        write(&mut sinks, &format!("line {number}"));
    }
    assert!(clock::now().since(start) < Span::from_secs(2));
    let lost = sinks.lost();
    assert!(lost > 0);

    let mut next = 0;
    let mut told = None;
    loop {
        sinks.offer();
        let Some(line) = text(&socket) else { break };
        match line.strip_suffix(" log lines lost") {
            Some(count) => told = count.parse().ok(),
            None => {
                assert_eq!(line, format!("line {next}"), "the first lines are kept, in order");
                next += 1;
            }
        }
    }
    assert_eq!(told, Some(lost));
    assert_eq!(u64::try_from(next).unwrap() + lost, 20_000);
    assert!(sinks.is_flushed());
}

#[test]
fn a_stream_syslogd_gets_lines_that_end_in_nul() {
    let folder = Folder::new("stream");
    let path = folder.path("log");
    let listener = UnixListener::bind(&path).unwrap();
    let mut sinks = sinks(path);
    write(&mut sinks, "one");
    write(&mut sinks, "two");
    let (mut peer, _) = listener.accept().unwrap();
    drop(sinks);
    let mut all = String::new();
    peer.read_to_string(&mut all).unwrap();
    let lines: Vec<_> = all.split_terminator('\0').filter_map(|line| line.split_once("]: ")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].1, lines[1].1), ("one", "two"));
}

#[test]
fn a_slow_reader_of_the_log_file_gets_whole_lines_and_the_count() {
    let folder = Folder::new("slow");
    let path = folder.path("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut reader = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    let options = Options { syslog: false, file: Some(path), stamps: false, ..Options::default() };
    let (mut sinks, opened) = Sinks::open(&options, Identity::PARENT);
    opened.unwrap();
    let start = clock::now();
    for number in 0..20_000 {
        write(&mut sinks, &format!("line {number}"));
    }
    assert!(clock::now().since(start) < Span::from_secs(2));
    let lost = sinks.lost();
    assert!(lost > 0);
    let mut all = Vec::new();
    let mut buffer = [0; 4_096];
    while let Ok(len) = reader.read(&mut buffer) {
        all.extend_from_slice(&buffer[..len]);
        sinks.offer();
    }
    let all = String::from_utf8(all).unwrap();
    let kept = all.lines().filter(|line| line.starts_with("line ")).count();
    assert!(all.ends_with(&format!("{lost} log lines lost\n")));
    assert_eq!(u64::try_from(kept).unwrap() + lost, 20_000);
}

#[test]
fn the_loop_is_asked_back_ever_more_rarely_while_a_sink_is_missing() {
    let mut sinks = sinks(PathBuf::from("/nonexistent/log"));
    assert_eq!(sinks.flush(Instant::from_micros(1)), None);
    write(&mut sinks, "x");
    let mut now = Instant::from_micros(1);
    let mut asked = 0;
    while let Some(at) = sinks.flush(now) {
        asked += 1;
        assert!(at > now);
        if now > Instant::START + Span::from_secs(100) {
            break;
        }
        now = at;
    }
    assert!((10..60).contains(&asked), "{asked}");
}

#[test]
fn lines_that_are_written_together_reach_a_file_whole_and_in_order() {
    let folder = Folder::new("together");
    let path = folder.path("log");
    let mut stream = Stream::file(&path, false).unwrap();
    let line = |number: usize| format::message(format_args!("line {number} {}", "x".repeat(number % 200)));
    stream.write(None, &line(0));
    stream.hold(true);
    stream.hold(true);
    stream.write(None, &line(1));
    stream.hold(false);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1, "the second one waits");
    (2..1_000).for_each(|number| stream.write(None, &line(number)));
    stream.hold(false);
    let text = fs::read_to_string(&path).unwrap();
    let right = (0..1_000).map(|number| format!("line {number} {}", "x".repeat(number % 200)));
    assert!(text.lines().map(str::trim_end).eq(right.map(|line| line.trim_end().to_owned())));
    assert!(stream.is_flushed() && stream.lost() == 0);
}
