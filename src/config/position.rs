//! Where something stands in the text of a configuration.

/// Where a word stands: which file of the source map, which line and which byte column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index into the source map.
    pub file: u16,
    /// Line of that file, from 1; 0 is nowhere.
    pub line: u32,
    /// Byte column of that line, from 1. Text that a parameter put there has the column of its `$`.
    pub column: u16,
}

impl Position {
    /// The place so many bytes behind this one, on the same line.
    #[must_use]
    pub fn behind(self, bytes: usize) -> Self {
        let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
        Self { column: self.column.saturating_add(bytes), ..self }
    }
}
