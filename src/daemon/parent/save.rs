//! What is kept of each configuration for who looks for a mistake later (`config_save_dir`).

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::Parent;
use super::program::{Program, Settings};
use crate::daemon::log;
use crate::sys::file::Replacement;
use crate::sys::process;

impl<P: Program> Parent<'_, P> {
    /// Keeps the text that was read as `keepalived.conf.PID.N`, N counting from 0.
    pub(super) fn save(&mut self, loaded: &P::Loaded, settings: &Settings) {
        self.reads = self.reads.wrapping_add(1);
        keep(self.program, loaded, settings, self.reads);
    }

    /// The same for the one that this process was started with.
    pub(super) fn save_first(&self) {
        keep(self.program, &self.loaded, &self.settings, 0);
    }
}

fn keep<P: Program>(program: &P, loaded: &P::Loaded, settings: &Settings, number: u32) {
    let Some(folder) = &settings.save_folder else { return };
    let file = folder.join(format!("keepalived.conf.{}.{number}", process::own()));
    let saved = make(folder).and_then(|()| write(&file, &program.text(loaded)));
    if let Err(error) = saved {
        log::warn!("Unable to save the configuration in {}: {error}", folder.display());
    }
}

fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    // Whatever the umask: a folder that nobody may enter is none.
    DirBuilder::new().mode(0o700).create(folder)?;
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let mut replacement = Replacement::create(file, 0o600)?;
    replacement.file().write_all(text)?;
    replacement.keep()
}
