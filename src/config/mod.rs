//! Text to model: files, lines, parameters, blocks, rows, and the model printed again.
//!
//! Job: the language of keepalived.conf, and every mistake in it told by line, column and remedy. Uses
//! `proto` (whose parameters the model embeds) and `base`; never `sys` or `wire`: what only the kernel knows
//! stays text with its position. Start with [`tree`]: [`source`] reads files, [`lexer`] knows what a line is,
//! [`diag`] how a mistake is told.

pub mod diag;
pub mod lexer;
pub mod source;
pub mod tree;
