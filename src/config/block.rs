//! A block with a name: what every reader of one does first.

use super::diag::{Class, Diagnostic, Diagnostics, Severity};
use super::keyword::{Given, Object, Scope, Table, Typed, walk};
use super::row::{Parts, Row};
use super::tree::Word;

/// The name of an object; none if it has none, which is told as `missing` says.
pub(super) fn name<'t>(object: &Object<'t>, missing: Class, found: &mut Diagnostics) -> Option<Word<'t>> {
    let keyword = object.node.keyword();
    match object.node.word(1).filter(|name| !name.text.is_empty()) {
        Some(name) => Some(name),
        None => {
            let message = format!("{} must have a name", keyword.text);
            let finding = Diagnostic::new(Severity::Error, keyword, message).class(missing);
            found.report(finding.remedy(format!("write {} <name> {{; the block is not used", keyword.text)));
            None
        }
    }
}

/// Reads the block of an object into its draft; blocks within it that are objects themselves are handed back. `given`:
/// its keywords, those of blocks before it among them. `quiet`: nothing in it has an effect yet, which was told.
pub(super) fn inside<'t, D, M>(
    object: &Object<'t>,
    rows: &'static [Row<D, M>],
    draft: &mut D,
    owner: &str,
    given: &mut Given,
    quiet: bool,
    found: &mut Diagnostics,
) -> Vec<Object<'t>> {
    by_table(object, &mut Typed::new([rows, &[]], draft), owner, (given, quiet), found)
}

/// The same for a block of IPVS or BFD, with its keywords.
pub(super) fn quietly<'t, D, M>(
    object: &Object<'t>,
    rows: Parts<D, M>,
    draft: &mut D,
    owner: &str,
    found: &mut Diagnostics,
) -> (Given, Vec<Object<'t>>) {
    let mut given = Given::default();
    let objects = by_table(object, &mut Typed::new(rows, draft), owner, (&mut given, true), found);
    (given, objects)
}

/// The same whatever is read: in the program once.
pub(super) fn by_table<'t>(
    object: &Object<'t>,
    table: &mut dyn Table,
    owner: &str,
    (given, quiet): (&mut Given, bool),
    found: &mut Diagnostics,
) -> Vec<Object<'t>> {
    let mut objects = Vec::new();
    let mut scope = Scope {
        owner,
        place: Some(object.node.keyword().text),
        elsewhere: super::rows::elsewhere,
        quiet,
        given,
        objects: &mut objects,
        found,
    };
    walk(&mut object.inside.clone(), table, &mut scope);
    objects
}
