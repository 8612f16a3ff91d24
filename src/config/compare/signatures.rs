//! `auth_hmac`: who hears whose signed adverts.

use super::{Found, Member, tell};
use crate::config::model::hmac::{Hmac, HmacMode, Secret};

/// The key that a router signs its adverts with.
fn signs<'a>(one: &Member<'a>) -> Option<(u8, &'a Secret)> {
    let hmac = one.instance.hmac.as_deref().filter(|hmac| hmac.mode != HmacMode::ReceiveOnly)?;
    Some((hmac.active, secret(hmac, hmac.active)?))
}

fn secret(hmac: &Hmac, id: u8) -> Option<&Secret> {
    hmac.keys.iter().find(|key| key.id == id).map(|key| &key.secret)
}

/// Whether two keys are the same, as far as the configurations say: what is in a file they do not.
fn may_be_same(one: &Secret, other: &Secret) -> bool {
    match (one, other) {
        (Secret::Octets(one), Secret::Octets(other)) => one == other,
        (Secret::File(_), _) | (_, Secret::File(_)) => true,
    }
}

/// Tells who refuses whose adverts, and why.
pub(super) fn signatures(group: &[Member<'_>], found: &mut Found) {
    for sender in group {
        for receiver in group.iter().filter(|one| one.router != sender.router) {
            let (from, to) = (sender.name, receiver.name);
            let (what, remedy) = match (signs(sender), receiver.instance.hmac.as_deref()) {
                (None, None) => continue,
                (Some(_), None) => (
                    format!("{from} signs its adverts and {to} has no auth_hmac: they are too long for it"),
                    format!(
                        "write auth_hmac on {to} with mode permissive, or on {from} with mode receive-only, until all know the key"
                    ),
                ),
                (None, Some(hmac)) if hmac.mode == HmacMode::Enforce => (
                    format!("{to} takes signed adverts only, and {from} does not sign"),
                    format!("write auth_hmac on {from}, or mode permissive on {to} until it has it"),
                ),
                (None, Some(_)) => continue,
                (Some((id, key)), Some(hmac)) => match secret(hmac, id) {
                    Some(known) if may_be_same(key, known) => continue,
                    Some(_) => (
                        format!("key {id}, which {from} signs with, is another one on {to}"),
                        "write the same key under the same id on all routers".to_owned(),
                    ),
                    None => (
                        format!("{from} signs with key {id}, which {to} does not know"),
                        format!("add key {id} on {to} first; make it the active_key when all know it"),
                    ),
                },
            };
            let what = format!("{what}; {to} does not hear {from}");
            tell(found, group, what, &remedy);
        }
    }
}
