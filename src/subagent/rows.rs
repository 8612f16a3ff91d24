//! What the children have lent, in the order of names, and the objects in it.

use core::cmp::Ordering;
use core::ops::Range;
use std::fs::File;
use std::io::{self, Read, Seek};

use crate::status::mib::{END, Table, VALUE};
use crate::wire::agentx::value::{Oid, Value};

/// All rows.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// As they were written.
    text: Vec<u8>,
    lines: Vec<Line>,
    /// The indexes of all rows, one after the other.
    numbers: Vec<u32>,
    /// Where the rows of each table are, and which columns any of them has.
    tables: Vec<(Range<usize>, u128)>,
    /// Hundredths of a second that the agent runs, for values that are told as such.
    pub(super) uptime: u32,
}

/// A row.
#[derive(Clone, Debug)]
struct Line {
    table: u8,
    index: Range<usize>,
    values: Range<usize>,
    /// A column that has a value has its bit.
    columns: u128,
}

/// What is found of a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The row of this position has this column.
    At(usize, u8),
    /// No table has such a column.
    NoObject,
    /// There is no such row, or it has no value there.
    NoInstance,
}

/// Octets of the longest value that is not a text: an IPv6 address.
pub(super) type Scratch = [u8; 16];

impl Rows {
    /// Forgets all rows, and keeps their room.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.lines.clear();
        self.numbers.clear();
        self.tables.clear();
    }

    /// Adds what a child has written.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) fn read(&mut self, mut file: File) -> io::Result<()> {
        file.rewind()?;
        // All of it; as other files are read, which need no further code then.
        file.take(u64::MAX).read_to_end(&mut self.text)?;
        Ok(())
    }

    /// Adds rows of this process.
    pub(super) fn add(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    /// All rows are there: sorts them.
    pub(super) fn settle(&mut self) {
        let Self { text, lines, numbers, tables, .. } = self;
        let mut begin = 0;
        for row in text.split(|octet| *octet == octet_of(END)) {
            if let Some(line) = line(row, begin, numbers) {
                lines.push(line);
            }
            begin = begin.saturating_add(row.len()).saturating_add(1);
        }
        lines.sort_unstable_by(|one, other| {
            let index = |line: &Line| numbers.get(line.index.clone()).unwrap_or_default();
            (one.table, index(one)).cmp(&(other.table, index(other)))
        });
        for Table(number) in Table::all() {
            let before = |line: &Line| line.table < number;
            let begin = lines.partition_point(before);
            let end = lines.partition_point(|line| line.table <= number);
            let of = lines.get(begin..end).unwrap_or_default();
            tables.push((begin..end, of.iter().fold(0, |all, line| all | line.columns)));
        }
    }

    fn index(&self, line: &Line) -> &[u32] {
        self.numbers.get(line.index.clone()).unwrap_or_default()
    }

    /// How many rows there are.
    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// The table and the index of a row.
    pub(super) fn row(&self, line: usize) -> (Table, &[u32]) {
        self.lines.get(line).map_or((Table(u8::MAX), &[]), |line| (Table(line.table), self.index(line)))
    }

    /// The object of exactly this name.
    pub(super) fn get(&self, name: &[u32]) -> Found {
        let mut found = Found::NoObject;
        for ((range, columns), number) in self.tables.iter().zip(0..) {
            let Some(rest) = name.strip_prefix(table_name(Table(number)).numbers()) else { continue };
            let Some((column, index)) = rest.split_first() else { continue };
            let Some(column) = bit(*column).filter(|column| columns & 1 << column != 0) else { continue };
            found = Found::NoInstance;
            let lines = self.lines.get(range.clone()).unwrap_or_default();
            if let Ok(at) = lines.binary_search_by(|line| self.index(line).cmp(index))
                && lines.get(at).is_some_and(|line| line.columns & 1 << column != 0)
            {
                return Found::At(range.start.saturating_add(at), column);
            }
        }
        found
    }

    /// The first object behind a name, or of this name if `include`.
    pub(super) fn next(&self, name: &[u32], include: bool) -> Option<(Oid, usize, u8)> {
        let mut first: Option<(Oid, usize, u8)> = None;
        for table in Table::all() {
            let Some((line, column)) = self.first_in(table, name, include) else { continue };
            let found = self.name(line, column);
            if first.as_ref().is_none_or(|(other, ..)| found < *other) {
                first = Some((found, line, column));
            }
        }
        first
    }

    /// The first object of a table behind a name.
    fn first_in(&self, table: Table, name: &[u32], include: bool) -> Option<(usize, u8)> {
        let (range, columns) = self.tables.get(usize::from(table.0))?;
        let front = table_name(table);
        let (first, after) = match name.strip_prefix(front.numbers()) {
            Some(rest) => match rest.split_first() {
                Some((column, index)) => (*column, Some(index)),
                None => (0, None),
            },
            None if name < front.numbers() => (0, None),
            None => return None,
        };
        let lines = self.lines.get(range.clone())?;
        for column in bit(first)?..128 {
            if columns & 1 << column == 0 {
                continue;
            }
            let passed = match after.filter(|_| u32::from(column) == first) {
                Some(after) => lines.partition_point(|line| match self.index(line).cmp(after) {
                    Ordering::Less => true,
                    Ordering::Equal => !include,
                    Ordering::Greater => false,
                }),
                None => 0,
            };
            let rest = lines.get(passed..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|line| line.columns & 1 << column != 0) {
                return Some((range.start.saturating_add(passed).saturating_add(at), column));
            }
        }
        None
    }

    /// The name of the object in a column of a row.
    pub(super) fn name(&self, line: usize, column: u8) -> Oid {
        let Some(line) = self.lines.get(line) else { return Oid::default() };
        let mut name = column_name(line.table, column);
        name.extend(self.index(line));
        name
    }

    /// Its value.
    pub(super) fn value<'a>(
        &'a self,
        line: usize,
        column: u8,
        scratch: &'a mut Scratch,
    ) -> Option<Value<'a>> {
        let line = self.lines.get(line)?;
        let values = self.text.get(line.values.clone())?;
        let mut pieces = values.split(|octet| *octet == octet_of(VALUE));
        let (kind, data) = pieces.find_map(|piece| {
            let (number, kind, data) = parts(piece)?;
            (number == column).then_some((kind, data))
        })?;
        let text = || core::str::from_utf8(data).ok();
        let number = || text()?.parse::<u64>().ok();
        let word = || u32::try_from(number()?).ok();
        Some(match kind {
            b'i' => Value::Integer(text()?.parse().ok()?),
            b'g' => Value::Gauge32(word()?),
            b'c' => Value::Counter32(word()?),
            b't' => Value::TimeTicks(word()?),
            b'u' => Value::TimeTicks(self.uptime.saturating_sub(word()?)),
            b'a' => Value::IpAddress(word()?.to_be_bytes()),
            b'C' => Value::Counter64(number()?),
            b's' => Value::Octets(data),
            b'x' => Value::Octets(unhex(data, scratch)?),
            _ => return None,
        })
    }

    /// The row of a table whose column has this text, and the last number of its index.
    pub(super) fn find(&self, table: u8, column: u8, matches: &dyn Fn(&str) -> bool) -> Option<usize> {
        let (range, _) = self.tables.get(usize::from(table))?;
        range.clone().find(|line| match self.value(*line, column, &mut [0; 16]) {
            Some(Value::Octets(text)) => core::str::from_utf8(text).is_ok_and(matches),
            _ => false,
        })
    }
}

/// The name of a column.
pub(super) fn column_name(table: u8, column: u8) -> Oid {
    let mut name = table_name(Table(table));
    name.extend(&[u32::from(column)]);
    name
}

/// The name in front of the columns of a table.
fn table_name(table: Table) -> Oid {
    let (tree, rest) = table.name().unwrap_or_default();
    let mut name = Oid::new(tree);
    rest.iter().for_each(|number| name.extend(&[u32::from(*number)]));
    name
}

fn bit(column: u32) -> Option<u8> {
    u8::try_from(column).ok().filter(|column| *column < 128)
}

fn octet_of(character: char) -> u8 {
    // Both are of one octet.
    u8::try_from(character).unwrap_or(0)
}

/// Reads a row that begins at `begin` of the whole text.
fn line(row: &[u8], begin: usize, numbers: &mut Vec<u32>) -> Option<Line> {
    let head = row.iter().position(|octet| *octet == octet_of(VALUE))?;
    let name = core::str::from_utf8(row.get(..head)?).ok()?;
    let mut words = name.split('.');
    let table = words.next()?.parse().ok()?;
    let first = numbers.len();
    for word in words {
        numbers.push(word.parse().ok()?);
    }
    let at = head.saturating_add(1);
    let pieces = row.get(at..)?.split(|octet| *octet == octet_of(VALUE));
    let columns = pieces.filter_map(parts).filter_map(|(column, ..)| bit(u32::from(column)));
    let columns = columns.fold(0, |all, column| all | 1 << column);
    let values = begin.saturating_add(at)..begin.saturating_add(row.len());
    Some(Line { table, index: first..numbers.len(), values, columns })
}

/// The column of a value, its type, and the rest.
fn parts(piece: &[u8]) -> Option<(u8, u8, &[u8])> {
    let digits = piece.iter().position(|octet| !octet.is_ascii_digit())?;
    let (column, rest) = piece.split_at_checked(digits)?;
    let (kind, data) = rest.split_first()?;
    Some((core::str::from_utf8(column).ok()?.parse().ok()?, *kind, data))
}

fn unhex<'a>(digits: &[u8], scratch: &'a mut Scratch) -> Option<&'a [u8]> {
    let text = core::str::from_utf8(digits).ok().filter(|text| text.len().is_multiple_of(2))?;
    let len = text.len() / 2;
    for (position, octet) in scratch.get_mut(..len)?.iter_mut().enumerate() {
        let at = position.saturating_mul(2);
        *octet = u8::from_str_radix(text.get(at..at.saturating_add(2))?, 16).ok()?;
    }
    scratch.get(..len)
}

#[cfg(test)]
mod tests;
