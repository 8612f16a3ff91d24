//! Text to model: files, lines, parameters, blocks, rows, and the model printed again.
//!
//! Job: the language of keepalived.conf, and every mistake in it told by line, column and remedy. Uses `proto` (whose
//! parameters the model embeds) and `base`; never `sys` or `wire`: what only the kernel knows stays text with its
//! position. Start with [`expand`], which reads [`source`] files line by line, with `include`, `parameter`,
//! `sequence` and `text` for the parts of a line, and grows a [`tree`]; [`lexer`] knows what a word is, [`diag`] how
//! a mistake is told, `nearest` which word was meant, [`snapshot`] how another process gets the same text.
//!
//! From there [`assemble`] makes the [`model`]: the tables of [`rows`] say what is legal and which field it
//! writes, [`row`] what a row is, [`keyword`] how a block is read by its rows, `resolve` which rules hold
//! between keywords and objects, and [`mod@print`] writes the model as text again.
//! With the feature `tools`, `explain` is the reference that the rows are, `lint` tells what is legal and will surprise,
//! and `compare` holds the configurations of several routers against each other.

pub mod assemble;
mod block;
mod checks;
pub mod command;
#[cfg(feature = "tools")]
pub mod compare;
pub mod diag;
pub mod expand;
#[cfg(feature = "tools")]
pub mod explain;
mod grow;
pub mod head;
mod include;
pub mod iproute;
pub mod keyword;
pub mod lexer;
pub mod line;
#[cfg(feature = "tools")]
pub mod lint;
pub mod model;
mod names;
mod nearest;
pub mod packed;
mod parameter;
mod plain;
mod position;
pub mod print;
mod resolve;
pub mod row;
pub mod rows;
mod scalar;
mod sequence;
mod services;
mod sessions;
pub mod shell;
pub mod snapshot;
pub mod source;
mod text;
pub mod tree;
pub mod value;
pub mod wildcard;

pub use model::Model;
pub use print::print;
