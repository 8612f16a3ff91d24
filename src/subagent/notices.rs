//! Transitions that the SNMP agent is to be told of, until it can be told.

use super::rows::{Found, Rows, column_name};
use crate::base::bytes::{Short, Writer};
use crate::base::limit;
use crate::daemon::kind::Kind;
use crate::daemon::record::{GONE, Record, continued, key};
use crate::status::mib::{FAMILY, LINK, TREES, Table, tree};
use crate::wire::agentx::emit::Draft;
use crate::wire::agentx::value::{Oid, Value};
use crate::wire::agentx::{Header, Kind as Pdu};

/// What has happened and was not sent yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: heapless::Deque<(Kind, Record), { limit::AGENTX_NOTICES }>,
    lost: u32,
}

/// The name in front of the identity of a notification.
const SNMP_TRAP_OID: [u32; 11] = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];
/// Notifications of KEEPALIVED-MIB about VRRP, below its tree `vrrp`.
const GROUP_CHANGED: [u32; 3] = [10, 0, 1];
const INSTANCE_CHANGED: [u32; 3] = [10, 0, 2];
/// VrrpState `master`, as the records of the VRRP child have it, too.
const MASTER: u8 = 2;

impl Notices {
    /// Something has happened. The oldest makes room.
    pub(super) fn note(&mut self, kind: Kind, record: Record) {
        if record.state() == GONE {
            return;
        }
        if self.waiting.is_full() {
            self.lost = self.lost.saturating_add(1);
            let _ = self.waiting.pop_front();
        }
        let _ = self.waiting.push_back((kind, record));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<(Kind, Record)> {
        self.waiting.pop_front()
    }

    /// How many were lost since this was asked last.
    pub(super) fn take_lost(&mut self) -> u32 {
        core::mem::take(&mut self.lost)
    }
}

/// One kind of notification about VRRP: where its object is, and its columns.
struct Shape {
    table: Table,
    trap: [u32; 3],
    /// The columns of name and state, and further ones.
    columns: &'static [u8],
}

const SHAPES: [Shape; 2] = [
    Shape { table: Table::INSTANCE, trap: INSTANCE_CHANGED, columns: &[2, 4, 5] },
    Shape { table: Table::GROUP, trap: GROUP_CHANGED, columns: &[2, 3] },
];

/// Writes the notifications that follow from a transition, each with a number of `packet`.
pub(super) fn write(
    out: &mut Writer<'_>,
    session: u32,
    packet: &mut dyn FnMut() -> u32,
    rows: &Rows,
    trees: u8,
    record: Record,
) {
    let of = |name: &str, shape: &Shape| {
        let own = if shape.table == Table::GROUP { continued(key("group\0"), name) } else { key(name) };
        own & !3 == record.key()
    };
    for shape in &SHAPES {
        let Some(line) = rows.find(shape.table.0, 2, |name| of(name, shape)) else { continue };
        if trees & 1 << tree::VRRP != 0 {
            let mut trap = Oid::new(tree_name(tree::VRRP));
            trap.extend(&shape.trap);
            let _ = notify(out, header(session, packet()), &trap, |draft| {
                for column in shape.columns {
                    let mut scratch = [0; 16];
                    let is_state = Some(column) == shape.columns.get(1);
                    let value = match rows.value(line, *column, &mut scratch) {
                        // That of the transition, which another one may have followed.
                        Some(_) if is_state => Value::Integer(i32::from(record.state())),
                        Some(value) => value,
                        None => continue,
                    };
                    // keepalived names the column and not the row.
                    draft.varbind(column_name(shape.table.0, *column).numbers(), &value)?;
                }
                router_id(draft, rows)
            });
        }
        if shape.table == Table::INSTANCE && record.state() == MASTER {
            masters(out, session, packet, rows, trees, line);
        }
    }
}

/// The notifications of the two RFCs that an instance is MASTER.
fn masters(
    out: &mut Writer<'_>,
    session: u32,
    packet: &mut dyn FnMut() -> u32,
    rows: &Rows,
    trees: u8,
    line: usize,
) {
    let number = |column| match rows.value(line, column, &mut [0; 16]) {
        Some(Value::Integer(number)) => u32::try_from(number).ok(),
        Some(Value::Gauge32(number)) => Some(number),
        _ => None,
    };
    let [Some(version), Some(vrid), Some(link), Some(family)] = [30, 3, LINK, FAMILY].map(number) else {
        return;
    };
    let index = [link, vrid, family];
    if version == 2 {
        let columns = &[(Table::V2_ROUTER, 7)];
        let [index @ .., _] = &index;
        master(out, tree::RFC_2787, trees, header(session, packet()), rows, index, columns);
    }
    let columns = &[(Table::V3_ROUTER, 3), (Table::V3_COUNTERS, 2)];
    master(out, tree::RFC_6527, trees, header(session, packet()), rows, &index, columns);
}

/// One of them: of a tree, with columns of a row.
fn master(
    out: &mut Writer<'_>,
    tree: u8,
    trees: u8,
    header: Header,
    rows: &Rows,
    index: &[u32],
    columns: &[(Table, u8)],
) {
    if trees & 1 << tree == 0 {
        return;
    }
    let mut trap = Oid::new(tree_name(tree));
    trap.extend(&[0, 1]);
    let _ = notify(out, header, &trap, |draft| {
        for (table, column) in columns {
            let mut name = column_name(table.0, *column);
            name.extend(index);
            let Found::At(line, column) = rows.get(name.numbers()) else { continue };
            let mut scratch = [0; 16];
            if let Some(value) = rows.value(line, column, &mut scratch) {
                draft.varbind(name.numbers(), &value)?;
            }
        }
        Ok(())
    });
}

fn tree_name(tree: u8) -> &'static [u32] {
    TREES.get(usize::from(tree)).copied().unwrap_or_default()
}

const fn header(session: u32, packet: u32) -> Header {
    Header { kind: Pdu::Notify, session, transaction: 0, packet }
}

/// Writes one notification; none of it if it does not fit.
fn notify(
    out: &mut Writer<'_>,
    header: Header,
    trap: &Oid,
    objects: impl FnOnce(&mut Draft<'_, '_>) -> Result<(), Short>,
) -> Result<(), Short> {
    let before = out.len();
    let written = (|| {
        let mut draft = Draft::new(out, &header)?;
        draft.varbind(&SNMP_TRAP_OID, &Value::Oid(trap.clone()))?;
        objects(&mut draft)?;
        draft.finish()
    })();
    if written.is_err() {
        out.truncate(before);
    }
    written
}

fn router_id(draft: &mut Draft<'_, '_>, rows: &Rows) -> Result<(), Short> {
    let mut name = column_name(Table::GLOBAL.0, 2);
    name.extend(&[0]);
    let Found::At(line, column) = rows.get(name.numbers()) else { return Ok(()) };
    let mut scratch = [0; 16];
    rows.value(line, column, &mut scratch).map_or(Ok(()), |value| draft.varbind(name.numbers(), &value))
}
