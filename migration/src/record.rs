//! The functions that a database has, as recorded when they were applied.

use std::collections::BTreeMap;

use entities::db;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, TransactionTrait};

use crate::Function;

/// The digests of the applied functions, by name.
pub(crate) type Recorded = BTreeMap<String, String>;

/// SQLSTATE of a function that cannot be replaced, as its arguments' names or its result are others.
const OTHER_SIGNATURE: &str = "42P13";

const CREATE: &str = "
CREATE TABLE IF NOT EXISTS schema_function (
    name text PRIMARY KEY,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)";

const RECORD: &str = "
INSERT INTO schema_function (name, digest) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, applied_at = excluded.applied_at";

/// The functions of a name as Postgres writes them, with the types of their arguments.
const SIGNATURES: &str = "
SELECT oid::regprocedure::text AS signature FROM pg_proc
WHERE proname = $1 AND pronamespace = current_schema()::regnamespace";

/// Reads the record; it is empty if there is none yet.
pub(crate) async fn read(db: &impl ConnectionTrait) -> Result<Recorded, DbErr> {
    if !there(db, "schema_function").await? {
        return Ok(Recorded::new());
    }
    let rows = db.query_all_raw(db::sql("SELECT name, digest FROM schema_function", [])).await?;
    rows.iter().map(|row| Ok((row.try_get("", "name")?, row.try_get("", "digest")?))).collect()
}

/// Whether there is a table of this name.
pub(crate) async fn there(db: &impl ConnectionTrait, table: &str) -> Result<bool, DbErr> {
    let row =
        db.query_one_raw(db::sql("SELECT to_regclass($1) IS NOT NULL AS there", [table.into()])).await?;
    row.map_or(Ok(false), |row| row.try_get("", "there"))
}

/// Creates the record if there is none.
pub(crate) async fn create(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    txn.execute_unprepared(CREATE).await.map(drop)
}

/// Applies those of `functions` that differ from their record. Returns their names.
pub(crate) async fn apply<'a>(
    txn: &DatabaseTransaction,
    functions: impl Iterator<Item = &'a Function>,
    recorded: &Recorded,
) -> Result<Vec<&'static str>, DbErr> {
    let mut applied = Vec::new();
    for function in functions {
        let digest = function.digest();
        if recorded.get(function.name) == Some(&digest) {
            continue;
        }
        replace(txn, function)
            .await
            .map_err(|error| DbErr::Custom(format!("the function {}: {error}", function.name)))?;
        txn.execute_raw(db::sql(RECORD, [function.name.into(), digest.into()])).await?;
        applied.push(function.name);
    }
    Ok(applied)
}

/// Drops the function `name`, which the program does not have any more.
pub(crate) async fn forget(txn: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    drop_all(txn, &signatures(txn, name).await?).await?;
    txn.execute_raw(db::sql("DELETE FROM schema_function WHERE name = $1", [name.into()])).await.map(drop)
}

async fn replace(txn: &DatabaseTransaction, function: &Function) -> Result<(), DbErr> {
    let before = signatures(txn, function.name).await?;
    let attempt = txn.begin().await?;
    match attempt.execute_unprepared(&function.sql).await {
        Ok(_) => attempt.commit().await?,
        Err(error) if db::code(&error).as_deref() == Some(OTHER_SIGNATURE) => {
            attempt.rollback().await?;
            drop_all(txn, &before).await?;
            txn.execute_unprepared(&function.sql).await?;
        }
        Err(error) => return Err(error),
    }
    let after = signatures(txn, function.name).await?;
    if after.is_empty() {
        return Err(DbErr::Custom("its file creates another one".to_owned()));
    }
    // With other arguments it is another function to Postgres, beside the former one.
    if after.iter().any(|signature| !before.contains(signature)) {
        let former: Vec<String> = before.into_iter().filter(|signature| after.contains(signature)).collect();
        drop_all(txn, &former).await?;
    }
    Ok(())
}

async fn signatures(txn: &DatabaseTransaction, name: &str) -> Result<Vec<String>, DbErr> {
    let rows = txn.query_all_raw(db::sql(SIGNATURES, [name.into()])).await?;
    rows.iter().map(|row: &QueryResult| row.try_get("", "signature")).collect()
}

async fn drop_all(txn: &DatabaseTransaction, signatures: &[String]) -> Result<(), DbErr> {
    for signature in signatures {
        // Postgres has written it, with quotes where they are needed.
        txn.execute_unprepared(&format!("DROP FUNCTION {signature}")).await?;
    }
    Ok(())
}
