//! Tracked files: their directories are watched, and what changed is read once in a turn.

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use super::{Object, report};
use crate::base::id::{FileId, InstanceId};
use crate::base::limit;
use crate::config::Model;
use crate::config::model::TrackFile;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Own, Registration};
use crate::proto::track::{Effect, File, FileAction, FileInput, is_number};
use crate::sys::glance::{Glance, glance, is_linked, make};
use crate::sys::inotify::{Happening, Inotify, Watch};
use crate::vrrpd::kind;
use crate::vrrpd::report as lines;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::state::Vrrp;

/// All tracked files and the directories that they lie in.
#[derive(Debug, Default)]
pub struct Files {
    inotify: Option<(Inotify, Registration)>,
    directories: Vec<Directory>,
    files: Vec<Live>,
}

#[derive(Debug)]
struct Directory {
    path: CString,
    watch: Option<Watch>,
    /// That it cannot be watched has been told.
    told: bool,
}

#[derive(Debug)]
struct Live {
    path: CString,
    /// Where its name in the directory begins.
    name: usize,
    directory: usize,
    machine: File,
    /// Something happened to it in the batch under way.
    touched: bool,
    /// That it cannot be read has been told.
    told: bool,
    /// It holds something else than a number, which was told.
    garbled: bool,
}

impl Live {
    fn name(&self) -> &[u8] {
        self.path.to_bytes().get(self.name..).unwrap_or_default()
    }
}

impl Files {
    /// How many there are.
    pub(in crate::vrrpd) const fn len(&self) -> usize {
        self.files.len()
    }

    /// The number in a file.
    pub(in crate::vrrpd) fn number(&self, id: FileId) -> i32 {
        self.files.get(id.index()).map_or(0, |file| file.machine.number())
    }

    /// The files of a model. One that was there before, by its path, keeps its number.
    fn renew(&mut self, model: &Model) {
        let mut before = core::mem::take(&mut self.files);
        let mut directories = Vec::new();
        for config in &model.files {
            let (path, name) = split(config);
            let parent = path.to_bytes().get(..name).filter(|parent| !parent.is_empty()).unwrap_or(b".");
            let parent = CString::new(parent).unwrap_or_default();
            let directory = directories.iter().position(|there: &Directory| there.path == parent);
            let directory = directory.unwrap_or_else(|| {
                let known = self.directories.iter().position(|there| there.path == parent);
                let fresh = Directory { path: parent, watch: None, told: false };
                directories.push(known.map_or(fresh, |known| self.directories.swap_remove(known)));
                directories.len() - 1
            });
            let known = before.iter().position(|there| there.path == path);
            let known = known.map(|known| before.swap_remove(known));
            let (machine, told, garbled) =
                known.map_or_else(Default::default, |it| (it.machine, it.told, it.garbled));
            self.files.push(Live { path, name, directory, machine, touched: false, told, garbled });
        }
        let left = core::mem::replace(&mut self.directories, directories);
        for directory in left {
            // Two spellings of one directory share its watch.
            let shared = self.directories.iter().any(|there| there.watch == directory.watch);
            if let (Some((inotify, _)), Some(watch), false) = (&self.inotify, directory.watch, shared) {
                inotify.forget(watch);
            }
        }
    }

    /// Notes what happened; the files that it concerns are marked.
    fn note(&mut self, happening: Happening<'_>) {
        match happening {
            Happening::Lost => self.files.iter_mut().for_each(|file| file.touched = true),
            Happening::Entry { watch, name, unfinished } => {
                let directories = &self.directories;
                let there = |file: &Live| {
                    directories.get(file.directory).is_some_and(|there| there.watch == Some(watch))
                };
                for file in self.files.iter_mut().filter(|file| file.name() == name && there(file)) {
                    // What is being written is read when it is closed; a link is never written.
                    file.touched |= !unfinished || is_linked(&file.path);
                }
            }
            Happening::Gone(watch) => {
                for (position, directory) in self.directories.iter_mut().enumerate() {
                    if directory.watch == Some(watch) {
                        directory.watch = None;
                        let here = self.files.iter_mut().filter(|file| file.directory == position);
                        here.for_each(|file| file.touched = true);
                    }
                }
            }
        }
    }

    /// Watches the directories that are not watched; whether all are. The files of those that were not are marked.
    fn watch(&mut self) -> bool {
        let mut all = true;
        for (position, directory) in self.directories.iter_mut().enumerate() {
            if directory.watch.is_some() {
                continue;
            }
            let watched = match &self.inotify {
                Some((inotify, _)) => inotify.watch(&directory.path),
                None => Err(io::ErrorKind::Unsupported.into()),
            };
            match watched {
                Ok(watch) => {
                    directory.watch = Some(watch);
                    if core::mem::take(&mut directory.told) {
                        report::directory_watched(&directory.path);
                    }
                }
                Err(error) => {
                    all = false;
                    if !core::mem::replace(&mut directory.told, true) {
                        report::directory_not_watched(&directory.path, &error);
                    }
                }
            }
            self.files
                .iter_mut()
                .filter(|file| file.directory == position)
                .for_each(|file| file.touched = true);
        }
        all
    }

    /// The next marked file from `from` on, its mark taken off.
    fn next_touched(&mut self, from: usize) -> Option<FileId> {
        let position = self.files.iter().skip(from).position(|file| file.touched)?.checked_add(from)?;
        self.files.get_mut(position)?.touched = false;
        Some(FileId::at(position))
    }

    fn drive(&mut self, turn: &Turn<'_>, id: FileId, input: FileInput<'_>) -> Option<FileAction> {
        self.files.get_mut(id.index())?.machine.handle(turn.now(), input)
    }
}

/// The path and where the name begins in it.
fn split(config: &TrackFile) -> (CString, usize) {
    let name = config.path.rfind('/').map_or(0, |slash| slash + 1);
    // A path of the configuration has no NUL.
    (CString::new(config.path.as_str()).unwrap_or_default(), name)
}

impl Vrrp {
    /// Begins or goes on with the files of the model in force: those that want it are made, all that are new or
    /// could not be watched are read. `make_new`: make those that were not there before, as `init_file` says.
    pub(in crate::vrrpd) fn watch_files(&mut self, turn: &mut Turn<'_>, make_new: bool) {
        let model = std::sync::Arc::clone(&self.model);
        let known: Vec<CString> = self.trackers.files.files.iter().map(|file| file.path.clone()).collect();
        self.trackers.files.renew(&model);
        if make_new {
            for (config, file) in model.files.iter().zip(&self.trackers.files.files) {
                if let Some(init) = config.init.filter(|_| !known.contains(&file.path)) {
                    let content = format!("{}\n", init.value);
                    if let Err(error) = make(&file.path, content.as_bytes(), init.overwrite) {
                        report::file_not_made(&config.name, &file.path, &error);
                    }
                }
            }
        }
        if self.trackers.files.len() > 0 && self.trackers.files.inotify.is_none() {
            let opened = Inotify::open().and_then(|inotify| {
                let own = Own { kind: kind::FILES, index: 0 };
                let registration = turn.register(inotify.as_raw_fd(), own, Interest::Read)?;
                Ok((inotify, registration))
            });
            match opened {
                Ok(opened) => self.trackers.files.inotify = Some(opened),
                Err(error) => lines::kernel_failed("inotify", &error),
            }
        }
        self.trackers.files.watch();
        for file in &mut self.trackers.files.files {
            file.touched |= !known.contains(&file.path);
        }
        // Nobody follows them yet: who begins or goes on reckons with what is read here.
        let mut from = 0;
        while let Some(id) = self.trackers.files.next_touched(from) {
            from = id.index();
            let _ = self.take_content(turn, id);
        }
    }

    /// Clocks of the files after the deadlines were laid out anew.
    pub(in crate::vrrpd) fn resume_files(&mut self, turn: &mut Turn<'_>) {
        for id in (0..self.trackers.files.len()).map(FileId::at) {
            self.arm_file(turn, id);
        }
        if self.trackers.files.directories.iter().any(|directory| directory.watch.is_none()) {
            self.arm_retry(turn);
        }
    }

    /// Something happened in a watched directory.
    pub(in crate::vrrpd) fn files_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let mut files = core::mem::take(&mut self.trackers.files);
        let read = match files.inotify.take() {
            None => Ok(false),
            Some((mut inotify, registration)) => {
                let read = inotify.read(|happening| files.note(happening));
                files.inotify = Some((inotify, registration));
                read
            }
        };
        self.trackers.files = files;
        if self.process.stopping {
            return Again::Done;
        }
        self.read_touched(turn);
        if self.trackers.files.directories.iter().any(|directory| directory.watch.is_none()) {
            self.watch_missing(turn);
        }
        match read {
            Ok(true) => Again::More,
            Ok(false) => Again::Done,
            Err(error) => {
                lines::kernel_failed("inotify", &error);
                Again::Done
            }
        }
    }

    /// Directories that are not watched are tried again each second, and their files read meanwhile.
    pub(in crate::vrrpd) fn watch_missing(&mut self, turn: &mut Turn<'_>) {
        if !self.trackers.files.watch() {
            self.arm_retry(turn);
        }
        self.read_touched(turn);
    }

    /// The time has come to read a file that changed too soon after it was read.
    pub(in crate::vrrpd) fn file_due(&mut self, turn: &mut Turn<'_>, id: FileId) {
        let action = self.trackers.files.drive(turn, id, FileInput::Timeout);
        self.act_file(turn, id, action);
    }

    fn read_touched(&mut self, turn: &mut Turn<'_>) {
        let mut from = 0;
        while let Some(id) = self.trackers.files.next_touched(from) {
            from = id.index();
            let action = self.trackers.files.drive(turn, id, FileInput::Touched);
            self.act_file(turn, id, action);
        }
    }

    fn act_file(&mut self, turn: &mut Turn<'_>, id: FileId, action: Option<FileAction>) {
        if action == Some(FileAction::Read)
            && let Some(from) = self.take_content(turn, id)
        {
            self.number_changed(turn, id, from);
        }
        self.arm_file(turn, id);
    }

    fn arm_file(&self, turn: &mut Turn<'_>, id: FileId) {
        let at = self.trackers.files.files.get(id.index()).and_then(|file| file.machine.poll_at());
        turn.set_deadline(self.work.layout.number(Slot::File(id)), at);
    }

    /// Reads a file; its number before, if that was another one.
    fn take_content(&mut self, turn: &Turn<'_>, id: FileId) -> Option<i32> {
        let name = self.model.file(id).map_or("", |config| config.name.as_str());
        let mut buffer = [0; limit::TRACKED_FILE_OCTETS];
        let file = self.trackers.files.files.get_mut(id.index())?;
        let (input, trouble) = match glance(&file.path, &mut buffer) {
            Ok(Glance::Octets(octets)) => (FileInput::Content(octets), None),
            Ok(Glance::Missing) => (FileInput::Absent, None),
            Ok(Glance::NotPlain) => (FileInput::Absent, Some("is no plain file")),
            Err(_) => (FileInput::Absent, Some("cannot be read")),
        };
        let told = core::mem::replace(&mut file.told, trouble.is_some());
        if let Some(why) = trouble.filter(|_| !told) {
            report::file_unreadable(name, &file.path, why);
        }
        let garbled = matches!(input, FileInput::Content(octets) if !is_number(octets));
        let known = core::mem::replace(&mut file.garbled, garbled);
        let action = file.machine.handle(turn.now(), input);
        if garbled && !known && lines::may(&mut self.trackers.lines, turn.now()) {
            report::file_garbled(name, &file.path, file.machine.number());
        }
        match action? {
            FileAction::Changed { from, .. } => Some(from),
            FileAction::Refused(number) => {
                if lines::may(&mut self.trackers.lines, turn.now()) {
                    report::number_refused(&file.path, number);
                }
                None
            }
            FileAction::Read => None,
        }
    }

    /// Tells whom the file puts in FAULT or lets out of it, and reckons its followers anew.
    fn number_changed(&mut self, turn: &mut Turn<'_>, id: FileId, from: i32) {
        let object = Object::File(id);
        let to = self.trackers.files.number(id);
        let mut position = 0;
        while let Some(follower) = self.routers.policy.followers().of(object, position) {
            position += 1;
            let Some(weight) = self.weight_of(follower, object) else { continue };
            let faults = |number| weight.of_number(number) == Effect::Faults;
            if faults(from) != faults(to)
                && lines::may(&mut self.trackers.lines, turn.now())
                && let (Some(instance), Some(file)) = (self.instance(follower), self.model.file(id))
            {
                report::file_decides(&instance.config.name, &file.name, faults(to));
            }
        }
        self.tracked_changed(turn, object);
    }

    /// An instance is about to begin in FAULT: tells which files ask for it.
    pub(super) fn tell_file_fault(&self, instance: InstanceId, id: FileId, effect: Effect) {
        if let (Effect::Faults, Some(instance), Some(config)) =
            (effect, self.instance(instance), self.model.file(id))
        {
            report::file_starts_in_fault(&instance.config.name, &config.name);
        }
    }
}
