//! The content app: path → distribution → publication or version → artifact or remote artifact → bytes.
//!
//! A request costs two queries: one finds the distribution and what it serves ([`resolve`]), one the file. Bytes
//! are streamed through a few buffers, whatever the length of the file, whether they come from the artifact store
//! or, not stored yet, from upstream. Paths are looked up in the database and never joined to a directory.

mod conditions;
mod context;
mod handle;
mod html;
mod listing;
mod on_demand;
mod path;
mod plugin;
mod problem;
mod relay;
mod resolve;
mod respond;
mod serve;
mod stream;
mod upstream;

pub use plugin::{ContentPlugin, ContentRequest};
pub use resolve::Distribution;
pub use serve::routes;
pub use warp::reply::Response;
