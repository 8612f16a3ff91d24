//! Modules of the kernel.

use std::ffi::{CStr, c_char};

use super::process::{self, Fork};
use super::{privileges, signal};

/// Loads these modules, where they are modules. Waits for modprobe: for a start and a reload, not for what a child does
/// between the two. Whether it helped is seen by asking the kernel again for what was missing.
pub fn load(names: &[&CStr]) {
    // The kernel loads by itself what a socket asks for, with rights of its own.
    if !privileges::are_given_up() {
        run(&[c"modprobe", c"-q", c"-a"], names);
    }
}

/// Runs a program, which is looked for along PATH, with the environment of this one and without its streams, and waits
/// for its end. What the standard library has for this would be an eightieth of the program.
fn run(program: &[&CStr], further: &[&CStr]) {
    let words = program.iter().chain(further).map(|word| word.as_ptr());
    let words: Vec<*const c_char> = words.chain([core::ptr::null()]).collect();
    match process::fork() {
        Ok(Fork::Child) => {
            signal::restore_defaults();
            if process::silence(true).is_ok()
                && let Some(first) = words.first()
            {
                // SAFETY: the words are C strings that outlive the call, and a null pointer is the last one.
                unsafe { libc::execvp(*first, words.as_ptr()) };
            }
            process::exit_now(1);
        }
        Ok(Fork::Parent(pid)) => process::wait(pid),
        // Then there is none of what was wanted, either.
        Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_given_its_words_without_streams_and_waited_for() {
        let file = std::env::temp_dir().join(format!("ka-module-{}", std::process::id()));
        let name = std::ffi::CString::new(file.to_str().unwrap()).unwrap();
        let script = c"sleep 0.1; streams=$(readlink /proc/$$/fd/[012]); echo \"$streams $2\" > $1";
        run(&[c"sh", c"-c", script], &[c"sh", &name, c"a b"]);
        let written = std::fs::read_to_string(&file);
        let _ = std::fs::remove_file(&file);
        assert_eq!(written.unwrap(), "/dev/null\n/dev/null\n/dev/null a b\n");
        run(&[c"/nonexistent/program"], &[]);
    }
}
