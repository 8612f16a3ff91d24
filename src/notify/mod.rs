//! A transition becomes scripts, FIFO lines and mail.
