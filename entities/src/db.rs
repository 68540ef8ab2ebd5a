//! The way to Postgres: pools, and locks that are named here once.

mod passing;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    Statement, TransactionTrait, Value,
};
use sqlx::{AssertSqlSafe, Executor};

use crate::{Result, Settings};
pub use passing::{Passing, code, is_passing, message};

/// First keys of the two-key advisory locks; each names what the second key is. SQL has them as functions:
/// `lock_queue()`.
pub mod lock {
    /// Bytes of artifacts: the second key is the first byte of the SHA-256. Creating takes it shared,
    /// deleting a file exclusively.
    pub const ARTIFACT: i32 = 0x50_41;
    /// Leadership: one lock. Claims take it shared, a new leader exclusively.
    pub const LEADER: i32 = 0x50_4c;
    /// The schema: one lock, held while it is changed.
    pub const MIGRATION: i32 = 0x50_4d;
    /// The queue of tasks without Redis: one lock, held by the one session that moves it on.
    pub const QUEUE: i32 = 0x50_51;
    /// Claims without Redis: the second key is a hash of the worker's UUID. One claim of a worker at a time.
    pub const CLAIM: i32 = 0x50_52;
    /// The turn to wait for [`QUEUE`]: the second key is what the session that waits will do, so that one
    /// waits for all that want the same.
    pub const QUEUE_TURN: i32 = 0x50_53;
    /// Workers: the second key is a hash of the worker's UUID. Claims take it shared, giving up exclusively.
    pub const WORKER: i32 = 0x50_57;
}

/// A session that was idle for so long is tried before it is used: a server that was restarted since has
/// ended it.
const SUSPICIOUS: Duration = Duration::from_millis(100);

/// How long a session for lookups is kept that is not used. Longer than any pause between two looks of a
/// worker that has nothing to do: to open a session costs as much as hundreds of looks.
const REST: Duration = Duration::from_secs(600);

/// A pool for one process, called `application_name` in `pg_stat_activity`. Connects once, so that a wrong
/// address or password shows at once.
pub async fn connect(settings: &Settings, application_name: &str) -> Result<DatabaseConnection, DbErr> {
    Database::connect(options(settings, application_name, settings.database_connections, &[])).await
}

/// As [`connect`], for a server: what a request asks for ends after a while, so that no client, and no lock
/// of others, keeps its sessions.
pub async fn connect_for_requests(
    settings: &Settings,
    application_name: &str,
) -> Result<DatabaseConnection, DbErr> {
    let parameters = [
        ("statement_timeout", settings.database_statement_timeout.as_millis().to_string()),
        ("lock_timeout", settings.database_lock_timeout.as_millis().to_string()),
    ];
    Database::connect(options(settings, application_name, settings.database_connections, &parameters)).await
}

/// As [`connect`], with at most `connections` sessions that have the given run-time parameters. Connects when
/// it is first used, so that a database that is away for the moment is no reason not to start.
pub async fn connect_with(
    settings: &Settings,
    application_name: &str,
    connections: u32,
    parameters: &[(&'static str, String)],
) -> Result<DatabaseConnection, DbErr> {
    let mut options = options(settings, application_name, connections, parameters);
    options.connect_lazy(true);
    Database::connect(options).await
}

/// One session for statements that are sent again and again, and for which a crash need not be waited for:
/// heartbeats. It is not tried before it is used, which would double their cost; what fails on a lost session
/// is sent again on another one.
pub async fn connect_for_beats(
    settings: &Settings,
    application_name: &str,
) -> Result<DatabaseConnection, DbErr> {
    let mut options = options(settings, application_name, 1, &[("synchronous_commit", "off".to_owned())]);
    options.connect_lazy(true).test_before_acquire_if_idle_for(Duration::MAX);
    Database::connect(options).await
}

fn options(
    settings: &Settings,
    application_name: &str,
    connections: u32,
    parameters: &[(&'static str, String)],
) -> ConnectOptions {
    let mut options = ConnectOptions::new(settings.database_url.0.as_str());
    let name = application_name.to_owned();
    options
        .min_connections(0)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(60))
        .test_before_acquire_if_idle_for(SUSPICIOUS)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |options| options.application_name(&name));
    if !parameters.is_empty() {
        // Not in the start of the session: connection poolers refuse what they do not know there.
        let set: String = parameters.iter().map(|(name, value)| format!("SET {name} = '{value}';")).collect();
        let set: Arc<str> = set.into();
        options.map_sqlx_postgres_pool_opts(move |pool| {
            let set = set.clone();
            pool.after_connect(move |session, _| {
                let set = set.to_string();
                Box::pin(async move { session.execute(AssertSqlSafe(set)).await.map(drop) })
            })
        });
    }
    options
}

/// Begins a transaction, and may be dropped at any moment: a canceled task or an abandoned request does that.
///
/// The driver's own `begin`, dropped between its request and the answer, gives a session back to the pool
/// that is inside of a transaction without knowing. Whatever runs on that session afterwards looks done and
/// is not committed.
pub async fn begin(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let db = db.clone();
    // Dropping the handle leaves the task running; the transaction that nobody takes is rolled back.
    let begun = tokio::spawn(async move { db.begin().await });
    begun.await.unwrap_or_else(|error| Err(DbErr::Custom(format!("a transaction could not begin: {error}"))))
}

/// A pool for statements that find single rows, such as the steps of a task's life: plans are made once, and
/// only with indexes. Postgres would choose, and keep, a scan of the whole table while its statistics say
/// that it is empty.
pub async fn connect_for_lookups(
    settings: &Settings,
    application_name: &str,
    connections: u32,
) -> Result<DatabaseConnection, DbErr> {
    let parameters = ["enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"];
    let mut parameters = parameters.map(|method| (method, "off".to_owned())).to_vec();
    parameters.push(("plan_cache_mode", "force_generic_plan".to_owned()));
    // A method that is off and used nevertheless looks expensive enough for a compiler, which takes 100 ms.
    parameters.push(("jit", "off".to_owned()));
    let mut options = options(settings, application_name, connections, &parameters);
    options.connect_lazy(true).idle_timeout(REST);
    Database::connect(options).await
}

/// A statement with its values, for queries that are clearer as SQL.
pub fn sql<const N: usize>(text: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

/// Takes a transaction's advisory lock, shared with others who take it shared.
pub async fn lock_shared(txn: &impl ConnectionTrait, class: i32, keys: Vec<i32>) -> Result<()> {
    let statement = "SELECT pg_advisory_xact_lock_shared($1, key) FROM unnest($2::int[]) AS key";
    txn.execute_raw(sql(statement, [class.into(), keys.into()])).await?;
    Ok(())
}
