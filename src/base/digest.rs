//! FNV-1a: a short number for a name. Names may share one.

/// The number of an empty name.
pub const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// The number of a name whose beginning has the number `before`.
#[must_use]
pub const fn fnv(before: u64, name: &str) -> u64 {
    let (mut hash, mut rest) = (before, name.as_bytes());
    while let [octet, tail @ ..] = rest {
        hash = (hash ^ *octet as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_published_vectors() {
        assert_eq!(fnv(EMPTY, ""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(EMPTY, "a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(EMPTY, "foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv(fnv(EMPTY, "foo"), "bar"), fnv(EMPTY, "foobar"));
    }
}
