//! A machine that QEMU emulates, and the shell on its console.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// From switching on to the shell: fifteen seconds on an idle machine, and much more beside others.
const BOOT: Duration = Duration::from_secs(180);
/// A command that does not wait for anything.
const COMMAND: Duration = Duration::from_secs(60);

/// The folder of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Off once it is dropped, as by a cut of its power.
pub(crate) struct Machine {
    name: String,
    qemu: Child,
    console: UnixStream,
    /// Everything that the console has said, and up to where it was read.
    said: String,
    read: usize,
    asked: u32,
}

impl Machine {
    /// Switches a machine on that has a disk. `network` and `more` are options of QEMU; sockets lie in `folder`.
    pub(crate) fn boot(name: &str, folder: &Path, disk: &Path, network: &str, more: &[String]) -> Self {
        Self::start(name, folder, |command, console| {
            let command = command.arg(repository().join("board/qemu/boot")).arg(disk).args(more);
            command.env("BOOT_NETWORK", network).env("BOOT_CONSOLE", console)
        })
    }

    /// Switches a machine on. `words` adds the words of QEMU to a command, given what its option `-serial` gets.
    pub(crate) fn start(
        name: &str,
        folder: &Path,
        words: impl FnOnce(&'_ mut Command, String) -> &'_ mut Command,
    ) -> Self {
        let path = folder.join(format!("{name}.console"));
        let _ = fs::remove_file(&path);
        let log = fs::File::create(folder.join(format!("{name}.qemu"))).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        let qemu = words(&mut command, format!("unix:{},server=on,wait=off", path.display()))
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let until = Instant::now() + COMMAND;
        let console = loop {
            match UnixStream::connect(&path) {
                Ok(console) => break console,
                Err(_) if Instant::now() < until => sleep(Duration::from_millis(100)),
                Err(error) => {
                    let said = fs::read_to_string(folder.join(format!("{name}.qemu"))).unwrap_or_default();
                    panic!("{name} does not start: {error}\n{said}");
                }
            }
        };
        console.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        Self { name: name.to_owned(), qemu, console, said: String::new(), read: 0, asked: 0 }
    }

    /// Reads on until the console says `text`; what it said before that.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str, bound: Duration) -> String {
        let until = Instant::now() + bound;
        loop {
            if let Some(at) = self.said[self.read..].find(text) {
                let before = self.said[self.read..self.read + at].to_owned();
                self.read += at + text.len();
                return before;
            }
            assert!(
                Instant::now() < until,
                "{} did not say {text:?} in {bound:?}; it said\n{}",
                self.name,
                &self.said[self.said.len().saturating_sub(3000)..]
            );
            let mut octets = [0; 4096];
            match self.console.read(&mut octets) {
                Ok(0) => panic!("{} is off; it said\n{}", self.name, self.said),
                Ok(count) => self.said.extend(
                    octets[..count]
                        .iter()
                        .filter(|octet| octet.is_ascii() && **octet != b'\r')
                        .map(|octet| char::from(*octet)),
                ),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => panic!("{}: {error}", self.name),
            }
        }
    }

    /// Waits until it has come up, and starts a shell.
    #[track_caller]
    pub(crate) fn log_in(&mut self) {
        self.wait_for("Please press Enter", BOOT);
        self.console.write_all(b"\r").unwrap();
        self.wait_for("/ # ", COMMAND);
        self.console.write_all(b"stty -echo; dmesg -n 1; PS1=; PS2=; echo re''ady\n").unwrap();
        self.wait_for("ready\n", COMMAND);
    }

    /// Whether a command ends well, and what it prints.
    #[track_caller]
    pub(crate) fn try_shell(&mut self, command: &str) -> (bool, String) {
        self.asked += 1;
        let end = format!("@{} ", self.asked);
        // The shell prints the mark in two halves that stand apart in what is sent.
        let line = format!("{{ {command}\n}} 2>&1; echo \"@\"\"{} $?@\"\n", self.asked);
        self.console.write_all(line.as_bytes()).unwrap();
        let text = self.wait_for(&end, COMMAND);
        let status = self.wait_for("@\n", COMMAND);
        (status == "0", text)
    }

    /// What a command prints that ends well.
    #[track_caller]
    pub(crate) fn shell(&mut self, command: &str) -> String {
        let (good, text) = self.try_shell(command);
        assert!(good, "{}: {command}\n{text}", self.name);
        text
    }

    /// Asks again and again until a command ends well; how long that took.
    #[track_caller]
    pub(crate) fn until(&mut self, command: &str, bound: Duration) -> Duration {
        let begin = Instant::now();
        loop {
            let (good, text) = self.try_shell(command);
            if good {
                return begin.elapsed();
            }
            if begin.elapsed() > bound {
                let log = self.try_shell("tail -30 /tmp/messages").1;
                panic!("{}: not in {bound:?}: {command}\n{text}\n{log}", self.name);
            }
            sleep(Duration::from_millis(300));
        }
    }

    /// Types a line and waits for nothing.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.console.write_all(line.as_bytes()).unwrap();
        self.console.write_all(b"\n").unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A folder that goes away with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        // Names of sockets must be short.
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// Writes a file, with its folders; scripts can be run.
    pub(crate) fn file(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        if text.starts_with("#!") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
