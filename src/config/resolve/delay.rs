//! `interface_up_down_delays` against the patience of the other routers: an interface that is down must count as
//! down before they take over, or two are MASTER.

use crate::base::map::Map;
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::config::diag::{Diagnostic, Diagnostics, Severity};
use crate::config::model::{Instance, Model};

/// Reduces down delays to what the most impatient instance of an interface allows.
pub(super) fn fit(model: &mut Model, found: &mut Diagnostics) {
    if model.network.delays.is_empty() {
        return;
    }
    let mut tightest: Map<&IfName, &Instance> = Map::new();
    for instance in &model.instances {
        let Some(interface) = &instance.interface else { continue };
        let known = tightest.get(&interface.name);
        if known.is_none_or(|known| longest(instance) < longest(known)) {
            tightest.insert(&interface.name, instance);
        }
    }
    for line in &mut model.network.delays {
        let Some(instance) = tightest.get(&line.interface.name) else {
            continue;
        };
        let (name, adverts) = (&instance.name, instance.params.down_timer_adverts.saturating_sub(1));
        let (message, remedy) = if adverts == 0 {
            if line.down.is_zero() && line.up.is_zero() {
                continue;
            }
            (line.down, line.up) = (Span::ZERO, Span::ZERO);
            let message =
                format!("{name}: cannot use debounce timers with down_timer_adverts = 1 - resetting");
            (message, "write down_timer_adverts 3, or no delay for this interface")
        } else if line.down >= instance.params.advert_interval * u64::from(adverts) {
            line.down = longest(instance);
            let message = format!(
                "{name}: interface {} debounce timer(s) not less that {adverts} * advert_int - resetting",
                line.interface.name
            );
            (message, "make the down delay shorter than (down_timer_adverts - 1) x advert_int")
        } else {
            continue;
        };
        found.report(Diagnostic::new(Severity::Note, line.interface.at.0, message).remedy(remedy));
    }
}

/// The longest delay that ends before another router of priority 254 loses its patience.
fn longest(instance: &Instance) -> Span {
    let adverts = u64::from(instance.params.down_timer_adverts.saturating_sub(1));
    let interval = instance.params.advert_interval;
    interval * adverts - Span::from_micros(interval.as_micros() / 256)
}
