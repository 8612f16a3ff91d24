//! Transitions that the SNMP agent is to be told of, until it can be told.

use super::rows::{Found, Rows, column_name};
use crate::base::bytes::{Short, Writer};
use crate::base::limit;
use crate::daemon::ipc::AdvertRefusal;
use crate::daemon::kind::Kind;
use crate::daemon::record::{GONE, Record, continued, key};
#[cfg(feature = "lvs")]
use crate::status::mib::lvs;
use crate::status::mib::{FAMILY, LINK, TREES, Table, tree};
use crate::wire::agentx::emit::Draft;
use crate::wire::agentx::value::{Oid, Value};
use crate::wire::agentx::{Header, Kind as Pdu};

/// Something that an agent is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// An object of a child has entered a state.
    Entered(Kind, Record),
    /// A virtual router has refused an advert.
    Refused(AdvertRefusal),
}

/// What has happened and was not sent yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Notices {
    waiting: heapless::Deque<Happening, { limit::AGENTX_NOTICES }>,
    lost: u32,
    /// The daemon ends, which was notified: nothing is any more.
    ended: bool,
}

/// The name in front of the identity of a notification.
const SNMP_TRAP_OID: [u32; 11] = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];
/// Notifications of KEEPALIVED-MIB about VRRP, below its tree `vrrp`.
const GROUP_CHANGED: [u32; 3] = [10, 0, 1];
const INSTANCE_CHANGED: [u32; 3] = [10, 0, 2];
/// VrrpState `master`, as the records of the VRRP child have it, too.
const MASTER: u8 = 2;
/// VrrpState `shutdown`.
const SHUTDOWN: u8 = 5;

impl Notices {
    /// Something has happened. The oldest makes room. Whether an agent is notified of it.
    pub(super) fn note(&mut self, happening: Happening) -> bool {
        if self.ended || matches!(happening, Happening::Entered(_, record) if record.state() == GONE) {
            return false;
        }
        if self.waiting.is_full() {
            self.lost = self.lost.saturating_add(1);
            let _ = self.waiting.pop_front();
        }
        let _ = self.waiting.push_back(happening);
        true
    }

    /// The daemon ends.
    pub(super) fn end(&mut self) {
        self.waiting.clear();
        self.ended = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn take(&mut self) -> Option<Happening> {
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

/// Writes the notifications that follow from what has happened, each with a number of `packet`.
pub(super) fn write(
    out: &mut Writer<'_>,
    session: u32,
    packet: &mut dyn FnMut() -> u32,
    rows: &Rows,
    trees: u8,
    happening: Happening,
) {
    match happening {
        Happening::Refused(refusal) => refused(out, session, packet, rows, trees, refusal),
        Happening::Entered(Kind::Vrrp, record) => of_vrrp(out, session, packet, rows, trees, record),
        #[cfg(feature = "lvs")]
        Happening::Entered(Kind::Checkers, record) if trees & 1 << tree::CHECK != 0 => {
            // One that does not fit is lost; none is as long.
            let _ = of_checkers(out, header(session, packet()), rows, record);
        }
        Happening::Entered(..) => {}
    }
}

/// Writes the notification that an object ends with the daemon, by the position of its row; nothing for most rows.
pub(super) fn write_end(
    out: &mut Writer<'_>,
    session: u32,
    packet: &mut dyn FnMut() -> u32,
    (rows, line): (&Rows, usize),
    trees: u8,
) {
    let (table, _) = rows.row(line);
    if let Some(shape) = SHAPES.iter().find(|shape| shape.table == table)
        && trees & 1 << tree::VRRP != 0
    {
        let _ = changed(out, header(session, packet()), (rows, line), shape, SHUTDOWN);
    }
    #[cfg(feature = "lvs")]
    if let (Table::SERVER, &[service, server]) = rows.row(line)
        && trees & 1 << tree::CHECK != 0
        && rows.value(line, 2, &mut [0; 16]) == Some(Value::Integer(1))
        && rows.value(line, SERVER_STATE, &mut [0; 16]) == Some(Value::Integer(1))
    {
        let key = lvs::key(service.saturating_sub(1), server.checked_sub(1));
        let _ = of_checkers(out, header(session, packet()), rows, Record::new(key, lvs::DOWN));
    }
}

/// Notifications of KEEPALIVED-MIB about virtual servers, below its tree `check`.
#[cfg(feature = "lvs")]
const SERVER_CHANGED: [u32; 3] = [5, 0, 1];
#[cfg(feature = "lvs")]
const QUORUM_CHANGED: [u32; 3] = [5, 0, 2];

/// What a notification says of a real server and of its virtual server; the columns of the states stand for what a record
/// says.
#[cfg(feature = "lvs")]
const OF_SERVER: [(Table, u8); 8] = [
    (Table::SERVER, 3),
    (Table::SERVER, 4),
    (Table::SERVER, 5),
    (Table::SERVER, SERVER_STATE),
    (Table::SERVICE, 2),
    (Table::SERVICE, 8),
    (Table::SERVICE, 21),
    (Table::SERVICE, 20),
];
#[cfg(feature = "lvs")]
const OF_SERVICE: [(Table, u8); 6] = [
    (Table::SERVICE, 2),
    (Table::SERVICE, 8),
    (Table::SERVICE, QUORUM_STATE),
    (Table::SERVICE, 22),
    (Table::SERVICE, 21),
    (Table::SERVICE, 20),
];
#[cfg(feature = "lvs")]
const SERVER_STATE: u8 = 6;
#[cfg(feature = "lvs")]
const QUORUM_STATE: u8 = 23;
/// What names a virtual server, whichever of these it has: group, mark, or address and port.
#[cfg(feature = "lvs")]
const NAMES: [(Table, u8); 5] =
    [(Table::SERVICE, 3), (Table::SERVICE, 4), (Table::SERVICE, 5), (Table::SERVICE, 6), (Table::SERVICE, 7)];

#[cfg(feature = "lvs")]
fn of_checkers(out: &mut Writer<'_>, header: Header, rows: &Rows, record: Record) -> Result<(), Short> {
    let [Some(service), server] = lvs::index(record.key()) else { return Ok(()) };
    let (trap, columns): (_, &[(Table, u8)]) = match server {
        Some(_) => (SERVER_CHANGED, &OF_SERVER),
        None => (QUORUM_CHANGED, &OF_SERVICE),
    };
    let index = [service, server.unwrap_or(0)];
    let mut name = Oid::new(tree_name(tree::CHECK));
    name.extend(&trap);
    notify(out, header, &name, &mut |draft| {
        let write = |draft: &mut Draft<'_, '_>, (table, column): (Table, u8)| {
            let columns = column_name(table.0, column);
            let mut object = columns.clone();
            object.extend(if table == Table::SERVER { &index } else { &index[..1] });
            let Found::At(line, column) = rows.get(object.numbers()) else { return Ok(()) };
            let mut scratch = [0; 16];
            let value = match (table, column) {
                (Table::SERVER, SERVER_STATE) | (Table::SERVICE, QUORUM_STATE) => {
                    Some(Value::Integer(i32::from(record.state())))
                }
                _ => rows.value(line, column, &mut scratch),
            };
            value.map_or(Ok(()), |value| draft.varbind(columns.numbers(), &value))
        };
        columns.iter().try_for_each(|column| write(draft, *column))?;
        router_id(draft, rows)?;
        NAMES.iter().try_for_each(|column| write(draft, *column))
    })
}

fn of_vrrp(
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
        let Some(line) = rows.find(shape.table.0, 2, &|name| of(name, shape)) else { continue };
        if trees & 1 << tree::VRRP != 0 {
            let _ = changed(out, header(session, packet()), (rows, line), shape, record.state());
        }
        if shape.table == Table::INSTANCE && record.state() == MASTER {
            masters(out, session, packet, rows, trees, line);
        }
    }
}

/// An object of VRRP has entered a state.
fn changed(
    out: &mut Writer<'_>,
    header: Header,
    (rows, line): (&Rows, usize),
    shape: &Shape,
    state: u8,
) -> Result<(), Short> {
    let mut trap = Oid::new(tree_name(tree::VRRP));
    trap.extend(&shape.trap);
    notify(out, header, &trap, &mut |draft| {
        for column in shape.columns {
            let mut scratch = [0; 16];
            let is_state = Some(column) == shape.columns.get(1);
            let value = match rows.value(line, *column, &mut scratch) {
                // That of the transition, which another one may have followed.
                Some(_) if is_state => Value::Integer(i32::from(state)),
                Some(value) => value,
                None => continue,
            };
            // keepalived names the column and not the row.
            draft.varbind(column_name(shape.table.0, *column).numbers(), &value)?;
        }
        router_id(draft, rows)
    })
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
    let Some((version, index)) = standard_index(rows, line) else { return };
    if version == 2 {
        let columns = &[(Table::V2_ROUTER, 7)];
        let [index @ .., _] = &index;
        master(out, tree::RFC_2787, trees, header(session, packet()), rows, index, columns);
    }
    let columns = &[(Table::V3_ROUTER, 3), (Table::V3_COUNTERS, 2)];
    master(out, tree::RFC_6527, trees, header(session, packet()), rows, &index, columns);
}

/// The version of an instance, and its index in the tables of RFC 6527; in those of RFC 2787 the last number is left out.
fn standard_index(rows: &Rows, line: usize) -> Option<(u32, [u32; 3])> {
    let number = |column| match rows.value(line, column, &mut [0; 16]) {
        Some(Value::Integer(number)) => u32::try_from(number).ok(),
        Some(Value::Gauge32(number)) => Some(number),
        _ => None,
    };
    Some((number(30)?, [number(LINK)?, number(3)?, number(FAMILY)?]))
}

/// Where `vrrpTrapPacketSrc` and `vrrpTrapAuthErrorType` are, below the tree of RFC 2787. As keepalived, with the index of
/// the virtual router behind them.
const REFUSED_SOURCE: [u32; 2] = [1, 5];
const REFUSED_ERROR: [u32; 2] = [1, 6];

/// A virtual router has refused an advert.
fn refused(
    out: &mut Writer<'_>,
    session: u32,
    packet: &mut dyn FnMut() -> u32,
    rows: &Rows,
    trees: u8,
    refusal: AdvertRefusal,
) {
    let Some(line) = rows.find(Table::INSTANCE.0, 2, &|name| key(name) == refusal.instance) else { return };
    let Some((version, index)) = standard_index(rows, line) else { return };
    let error = Value::Integer(i32::from(refusal.error));
    let (tree, wanted) = match refusal.authentication {
        // Of IPv4 and version 2 alone.
        true => (tree::RFC_2787, version == 2 && index[2] == 1),
        false => (tree::RFC_6527, true),
    };
    if !wanted || trees & 1 << tree == 0 {
        return;
    }
    let mut trap = Oid::new(tree_name(tree));
    trap.extend(&[0, 2]);
    let _ = notify(out, header(session, packet()), &trap, &mut |draft| {
        if !refusal.authentication {
            let mut name = column_name(Table::V3_COUNTERS.0, 6);
            name.extend(&index);
            return draft.varbind(name.numbers(), &error);
        }
        let source = Value::IpAddress(refusal.source);
        for (below, value) in [(REFUSED_SOURCE, &source), (REFUSED_ERROR, &error)] {
            let mut name = Oid::new(tree_name(tree));
            name.extend(&below);
            let [index @ .., _] = &index;
            name.extend(index);
            draft.varbind(name.numbers(), value)?;
        }
        Ok(())
    });
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
    let _ = notify(out, header, &trap, &mut |draft| {
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
    objects: &mut dyn FnMut(&mut Draft<'_, '_>) -> Result<(), Short>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::mib::row;
    use crate::wire::agentx::Pdu as Read;

    fn rows() -> Rows {
        let mut text = String::new();
        row(&mut text, Table::GLOBAL, &[0], |row| row.text(2, "lab")).unwrap();
        row(&mut text, Table::INSTANCE, &[1], |row| {
            row.text(2, "VI_1");
            row.gauge(3, 51);
            row.int(4, 1);
            row.int(5, 1);
            row.int(30, 2);
            row.gauge(LINK, 3);
            row.int(FAMILY, 1);
        })
        .unwrap();
        row(&mut text, Table::GROUP, &[1], |row| {
            row.text(2, "VI_1");
            row.int(3, 1);
        })
        .unwrap();
        row(&mut text, Table::V2_ROUTER, &[3, 51], |row| row.ipv4(7, [192, 0, 2, 1])).unwrap();
        row(&mut text, Table::SERVICE, &[2], |row| {
            row.int(2, 1);
            row.gauge(4, 77);
            row.int(8, 1);
            row.gauge(20, 5);
            row.gauge(21, 4);
            row.gauge(22, 1);
            row.int(QUORUM_STATE, 1);
        })
        .unwrap();
        row(&mut text, Table::SERVER, &[2, 3], |row| {
            row.int(2, 1);
            row.int(3, 1);
            row.octets(4, &[10, 0, 0, 1]);
            row.gauge(5, 80);
            row.int(SERVER_STATE, 1);
        })
        .unwrap();
        let mut rows = Rows::default();
        rows.add(&text);
        rows.settle();
        rows
    }

    /// The last two numbers of each notification, and its values behind that.
    fn written(kind: Kind, record: Record) -> Vec<(Vec<u32>, Vec<String>)> {
        notified(|out, packet| write(out, 7, packet, &rows(), 0xff, Happening::Entered(kind, record)))
    }

    fn notified(write: impl Fn(&mut Writer<'_>, &mut dyn FnMut() -> u32)) -> Vec<(Vec<u32>, Vec<String>)> {
        let mut buffer = [0; 4_096];
        let mut out = Writer::new(&mut buffer);
        let mut number = 0;
        let mut packet = || {
            number += 1;
            number
        };
        write(&mut out, &mut packet);
        let mut rest = out.written();
        let mut all = Vec::new();
        while let Ok(Some(len)) = crate::wire::agentx::frame(rest) {
            let (Header { session: 7, .. }, Read::Notify(mut varbinds)) = Read::parse(&rest[..len]).unwrap()
            else {
                panic!()
            };
            rest = &rest[len..];
            let Some((_, Value::Oid(trap))) = varbinds.next() else { panic!() };
            let values =
                varbinds.map(|(name, value)| format!("{:?} {value:?}", &name.numbers()[7..])).collect();
            all.push((trap.numbers()[7..].to_vec(), values));
        }
        all
    }

    #[test]
    fn a_transition_to_master_is_notified_in_every_mib() {
        let found = written(Kind::Vrrp, Record::new(key("VI_1"), 2));
        let traps: Vec<_> = found.iter().map(|(trap, _)| trap.clone()).collect();
        assert_eq!(traps, [vec![100, 5, 2, 10, 0, 2], vec![0, 1], vec![0, 1]], "{found:?}");
        assert!(found[0].1.contains(&"[100, 5, 2, 3, 1, 4] Integer(2)".to_owned()), "{found:?}");
        assert!(found[1].1[0].contains("IpAddress([192, 0, 2, 1])"), "{found:?}");
        let found = written(Kind::Vrrp, Record::new(continued(key("group\0"), "VI_1"), 3));
        assert_eq!(found.len(), 1, "a group of the same name is another object");
        assert_eq!(found[0].0, [100, 5, 2, 10, 0, 1]);
        assert!(written(Kind::Vrrp, Record::new(key("VI_2"), 2)).is_empty());
    }

    #[cfg(feature = "lvs")]
    #[test]
    fn real_servers_and_quorums_are_notified_with_what_names_them() {
        let found = written(Kind::Checkers, Record::new(lvs::key(1, Some(2)), lvs::DOWN));
        assert_eq!(found[0].0, [100, 5, 3, 5, 0, 1]);
        let values = found[0].1.join("; ");
        assert_eq!(found[0].1.len(), 10, "{values}");
        assert!(values.contains("[100, 5, 3, 4, 1, 6] Integer(2)"), "{values}");
        assert!(values.ends_with("[100, 5, 3, 3, 1, 4] Gauge32(77)"), "{values}");
        let found = written(Kind::Checkers, Record::new(lvs::key(1, None), lvs::UP));
        assert_eq!(found[0].0, [100, 5, 3, 5, 0, 2]);
        assert_eq!(found[0].1.len(), 8, "{found:?}");
    }

    #[test]
    fn a_refused_advert_is_notified_in_the_mib_that_has_its_error() {
        let refusal =
            AdvertRefusal { instance: key("VI_1"), source: [10, 0, 0, 9], authentication: true, error: 3 };
        let of = |refusal, trees| {
            notified(|out, packet| write(out, 7, packet, &rows(), trees, Happening::Refused(refusal)))
        };
        let found = of(refusal, 0xff);
        assert_eq!(found[0].0, [0, 2], "{found:?}");
        assert_eq!(found[0].1, ["[1, 5, 3, 51] IpAddress([10, 0, 0, 9])", "[1, 6, 3, 51] Integer(3)"]);
        let of_protocol = AdvertRefusal { authentication: false, error: 2, ..refusal };
        let found = of(of_protocol, 0xff);
        assert_eq!(found[0].1, ["[1, 2, 5, 1, 6, 3, 51, 1] Integer(2)"]);
        assert!(of(refusal, !(1 << tree::RFC_2787)).is_empty());
        assert!(of(AdvertRefusal { instance: key("VI_2"), ..refusal }, 0xff).is_empty());
    }

    #[test]
    fn what_ends_with_the_daemon_is_notified_once() {
        let rows = rows();
        let found: Vec<_> = (0..rows.len())
            .flat_map(|line| notified(|out, packet| write_end(out, 7, packet, (&rows, line), 0xff)))
            .collect();
        let traps: Vec<_> = found.iter().map(|(trap, _)| trap[2..].to_vec()).collect();
        let mut expected = vec![vec![2, 10, 0, 1], vec![2, 10, 0, 2]];
        if cfg!(feature = "lvs") {
            expected.push(vec![3, 5, 0, 1]);
        }
        let sort = |mut all: Vec<Vec<u32>>| {
            all.sort();
            all
        };
        assert_eq!(sort(traps), expected, "{found:?}");
        let shut = "[100, 5, 2, 3, 1, 4] Integer(5)".to_owned();
        assert!(found.iter().any(|(_, values)| values.contains(&shut)), "{found:?}");
    }

    #[test]
    fn the_oldest_makes_room_and_is_counted() {
        let mut notices = Notices::default();
        notices.note(Happening::Entered(Kind::Vrrp, Record::new(4, GONE)));
        assert!(notices.is_empty());
        for number in 0..=limit::AGENTX_NOTICES as u64 {
            notices.note(Happening::Entered(Kind::Vrrp, Record::new(number << 2, 1)));
        }
        assert_eq!((notices.take_lost(), notices.take_lost()), (1, 0));
        let Some(Happening::Entered(_, record)) = notices.take() else { panic!() };
        assert_eq!(record.key(), 4);
    }
}
