//! What a file check does with the number in its file.

/// The weight of a real server becomes its own plus the number of the file times this weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    /// What the number is multiplied by, -2147483647 to 2147483647; none: the weight of the file.
    pub weight: Option<i32>,
    /// Takes the product away instead of adding it; none: as the file has it.
    pub reverse: Option<bool>,
}
