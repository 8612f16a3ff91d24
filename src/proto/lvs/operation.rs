//! What is done to the table of the kernel, and what the kernel says to it.

use super::values::{DestKey, DestValue, ServiceKey, ServiceValue};

/// One operation on the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Empties the whole table, other people's services too.
    Flush,
    /// Makes a service without destinations.
    NewService(ServiceKey, ServiceValue),
    /// Changes a service; its destinations and connections stay.
    SetService(ServiceKey, ServiceValue),
    /// Removes a service with all destinations that it has.
    DelService(ServiceKey),
    /// Adds a destination.
    NewDest(ServiceKey, DestKey, DestValue),
    /// Changes a destination; its connections stay.
    SetDest(ServiceKey, DestKey, DestValue),
    /// Removes a destination.
    DelDest(ServiceKey, DestKey),
}

/// An operation that has been pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// What is to be done.
    pub operation: Operation,
    /// Which key of the configuration it is about; none: what is in the configuration no more.
    pub(super) member: Option<u32>,
    /// Which server of the service, if it is about a destination.
    pub(super) local: u32,
}

/// Why the kernel did not carry out an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// What was to be added is there (EEXIST).
    Exists,
    /// The service is not there (ESRCH).
    NoService,
    /// The destination is not there (ENOENT).
    NoDest,
    /// The answer was lost (ENOBUFS): it may have been carried out or not.
    Unknown,
    /// Another error number.
    Other(i32),
}
