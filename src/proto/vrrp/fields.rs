//! What an instance's parameters put into the fields of an advert that depend on the version.

use super::params::{Auth, Params, Version};
use crate::base::addr::{Family, IpAddr};
use crate::wire::vrrp::{self as wire, Body, Cover};

/// Authentication and interval of an advert to send.
#[must_use]
pub fn body(params: &Params) -> Body {
    match params.version {
        Version::V2 => {
            let (auth_type, auth_data) = match &params.auth {
                Auth::None => (wire::AUTH_NONE, [0; wire::AUTH_DATA]),
                Auth::Pass(password) => (wire::AUTH_PASS, *password.octets()),
                Auth::Header(_) => (wire::AUTH_AH, [0; wire::AUTH_DATA]),
            };
            let seconds = u8::try_from(params.advert_interval.as_secs()).unwrap_or(u8::MAX);
            Body::V2 { auth_type, seconds, auth_data }
        }
        Version::V3 => {
            let centis = u16::try_from(params.advert_interval.as_centis()).unwrap_or(wire::MAX_CENTIS);
            Body::V3 { centis }
        }
    }
}

/// What its checksum covers besides itself.
#[must_use]
pub fn cover(params: &Params, source: IpAddr, destination: IpAddr) -> Cover {
    match (params.version, params.family) {
        (Version::V2, _) => Cover::Plain,
        (Version::V3, Family::V4) if params.v3_checksum_as_v2 => Cover::Plain,
        (Version::V3, _) => Cover::Pseudo { source, destination },
    }
}
