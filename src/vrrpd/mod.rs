//! The VRRP child: binds `proto::vrrp` to `sys`.
