//! Dump, statistics and JSON: writers that the children share.
