//! The subcommands, one module each.

pub(crate) mod diffsettings;
pub(crate) mod migrate;
pub(crate) mod reset_admin_password;
