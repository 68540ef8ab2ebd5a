//! The whole system under test: real processes on real servers, an upstream that can be told to misbehave,
//! and a client.
//!
//! Every test has an installation of its own: [`Pulp::start`] copies a migrated template, starts a private
//! Postgres and a private Redis on it, and Pulp's processes on free ports. So a test may break whatever it
//! likes. At its end the installation must be quiet: a task that is not final fails the test.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "whatever fails here fails the test")]

mod client;
pub mod executable;
pub mod faults;
pub mod fixtures;
pub mod host;
mod logs;
pub mod population;
mod process;
mod pulp;
mod pulp_cli;
mod python;
mod services;
mod supervisord;
pub mod tasks;
mod template;
mod upstream;
mod wait;

pub use client::{Answer, Client, send, try_send};
pub use population::Population;
pub use process::Process;
pub use pulp::{Builder, PASSWORD, Pulp, free_address};
pub use pulp_cli::PulpCli;
pub use services::Services;
pub use supervisord::Supervisord;
pub use upstream::{Fault, Upstream, line, sha256};
pub use wait::{until, until_within};
