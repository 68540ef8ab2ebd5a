//! The HTTP front of a server: what is the same for the REST API and for content.
//!
//! The executable binds ([`Bind`], [`Listener`]) and serves a warp filter ([`serve()`]). The front limits
//! connections and how long they are silent, lets requests under way end when the process is stopped, writes
//! the access log, and puts a [`RequestInfo`] into the extensions of each request: its correlation id, and
//! who asked under which address, which behind a trusted proxy ([`Trusted`]) is what the proxy says. A filter
//! names the user of a request by putting a [`User`] into the extensions of the response.

mod access;
mod bind;
mod correlation;
mod forwarded;
mod limits;
mod listener;
mod request_info;
mod serve;
mod trusted;

pub use access::User;
pub use bind::Bind;
pub use correlation::HEADER as CORRELATION_ID;
pub use listener::Listener;
pub use request_info::{RequestInfo, Scheme};
pub use serve::{Front, Routes, serve};
pub use trusted::Trusted;
