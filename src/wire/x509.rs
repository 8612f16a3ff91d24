//! The validity of an X.509 certificate (RFC 5280, section 4.1.2.5): all that is read of one here. Whether somebody
//! trusted has signed it is the business of a library.

use crate::base::bytes::{Reader, Short};

/// When a certificate is valid, in seconds since 1970 by the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub from: i64,
    /// Until then.
    pub to: i64,
}

/// Reads the validity of a certificate in DER.
///
/// # Errors
///
/// [`Short`]: it is none.
pub fn validity(certificate: &[u8]) -> Result<Validity, Short> {
    let mut outer = Reader::new(element(&mut Reader::new(certificate), SEQUENCE)?);
    let mut fields = Reader::new(element(&mut outer, SEQUENCE)?);
    if fields.rest().first() == Some(&VERSION) {
        element(&mut fields, VERSION)?;
    }
    element(&mut fields, INTEGER)?; // serial number
    element(&mut fields, SEQUENCE)?; // algorithm of the signature
    element(&mut fields, SEQUENCE)?; // issuer
    let mut times = Reader::new(element(&mut fields, SEQUENCE)?);
    Ok(Validity { from: time(&mut times)?, to: time(&mut times)? })
}

/// The content of the next element, which has this tag.
fn element<'a>(reader: &mut Reader<'a>, tag: u8) -> Result<&'a [u8], Short> {
    if reader.u8()? != tag {
        return Err(Short);
    }
    content(reader)
}

fn content<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Short> {
    let first = reader.u8()?;
    // The longest certificate that a handshake can carry has a length of three octets.
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81..=0x83 => {
            let octets = reader.take(usize::from(first & 0x7f))?;
            octets.iter().fold(0, |length: usize, octet| (length << 8) | usize::from(*octet))
        }
        _ => return Err(Short),
    };
    reader.take(length)
}

/// A time of either form, to the second and in UTC, as certificates must have them.
fn time(reader: &mut Reader<'_>) -> Result<i64, Short> {
    let tag = reader.u8()?;
    let mut digits = Reader::new(content(reader)?);
    let year = match tag {
        UTC_TIME => match pair(&mut digits)? {
            year @ 50.. => year.saturating_add(1900),
            year => year.saturating_add(2000),
        },
        GENERALIZED_TIME => pair(&mut digits)?.saturating_mul(100).saturating_add(pair(&mut digits)?),
        _ => return Err(Short),
    };
    let (month, day) = (pair(&mut digits)?, pair(&mut digits)?);
    let (hour, minute, second) = (pair(&mut digits)?, pair(&mut digits)?, pair(&mut digits)?);
    if digits.rest() != b"Z" || !(1..=12).contains(&month) {
        return Err(Short);
    }
    let hours = days(year, month, day).saturating_mul(24).saturating_add(hour);
    Ok(hours.saturating_mul(60).saturating_add(minute).saturating_mul(60).saturating_add(second))
}

fn pair(digits: &mut Reader<'_>) -> Result<i64, Short> {
    let [tens, ones] = digits.array()?;
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return Err(Short);
    }
    let digit = |octet: u8| i64::from(octet.saturating_sub(b'0'));
    Ok(digit(tens).saturating_mul(10).saturating_add(digit(ones)))
}

/// Days from 1970 to a date, years from 0 to 9999.
#[allow(
    clippy::arithmetic_side_effects,
    reason = "four digits of a year and two of a day stay far below any limit"
)]
const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the day of the leap year is their last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let century = year.div_euclid(100);
    year * 365 + year.div_euclid(4) - century + century.div_euclid(4) + (month * 153 + 2) / 5 + day
        - 1
        - 719_468
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test ends at the first surprise")]
mod tests {
    use super::*;

    /// A certificate as far as it is read: with or without a version, and two times.
    fn certificate(version: bool, from: (u8, &str), to: (u8, &str)) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let mut out = vec![tag, 0x82, 0, 0];
            out[2..4].copy_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
            out.extend_from_slice(content);
            out
        };
        let time =
            |(tag, text): (u8, &str)| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        let mut fields = Vec::new();
        if version {
            fields.extend_from_slice(&[VERSION, 3, INTEGER, 1, 2]);
        }
        fields.extend_from_slice(&[INTEGER, 1, 7, SEQUENCE, 0, SEQUENCE, 0x81, 2, 5, 0]);
        fields.extend(wrap(SEQUENCE, &[time(from), time(to)].concat()));
        wrap(SEQUENCE, &wrap(SEQUENCE, &fields))
    }

    #[test]
    fn both_forms_of_times_are_read() {
        let old = certificate(true, (UTC_TIME, "700101000000Z"), (UTC_TIME, "491231235959Z"));
        assert_eq!(validity(&old), Ok(Validity { from: 0, to: 2_524_607_999 }));
        let new = certificate(false, (UTC_TIME, "000229120000Z"), (GENERALIZED_TIME, "21000301000001Z"));
        assert_eq!(validity(&new), Ok(Validity { from: 951_825_600, to: 4_107_542_401 }));
    }

    #[test]
    fn what_is_no_certificate_is_refused_and_harms_nobody() {
        let good = certificate(true, (UTC_TIME, "700101000000Z"), (UTC_TIME, "491231235959Z"));
        for length in 0..good.len() {
            assert_eq!(validity(&good[..length]), Err(Short));
        }
        for wrong in ["7001010000Z", "700101000000+0100", "70010100000xZ", "701301000000Z", ""] {
            assert_eq!(
                validity(&certificate(true, (UTC_TIME, "700101000000Z"), (UTC_TIME, wrong))),
                Err(Short),
                "{wrong}"
            );
        }
        for at in 0..good.len() {
            for value in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut bad = good.clone();
                bad[at] = value;
                let _ = validity(&bad);
            }
        }
    }
}
