//! Names in their order, whatever the order in which rows come.

use super::*;
use crate::status::mib::{Table, row};

const VRRP: [u32; 10] = [1, 3, 6, 1, 4, 1, 9586, 100, 5, 2];

fn rows() -> Rows {
    let mut text = String::new();
    row(&mut text, Table::INSTANCE, &[10], |row| {
        row.text(2, "ten");
        row.int(4, 2);
    })
    .unwrap();
    row(&mut text, Table::ADDRESS, &[1, 2], |row| row.octets(3, &[10, 0, 0, 1])).unwrap();
    row(&mut text, Table::INSTANCE, &[2], |row| {
        row.text(2, "two");
        row.int(4, -1);
        row.text(18, "G");
    })
    .unwrap();
    row(&mut text, Table::GLOBAL, &[0], |row| {
        row.text(1, "version");
        row.int(4, 1);
    })
    .unwrap();
    row(&mut text, Table::MAIL, &[0], |row| row.gauge(3, 30)).unwrap();
    let mut rows = Rows::default();
    rows.add(&text);
    rows.settle();
    rows
}

fn under(rest: &[u32]) -> Vec<u32> {
    [&VRRP, rest].concat()
}

#[test]
fn a_walk_goes_column_by_column_and_scalars_are_where_their_names_are() {
    let rows = rows();
    let mut names = Vec::new();
    let mut at = vec![1, 3];
    while let Some((name, ..)) = rows.next(&at, false) {
        at = name.numbers().to_vec();
        names.push(at[9..].to_vec());
    }
    let expected: [&[u32]; 9] = [
        &[1, 1, 0],
        &[1, 3, 3, 0],
        &[1, 4, 0],
        &[2, 3, 1, 2, 2],
        &[2, 3, 1, 2, 10],
        &[2, 3, 1, 4, 2],
        &[2, 3, 1, 4, 10],
        &[2, 3, 1, 18, 2],
        &[2, 6, 1, 3, 1, 2],
    ];
    assert_eq!(names, expected);
}

#[test]
fn names_are_found_or_said_to_be_missing() {
    let rows = rows();
    let mut scratch = [0; 16];
    let Found::At(line, column) = rows.get(&under(&[3, 1, 4, 2])) else { panic!() };
    assert_eq!(rows.value(line, column, &mut scratch), Some(Value::Integer(-1)));
    assert_eq!(rows.get(&under(&[3, 1, 18, 10])), Found::NoInstance);
    assert_eq!(rows.get(&under(&[3, 1, 4, 3])), Found::NoInstance);
    assert_eq!(rows.get(&under(&[3, 1, 4])), Found::NoInstance);
    assert_eq!(rows.get(&under(&[3, 1, 99, 2])), Found::NoObject);
    assert_eq!(rows.get(&under(&[3, 1, u32::MAX, 2])), Found::NoObject);
    assert_eq!(rows.get(&[]), Found::NoObject);
    let (name, line, column) = rows.next(&under(&[3, 1, 4, 2]), true).unwrap();
    assert_eq!(name.numbers(), under(&[3, 1, 4, 2]));
    assert_eq!(rows.value(line, column, &mut scratch), Some(Value::Integer(-1)));
    let (_, line, column) = rows.next(&under(&[6]), false).unwrap();
    assert_eq!(rows.value(line, column, &mut scratch), Some(Value::Octets(&[10, 0, 0, 1])));
    assert_eq!(rows.next(&under(&[3, 1, 200]), false).unwrap().0.numbers(), under(&[6, 1, 3, 1, 2]));
    let line = rows.find(Table::INSTANCE.0, 2, &|name| name == "ten").unwrap();
    assert_eq!(rows.name(line, 2).numbers(), under(&[3, 1, 2, 10]));
    assert!(rows.next(&under(&[6, 1, 3, 1, 2]), false).is_none());
}

#[test]
fn what_is_no_row_is_left_out() {
    let mut rows = Rows::default();
    rows.add("x\u{1e}5.a\u{1f}2i1\u{1e}5.1\u{1f}\u{1f}i\u{1f}999i1\u{1f}2\u{1f}3xz\u{1f}200i1\u{1e}5.2");
    rows.settle();
    assert!(
        rows.next(&[1], false)
            .is_some_and(|(_, line, column)| rows.value(line, column, &mut [0; 16]).is_none())
    );
    assert!(Rows::default().next(&[1], false).is_none());
}
