//! The BFD child's start: sessions that a predecessor left up go on, all others begin.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::status::Status;
use super::{Bfd, FURTHER_SLOTS};
use crate::base::exit::Exit;
use crate::base::id::BfdId;
use crate::base::time::Instant;
use crate::bfdd::discards::Discards;
use crate::bfdd::kept;
use crate::bfdd::kind;
use crate::bfdd::links::Links;
use crate::bfdd::sessions::{Live, Sessions, Taken};
use crate::bfdd::sockets::Sockets;
use crate::child::bracket;
use crate::child::kept::Kept;
use crate::child::peer::Peer;
use crate::child::role::Role;
use crate::config::Model;
use crate::daemon::ipc::ToParent;
use crate::daemon::keep::Keep;
use crate::daemon::kind::Kind;
use crate::daemon::reactor::{Reactor, Turn};
use crate::daemon::token::SourceId;
use crate::daemon::tuning::Tuner;
use crate::proto::bfd::session::Input;
use crate::sys::channel::Channel;
use crate::sys::udp::ReceiveBatch;

/// What a new BFD child finds.
pub struct Context {
    /// The channel to the parent.
    pub channel: Channel,
    /// What the child before it noted, and where this one does.
    pub keep: Keep,
    /// When the child before it died; none for the first one.
    pub died: Option<Instant>,
    /// Its pid file.
    pub pid_file: PathBuf,
    /// Write the data dump to the log once everything runs (`-d`).
    pub dump: bool,
    /// How this process is run.
    pub tuner: Tuner,
}

/// Runs the child until it is told to stop.
pub fn run(model: Arc<Model>, context: Context) -> Exit {
    // Where it is shared, the whole of it is there anyway.
    let model = Arc::try_unwrap(model).map_or_else(|shared| shared, |whole| Arc::new(outline(whole)));
    bracket::run(|| start(model, context))
}

/// What this child uses of a model: with thousands of virtual routers that is little of it.
pub(super) fn outline(model: Model) -> Model {
    let Model { daemon, global, bfds, .. } = model;
    Model { bfds, ..Model::outline(daemon, global) }
}

fn start(model: Arc<Model>, context: Context) -> io::Result<(Reactor, Bfd)> {
    let Context { channel, keep, died, pid_file, dump, tuner } = context;
    let mut reactor = Reactor::new(model.bfds.len() + FURTHER_SLOTS, Some(channel))?;
    let source = |kind| SourceId { kind, index: 0 };
    let mut child = Bfd {
        model,
        sessions: Sessions::default(),
        sockets: Sockets::default(),
        links: Links::default(),
        discards: Discards::default(),
        inbox: Some(ReceiveBatch::new()),
        vrrp: Peer::new(source(kind::VRRP)),
        checkers: Peer::new(source(kind::CHECKERS)),
        kept: Kept::new(keep, died),
        status: Status::default(),
        stalls: 0,
        process: Role { tuner, pid_file, ..Role::new(Kind::Bfd) },
        #[cfg(feature = "status")]
        pieces: crate::status::file::Pieces::default(),
    };
    let mut turn = reactor.turn();
    child.begin(&mut turn);
    if dump {
        child.log_data(&turn);
    }
    turn.reserve_sources();
    child.process.tuner.run(&mut turn);
    turn.report(ToParent::Ready);
    Ok((reactor, child))
}

impl Bfd {
    fn begin(&mut self, turn: &mut Turn<'_>) {
        let left = self.model.bfds.iter().map(|config| {
            let note = self.kept.left.of_key(kept::note_key(config))?;
            Some((note, kept::left(self.kept.keep.values(note))?))
        });
        let left: Vec<_> = left.collect();
        let mut taken = Taken::default();
        for (_, left) in left.iter().flatten() {
            taken.note(left.discriminator, left.port);
        }
        let made = self.model.bfds.iter().zip(&left).map(|(config, left)| taken.make(config, *left));
        let all: Vec<Live> = made.collect();
        self.kept.retain(all.iter().map(|live| live.note).collect());
        self.sessions.set(all);
        self.make_room();
        self.want_sockets(turn);
        self.status.load(&self.model);
        for (id, left) in (0..).map(BfdId).zip(left) {
            self.drive(turn, id, Input::Start(left.and_then(|(_, left)| left.adopted)));
            self.send_state(id);
        }
    }

    /// Makes room in what other children are sent. For load time: allocates.
    pub(super) fn make_room(&mut self) {
        self.vrrp.reserve(self.sessions.all.len());
        self.checkers.reserve(self.sessions.all.len());
    }

    /// Goes over to the sockets that the sessions need. For load time: allocates.
    pub(super) fn want_sockets(&mut self, turn: &mut Turn<'_>) {
        self.sockets.want(turn, self.sessions.all.iter().map(Live::place));
        self.links.want(turn, self.sessions.follow_kernel());
        self.open_sockets(turn);
    }
}
