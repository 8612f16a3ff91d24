//! What all processes share: command line, loop, deadlines, parent, child, logging, pid files.
