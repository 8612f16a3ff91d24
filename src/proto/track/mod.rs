//! Trackers: what changes an instance's priority or puts it in FAULT.

pub mod bfd;
pub mod debounce;
pub mod file;
pub mod linkbeat;
pub mod object;
pub mod process;
pub mod script;
pub mod weight;

pub use bfd::{Bfd, BfdChanged, BfdInput};
pub use debounce::{Debounce, DebounceInput, Debounced, Delays};
pub use file::{File, FileAction, FileInput, is_number};
pub use linkbeat::{Answer, LinkMethod, Linkbeat};
pub use object::{Followers, Object, Tracked, Value, Values};
pub use process::{Cause, Pattern, Process, ProcessAction, ProcessInput, ProcessParams, Rule};
pub use script::{Ending, Script, ScriptAction, ScriptActions, ScriptInput, ScriptMemory, ScriptParams};
pub use weight::{Effect, Verdict, Weight};
