//! Repairs: each step looks again whether its reason is still there, and leaves alone what a live process
//! owns.

use deadpool_redis::redis::{Script, cmd};
use entities::db;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{Inspector, Repair, queues};
use crate::queue::redis_style::message::Notice;
use crate::queue::redis_style::queue;
use crate::queue::rows;

/// A registered worker of this name.
const LIVE_WORKER: &str =
    "SELECT 1 AS one FROM process WHERE kind = 'worker' AND name = $1 AND gone_at IS NULL";

/// Deletes a key that holds this value and has no end, or a later one than a lease can have. Key; arguments:
/// the value, the milliseconds of a lease.
const DELETE_ENDLESS: &str = "
    local left = redis.call('PTTL', KEYS[1])
    if redis.call('GET', KEYS[1]) == ARGV[1] and (left == -1 or left > tonumber(ARGV[2])) then
        return redis.call('DEL', KEYS[1])
    end
    return 0";

impl Inspector {
    /// Repairs one thing. Returns what was done, a line each; nothing if there is nothing to do any more.
    ///
    /// # Errors
    /// If Postgres or Redis do not answer.
    pub async fn repair(&self, repair: &Repair) -> anyhow::Result<Vec<String>> {
        if *repair == Repair::EndAbandoned {
            let sql = self.style().reap_abandoned();
            let ended: Option<Vec<Uuid>> = rows::value(&self.db, db::sql(sql, [])).await?;
            let ended = ended.unwrap_or_default();
            return Ok(ended.iter().map(|task| format!("ended {task}, whose worker is gone")).collect());
        }
        let Some((redis, mut connection)) = self.redis.clone() else { return Ok(Vec::new()) };
        let mut done = Vec::new();
        match repair {
            Repair::EndAbandoned => {}
            Repair::Ring { task } => {
                queue::notify(&mut connection, &redis, &Notice::Dispatched { task: *task }).await?;
                done.push(format!("told the resource manager of {task} again"));
            }
            Repair::DeleteLists { name } => {
                if self.db.query_one_raw(db::sql(LIVE_WORKER, [name.as_str().into()])).await?.is_none() {
                    queue::remove(&mut connection, &redis, name).await?;
                    done.push(format!("deleted the lists of {name}, who is gone"));
                }
            }
            Repair::DeleteLease { value } => {
                let script = Script::new(DELETE_ENDLESS);
                let most = self.settings.resource_manager_lease.as_millis() as u64;
                let mut call = script.key(redis.keys.lease());
                let deleted: i64 = call.arg(value).arg(most).invoke_async(&mut connection).await?;
                if deleted > 0 {
                    done.push("deleted the lease, which would have outlasted its holder".to_owned());
                }
            }
            Repair::DropRejected { name } => {
                let messages = queues::rejected(&redis, &mut connection, name).await?;
                // New ones come at the front: only those are dropped that are printed.
                let count = messages.len() as i64;
                let () = cmd("LTRIM")
                    .arg(redis.keys.rejected(name))
                    .arg(0)
                    .arg(-count - 1)
                    .query_async(&mut connection)
                    .await?;
                for message in messages {
                    done.push(format!(
                        "dropped a message of {name} of {}, which was kept aside: {} ({} bytes: {})",
                        message.at.format("%Y-%m-%d %H:%M:%S UTC"),
                        message.why,
                        message.length,
                        message.bytes
                    ));
                }
            }
        }
        Ok(done)
    }
}
