//! The page for people in headless Chromium: what it shows is what the daemon says, while it happens, on a telephone.
//!
//! `PICTURE=1 cargo test --test lab ctl::page` makes the picture of the README.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::{US, has_no_socket};
use crate::kit::ask::wait_status;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Launch};
use crate::kit::node::Node;
use crate::kit::pair::Pair;

const ADDRESS: &str = "http://127.0.0.1:9165/";
/// Of a small telephone, in CSS pixels.
const TELEPHONE: u32 = 390;
/// Octets of the picture, at most: the README is read over slow lines, too.
const PICTURE: u64 = 60_000;

/// A browser in a node, and the page in it.
struct Page {
    browser: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Page {
    fn open(node: &Node) -> Self {
        node.write("/run/lab/page.py", include_str!("page.py"));
        let mut command = node.command("python3");
        command.args(["/run/lab/page.py", ADDRESS]).env("HOME", "/run/lab");
        let mut browser = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let (input, output) = (browser.stdin.take(), browser.stdout.take());
        let output = BufReader::new(output.expect("a pipe"));
        Self { browser, input: input.expect("a pipe"), output }
    }

    /// Has something done; what is printed of it.
    fn does(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("it reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it writes");
        assert!(!answer.is_empty(), "the browser has ended at: {line}");
        answer.trim_end().to_owned()
    }

    /// Waits until the cards of the page have such a text.
    fn shows(&mut self, text: &str) {
        self.does(&format!("until document.querySelector('main').textContent.includes('{text}')"));
    }

    /// Closes it: whom it has asked, and what it complained about.
    fn close(self) -> String {
        let Self { mut browser, input, mut output } = self;
        drop(input);
        let mut last = String::new();
        output.read_to_string(&mut last).expect("text");
        assert!(browser.wait().expect("it ends").success());
        last
    }
}

/// Everything that the page has a place for.
fn conf(own: u8, other: u8, priority: u8) -> String {
    let mut text = Instance::default().global("control_http 9165").priority(priority).text();
    if cfg!(feature = "lvs") {
        let server = |port: u16| {
            format!(
                " real_server 10.9.0.{own} {port} {{\n TCP_CHECK {{\n connect_timeout 1\n retry 0\n }}\n }}\n"
            )
        };
        text += &format!(
            "virtual_server 10.9.0.100 80 {{\n delay_loop 1\n lvs_sched rr\n lvs_method NAT\n protocol TCP\n{}{}}}\n",
            server(8081),
            server(8082)
        );
    }
    if cfg!(feature = "bfd") {
        text += &format!(
            "bfd_instance neighbour {{\n neighbor_ip 10.9.0.{other}\n source_ip 10.9.0.{own}\n min_rx 200\n min_tx 200\n}}\n"
        );
    }
    text
}

#[test]
fn shows_what_happens_while_it_happens_on_a_telephone_and_asks_nobody_else() {
    if has_no_socket() {
        return;
    }
    let pair = Pair::new();
    let Pair { a, b, .. } = &pair;
    a.write(CONF, &conf(1, 2, 150));
    b.write(CONF, &conf(2, 1, 100));
    a.shell("python3 -m http.server -b 10.9.0.1 8081 >/dev/null 2>&1 &");
    let one = Launch::new(a, US).start();
    wait_status(a, "i['state']", "MASTER");
    let _two = Launch::new(b, US).start();
    let mut page = Page::open(a);
    page.does(&format!("width {TELEPHONE}"));
    page.shows("MASTERVI_1");
    page.shows("priority 150");
    page.shows("10.9.0.100/32 *");
    if cfg!(feature = "lvs") {
        page.shows("[10.9.0.1]:tcp:8081: up, weight 1");
        page.shows("[10.9.0.1]:tcp:8082: down, weight 1");
    }
    if cfg!(feature = "bfd") {
        page.shows("Upneighbour");
    }
    page.does("until document.querySelector('ol').innerText.includes('VI_1: BACKUP to MASTER')");
    // It is read without moving it to and fro, and without a glass.
    assert_eq!(page.does("print document.documentElement.scrollWidth <= innerWidth"), "true");
    let smallest = "Math.min(...[...document.querySelectorAll('body *')].filter(node => node.innerText)\
                    .map(node => parseFloat(getComputedStyle(node).fontSize)))";
    let smallest: f64 = page.does(&format!("print {smallest}")).parse().expect("a number");
    assert!(smallest >= 12.0, "{smallest} pixels");
    if std::env::var_os("PICTURE").is_some() {
        page.does("width 560");
        page.does("picture /run/lab/page.png");
        let picture = std::fs::read(a.path("/run/lab/page.png")).expect("the picture");
        std::fs::write(picture_path(), picture).expect("the folder is there");
        page.does(&format!("width {TELEPHONE}"));
    }

    // Without its being loaded again.
    page.does("print window.mark = 7");
    a.shell("ip link set eth0 down");
    page.shows("FAULTVI_1");
    page.does(
        "until document.querySelector('ol').innerText.includes('MASTER to FAULT: interface eth0 down')",
    );
    a.shell("ip link set eth0 up");
    page.shows("MASTERVI_1");
    assert_eq!(page.does("print window.mark"), "7");
    assert_eq!(page.does("print document.documentElement.scrollWidth <= innerWidth"), "true");
    // What is old is called so.
    page.does("until getComputedStyle(document.getElementById('lost')).display == 'none'");
    one.kill();
    page.does("until getComputedStyle(document.getElementById('lost')).display == 'block'");
    let last = page.close();
    let own = ["", "events", "status"].map(|path| format!("\"{ADDRESS}{path}\"")).join(", ");
    assert_eq!(last.trim_end(), format!("{{\"requests\": [{own}], \"wrong\": []}}"));
}

fn picture_path() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/status/page.png")
}

#[test]
fn the_picture_of_the_readme_is_small() {
    let size = std::fs::metadata(picture_path()).expect("the picture").len();
    assert!((1_000..=PICTURE).contains(&size), "{size} octets");
    let readme = include_str!("../../../README.md");
    assert!(readme.contains("](tests/goldens/status/page.png)"));
}
