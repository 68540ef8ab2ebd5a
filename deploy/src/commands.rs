//! The subcommands, one module each.

pub(crate) mod api;
pub(crate) mod content;
pub(crate) mod diffsettings;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod reset_admin_password;
pub(crate) mod worker;
