//! A folder in which scripts run as they would in an image: busybox's shell and nothing but busybox's programs in the
//! path, in a network of their own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) const DAEMON: &str = env!("CARGO_BIN_EXE_keepalived");

/// The folder of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path of a file below `rootfs/`.
pub(crate) fn rootfs(name: &str) -> String {
    repository().join("rootfs").join(name).to_str().unwrap().to_owned()
}

/// Goes away with the test, and whatever runs in its network ends with the shell that has made it.
pub(crate) struct BoxShell(PathBuf);

impl BoxShell {
    pub(crate) fn new(name: &str) -> Self {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("rootfs-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin")).unwrap();
        let list = Command::new("busybox").arg("--list").output().expect("busybox-static is installed");
        let busybox =
            String::from_utf8(Command::new("which").arg("busybox").output().unwrap().stdout).unwrap();
        for applet in String::from_utf8(list.stdout).unwrap().lines() {
            symlink(busybox.trim(), folder.join("bin").join(applet)).unwrap();
        }
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.path(name)
    }

    pub(crate) fn program(&self, name: &str, text: &str) -> String {
        let path = self.file(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.0.join(name).symlink_metadata().is_ok()
    }

    /// Runs lines of shell in a network, a process table and a /run of their own, with these variables and no others.
    pub(crate) fn run(&self, lines: &str, variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "busybox", "sh", "-c"])
            .arg(format!(
                "export PATH={}\nmount -t tmpfs tmpfs /run\ncd {}\n{lines}",
                self.path("bin"),
                self.path("")
            ))
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        if let Some(mark) = std::env::var_os("KEEPALIVED_TESTS") {
            command.env("KEEPALIVED_TESTS", mark);
        }
        command.output().unwrap()
    }

    /// The same; what the lines print, if they end well.
    #[track_caller]
    pub(crate) fn prints(&self, lines: &str, variables: &[(&str, &str)]) -> String {
        let output = self.run(lines, variables);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{lines}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }
}

impl Drop for BoxShell {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
