//! The REST API: endpoints in, a router and an OpenAPI document out.
//!
//! An [`Endpoint`] is one value: method, path, operationId, parameters, body, answers and handler. The router
//! and the document are both folds over the list of all endpoints, so they cannot disagree.

pub mod auth;
pub mod body;
pub mod context;
pub mod endpoint;
pub mod field;
pub mod filter;
pub mod labels;
pub mod openapi;
pub mod permission;
pub mod plugin;
mod problem;
pub mod query;
pub mod reader;
pub mod request;
pub mod resource;
pub mod response;
mod router;
pub mod schema;
mod serve;
pub mod view;
pub mod views;

pub use context::Context;
pub use endpoint::Endpoint;
pub use permission::Permission;
pub use plugin::{Component, PluginInfo};
pub use reader::Reader;
pub use request::Request;
pub use resource::Resource;
pub use response::Response;
pub use serve::routes;
pub use view::View;

pub(crate) use entities::{Error, Result};
