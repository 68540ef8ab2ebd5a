//! The content app: serves the bytes of distributions, and whatever else plugins serve.
//!
//! # The way of a request
//!
//! 1. `serve` hands a request over to `handle`. A service with a root of its own
//!    ([`Service::at`]) gets it if its root is the longest that the path starts with.
//! 2. Otherwise one query finds the distribution and what it serves at this moment (`distribution`): its publication, or
//!    the newest one of its version or repository. Then its content guard is asked ([`Guard`]); there is no other way to a
//!    [`Distribution`]. Paths above the distributions are listings of base paths (`listing`).
//! 3. The plugin's handler for the type of the distribution is asked first ([`Service::live`]). Its [`Answer`] sends
//!    artifacts, pulls through from a remote, or carries bytes of the plugin's own.
//! 4. If it leaves the request, one more query finds the file (`file`). Stored bytes are streamed (`respond`), after the
//!    client's conditions and range are judged (`conditions`).
//! 5. Bytes that are not stored yet come from a remote (`on_demand`; `pull` for files that are not even known). `upstream`
//!    begins the download, and `relay` passes the pieces on while it digests and stages them; what to save of them, it is
//!    told by its caller.
//!
//! Bytes are streamed through a few buffers, whatever the length of the file. Paths are looked up in the
//! database and never joined to a directory.

mod answer;
mod conditions;
mod context;
mod distribution;
mod file;
mod guard;
mod handle;
mod html;
mod listing;
mod on_demand;
mod path;
mod problem;
mod pull;
mod relay;
mod request;
mod respond;
mod serve;
mod service;
mod stream;
mod upstream;

pub use answer::Answer;
pub use distribution::Distribution;
pub use guard::{Guard, GuardedRequest};
pub use request::{Body, Request};
pub use serve::routes;
pub use service::{Service, Services};
pub use warp::reply::Response;
