//! `--compare`: what does not match between the configurations of the routers of a group.

use std::fmt::Write;
use std::path::PathBuf;

use keepalived::base::exit::Exit;
use keepalived::config::assemble;
use keepalived::config::compare::{self, Router};
use keepalived::config::diag::{Diagnostics, Severity};
use keepalived::config::expand::{self, Parsed};
use keepalived::config::source::Disk;
use keepalived::daemon::cli::Options;

use super::host_name;

/// Compares the configurations of several routers, each FILE or FILE@ID, and says what was found.
pub(crate) fn compare(options: &Options, files: &[PathBuf]) -> (String, Exit) {
    let mut text = String::new();
    let mut read = Vec::new();
    for (file, name) in files.iter().zip(names(files)) {
        let whole = file.to_string_lossy();
        // A file may have an @ in its name.
        let (path, id) = match whole.rsplit_once('@') {
            Some((path, id)) if !file.exists() => (path.to_owned(), Some(id.to_owned())),
            _ => (whole.into_owned(), None),
        };
        let mut found = Diagnostics::new();
        let asked = expand::Options {
            path,
            id: id.or_else(|| options.config_id.clone()).unwrap_or_else(host_name),
            every_file: options.all_config,
            seed: 0,
        };
        let (Parsed { tree, sources }, _) = expand::load(&Disk, &asked, &mut found);
        let model = assemble::model(&tree, &mut found);
        if let Some(exit) = found.exit_daemon() {
            // Writing to a String does not fail.
            let _ = found.write(&sources, true, &mut text);
            return (text, exit);
        }
        let mistakes = found.iter().filter(|one| one.severity >= Severity::Warning).count();
        if mistakes > 0 {
            let verb = if mistakes == 1 { "mistake" } else { "mistakes" };
            let _ =
                writeln!(text, "{name} has {mistakes} {verb}; keepalived -t -f {} tells them", asked.path);
        }
        read.push((name, model));
    }
    let routers: Vec<Router<'_>> =
        read.iter().map(|(name, model)| Router { name: name.clone(), model }).collect();
    let comparison = compare::compare(&routers);
    let _ = comparison.write(&mut text);
    let exit = if comparison.differs() { Exit::ConfigTest } else { Exit::Ok };
    (text, exit)
}

/// What the routers are called: the names of their files, or the whole paths where these are alike.
fn names(files: &[PathBuf]) -> Vec<String> {
    let last = |file: &PathBuf| file.file_name().unwrap_or(file.as_os_str()).to_owned();
    files
        .iter()
        .map(|file| {
            let alike = files.iter().filter(|other| last(other) == last(file)).count();
            let name = if alike > 1 { file.as_os_str().to_owned() } else { last(file) };
            name.to_string_lossy().into_owned()
        })
        .collect()
}
