//! Where the words of an object stand in the text.

use crate::base::map::Map;
use crate::config::diag::Mark;
use crate::config::tree::{Node, Position, Tree, Word};

/// Blocks of the outermost level by keyword and name; of several with one name the first, which is the one used.
#[derive(Debug)]
pub(super) struct Places<'t> {
    blocks: Map<(&'t str, &'t str), Node<'t>>,
    /// The same by the place of their first argument, for objects that have no name of their own.
    by_place: Map<Position, Node<'t>>,
}

impl<'t> Places<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        let (mut blocks, mut by_place) = (Map::new(), Map::new());
        for node in tree.nodes() {
            let name = node.word(1);
            let key = (node.keyword().text, name.map_or("", |word| word.text));
            if !blocks.contains_key(&key) {
                blocks.insert(key, node);
            }
            if let Some(name) = name
                && !by_place.contains_key(&name.at)
            {
                by_place.insert(name.at, node);
            }
        }
        Self { blocks, by_place }
    }

    /// The object of this keyword and name.
    pub(super) fn object(&self, keyword: &str, name: &str) -> Option<Node<'t>> {
        self.blocks.get(&(keyword, name)).copied()
    }

    /// The object whose first argument stands here.
    pub(super) fn at(&self, place: Position) -> Option<Node<'t>> {
        self.by_place.get(&place).copied()
    }

    /// The line of a keyword in an object, or in a block inside it; none if it is not given, or stands where braces
    /// are out of order.
    pub(super) fn line(&self, object: &str, name: &str, keyword: &str) -> Option<Node<'t>> {
        let block = self.blocks.get(&(object, name))?.block()?;
        let inner = |node: &Node<'t>| {
            let mut nested = node.block()?.nodes();
            nested.find(|node| node.keyword().text == keyword)
        };
        block
            .nodes()
            .find(|node| node.keyword().text == keyword)
            .or_else(|| block.nodes().find_map(|node| inner(&node)))
    }

    /// A keyword of an instance.
    pub(super) fn instance(&self, name: &str, keyword: &str) -> Option<Node<'t>> {
        self.line("vrrp_instance", name, keyword)
    }

    /// The argument of a keyword, or the keyword itself, or else the place of the object.
    pub(super) fn mark(&self, object: &str, name: &str, keyword: &str, otherwise: Position) -> Mark {
        match self.line(object, name, keyword) {
            Some(node) => Mark::from(node.word(1).unwrap_or_else(|| node.keyword())),
            None => named(name, otherwise),
        }
    }
}

/// The name of an object, at its place.
pub(super) fn named(name: &str, at: Position) -> Mark {
    Mark::from(Word { text: name, at, quoted: false })
}
