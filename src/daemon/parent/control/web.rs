//! The monitoring port: pages over HTTP, for reading alone. Whoever reaches the address may read them; a request is
//! bounded and has a deadline, and its connection ends with the answer.

use core::fmt::Write;
use std::os::fd::AsRawFd;

use super::outgoing::{Outgoing, Part};
use super::question::{Asking, json};
use super::{ACCEPTED_PER_TURN, PORT, events};
use crate::daemon::cli::VERSION;
use crate::daemon::ipc::{About, Question};
use crate::daemon::log;
use crate::daemon::parent::{Parent, Program};
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::SourceId;
use crate::sys::local::PortListener;
use crate::wire::web::{Asked, Code, Page};

/// The page for people: it asks for status and events once a second, and for nothing from elsewhere.
const INDEX: &str = include_str!("index.html");

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl<P: Program> Parent<'_, P> {
    /// Opens the port where it is configured now, if that is not where it is.
    pub(super) fn open_port(&mut self, turn: &mut Turn<'_>) {
        if self.control.http == self.settings.http {
            return;
        }
        self.control.http = self.settings.http;
        self.close_port(turn);
        let Some(at) = self.control.http else { return };
        let opened = PortListener::new(at).and_then(|listener| {
            let source = SourceId { kind: PORT, index: 0 };
            let registration = turn.register(listener.as_raw_fd(), source, Interest::Read)?;
            Ok((listener, registration))
        });
        match opened {
            Ok(listener) => {
                log::info!("Monitoring may ask at http://{at}/");
                self.control.port = Some(listener);
            }
            Err(error) => log::warn!("Unable to listen on {at} (control_http): {error}"),
        }
    }

    pub(super) fn close_port(&mut self, turn: &mut Turn<'_>) {
        if let Some((listener, registration)) = self.control.port.take() {
            turn.deregister(registration);
            drop(listener);
        }
    }

    /// Somebody connects.
    pub(in crate::daemon::parent) fn port_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        for _ in 0..ACCEPTED_PER_TURN {
            let Some((listener, _)) = &self.control.port else { return Again::Done };
            let Some(stream) = listener.accept() else { return Again::Done };
            if let Some(index) = self.make_room(turn, true) {
                self.welcome(turn, index, stream, false);
            }
        }
        Again::More
    }

    /// A request was understood.
    pub(super) fn serve_page(&mut self, turn: &mut Turn<'_>, index: usize, asked: Asked) {
        let about = match asked.page {
            Page::Index => {
                return self.send_page(index, asked, "text/html; charset=utf-8", INDEX.to_owned());
            }
            Page::Events => {
                let mut text = String::new();
                events::all(&mut text);
                return self.send_page(index, asked, JSON, text);
            }
            Page::Metrics { .. } => About::Metrics,
            Page::Health => About::Health,
            Page::Ready => About::Ready,
            Page::Status => About::Status,
        };
        let json = matches!(asked.page, Page::Metrics { open: true } | Page::Status);
        self.ask_with(turn, index, Question { about, json, ..Question::default() }, None);
    }

    fn send_page(&mut self, index: usize, asked: Asked, kind: &str, text: String) {
        let parts = vec![Part::Text(text.into_bytes())];
        self.send(index, Outgoing::page(Code::Ok, kind, asked.head_only, parts));
    }

    /// A request is answered with a code alone.
    pub(super) fn refuse_page(&mut self, index: usize, code: Code) {
        let parts = vec![Part::Text(format!("{}\n", code.text()).into_bytes())];
        self.send(index, Outgoing::page(code, TEXT, false, parts));
    }

    /// The page that is made of what the children say.
    pub(super) fn page(&self, asked: Asked, asking: Asking) -> Outgoing {
        let (children, refused) = asking.into_parts();
        let (kind, code, parts) = match asked.page {
            Page::Metrics { open } => {
                let mut text = self.own_metrics(open);
                for (kind, _, silent) in &children {
                    let answers = u8::from(!silent);
                    let word = kind.word();
                    // Writing to a String does not fail.
                    let _ = writeln!(text, "keepalived_process_answers{{process=\"{word}\"}} {answers}");
                }
                let mut parts = vec![Part::Text(text.into_bytes())];
                parts.extend(children.into_iter().filter_map(|(_, file, _)| file));
                if open {
                    parts.push(Part::Text(b"# EOF\n".to_vec()));
                }
                (if open { OPEN_METRICS } else { METRICS }, Code::Ok, parts)
            }
            Page::Status => (JSON, Code::Ok, json(children)),
            _ => {
                let mut text = String::new();
                for (kind, _, _) in children.iter().filter(|(.., silent)| *silent) {
                    let _ = writeln!(text, "the {} process does not answer", kind.title());
                }
                let fine = text.is_empty() && !refused;
                text.push_str(if fine { "ok\n" } else { "" });
                let mut parts = vec![Part::Text(text.into_bytes())];
                parts.extend(children.into_iter().filter_map(|(_, file, _)| file));
                (TEXT, if fine { Code::Ok } else { Code::Unavailable }, parts)
            }
        };
        Outgoing::page(code, kind, asked.head_only, parts)
    }

    /// What the parent counts; its last family is one of which each child has a sample.
    fn own_metrics(&self, open: bool) -> String {
        let total = if open { "" } else { "_total" };
        let mut text = format!(
            "# HELP keepalived_up The daemon answers\n# TYPE keepalived_up gauge\nkeepalived_up 1\n\
             # HELP keepalived_build_info The version\n# TYPE keepalived_build_info gauge\n\
             keepalived_build_info{{version=\"{VERSION}\"}} 1\n\
             # HELP keepalived_process_deaths{total} Processes that died unasked\n\
             # TYPE keepalived_process_deaths{total} counter\n"
        );
        for child in &self.children {
            let (word, deaths) = (child.kind.word(), child.deaths);
            let _ = writeln!(text, "keepalived_process_deaths_total{{process=\"{word}\"}} {deaths}");
        }
        text.push_str(
            "# HELP keepalived_process_answers The process runs and answers, or is not needed\n\
             # TYPE keepalived_process_answers gauge\n",
        );
        text
    }
}
