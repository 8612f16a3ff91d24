//! Short text that is written from its end: numbers without the formatter of the standard library, which takes ten times
//! as long for an address. There may be 100,000 of them in a file, and thousands of lines at a stop.

use super::addr::Ipv4Addr;

/// Text of at most `LEN` octets; what does not fit is left out.
#[derive(Debug)]
pub struct Backward<const LEN: usize> {
    octets: [u8; LEN],
    start: usize,
}

impl<const LEN: usize> Default for Backward<LEN> {
    fn default() -> Self {
        Self { octets: [0; LEN], start: LEN }
    }
}

impl<const LEN: usize> Backward<LEN> {
    /// Puts text in front.
    pub fn text(&mut self, text: &str) {
        let start = self.start.saturating_sub(text.len());
        if let Some(place) = self.octets.get_mut(start..self.start).filter(|place| place.len() == text.len())
        {
            place.copy_from_slice(text.as_bytes());
            self.start = start;
        }
    }

    /// Puts a number in front.
    pub fn number(&mut self, mut number: u16) {
        loop {
            self.octet(b'0'.saturating_add(u8::try_from(number % 10).unwrap_or(0)));
            number /= 10;
            if number == 0 {
                break;
            }
        }
    }

    /// Puts an address in front.
    pub fn address(&mut self, addr: Ipv4Addr) {
        let [a, b, c, d] = addr.octets();
        self.number(d.into());
        for octet in [c, b, a] {
            self.octet(b'.');
            self.number(octet.into());
        }
    }

    /// What was written.
    #[must_use]
    pub fn written(&self) -> &str {
        self.octets.get(self.start..).and_then(|text| core::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn octet(&mut self, octet: u8) {
        if let Some(start) = self.start.checked_sub(1) {
            self.start = start;
            if let Some(place) = self.octets.get_mut(start) {
                *place = octet;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_last_stands_first() {
        let mut text = Backward::<23>::default();
        text.number(65_535);
        text.text("]:");
        text.address(Ipv4Addr::new(10, 0, 209, 255));
        text.text("[");
        assert_eq!(text.written(), "[10.0.209.255]:65535");
        text.text("long");
        assert_eq!(text.written(), "[10.0.209.255]:65535", "it does not fit");
        let mut nought = Backward::<4>::default();
        nought.number(0);
        assert_eq!(nought.written(), "0");
        nought.number(12_345);
        assert_eq!(nought.written(), "3450");
    }
}
