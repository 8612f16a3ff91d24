//! Can the files that a configuration names be used: tracked files, and keys of signed adverts?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::config::diag::{Class, Diagnostic, Diagnostics, Severity};
use crate::config::model::Model;
use crate::config::model::hmac::Secret;

/// Anybody but the owner may read it.
const OTHERS_READ: u32 = 0o044;

/// Reports tracked files without a directory, and keys that cannot be read or that others can read.
pub(super) fn check(model: &Model, found: &mut Diagnostics) {
    for file in &model.files {
        let folder = Path::new(&file.path)
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        if !folder.is_dir() {
            let message = format!("track_file {}: directory {} does not exist", file.name, folder.display());
            let finding = Diagnostic::new(Severity::Warning, file.path_at.0, message);
            found.report(
                finding.remedy("make it before keepalived starts; until then the file cannot be seen"),
            );
        }
    }
    for key in model.instances.iter().filter_map(|one| one.hmac.as_ref()).flat_map(|hmac| &hmac.keys) {
        let Secret::File(path) = &key.secret else { continue };
        if let Err(why) = crate::vrrpd::auth::read_key(path) {
            let message = format!("auth_hmac key {}: file {path} {why}", key.id);
            found.report(Diagnostic::new(Severity::Warning, key.at.0, message));
        }
        match fs::metadata(path) {
            Ok(about) if about.permissions().mode() & OTHERS_READ != 0 => {
                let message = format!("auth_hmac key {}: others may read file {path}", key.id);
                let finding = Diagnostic::new(Severity::Warning, key.at.0, message).class(Class::Security);
                found.report(finding.remedy(format!("run `chmod 600 {path}`")));
            }
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::base::exit::Exit;
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn keys_are_for_one_reader_and_files_need_a_directory() {
        let folder = std::env::temp_dir().join(format!("keepalived-check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = folder.join("key");
        std::fs::write(&key, format!("hex:{}\n", "1f".repeat(32))).unwrap();
        let said = |mode: u32, file: &str| {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            let text = format!(
                "track_file f {{\n file {file}\n}}\nvrrp_instance A {{\n interface eth0\n virtual_router_id 1\n \
                 virtual_ipaddress {{\n 192.0.2.1\n }}\n auth_hmac {{\n key 1 file:{}\n active_key 1\n }}\n}}\n",
                key.display()
            );
            let mut found = Diagnostics::new();
            let model = assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found);
            let mut found = Diagnostics::new();
            check(&model, &mut found);
            found.exit_test()
        };
        assert_eq!(said(0o600, "/tmp/weight"), Exit::Ok);
        assert_eq!(said(0o640, "/tmp/weight"), Exit::NoConfig);
        assert_eq!(said(0o600, "/nowhere/weight"), Exit::ConfigTest);
        assert_eq!(said(0o600, "weight"), Exit::Ok);
        std::fs::write(&key, "hex:00").unwrap();
        assert_eq!(said(0o600, "weight"), Exit::ConfigTest, "too short a key");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
