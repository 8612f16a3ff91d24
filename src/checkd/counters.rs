//! What the kernel has counted of virtual servers and of their real servers, for those who ask: an SNMP agent, and monitoring
//! by `/metrics`.
//!
//! The kernel is asked when somebody asks, and not again before `snmp_vs_stats_update_interval` and
//! `snmp_rs_stats_update_interval` are over; one step lists all services, each further one the destinations of one of them, so
//! that checks go on in between. What the kernel has counted of the addresses and marks of a group is added up.

use std::io;

use super::services::{Places, count};
use super::table::values;
use crate::base::id::ServiceId;
use crate::base::time::{Instant, Span};
use crate::config::model::global::Monitoring;
use crate::proto::lvs::Director;
use crate::sys::ipvs::{Ipvs, KernelDestination, Load, Stats};

/// How long counters serve where the configuration says nothing.
const USUAL: Span = Span::from_secs(5);

/// The counters. They have no room before somebody asks.
#[derive(Default)]
pub(super) struct Counters {
    services: Vec<Stats>,
    services_at: Option<Instant>,
    /// Of the real servers of each service, and of its sorry server behind them.
    servers: Vec<Load>,
    servers_at: Option<Instant>,
    /// The list of a service.
    listed: Vec<KernelDestination>,
}

/// What a step needs.
pub(super) struct Asked<'a> {
    pub(super) ipvs: Option<&'a mut Ipvs>,
    pub(super) director: &'a Director,
    pub(super) places: &'a Places,
    pub(super) monitoring: &'a Monitoring,
}

impl Counters {
    /// Takes a step, unless there is none of this number: everything is as new as it needs to be.
    pub(super) fn step(&mut self, now: Instant, step: usize, asked: Asked<'_>) -> bool {
        let taken = self.try_step(now, step, asked);
        taken.unwrap_or_else(|_| {
            // What is not known is not shown.
            *self = Self::default();
            false
        })
    }

    fn try_step(&mut self, now: Instant, step: usize, asked: Asked<'_>) -> io::Result<bool> {
        let Asked { ipvs: Some(ipvs), director, places, monitoring } = asked else {
            *self = Self::default();
            return Ok(false);
        };
        let of_services = monitoring.vs_stats.unwrap_or(USUAL);
        let is_old = |at: Option<Instant>, age| at.is_none_or(|at| now.since(at) >= age);
        let Some(step) = step.checked_sub(1) else {
            if is_old(self.services_at, of_services) {
                self.list_services(ipvs, director)?;
                self.services_at = Some(now);
            }
            return Ok(true);
        };
        if !is_old(self.servers_at, monitoring.rs_stats.unwrap_or(of_services)) {
            return Ok(false);
        }
        if step == 0 {
            let room = places.destinations();
            self.servers.clear();
            self.servers.reserve_exact(room);
            self.servers.resize(room, Load::default());
        }
        let Some(key) = director.key_at(step) else {
            self.servers_at = Some(now);
            return Ok(false);
        };
        let Some(key) = key else { return Ok(true) };
        ipvs.destinations(&key, &mut self.listed)?;
        for there in &self.listed {
            let (dest, _) = values::of_destination(&there.destination);
            let Some((service, local)) = director.destination(&key, &dest) else { continue };
            if let Some(load) = self.servers.get_mut(places.destination(service.0, local)) {
                load.add(&there.load());
            }
        }
        Ok(true)
    }

    fn list_services(&mut self, ipvs: &mut Ipvs, director: &Director) -> io::Result<()> {
        let services = &mut self.services;
        services.reserve_exact(director.services().saturating_sub(services.len()));
        ipvs.each_service(&mut |there| {
            let Some(there) = there else { return services.clear() };
            services.resize(director.services(), Stats::default());
            let (key, _) = values::of_service(&there.service);
            let own = director.holder(&key).and_then(|id| services.get_mut(id.index()));
            if let Some(stats) = own {
                stats.add(&there.stats);
            }
        })
    }

    /// What was counted of a service; none: nothing is known.
    pub(super) fn service(&self, id: ServiceId) -> Option<&Stats> {
        self.services.get(id.index())
    }

    /// What was counted of a real server by its positions; the sorry server stands behind the last one.
    pub(super) fn server(&self, places: &Places, service: u32, server: usize) -> Option<&Load> {
        self.servers.get(places.destination(service, count(server)))
    }
}
