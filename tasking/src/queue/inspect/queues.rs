//! What is in Redis: the lease, the queues and what lies in them.

use std::collections::HashSet;

use deadpool_redis::redis::{RedisResult, cmd, pipe};

use super::overview::LeaseView;
use crate::queue::process::RESOURCE_MANAGER;
use crate::queue::redis_style::codec;
use crate::queue::redis_style::message::Order;
use crate::queue::redis_style::rejected::Rejected;
use crate::queue::redis_style::{ConnectionManager, Redis, lease};

/// Queues asked about in one round trip.
const CHUNK: usize = 500;

/// Messages of one list that are looked into.
const DEPTH: isize = 100;

/// Rounds of a search through all keys, of about a thousand keys each.
const ROUNDS: usize = 500;

/// Lengths of the lists of one queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lengths {
    pub(super) waiting: u64,
    pub(super) processing: u64,
    pub(super) rejected: u64,
}

/// An order that lies in a queue or its processing list.
#[derive(Clone, Debug)]
pub(super) struct Lying {
    /// The name of the queue.
    pub(super) queue: String,
    pub(super) order: Order,
}

/// The lease, if somebody holds it.
pub(super) async fn lease(
    redis: &Redis,
    connection: &mut ConnectionManager,
) -> RedisResult<Option<LeaseView>> {
    let key = redis.keys.lease();
    let mut both = pipe();
    both.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
    let (value, remaining): (Option<String>, i64) = both.query_async(connection).await?;
    Ok(value.map(|value| {
        let (holder, label) = lease::parse(&value);
        LeaseView {
            holder,
            label: label.to_owned(),
            remaining: u64::try_from(remaining).ok().map(|milliseconds| milliseconds as f64 / 1000.0),
            value: value.clone(),
        }
    }))
}

/// The lengths of queues, in the order of their names.
pub(super) async fn lengths(
    redis: &Redis,
    connection: &mut ConnectionManager,
    names: &[&str],
) -> RedisResult<Vec<Lengths>> {
    let mut out = Vec::with_capacity(names.len());
    for names in names.chunks(CHUNK) {
        let mut lengths = pipe();
        for name in names {
            let keys = &redis.keys;
            lengths.llen(keys.queue(name)).llen(keys.processing(name)).llen(keys.rejected(name));
        }
        let lengths: Vec<u64> = lengths.query_async(connection).await?;
        out.extend(lengths.chunks_exact(3).map(|three| Lengths {
            waiting: three[0],
            processing: three[1],
            rejected: three[2],
        }));
    }
    Ok(out)
}

/// The first orders in the queues of these workers, taken or not.
pub(super) async fn orders(
    redis: &Redis,
    connection: &mut ConnectionManager,
    names: &[&str],
) -> RedisResult<Vec<Lying>> {
    let mut out = Vec::new();
    for names in names.chunks(CHUNK) {
        let mut lists = pipe();
        for name in names {
            lists.lrange(redis.keys.queue(name), 0, DEPTH - 1).lrange(
                redis.keys.processing(name),
                0,
                DEPTH - 1,
            );
        }
        let lists: Vec<Vec<Vec<u8>>> = lists.query_async(connection).await?;
        for (name, lists) in names.iter().zip(lists.chunks_exact(2)) {
            let orders = lists.iter().flatten().filter_map(|bytes| codec::decode(bytes).ok());
            out.extend(orders.map(|order| Lying { queue: (*name).to_owned(), order }));
        }
    }
    Ok(out)
}

/// What was kept aside of a queue, newest first.
pub(super) async fn rejected(
    redis: &Redis,
    connection: &mut ConnectionManager,
    name: &str,
) -> RedisResult<Vec<Rejected>> {
    let texts: Vec<Vec<u8>> =
        cmd("LRANGE").arg(redis.keys.rejected(name)).arg(0).arg(DEPTH - 1).query_async(connection).await?;
    Ok(texts.iter().map(|text| Rejected::read(text)).collect())
}

/// The names of all queues of ours that have a list in Redis. Others may keep lists there, too: ours is what
/// has the name of a worker, or an order at its front. A very large Redis is searched in part only.
pub(super) async fn names(
    redis: &Redis,
    connection: &mut ConnectionManager,
    workers: &HashSet<&str>,
) -> RedisResult<HashSet<String>> {
    let prefix = redis.keys.prefix();
    let pattern = format!("{}*", escaped(prefix));
    let mut found = HashSet::new();
    let mut cursor = 0u64;
    for _ in 0..ROUNDS {
        let (next, keys): (u64, Vec<Vec<u8>>) = cmd("SCAN")
            .arg(cursor)
            .arg("MATCH")
            .arg(&pattern)
            .arg("COUNT")
            .arg(1000)
            .arg("TYPE")
            .arg("list")
            .query_async(connection)
            .await?;
        for key in keys.iter().filter_map(|key| std::str::from_utf8(key).ok()) {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let name = rest.strip_suffix(":processing").or_else(|| rest.strip_suffix(":rejected"));
            let name = name.unwrap_or(rest);
            if name == RESOURCE_MANAGER || found.contains(name) {
                continue;
            }
            if workers.contains(name) || holds_ours(connection, key).await? {
                found.insert(name.to_owned());
            }
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    Ok(found)
}

/// Whether an order, or a message that was kept aside, is at the front of a list.
async fn holds_ours(connection: &mut ConnectionManager, key: &str) -> RedisResult<bool> {
    let first: Option<Vec<u8>> = cmd("LINDEX").arg(key).arg(0).query_async(connection).await?;
    Ok(first.is_some_and(|bytes| {
        codec::decode::<Order>(&bytes).is_ok() || serde_json::from_slice::<Rejected>(&bytes).is_ok()
    }))
}

fn escaped(text: &str) -> String {
    let special = |character: char| matches!(character, '*' | '?' | '[' | ']' | '^' | '\\');
    text.chars()
        .flat_map(|character| special(character).then_some('\\').into_iter().chain([character]))
        .collect()
}
