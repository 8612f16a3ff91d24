//! How many descriptors this process may have open.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Lets this process have so many descriptors, or as many as it may: how many it may have then. What it starts later
/// inherits that.
///
/// # Errors
/// What the kernel says of a limit that it named itself.
pub fn allow(wanted: u64) -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= wanted {
        return Ok(soft);
    }
    // Past the hard limit only with CAP_SYS_RESOURCE, and up to fs.nr_open.
    if hard < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted).is_ok() {
        return Ok(wanted);
    }
    let most = wanted.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, most, hard)?;
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_already_is_left_alone() {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(allow(1).unwrap(), soft);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (soft, hard));
    }
}
