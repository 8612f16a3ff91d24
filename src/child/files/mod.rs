//! Tracked files: their directories are watched, and what changed is read once in a turn.
//!
//! What follows from the number in a file is the child's.

mod report;

use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;

use super::report::{kernel_failed, may};
use crate::base::id::FileId;
use crate::base::limit;
use crate::base::rate::Budget;
use crate::base::time::Instant;
use crate::config::Model;
use crate::config::model::TrackFile;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::proto::track::{File, FileAction, FileInput, is_number};
use crate::sys::inotify::{Happening, Inotify, Watch};
use crate::sys::plain_file::{Content, is_linked, make, read_start};

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
    /// It has been logged that the directory cannot be watched.
    logged: bool,
}

#[derive(Debug)]
struct Live {
    path: CString,
    /// Where the name in the directory begins in the path.
    name: usize,
    directory: usize,
    machine: File,
    /// Something happened to the file in the batch under way.
    touched: bool,
    /// It has been logged that the file cannot be read.
    logged: bool,
    /// The file holds something else than a number, which has been logged.
    garbled: bool,
}

impl Live {
    fn name(&self) -> &[u8] {
        self.path.to_bytes().get(self.name..).unwrap_or_default()
    }
}

impl Files {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The number in a file.
    #[must_use]
    pub fn number(&self, id: FileId) -> i32 {
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
                let fresh = Directory { path: parent, watch: None, logged: false };
                directories.push(known.map_or(fresh, |known| self.directories.swap_remove(known)));
                directories.len() - 1
            });
            let known = before.iter().position(|there| there.path == path);
            let known = known.map(|known| before.swap_remove(known));
            let (machine, logged, garbled) =
                known.map_or_else(Default::default, |it| (it.machine, it.logged, it.garbled));
            self.files.push(Live { path, name, directory, machine, touched: false, logged, garbled });
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
    pub fn watch(&mut self) -> bool {
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
                    if core::mem::take(&mut directory.logged) {
                        report::directory_watched(&directory.path);
                    }
                }
                Err(error) => {
                    all = false;
                    if !core::mem::replace(&mut directory.logged, true) {
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

    /// The next marked file from `from` on, which moves there, its mark taken off; and whether the file is to be read now.
    pub fn next_touched(&mut self, now: Instant, from: &mut usize) -> Option<(FileId, bool)> {
        let id = self.next_marked(*from)?;
        *from = id.index();
        Some((id, self.handle(now, id, FileInput::Touched)))
    }

    fn next_marked(&mut self, from: usize) -> Option<FileId> {
        let position = self.files.iter().skip(from).position(|file| file.touched)?.checked_add(from)?;
        self.files.get_mut(position)?.touched = false;
        Some(FileId::at(position))
    }

    /// Whether each directory is watched.
    #[must_use]
    pub fn are_watched(&self) -> bool {
        self.directories.iter().all(|directory| directory.watch.is_some())
    }

    /// When a file is to be read that changed too soon after it was read.
    #[must_use]
    pub fn poll_at(&self, id: FileId) -> Option<Instant> {
        self.files.get(id.index()).and_then(|file| file.machine.poll_at())
    }

    /// Takes what the kernel reports of the watched directories: marks files.
    pub fn ready(&mut self) -> Again {
        let Some((mut inotify, registration)) = self.inotify.take() else { return Again::Done };
        let read = inotify.read(|happening| self.note(happening));
        self.inotify = Some((inotify, registration));
        match read {
            Ok(true) => Again::More,
            Ok(false) => Again::Done,
            Err(error) => {
                kernel_failed("inotify", &error);
                Again::Done
            }
        }
    }

    /// A file may have changed, or its time has come; whether it is to be read now.
    pub fn handle(&mut self, now: Instant, id: FileId, input: FileInput<'_>) -> bool {
        let file = self.files.get_mut(id.index());
        file.and_then(|file| file.machine.handle(now, input)) == Some(FileAction::Read)
    }
}

/// The path and where the name begins in it.
fn split(config: &TrackFile) -> (CString, usize) {
    let name = config.path.rfind('/').map_or(0, |slash| slash + 1);
    // A path of the configuration has no NUL.
    (CString::new(config.path.as_str()).unwrap_or_default(), name)
}

impl Files {
    /// Begins or goes on with the files of a model: those that want it are made, all that are new or could not be watched
    /// are read. `own`: their source in the loop; `make_new`: make those that were not there before, as `init_file` says;
    /// `lines`: for log lines that files can trigger.
    pub fn load(
        &mut self,
        turn: &mut Turn<'_>,
        model: &Model,
        own: SourceId,
        make_new: bool,
        lines: &mut Budget,
    ) {
        let known: Vec<CString> = self.files.iter().map(|file| file.path.clone()).collect();
        self.renew(model);
        if make_new {
            for (config, file) in model.files.iter().zip(&self.files) {
                if let Some(init) = config.init.filter(|_| !known.contains(&file.path)) {
                    let content = format!("{}\n", init.value);
                    if let Err(error) = make(&file.path, content.as_bytes(), init.overwrite) {
                        report::file_not_made(&config.name, &file.path, &error);
                    }
                }
            }
        }
        if !self.is_empty() && self.inotify.is_none() {
            let opened = Inotify::open().and_then(|inotify| {
                let registration = turn.register(inotify.as_raw_fd(), own, Interest::Read)?;
                Ok((inotify, registration))
            });
            match opened {
                Ok(opened) => self.inotify = Some(opened),
                Err(error) => kernel_failed("inotify", &error),
            }
        }
        self.watch();
        for file in &mut self.files {
            file.touched |= !known.contains(&file.path);
        }
        // Nobody follows them yet: who begins or goes on is judged by the numbers that are read here.
        let mut from = 0;
        while let Some(id) = self.next_marked(from) {
            from = id.index();
            let _ = self.read(turn.now(), model, id, lines);
        }
    }

    /// Reads a file; its number before, if that was another one.
    pub fn read(&mut self, now: Instant, model: &Model, id: FileId, lines: &mut Budget) -> Option<i32> {
        let name = model.file(id).map_or("", |config| config.name.as_str());
        let mut buffer = [0; limit::TRACKED_FILE_OCTETS];
        let file = self.files.get_mut(id.index())?;
        let (input, trouble) = match read_start(&file.path, &mut buffer) {
            Ok(Content::Octets(octets)) => (FileInput::Content(octets), None),
            Ok(Content::Missing) => (FileInput::Absent, None),
            Ok(Content::NotPlain) => (FileInput::Absent, Some("is no plain file")),
            Err(_) => (FileInput::Absent, Some("cannot be read")),
        };
        let logged = core::mem::replace(&mut file.logged, trouble.is_some());
        if let Some(why) = trouble.filter(|_| !logged) {
            report::file_unreadable(name, &file.path, why);
        }
        let garbled = matches!(input, FileInput::Content(octets) if !is_number(octets));
        let known = core::mem::replace(&mut file.garbled, garbled);
        let action = file.machine.handle(now, input);
        if garbled && !known && may(lines, now) {
            report::file_garbled(name, &file.path, file.machine.number());
        }
        match action? {
            FileAction::Changed { from, .. } => Some(from),
            FileAction::Refused(number) => {
                if may(lines, now) {
                    report::number_refused(&file.path, number);
                }
                None
            }
            FileAction::Read => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;

    fn model(paths: &[&str]) -> Model {
        let files = paths.iter().map(|path| TrackFile {
            name: "f".to_owned(),
            at: Default::default(),
            path: (*path).to_owned(),
            path_at: Default::default(),
            weight: Default::default(),
            init: None,
        });
        Model { files: files.collect(), ..Model::default() }
    }

    #[test]
    fn a_reload_keeps_the_number_of_a_file_by_its_path() {
        let mut files = Files::default();
        files.renew(&model(&["/a/x", "/a/y"]));
        let now = Instant::START + Span::from_secs(1);
        files.handle(now, FileId::at(1), FileInput::Content(b"7"));
        files.renew(&model(&["/b/x", "/a/y", "/a/x"]));
        assert_eq!([0, 1, 2].map(|at| files.number(FileId::at(at))), [0, 7, 0]);
        files.renew(&model(&["/a/y"]));
        assert_eq!(files.number(FileId::at(0)), 7);
        assert_eq!((files.len(), files.directories.len()), (1, 1), "the directory of nobody goes");
    }

    #[test]
    fn a_file_that_changes_again_is_read_when_its_pause_is_over() {
        let mut files = Files::default();
        files.renew(&model(&["/a/x"]));
        let (now, id) = (Instant::START + Span::from_secs(1), FileId::at(0));
        assert!(files.handle(now, id, FileInput::Touched));
        assert_eq!(files.poll_at(id), None);
        assert!(!files.handle(now, id, FileInput::Touched));
        assert_eq!(files.poll_at(id), Some(now + Span::from_millis(20)));
        assert!(files.handle(now + Span::from_millis(20), id, FileInput::Timeout));
        assert_eq!(files.poll_at(id), None);
    }
}
