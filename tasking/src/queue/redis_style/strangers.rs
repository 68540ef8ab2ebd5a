//! Keys that others have put where our queues are. Redis is an index: they are removed, and the work goes on.

use deadpool_redis::redis::RedisError;
use deadpool_redis::redis::aio::ConnectionLike;

use super::scripts;

/// Removes those of `keys` that are no lists, if that is why a command has failed. The command is left to be
/// repeated.
pub(super) async fn remove(connection: &mut impl ConnectionLike, keys: &[String], failure: &RedisError) {
    let is_reason = failure.code() == Some("WRONGTYPE") || failure.to_string().contains("WRONGTYPE");
    if !is_reason {
        return;
    }
    let mut call = scripts::REMOVE_STRANGERS.prepare_invoke();
    for key in keys {
        call.key(key);
    }
    match call.invoke_async::<Vec<String>>(connection).await {
        Ok(removed) => {
            for key in removed {
                tracing::warn!(key, "removed a key of Redis that was no queue");
            }
        }
        Err(error) => tracing::debug!(%error, "cannot remove keys that are no queues"),
    }
}
