//! The start of the subagent.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Freshness, Options, SLOTS, Subagent};
use crate::base::exit::Exit;
use crate::base::time::Instant;
use crate::child::bracket;
use crate::child::role::Role;
use crate::config::Model;
use crate::daemon::ipc::ToParent;
use crate::daemon::kind::Kind;
use crate::daemon::reactor::Reactor;
use crate::daemon::tuning::Tuner;
use crate::proto::agentx::{Input, Params, Session};
use crate::subagent::notices::Notices;
use crate::subagent::rows::Rows;
use crate::subagent::setting::Setting;
use crate::subagent::{report, trees};
use crate::sys::channel::Channel;

/// What a new subagent finds.
pub struct Context {
    /// The channel to the parent.
    pub channel: Channel,
    /// Its pid file.
    pub pid_file: PathBuf,
    /// How this process is run.
    pub tuner: Tuner,
    /// Every object is wanted (`-x`).
    pub all: bool,
    /// Where the agent listens (`-A`); stronger than the configuration.
    pub socket: Option<String>,
}

/// Runs the subagent until it is told to stop.
pub fn run(model: Arc<Model>, context: Context) -> Exit {
    bracket::run(|| start(model, context))
}

fn start(model: Arc<Model>, context: Context) -> io::Result<(Reactor, Subagent)> {
    let Context { channel, pid_file, tuner, all, socket } = context;
    let mut reactor = Reactor::new(SLOTS, Some(channel))?;
    let trees = trees(&model.global, all);
    let mut child = Subagent {
        model,
        options: Options { all, socket },
        session: Session::new(Params { trees }),
        trees,
        connection: None,
        gone: false,
        rows: Rows::default(),
        freshness: Freshness::None,
        notices: Notices::default(),
        setting: Setting::default(),
        silent: false,
        uptime: (0, Instant::START),
        draft: Vec::new(),
        process: Role { tuner, pid_file, ..Role::new(Kind::Snmp) },
    };
    let mut turn = reactor.turn();
    report::starting();
    child.drive(&mut turn, Input::Start);
    child.process.tuner.run(&mut turn);
    turn.report(ToParent::Ready);
    Ok((reactor, child))
}
