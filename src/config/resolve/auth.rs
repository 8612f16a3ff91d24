//! How adverts are authenticated: passwords, the authentication header, signatures.

use super::Teller;
use crate::base::addr::Family;
use crate::base::time::Span;
use crate::config::model::Hmac;
use crate::config::model::hmac::HmacMode;
use crate::config::rows::instance::{AuthType, InstanceDraft};
use crate::proto::vrrp::{Auth, Password, Start, Version};

/// `authentication`: version 2 only, outside strict mode, with a password.
pub(super) fn password(draft: &mut InstanceDraft, tell: &mut Teller<'_>) {
    let instance = &mut draft.instance;
    let Some(kind) = draft.auth_type else {
        if instance.auth_pass.take().is_some() {
            let message = format_args!("auth_pass without auth_type - ignoring");
            match instance.params.version {
                Version::V2 => tell.error("auth_pass", message, "write auth_type PASS"),
                Version::V3 => tell.idle("auth_pass", message, "remove it: version 3 has no passwords"),
            }
        }
        return;
    };
    if instance.params.version != Version::V2 {
        // No router of this version has any.
        let message = format_args!("VRRP version 3 does not support authentication. Ignoring.");
        tell.idle("auth_type", message, "remove the authentication block");
        instance.auth_pass = None;
        return;
    }
    let refused = if instance.strict {
        Some("Strict mode does not support authentication. Ignoring.")
    } else if instance.auth_pass.as_deref().is_none_or(str::is_empty) {
        Some("Authentication specified but no password given. Ignoring")
    } else {
        None
    };
    if let Some(message) = refused {
        tell.error("auth_type", format_args!("{message}"), "remove the authentication block");
        instance.auth_pass = None;
        return;
    }
    let password = Password::new(instance.auth_pass.as_deref().unwrap_or_default());
    if kind == AuthType::Header {
        if instance.params.family == Family::V6 {
            tell.error(
                "auth_type",
                format_args!("Cannot use AH authentication with IPv6 - ignoring"),
                "use auth_hmac",
            );
            instance.auth_pass = None;
            return;
        }
        instance.params.auth = Auth::Header(password);
        if instance.params.start == Start::Master && instance.params.priority != 255 {
            tell.warn(
                "state",
                format_args!("Initial state master is incompatible with AH authentication - clearing"),
            );
            instance.params.start = Start::Backup;
        }
        return;
    }
    instance.params.auth = Auth::Pass(password);
}

/// `auth_hmac` needs its active key, and replaces the older authentication.
pub(super) fn hmac(draft: &mut InstanceDraft, tell: &mut Teller<'_>) {
    if tell.given.at("auth_hmac").is_none() {
        return;
    }
    let read = core::mem::take(&mut draft.hmac);
    let active = read.active.filter(|active| read.keys.iter().any(|key| key.id == *active));
    let Some(active) = active else {
        let message = match read.active {
            Some(id) => format!("auth_hmac active_key {id} is not defined - removing auth_hmac"),
            None => "auth_hmac has no active_key - removing auth_hmac".to_owned(),
        };
        return tell.error(
            "auth_hmac",
            format_args!("{message}"),
            "write active_key and the id of one of its keys",
        );
    };
    let instance = &mut draft.instance;
    if instance.auth_pass.take().is_some() {
        tell.error(
            "authentication",
            format_args!("authentication and auth_hmac exclude each other - removing authentication"),
            "auth_hmac protects adverts of every version",
        );
        instance.params.auth = Auth::None;
    }
    let mut mode = read.mode;
    if instance.strict && mode != HmacMode::Enforce {
        tell.warn("mode", format_args!("strict mode requires auth_hmac mode enforce - setting"));
        mode = HmacMode::Enforce;
    }
    let (least, most) = (Span::from_secs(5), Span::from_secs(300));
    let usual = (instance.params.advert_interval * 3).clamp(least, most);
    // Whole seconds, as they are written.
    let usual = Span::from_secs(usual.as_micros().div_ceil(1_000_000));
    instance.hmac = Some(Box::new(Hmac {
        keys: read.keys,
        active,
        window: read.window.unwrap_or(usual),
        replay: read.replay,
        mode,
    }));
}
