//! Network namespaces that have a name (ip-netns(8)), and a folder of its own for the files of who lives in one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::base::exit::Exit;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

/// Where ip-netns(8) keeps the named namespaces.
const NAMED: &str = "/run/netns";

/// Goes over to the network namespace of this name, for this process and all that it starts from now on.
///
/// # Errors
/// ENOENT if there is none of this name, EINVAL if the name is a path or stands for something else, EPERM without
/// CAP_SYS_ADMIN.
pub fn enter(name: &str) -> io::Result<()> {
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let namespace = File::open(Path::new(NAMED).join(name))?;
    Ok(setns(&namespace, CloneFlags::CLONE_NEWNET)?)
}

/// Does something in another network namespace: the one of this name, or that of the machine if the name is empty. What
/// is opened there stays there. A process that cannot come back ends.
///
/// # Errors
/// As [`enter`].
pub fn within<T>(name: &str, work: impl FnOnce() -> T) -> io::Result<T> {
    let own = File::open("/proc/self/ns/net")?;
    if name.is_empty() {
        setns(File::open("/proc/1/ns/net")?, CloneFlags::CLONE_NEWNET)?;
    } else {
        enter(name)?;
    }
    let done = work();
    if setns(own, CloneFlags::CLONE_NEWNET).is_err() {
        super::process::exit_now(Exit::Fatal.code());
    }
    Ok(done)
}

/// Lets this process, and all that it starts from now on, see `folder`/`name` in the place of `folder`. Everybody else
/// sees what they saw, with the files of this process in `folder`/`name`.
///
/// # Errors
/// When the folders cannot be made, and EPERM without CAP_SYS_ADMIN.
pub fn own_folder(folder: &Path, name: &str) -> io::Result<()> {
    let own = folder.join(name);
    make_folder(&own)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    // What others mount later is seen here, what is mounted here is not seen by others.
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    Ok(mount(Some(&own), folder, none, MsFlags::MS_BIND, none)?)
}

fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    // Whatever the umask is: others look for the pid files.
    for folder in missing {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", ".", "..", "../../proc/1/ns/net", "a/b"] {
            assert_eq!(enter(name).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert_eq!(enter("there-is-no-such-namespace").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
