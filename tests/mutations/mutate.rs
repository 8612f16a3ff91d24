//! What can be wrong with a file: cut, doubled and swapped words and lines, braces, nesting, numbers, octets.

/// splitmix64: neighbouring seeds give unrelated numbers, so that the number of a case is its seed.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// A number below `most`, or 0.
    pub fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() >> 32).unwrap() % most.max(1)
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// What means something to the lexer, to parameters, to sequences and to includes, or should not be in a text.
const PIECES: [&[u8]; 34] = [
    b"{",
    b"}",
    b"{ }",
    b"} {",
    b"\"",
    b"'",
    b"\\",
    b"\n",
    b"\r\n",
    b"\t",
    b"$",
    b"${",
    b"~SEQ(a,9)",
    b"~SEQ(a,-9,9,3) ",
    b"~LST(a,b,c)",
    b"~LST({a,b},{1,2})",
    b"#",
    b"!",
    b"@r1 ",
    b"@^r1 ",
    b"include main.conf\n",
    b"include /etc/*.conf\n",
    b"$A=\\\n",
    b"$A",
    b"${A}",
    b"$A=$A $A\n",
    b"\\#",
    b"\\x",
    b"=",
    b",",
    b"/",
    b"-",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\x92\xa5",
];

const NUMBERS: [&[u8]; 20] = [
    b"0",
    b"-0",
    b"-1",
    b"+1",
    b"255",
    b"256",
    b"65535",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"-2147483649",
    b"4294967295",
    b"4294967296",
    b"9223372036854775808",
    b"18446744073709551616",
    b"0.0000000001",
    b"99999999999999999999999999999999999999",
    b"1e999",
    b"0xffffffffffffffff",
    b"4294.967296",
];

const OPENINGS: [&[u8]; 6] = [
    b"{\n",
    b"{ ",
    b"vrrp_instance a {\n",
    b"virtual_ipaddress {\n",
    b"virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\n",
    b"vrrp_sync_group g {\ngroup {\n",
];

/// The texts that are mutated, and all their words.
#[derive(Debug)]
pub struct Pool<'a> {
    texts: &'a [Vec<u8>],
    words: Vec<&'a [u8]>,
}

impl<'a> Pool<'a> {
    /// Mutations of `texts`, with each other's words.
    pub fn new(texts: &'a [Vec<u8>]) -> Self {
        let words = texts.iter().flat_map(|text| spans(text).map(|(from, to)| &text[from..to])).collect();
        Self { texts, words }
    }

    /// Mutation number `case`: each text has its turn, with one to six things wrong.
    pub fn mutation(&self, case: usize) -> Vec<u8> {
        let mut random = Random(u64::try_from(case).unwrap());
        let mut text = self.texts[case % self.texts.len()].clone();
        for _ in 0..=random.below(6) {
            self.mutate(&mut text, &mut random);
        }
        text
    }

    fn mutate(&self, text: &mut Vec<u8>, random: &mut Random) {
        let at = random.below(text.len() + 1);
        match random.below(18) {
            0 => text.truncate(at),
            1 => drop(text.drain(at..(at + random.below(40)).min(text.len()))),
            2 => lines(text, random, |lines, one, _| drop(lines.remove(one))),
            3 => lines(text, random, |lines, one, other| lines.insert(other, lines[one].clone())),
            4 => lines(text, random, |lines, one, other| lines.swap(one, other)),
            5 => lines(text, random, |lines, one, other| {
                let block = lines[one.min(other)..one.max(other)].concat();
                lines.insert(one, block);
            }),
            6 => word(text, random, |word, _| [word, b" ", word].concat()),
            7 => word(text, random, |_, _| Vec::new()),
            8 => {
                let other =
                    spans(text).nth(random.below(text.len() / 8)).map(|(from, to)| text[from..to].to_vec());
                word(text, random, |word, _| other.unwrap_or_else(|| word.to_vec()));
            }
            9 => word(text, random, |_, random| random.one(&self.words).to_vec()),
            10 => word(text, random, |word, random| [word, b" ", random.one(&self.words)].concat()),
            11 => word(text, random, |_, random| random.one(&NUMBERS).to_vec()),
            12 => word(text, random, |word, random| word.repeat(1 + random.below(5_000) / word.len())),
            13 => {
                let many = random.one(&OPENINGS).repeat(random.below(3_000));
                insert(text, at, &many);
            }
            14 => {
                let many = b"}\n".repeat(random.below(200));
                insert(text, at, &many);
            }
            15 => {
                insert(text, at, random.one::<[u8]>(&[b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88"]))
            }
            16 if at < text.len() => text[at] = random.next().to_le_bytes()[0],
            _ => insert(text, at, random.one(&PIECES)),
        }
    }
}

fn insert(text: &mut Vec<u8>, at: usize, piece: &[u8]) {
    text.splice(at..at, piece.iter().copied());
}

/// Where words are: from, to.
fn spans(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    text.split(u8::is_ascii_whitespace).filter_map(move |word| {
        let from = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((from, from + word.len()))
    })
}

/// Puts what `make` makes of some word in its place.
fn word(text: &mut Vec<u8>, random: &mut Random, make: impl FnOnce(&[u8], &mut Random) -> Vec<u8>) {
    let count = spans(text).count();
    let found = spans(text).nth(random.below(count));
    if let Some((from, to)) = found {
        let made = make(&text[from..to], random);
        text.splice(from..to, made);
    }
}

/// Lets `change` change the lines; it gets two of them.
fn lines(text: &mut Vec<u8>, random: &mut Random, change: impl FnOnce(&mut Vec<Vec<u8>>, usize, usize)) {
    let mut lines: Vec<Vec<u8>> = text.split_inclusive(|&octet| octet == b'\n').map(<[u8]>::to_vec).collect();
    if !lines.is_empty() {
        let (one, other) = (random.below(lines.len()), random.below(lines.len()));
        change(&mut lines, one, other);
        *text = lines.concat();
    }
}
