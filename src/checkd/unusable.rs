//! Checks that are not there because their program has no user: keepalived removes them when it reads the configuration,
//! and a server that is left without any check is up, whatever `alpha` says. That they are gone was told then.

use crate::config::model::{Identity, Model, Probe, RealServer};
use crate::notify::Resolver;

/// Removes each `MISC_CHECK` whose user or group does not exist.
pub(super) fn remove_checks(model: &mut Model, resolver: &Resolver) {
    // Thousands of checks have the same few users, and a look-up reads files.
    let mut known: Vec<(Identity, bool)> = Vec::new();
    let mut exists = |named: &Identity| {
        if let Some((_, exists)) = known.iter().find(|(other, _)| other == named) {
            return *exists;
        }
        let exists = resolver.look_up(named).is_ok();
        known.push((named.clone(), exists));
        exists
    };
    let servers = model.services.iter_mut().flat_map(|service| &mut service.servers);
    for RealServer { checks, .. } in servers {
        checks.retain(|check| match &check.probe {
            Probe::Misc(misc) => {
                misc.command.identity.as_ref().or(resolver.user.as_ref()).is_none_or(&mut exists)
            }
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::assemble;
    use crate::config::diag::Diagnostics;
    use crate::config::expand;

    #[test]
    fn a_check_without_its_user_is_not_there_and_others_stay() {
        let text = "virtual_server 192.0.2.1 80 {
            real_server 10.0.0.1 80 {
                MISC_CHECK {
                    misc_path /bin/true
                    user nobody_of_that_name
                }
                TCP_CHECK {
                }
                MISC_CHECK {
                    misc_path /bin/true
                    user root
                }
            }
            real_server 10.0.0.2 80 {
                MISC_CHECK {
                    misc_path /bin/true
                    user root no_group_of_that_name
                }
                MISC_CHECK {
                    misc_path /bin/true
                }
            }
        }";
        let mut found = Diagnostics::new();
        let mut model = assemble::model(&expand::parse_text(text, &mut found).tree, &mut found);
        let count = |model: &Model| -> Vec<usize> {
            model.services[0].servers.iter().map(|server| server.checks.len()).collect()
        };
        assert_eq!(count(&model), [3, 2]);
        let resolver = Resolver::new(&model.global);
        remove_checks(&mut model, &resolver);
        assert_eq!(count(&model), [2, 1]);
        let user = "nobody_of_that_name".to_owned();
        model.global.scripts.user = Some(Identity { user, group: None, supplementary: false });
        let resolver = Resolver::new(&model.global);
        remove_checks(&mut model, &resolver);
        assert_eq!(count(&model), [2, 0], "the user of all scripts counts where a check names none");
    }
}
