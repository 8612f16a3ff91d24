//! Regular expressions of PCRE2 over octets that arrive in pieces.
//!
//! Job: to compile a pattern with the options that keepalived has, and to search a text for it as it comes, whatever
//! its pieces are. Not a system call, but a library in C: this is the layer where `unsafe` may stand.
//!
//! A text comes in pieces, and who calls keeps a window of it: from where a match may have begun that what comes next
//! would end ([`Found::Partial`]), and before that as much as the pattern looks back ([`Pattern::lookbehind`]).

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use pcre2_sys as pcre;

/// Steps after which one attempt to match is given up. The library has ten million, which is a second; a child that
/// checks others beside it does not have that. A pattern with nested repetitions comes near it, no other does.
const STEPS: u32 = 1_000_000;
/// Memory of the interpreter's frames, in kibioctets; used where the machine has no compiled patterns.
const FRAMES: u32 = 4096;
/// What the library is given beside the pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Bits of `PCRE2_ALLOW_EMPTY_CLASS`, 1, to `PCRE2_USE_OFFSET_LIMIT`, 0x80_0000.
    pub options: u32,
    /// First and largest size of the stack of compiled patterns, in octets; none: 32 kB of the process's own.
    pub stack: Option<(u32, u32)>,
}

/// Where in a window of the text a match is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// A match begins here or later.
    pub from: usize,
    /// A match begins here or earlier.
    pub latest: usize,
    /// The text ends where the window does.
    pub ends: bool,
}

/// What a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A match, whatever follows.
    Match,
    /// Something begins here that what follows may make a match, and nothing like it before.
    Partial(usize),
    /// Nothing that is or may become a match.
    Nothing,
    /// The library gave up: the pattern needs more steps or memory for this text than there are.
    GaveUp,
}

/// Why a pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What the library says.
    pub text: String,
    /// Where it found the mistake, in octets of the pattern.
    pub offset: usize,
}

/// A pattern that is ready to search.
#[derive(Debug)]
pub struct Pattern {
    code: NonNull<pcre::pcre2_code_8>,
    context: NonNull<pcre::pcre2_match_context_8>,
    data: NonNull<pcre::pcre2_match_data_8>,
    stack: Option<NonNull<pcre::pcre2_jit_stack_8>>,
    /// A match begins in the first line of the text.
    in_first_line: bool,
    /// Octets before a match that decide about it, and one more: what is kept never begins where a match looks.
    behind: usize,
    /// Characters may have several octets.
    utf: bool,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// The pattern is wrong, or there is no memory for it.
    pub fn new(pattern: &[u8], settings: Settings) -> Result<Self, Mistake> {
        let mut options = settings.options & OPTIONS | pcre::PCRE2_USE_OFFSET_LIMIT;
        // Octets that are no character are in no match, and do not end the search.
        if options & pcre::PCRE2_UTF != 0 {
            options |= pcre::PCRE2_MATCH_INVALID_UTF;
        }
        let (mut error, mut offset) = (0, 0);
        // SAFETY: the pattern is readable for its length, which is given; both results are written before the return.
        let code = unsafe {
            pcre::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options,
                &raw mut error,
                &raw mut offset,
                ptr::null_mut(),
            )
        };
        let Some(code) = NonNull::new(code) else {
            return Err(Mistake { text: text_of(error), offset });
        };
        // Where the machine cannot compile to its own code (a hardened kernel, a processor without support) the
        // library interprets the pattern, so the outcome does not matter.
        // SAFETY: `code` was made above.
        let _ = unsafe {
            pcre::pcre2_jit_compile_8(code.as_ptr(), pcre::PCRE2_JIT_COMPLETE | pcre::PCRE2_JIT_PARTIAL_HARD)
        };
        // SAFETY: both have no preconditions and say null when there is no memory.
        let (context, data) = unsafe {
            (
                pcre::pcre2_match_context_create_8(ptr::null_mut()),
                pcre::pcre2_match_data_create_8(1, ptr::null_mut()),
            )
        };
        let (Some(context), Some(data)) = (NonNull::new(context), NonNull::new(data)) else {
            // SAFETY: each was made above and is freed once; null is allowed.
            unsafe {
                pcre::pcre2_match_context_free_8(context);
                pcre::pcre2_match_data_free_8(data);
                pcre::pcre2_code_free_8(code.as_ptr());
            }
            return Err(Mistake { text: "no memory".to_owned(), offset: 0 });
        };
        let mut new = Self { code, context, data, stack: None, in_first_line: false, behind: 0, utf: false };
        new.limit(settings.stack);
        let all = new.info(pcre::PCRE2_INFO_ALLOPTIONS);
        let utf = all & pcre::PCRE2_UTF != 0;
        let behind = usize::try_from(new.info(pcre::PCRE2_INFO_MAXLOOKBEHIND))
            .map_or(usize::MAX, |behind| behind.saturating_add(1));
        new.utf = utf;
        new.in_first_line = all & pcre::PCRE2_FIRSTLINE != 0;
        new.behind = if utf { behind.saturating_mul(LONGEST_CHARACTER) } else { behind };
        Ok(new)
    }

    fn limit(&mut self, stack: Option<(u32, u32)>) {
        let context = self.context.as_ptr();
        // SAFETY: the context was made by the library and is ours; the stack lives as long as the context.
        unsafe {
            pcre::pcre2_set_match_limit_8(context, STEPS);
            pcre::pcre2_set_heap_limit_8(context, FRAMES);
            if let Some((first, largest)) = stack {
                let stack = pcre::pcre2_jit_stack_create_8(word(first), word(largest), ptr::null_mut());
                self.stack = NonNull::new(stack);
                pcre::pcre2_jit_stack_assign_8(context, None, stack.cast());
            }
        }
    }

    /// A number about the pattern.
    fn info(&self, what: u32) -> u32 {
        let mut value = 0_u32;
        // SAFETY: both numbers that are asked for here are of 32 bits.
        unsafe { pcre::pcre2_pattern_info_8(self.code.as_ptr(), what, (&raw mut value).cast()) };
        value
    }

    /// Octets before the place where a match begins that the pattern may look at.
    #[must_use]
    pub const fn lookbehind(&self) -> usize {
        self.behind
    }

    /// Searches a window of a text, which may begin and end inside a character.
    #[must_use]
    pub fn find(&self, window: &[u8], place: Place) -> Found {
        let whole = if place.ends { window.len() } else { window.len() - self.unfinished(window) };
        let text = window.get(..whole).unwrap_or(window);
        let mut from = place.from;
        while self.utf && text.get(from).is_some_and(|octet| continues(*octet)) {
            from += 1;
        }
        if from > text.len() || from > place.latest {
            let later = from > text.len() && !place.ends;
            return if later { Found::Partial(from.min(window.len())) } else { Found::Nothing };
        }
        let (found, begin) = self.run(text, from, place);
        // Compiled to code of the machine, patterns look beyond these two limits where a piece ends.
        let late = begin > place.latest || self.is_first_line_over(text.get(..begin).unwrap_or(text), from);
        match if late { Found::Nothing } else { found } {
            // What is left of a character may begin a match.
            Found::Nothing if whole < window.len() => Found::Partial(whole),
            found => found,
        }
    }

    /// Whether a match, which has to begin in the first line of the text (`firstline`), cannot begin any more after a
    /// window that was searched from `from` on.
    #[must_use]
    pub fn is_first_line_over(&self, window: &[u8], from: usize) -> bool {
        self.in_first_line && window.get(from..).is_some_and(|text| text.contains(&b'\n'))
    }

    /// What the library finds, and where that begins.
    fn run(&self, text: &[u8], from: usize, place: Place) -> (Found, usize) {
        let options = if place.ends { 0 } else { pcre::PCRE2_PARTIAL_HARD };
        // The library adds the limit to a pointer.
        let limit = if place.latest < text.len() { place.latest } else { UNSET };
        // SAFETY: the text is readable for its length and `from` is not beyond it; code, data and context are ours,
        // and nobody else uses them meanwhile: they are not shared between threads.
        let outcome = unsafe {
            pcre::pcre2_set_offset_limit_8(self.context.as_ptr(), limit);
            pcre::pcre2_match_8(
                self.code.as_ptr(),
                text.as_ptr(),
                text.len(),
                from.min(text.len()),
                options,
                self.data.as_ptr(),
                self.context.as_ptr(),
            )
        };
        match outcome {
            // SAFETY: after a match the library knows where it began.
            0.. => (Found::Match, unsafe { pcre::pcre2_get_startchar_8(self.data.as_ptr()) }),
            pcre::PCRE2_ERROR_NOMATCH => (Found::Nothing, from),
            pcre::PCRE2_ERROR_PARTIAL => {
                // SAFETY: the data has room for one pair, and the library writes it for a partial match.
                let begin = unsafe { *pcre::pcre2_get_ovector_pointer_8(self.data.as_ptr()) };
                (Found::Partial(begin), begin)
            }
            _ => (Found::GaveUp, from),
        }
    }

    /// How many octets at the end of `text` are a character that has only begun.
    fn unfinished(&self, text: &[u8]) -> usize {
        if !self.utf {
            return 0;
        }
        for (length, octet) in (1..LONGEST_CHARACTER).zip(text.iter().rev()) {
            let whole = match octet {
                0x80..=0xbf => continue,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf7 => 4,
                _ => 1,
            };
            return if length < whole { length } else { 0 };
        }
        0
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        // SAFETY: each was made by the library, is ours alone, and is freed once; the stack after what uses it.
        unsafe {
            pcre::pcre2_match_data_free_8(self.data.as_ptr());
            pcre::pcre2_match_context_free_8(self.context.as_ptr());
            pcre::pcre2_code_free_8(self.code.as_ptr());
            if let Some(stack) = self.stack {
                pcre::pcre2_jit_stack_free_8(stack.as_ptr());
            }
        }
    }
}

/// The options that keepalived has.
const OPTIONS: u32 = (pcre::PCRE2_USE_OFFSET_LIMIT << 1) - 1;
/// No limit of offsets.
const UNSET: usize = usize::MAX;
/// Octets of a character of UTF-8.
const LONGEST_CHARACTER: usize = 4;

/// Whether an octet is not the first one of its character.
const fn continues(octet: u8) -> bool {
    octet & 0xc0 == 0x80
}

fn word(size: u32) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

/// What the library says about an error.
fn text_of(error: c_int) -> String {
    let mut text = [0_u8; 160];
    // SAFETY: the text is writable for its length, which is given. It ends with a zero.
    let length = unsafe { pcre::pcre2_get_error_message_8(error, text.as_mut_ptr(), text.len()) };
    let text = text.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
