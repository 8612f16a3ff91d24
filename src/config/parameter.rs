//! Parameters: `$NAME=` definitions, `$NAME` and `${NAME}` uses, the predefined ones.

use std::rc::Rc;

use crate::base::limit;
use crate::base::map::Map;

use super::lexer::is_blank;
use super::source::Files;
use super::text::Text;
use super::tree::Position;

/// The later lines of a multi-line value, each with its place in the definition.
pub(super) type Lines = Rc<[(Box<str>, Position)]>;

/// A value: its first line, and the lines that follow.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) first: Rc<str>,
    pub(super) lines: Lines,
}

/// All parameters known so far.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    known: Map<Box<str>, Value>,
}

/// What predefined parameters are made of.
pub(super) struct Surroundings<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) id: &'a str,
    /// Directory of the file being read, as it was named.
    pub(super) directory: &'a str,
    pub(super) random: &'a mut Random,
    /// Names of the multi-line values being read: to use one again would never end.
    pub(super) active: &'a [Rc<str>],
}

/// Why the parameters of a line cannot be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Where the use begins.
    pub(super) at: Position,
    /// How many bytes it has.
    pub(super) width: usize,
    pub(super) message: String,
}

/// What became of a line.
#[derive(Debug, Default)]
pub(super) struct Substituted {
    /// The multi-line value that the line goes on with: its name and its later lines.
    pub(super) lines: Option<(Rc<str>, Lines)>,
    /// What stands after a multi-line value: braces only.
    pub(super) tail: Option<Text>,
    /// Values put in.
    pub(super) count: usize,
    /// What to tell although the line was done.
    pub(super) warnings: Vec<Refusal>,
    /// The same before their place is known.
    told: Vec<String>,
}

impl Parameters {
    /// Defines or redefines a parameter.
    pub(super) fn define(&mut self, name: &str, value: Value) {
        if let Some(known) = self.known.get_mut(name) {
            *known = value;
        } else {
            self.known.insert(name.into(), value);
        }
    }

    /// Defines a parameter of one line.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.define(name, Value { first: value.into(), lines: Rc::new([]) });
    }

    /// Whether somebody defined it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// The names of all that were defined.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.keys().map(|name| &**name)
    }

    /// Puts values into `line`, again and again until nothing changes. `line` is unchanged on refusal.
    pub(super) fn substitute(
        &self,
        line: &mut Text,
        around: &mut Surroundings<'_>,
    ) -> Result<Substituted, Refusal> {
        let mut done = Substituted::default();
        let mut made: Option<Text> = None;
        loop {
            let source = made.as_ref().unwrap_or(line);
            let Some(next) = self.pass(source, around, &mut done)? else {
                break;
            };
            if next.text.len() > limit::CONFIG_LINE {
                let message = format!("the line would have more than {} bytes", limit::CONFIG_LINE);
                return Err(Refusal { at: source.position(0), width: 1, message });
            }
            made = Some(next);
            if done.lines.is_some() {
                break;
            }
        }
        if let Some(mut made) = made {
            made.simplify();
            *line = made;
        }
        Ok(done)
    }

    /// Puts names in the place of all values that could stand in `line`, which was refused: nothing of it may mean
    /// something else when it is printed and read in other surroundings.
    pub(super) fn name_all(&self, line: &mut Text) {
        // Each round is shorter than the one before, as names are than their uses.
        loop {
            let mut made = Text::default();
            let (mut copied, mut at) = (0_usize, 0_usize);
            while let Some(usage) = next_use(&line.text, at) {
                at = usage.end;
                if self.has(usage.name) || PREDEFINED.contains(&usage.name) {
                    made.append(line, copied, usage.start);
                    made.append_fixed(usage.name, line.position(usage.start));
                    copied = usage.end;
                }
            }
            if copied == 0 {
                return;
            }
            made.append(line, copied, line.text.len());
            made.simplify();
            *line = made;
        }
    }

    /// One look at a line: all uses replaced, or none found.
    fn pass(
        &self,
        line: &Text,
        around: &mut Surroundings<'_>,
        done: &mut Substituted,
    ) -> Result<Option<Text>, Refusal> {
        let mut result: Option<Text> = None;
        let (mut copied, mut at) = (0_usize, 0_usize);
        while let Some(usage) = next_use(&line.text, at) {
            at = usage.end;
            let mut path = Vec::new();
            let place = line.position(usage.start);
            let width = usage.end.saturating_sub(usage.start);
            let refuse = |message| Refusal { at: place, width, message };
            let value = match self.value(&usage, around, &mut path, done) {
                Ok(Some(value)) => value,
                Ok(None) => continue,
                Err(message) => return Err(refuse(message)),
            };
            done.warnings.extend(done.told.drain(..).map(refuse));
            let target = result.get_or_insert_with(Text::default);
            target.append(line, copied, usage.start);
            target.append_fixed(&value.first, place);
            copied = usage.end;
            if value.lines.is_empty() {
                continue;
            }
            let tail = line.part(usage.end, line.text.len());
            match tail.text.trim_start_matches(super::lexer::is_blank_char).chars().next() {
                None => {}
                Some('{' | '}') => done.tail = Some(tail),
                Some(_) => {
                    let message = format!("'{}' has several lines and must end its line", usage.name);
                    return Err(refuse(message));
                }
            }
            done.lines = Some((usage.name.into(), value.lines));
            copied = line.text.len();
            break;
        }
        if let Some(target) = &mut result {
            target.append(line, copied, line.text.len());
        }
        Ok(result)
    }

    /// The value of one use, resolved to the end; none if nobody defined it.
    fn value<'a>(
        &'a self,
        usage: &Use<'a>,
        around: &mut Surroundings<'_>,
        path: &mut Vec<&'a str>,
        done: &mut Substituted,
    ) -> Result<Option<Value>, String> {
        done.count = done.count.saturating_add(1);
        if done.count > limit::CONFIG_SUBSTITUTIONS {
            return Err(format!(
                "'{}' leads to more than {} parameters",
                usage.name,
                limit::CONFIG_SUBSTITUTIONS
            ));
        }
        let Some(value) = self.known.get(usage.name) else {
            return predefined(usage, around, done);
        };
        if path.contains(&usage.name) || around.active.iter().any(|name| **name == *usage.name) {
            return Err(format!("the value of '{}' contains itself", usage.name));
        }
        if !value.first.contains('$') {
            return Ok(Some(value.clone()));
        }
        if path.len() >= limit::PARAMETER_DEPTH {
            return Err(format!("more than {} parameters inside each other", limit::PARAMETER_DEPTH));
        }
        path.push(usage.name);
        let mut first = String::new();
        let mut lines = Rc::clone(&value.lines);
        let (mut copied, mut at) = (0_usize, 0_usize);
        while let Some(inner) = next_use(&value.first, at) {
            at = inner.end;
            let Some(part) = self.value(&inner, around, path, done)? else {
                continue;
            };
            first.push_str(value.first.get(copied..inner.start).unwrap_or(""));
            first.push_str(&part.first);
            copied = inner.end;
            if !part.lines.is_empty() {
                let ends = value.first.get(copied..).is_some_and(|tail| tail.trim().is_empty());
                if !ends || !lines.is_empty() {
                    return Err(format!("'{}' has several lines and must end its line", inner.name));
                }
                lines = part.lines;
            }
            if first.len() > limit::CONFIG_LINE {
                return Err(format!("the line would have more than {} bytes", limit::CONFIG_LINE));
            }
        }
        first.push_str(value.first.get(copied..).unwrap_or(""));
        path.pop();
        Ok(Some(Value { first: first.into(), lines }))
    }
}

/// Parameters that are there without a definition.
const PREDEFINED: [&str; 6] = ["_PWD", "_INSTANCE", "_HASH", "_BANG", "_ENV", "_RANDOM"];

/// The value of a predefined parameter.
fn predefined(
    usage: &Use<'_>,
    around: &mut Surroundings<'_>,
    done: &mut Substituted,
) -> Result<Option<Value>, String> {
    let text = match usage.name {
        "_PWD" => around.files.directory(around.directory),
        "_INSTANCE" => around.id.into(),
        "_HASH" => "#".into(),
        "_BANG" => "!".into(),
        "_ENV" => match usage.arguments.split_ascii_whitespace().next() {
            Some(name) => around.files.variable(name).unwrap_or_default(),
            None => return Err("_ENV needs the name of an environment variable".into()),
        },
        "_RANDOM" => {
            let bounds: Option<Vec<u32>> =
                usage.arguments.split_ascii_whitespace().map(|w| w.parse().ok()).collect();
            let (least, most) = match bounds.as_deref() {
                Some([]) => (0, RANDOM_MOST),
                Some(&[least]) => (least, RANDOM_MOST.max(least)),
                Some(&[least, most]) => (least, most),
                _ => {
                    return Err("_RANDOM takes at most two numbers, the least and the greatest value".into());
                }
            };
            if least > most {
                done.told.push(format!(
                    "_RANDOM has a least value {least} above the greatest {most}, {least} is used"
                ));
            }
            around.random.between(least, most.max(least)).to_string()
        }
        _ => return Ok(None),
    };
    Ok(Some(Value { first: text.into(), lines: Rc::new([]) }))
}

/// `_RANDOM` without bounds goes up to this.
const RANDOM_MOST: u32 = 32_767;

/// A place where a parameter is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use<'a> {
    /// The `$`.
    start: usize,
    /// One past the name or the closing brace.
    end: usize,
    name: &'a str,
    /// What follows the name within the braces.
    arguments: &'a str,
}

/// The next use at or after `from`.
fn next_use(text: &str, from: usize) -> Option<Use<'_>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at = at.saturating_add(bytes.get(at..)?.iter().position(|&b| b == b'$')?);
        let start = at;
        at = at.saturating_add(1);
        let braced = bytes.get(at) == Some(&b'{');
        let first = at.saturating_add(usize::from(braced));
        let Some(name) = leading_name(text.get(first..).unwrap_or("")) else {
            continue;
        };
        let after = first.saturating_add(name.len());
        if !braced {
            if bytes.get(after).is_none_or(|&b| is_blank(b) || b == b',' || b == b')') {
                return Some(Use { start, end: after, name, arguments: "" });
            }
            continue;
        }
        let tail = bytes.get(after..).unwrap_or(&[]);
        let Some(len) = tail.iter().position(|&b| b == b'}') else {
            continue;
        };
        let arguments = text.get(after..after.saturating_add(len)).unwrap_or("");
        // Words inside the braces belong to the predefined parameters only.
        let spaced = arguments.bytes().next().is_none_or(is_blank);
        let takes = arguments.is_empty() || matches!(name, "_ENV" | "_RANDOM");
        if spaced && takes && !arguments.contains(['$', '{']) {
            return Some(Use { start, end: after.saturating_add(len).saturating_add(1), name, arguments });
        }
    }
}

/// The name at the start of `text`: a letter or `_`, then letters, digits and `_`.
pub(super) fn leading_name(text: &str) -> Option<&str> {
    let len = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_')).unwrap_or(text.len());
    let name = text.get(..len)?;
    name.bytes().next().is_some_and(|b| !b.is_ascii_digit()).then_some(name)
}

/// A small generator, so that the same seed makes the same configuration in every process.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of this seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number of `least..=most`, `most` not below `least`.
    fn between(&mut self, least: u32, most: u32) -> u32 {
        // splitmix64, by its published constants.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let count = u64::from(most.saturating_sub(least)).saturating_add(1);
        least.saturating_add(u32::try_from(z.checked_rem(count).unwrap_or(0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Files for Nothing {
        fn read(&self, _: &str) -> Result<Rc<[u8]>, super::super::source::Unusable> {
            Err(super::super::source::Unusable::Missing)
        }
        fn matches(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
        fn directory(&self, path: &str) -> String {
            path.into()
        }
        fn variable(&self, name: &str) -> Option<String> {
            (name == "HOME").then(|| "/root".into())
        }
    }

    fn run(known: &[(&str, &str)], line: &str) -> Result<String, String> {
        let mut parameters = Parameters::default();
        for (name, value) in known {
            parameters.set(name, value);
        }
        let mut random = Random::new(1);
        let mut around =
            Surroundings { files: &Nothing, id: "r1", directory: "/etc", random: &mut random, active: &[] };
        let mut text = Text { text: line.into(), ..Text::default() };
        parameters.substitute(&mut text, &mut around).map(|_| text.text).map_err(|refusal| refusal.message)
    }

    #[test]
    fn where_a_name_ends() {
        let known = [("A", "1"), ("A1", "x")];
        assert_eq!(run(&known, "$A $A, ($A) $A"), Ok("1 1, (1) 1".into()));
        assert_eq!(run(&known, r#"$A. $A" $A/ $B $ ${ ${A"#), Ok(r#"$A. $A" $A/ $B $ ${ ${A"#.into()));
        assert_eq!(run(&known, r#"a${A}b "${A}" ${A }"#), Ok(r#"a1b "1" ${A }"#.into()));
        assert_eq!(run(&known, "${A${A}}"), Ok("x".into()));
    }

    #[test]
    fn values_are_resolved_at_use_and_never_loop() {
        assert_eq!(run(&[("A", "$B $B"), ("B", "${C}"), ("C", "z")], "$A"), Ok("z z".into()));
        assert!(run(&[("B", "$B")], "x $B").unwrap_err().contains("contains itself"));
        assert!(run(&[("A", "a $B"), ("B", "b $A")], "x $A").unwrap_err().contains("contains itself"));
        // Made of its own result: found by counting.
        assert!(run(&[("A", "${"), ("B", "${A}B}")], "${B}").is_err());
    }

    #[test]
    fn a_refused_line_holds_nothing_that_could_be_replaced() {
        let mut parameters = Parameters::default();
        parameters.set("A", "$A");
        let mut text = Text { text: "${_PWD}/$A $$A ${B} ${_ENV} $B $A.".into(), ..Text::default() };
        parameters.name_all(&mut text);
        assert_eq!(text.text, "_PWD/A A ${B} _ENV $B $A.");
    }

    #[test]
    fn values_that_multiply_are_stopped() {
        let many = "${B}".repeat(200);
        let more = "${C}".repeat(200);
        let known = [("A", many.as_str()), ("B", more.as_str()), ("C", "")];
        assert!(run(&known, "$A").unwrap_err().contains("more than"));
        let known = [("A", many.as_str()), ("B", "123456")];
        assert!(run(&known, "$A").unwrap_err().contains("bytes"));
    }

    #[test]
    fn predefined_ones() {
        assert_eq!(run(&[], "${_PWD} $_INSTANCE"), Ok("/etc r1".into()));
        assert_eq!(run(&[], "${_ENV HOME}|${_ENV NONE}|\"${_HASH}${_BANG}\""), Ok("/root||\"#!\"".into()));
        assert!(run(&[], "${_ENV}").is_err());
        assert_eq!(run(&[], "${_RANDOM 7 7}"), Ok("7".into()));
        assert_eq!(run(&[], "${_RANDOM 9 7}"), Ok("9".into()));
        assert!(run(&[], "${_RANDOM x}").is_err());
        let random: u32 = run(&[], "$_RANDOM").unwrap().parse().unwrap();
        assert!(random <= RANDOM_MOST);
        assert_eq!(run(&[("_PWD", "mine")], "$_PWD"), Ok("mine".into()));
    }
}
