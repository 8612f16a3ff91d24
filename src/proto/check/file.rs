//! What a file check does with the number in its file.

/// The weight of a real server becomes its own plus the number of the file times this weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// What the number is multiplied by, -2147483647 to 2147483647.
    pub weight: i32,
    /// Takes the product away instead of adding it.
    pub reverse: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { weight: 1, reverse: false }
    }
}
