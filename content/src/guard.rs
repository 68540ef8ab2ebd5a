//! Content guards: who may have the bytes of a distribution.

use std::fmt;

use entities::{Error, Pulp, Result};
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method};
use serde_json::Value;

use crate::context::Context;

/// The key of a distribution's details that holds its guard: an object with its `pulp_type` and what is
/// special to that type.
const KEY: &str = "content_guard";

/// What a guard decides on.
#[derive(Clone, Copy, Debug)]
pub struct GuardedRequest<'a> {
    /// The handles of the process.
    pub pulp: &'a Pulp,
    /// The method of the request.
    pub method: &'a Method,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// The base path of the distribution.
    pub base_path: &'a str,
    /// The path below it, decoded.
    pub path: &'a str,
    /// The guard of the distribution, as it is configured.
    pub guard: &'a Value,
}

/// A type of content guard. It is asked before anything of a distribution is sent: files, listings,
/// redirects, and what plugins generate.
///
/// ```
/// use content::{Guard, GuardedRequest};
/// use entities::Result;
/// use futures_util::future::{BoxFuture, ready};
///
/// /// Lets clients in that send the header `x-key` with the key of the guard.
/// struct Key;
///
/// impl Guard for Key {
///     fn pulp_type(&self) -> &'static str {
///         "shelf.key"
///     }
///
///     fn permits<'a>(&'a self, request: GuardedRequest<'a>) -> BoxFuture<'a, Result<bool>> {
///         let sent = request.headers.get("x-key").and_then(|value| value.to_str().ok());
///         let permitted = sent.is_some() && sent == request.guard["key"].as_str();
///         Box::pin(ready(Ok(permitted)))
///     }
/// }
/// ```
pub trait Guard: Send + Sync {
    /// The `pulp_type` of the guards it decides for.
    fn pulp_type(&self) -> &'static str;

    /// Whether the client may have what it asks for. An error refuses it as well.
    fn permits<'a>(&'a self, request: GuardedRequest<'a>) -> BoxFuture<'a, Result<bool>>;
}

impl fmt::Debug for dyn Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.pulp_type())
    }
}

/// Asks the guard of a distribution, if it has one.
///
/// # Errors
/// [`Error::Forbidden`] if the guard refuses, or is of a type that no plugin of this process has.
pub(crate) async fn check(
    guards: &[&'static dyn Guard],
    cx: &Context,
    (base_path, path): (&str, &str),
    details: &Value,
) -> Result<()> {
    let guard = &details[KEY];
    if guard.is_null() {
        return Ok(());
    }
    let Some(known) = guards.iter().find(|known| guard["pulp_type"] == known.pulp_type()) else {
        tracing::warn!(base_path, guard = %guard["pulp_type"], "refused: no plugin has this type of content guard");
        return Err(Error::Forbidden);
    };
    let Context { pulp, method, headers, .. } = cx;
    let permitted = known.permits(GuardedRequest { pulp, method, headers, base_path, path, guard }).await?;
    if permitted { Ok(()) } else { Err(Error::Forbidden) }
}
