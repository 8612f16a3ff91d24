//! `SSL`.

use super::show::text;
use crate::config::model::Tls;
use crate::config::row::Kind::Text;
use crate::config::row::Row;

macro_rules! row {
    ($field:ident, $what:literal, $meaning:literal) => {
        Row::new(
            stringify!($field),
            Text($what, |t: &mut Tls, w| t.$field = Some(w.text.to_owned())),
            "none",
            $meaning,
        )
        .expected()
        .told()
        .show(|t: &Tls| text(t.$field.as_ref()))
    };
}

/// Every keyword of `SSL`.
pub static ROWS: &[Row<Tls, Tls>] = &[
    row!(password, "<text>", "Passphrase of the private key"),
    row!(ca, "<path>", "File of certificates that are trusted"),
    row!(certificate, "<path>", "File of the own certificate"),
    row!(key, "<path>", "File of the private key"),
];
