//! Records what happens to tasks, in the database and yet independent of the product: triggers write in the
//! same transaction, and the server keeps the times of commits.

use std::collections::HashMap;

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::history::{Change, Epoch, Gone, History, Micros, State, Task, Write};

const TABLES: &str = "
    CREATE SCHEMA history;
    CREATE TABLE history.changed (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task uuid NOT NULL, before text, after text NOT NULL,
        worker uuid, token uuid);
    CREATE TABLE history.written (
        n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task uuid NOT NULL, run uuid NOT NULL, what text NOT NULL);
    CREATE TABLE history.dispatched (task uuid NOT NULL, asked bigint NOT NULL, answered bigint NOT NULL);
    CREATE TABLE history.gone (process uuid NOT NULL);
    CREATE TABLE history.led (epoch bigint NOT NULL);

    CREATE FUNCTION history.changes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO history.changed (task, before, after, worker, token)
            VALUES (NEW.pulp_id, NULL, NEW.state::text, NEW.worker_id, NEW.claim_token);
        ELSIF (OLD.state, OLD.worker_id, OLD.claim_token, OLD.started_at, OLD.finished_at)
              IS DISTINCT FROM (NEW.state, NEW.worker_id, NEW.claim_token, NEW.started_at, NEW.finished_at) THEN
            INSERT INTO history.changed (task, before, after, worker, token)
            VALUES (NEW.pulp_id, OLD.state::text, NEW.state::text, NEW.worker_id, NEW.claim_token);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER history AFTER INSERT OR UPDATE ON task FOR EACH ROW EXECUTE FUNCTION history.changes();

    CREATE FUNCTION history.goes() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO history.gone VALUES (NEW.pulp_id); RETURN NULL; END $$;
    CREATE TRIGGER history AFTER UPDATE ON process FOR EACH ROW
        WHEN (OLD.gone_at IS NULL AND NEW.gone_at IS NOT NULL) EXECUTE FUNCTION history.goes();

    CREATE FUNCTION history.leads() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO history.led VALUES (NEW.epoch); RETURN NULL; END $$;
    CREATE TRIGGER history AFTER UPDATE ON leader FOR EACH ROW EXECUTE FUNCTION history.leads();";

/// The time of the commit that made a row, in microseconds since 1970.
const COMMITTED: &str = "(extract(epoch FROM pg_xact_commit_timestamp(row.xmin)) * 1000000)::bigint AS at";

/// Makes the tables and triggers. Nothing may run yet.
pub async fn install(database: &mut PgConnection) {
    sqlx::raw_sql(TABLES).execute(database).await.unwrap();
}

/// What the database knows of the history.
pub async fn read(database: &mut PgConnection) -> History {
    let mut tasks = HashMap::new();
    let sql = "SELECT pulp_id, seq, name, exclusive_resources, shared_resources FROM task";
    for row in sqlx::query(sql).fetch_all(&mut *database).await.unwrap() {
        let (exclusive, shared) = (row.get("exclusive_resources"), row.get("shared_resources"));
        let (seq, name) = (row.get("seq"), row.get("name"));
        let task = Task { seq, name, exclusive, shared, changes: Vec::new(), asked: None, answered: None };
        tasks.insert(row.get::<Uuid, _>("pulp_id"), task);
    }
    let sql = format!(
        "SELECT n, task, before, after, worker, token, {COMMITTED} FROM history.changed AS row ORDER BY n"
    );
    for row in sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *database).await.unwrap() {
        let Some(task) = tasks.get_mut(&row.get::<Uuid, _>("task")) else { continue };
        task.changes.push(Change {
            at: row.get("at"),
            before: row.get::<Option<&str>, _>("before").map(State::parse),
            after: State::parse(row.get("after")),
            worker: row.get("worker"),
            token: row.get("token"),
        });
    }
    let sql = "SELECT task, asked, answered FROM history.dispatched";
    for row in sqlx::query(sql).fetch_all(&mut *database).await.unwrap() {
        let Some(task) = tasks.get_mut(&row.get::<Uuid, _>("task")) else { continue };
        (task.asked, task.answered) = (row.get("asked"), row.get("answered"));
    }
    let sql = format!("SELECT task, run, what, {COMMITTED} FROM history.written AS row ORDER BY n");
    let written = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *database).await.unwrap();
    let write = |row: &sqlx::postgres::PgRow| Write {
        task: row.get("task"),
        run: row.get("run"),
        what: row.get("what"),
        at: row.get("at"),
    };
    let sql = format!("SELECT process, {COMMITTED} FROM history.gone AS row");
    let gone = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *database).await.unwrap();
    let sql = format!("SELECT epoch, {COMMITTED} FROM history.led AS row");
    let led = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *database).await.unwrap();
    let at = |row: &sqlx::postgres::PgRow| row.get::<Micros, _>("at");
    History {
        tasks,
        writes: written.iter().map(write).collect(),
        gone: gone.iter().map(|row| Gone { process: row.get("process"), at: at(row) }).collect(),
        epochs: led.iter().map(|row| Epoch { epoch: row.get("epoch"), at: at(row) }).collect(),
        ..History::default()
    }
}
