//! What Pulp keeps and how to reach it: rows, the bytes behind artifact rows, settings and errors.
//!
//! One module per table, named after the row; the others are what every process needs to use the rows.
//! Nothing here knows HTTP or tasks.

pub mod artifact;
pub mod checksum;
pub mod content;
pub mod content_artifact;
pub mod created_resource;
pub mod db;
pub mod distribution;
pub mod domain;
pub mod error;
pub mod group_progress_report;
pub mod kind;
pub mod links;
pub mod password;
pub mod process;
pub mod process_beat;
pub mod progress_report;
pub mod publication;
pub mod published_artifact;
pub mod published_metadata;
pub mod pulp;
pub mod remote;
pub mod remote_artifact;
pub mod repeats;
pub mod repository;
pub mod repository_content;
pub mod repository_version;
pub mod row;
pub mod scope;
pub mod secret;
pub mod settings;
pub mod storage;
pub mod task;
pub mod task_group;
pub mod task_schedule;
pub mod tombstone;
pub mod upload;
pub mod upload_chunk;
pub mod user;

pub use error::{Error, Result, may_pass};
pub use kind::{Kind, Kinds};
pub use links::{Href, Links, Prn, Reference};
pub use pulp::Pulp;
pub use scope::{Id, Scope, Visible};
pub use settings::Settings;

/// The level of Pulp's REST API that this implements, reported for core and for the file plugin.
pub const API_LEVEL: &str = "3.123.1";
