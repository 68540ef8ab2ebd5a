//! What is deleted by itself, and what is not: settings become schedules, and these delete what is old.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

#[macro_use]
mod support;

use std::sync::Arc;
use std::time::Duration;

use entities::settings::WorkerStyle;
use entities::task::TaskState;
use entities::{Kinds, Pulp, Settings, db, domain, kind, task_schedule};
use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder};
use support::tasks::Nap;
use support::{Bench, until};
use tasking::schedules;
use uuid::Uuid;

in_both_styles!(
    schedules_follow_the_settings,
    old_completed_tasks_are_deleted_in_batches,
    abandoned_uploads_go_with_their_files,
);

async fn numbers(bench: &Bench, sql: &str) -> Vec<i64> {
    let rows = bench.pulp.db.query_all_raw(db::sql(sql, [])).await.unwrap();
    rows.iter().map(|row| row.try_get("", "number").unwrap()).collect()
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(60 * number)
}

/// Processes that are started from now on have other settings.
async fn set(bench: &mut Bench, change: impl FnOnce(&mut Settings)) {
    let mut settings = (*bench.pulp.settings).clone();
    change(&mut settings);
    let style = settings.worker_style;
    bench.pulp = Pulp::open(Arc::new(settings), Arc::new(Kinds::new([])), "test").await.unwrap();
    bench.switch(style).await;
}

/// Waits until there are these schedules, with these minutes from one task to the next.
async fn expect(bench: &Bench, wanted: &[(&str, i64)]) {
    until(&format!("{wanted:?}"), async || {
        let found = task_schedule::Entity::find().order_by_asc(task_schedule::Column::Name);
        let found = found.all(&bench.pulp.db).await.unwrap();
        let found = found.iter().map(|row| (row.name.as_str(), row.dispatch_interval.unwrap() / 60_000_000));
        found.eq(wanted.iter().copied())
    })
    .await;
}

/// Makes a schedule due, and waits until its task has ended.
async fn run(bench: &Bench, name: &str) {
    let sql = "UPDATE task_schedule SET next_dispatch = now() WHERE name = $1";
    bench.pulp.db.execute_raw(db::sql(sql, [name.into()])).await.unwrap();
    schedules::dispatch_due(&bench.dispatcher).await.unwrap();
    let mut last = None;
    // Somebody else may have been quicker, and not have committed yet.
    until("it was dispatched", async || {
        let found = task_schedule::Entity::find().all(&bench.pulp.db).await.unwrap();
        last = found.iter().find(|row| row.name == name).and_then(|row| row.last_task_id);
        last.is_some()
    })
    .await;
    bench.reaches(last.unwrap(), TaskState::Completed).await;
}

async fn schedules_follow_the_settings(style: WorkerStyle) {
    let mut bench = Bench::of(style).await;
    bench.begin(1);
    expect(&bench, &[("Delete old tasks", 1440)]).await;
    bench.rest().await;
    set(&mut bench, |settings| {
        settings.task_protection_time = minutes(60);
        settings.upload_protection_time = minutes(20);
        settings.tmpfile_protection_time = minutes(1);
        settings.orphan_cleanup_interval = minutes(90);
    })
    .await;
    bench.begin(1);
    let all = [
        ("Clean up orphans", 90),
        ("Delete abandoned uploads", 5),
        ("Delete old tasks", 15),
        ("Delete unfinished files", 1),
    ];
    expect(&bench, &all).await;
    for (name, _) in all {
        run(&bench, name).await;
    }
    bench.rest().await;
    set(&mut bench, |settings| {
        settings.task_protection_time = Duration::ZERO;
        settings.upload_protection_time = Duration::ZERO;
        settings.tmpfile_protection_time = Duration::ZERO;
        settings.orphan_cleanup_interval = Duration::ZERO;
    })
    .await;
    bench.begin(1);
    expect(&bench, &[]).await;
    bench.stop().await;
}

async fn old_completed_tasks_are_deleted_in_batches(style: WorkerStyle) {
    let bench = Bench::busy(style, 1).await;
    let sql = "
        INSERT INTO task (pulp_id, pulp_domain_id, name, state, finished_at)
        SELECT gen_random_uuid(), pulp_id, 'old', state::task_state, now() - make_interval(days => age) FROM domain,
            (SELECT 'completed', 31 FROM generate_series(1, 2300)
             UNION ALL VALUES ('completed', 29), ('failed', 31), ('canceled', 31)) AS made (state, age);
        CREATE TABLE deleted (number bigint);
        CREATE FUNCTION count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO deleted SELECT count(*) FROM gone; RETURN NULL; END $$;
        CREATE TRIGGER count_deleted AFTER DELETE ON task REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION count_deleted()";
    bench.pulp.db.execute_unprepared(sql).await.unwrap();
    expect(&bench, &[("Delete old tasks", 1440)]).await;
    run(&bench, "Delete old tasks").await;
    let left = "SELECT count(*) AS number FROM task WHERE name = 'old' GROUP BY state ORDER BY state";
    assert_eq!(numbers(&bench, left).await, [1, 1, 1], "a young one, and those that did not complete");
    let batches = numbers(&bench, "SELECT number FROM deleted WHERE number > 0 ORDER BY number").await;
    assert_eq!(batches, [300, 1000, 1000]);
    bench.stop().await;
}

/// An upload that was changed so many minutes ago, and the paths of its chunks.
async fn upload(bench: &Bench, age: i32) -> (Uuid, Vec<String>) {
    let (id, storage) = (Uuid::now_v7(), &bench.pulp.storage);
    let sql = "INSERT INTO upload (pulp_id, pulp_domain_id, size, pulp_last_updated)
               VALUES ($1, $2, 4, now() - make_interval(mins => $3))";
    let values = [id.into(), domain::DEFAULT.into(), age.into()];
    bench.pulp.db.execute_raw(db::sql(sql, values)).await.unwrap();
    let mut paths = Vec::new();
    for offset in [0_i64, 2] {
        let path = format!("upload/{id}/{offset}");
        let mut writer = storage.writer();
        writer.write("ab".into()).await.unwrap();
        let staged = writer.finish(&Default::default()).await.unwrap();
        storage.keep([(&staged, path.as_str())]).await.unwrap();
        let sql = "INSERT INTO upload_chunk (pulp_id, upload_id, \"offset\", size, file) VALUES ($1, $2, $3, 2, $4)";
        let values = [Uuid::now_v7().into(), id.into(), offset.into(), path.as_str().into()];
        bench.pulp.db.execute_raw(db::sql(sql, values)).await.unwrap();
        paths.push(path);
    }
    (id, paths)
}

async fn abandoned_uploads_go_with_their_files(style: WorkerStyle) {
    let mut bench =
        Bench::with_settings_of(style, |settings| settings.upload_protection_time = minutes(20)).await;
    bench.begin(2);
    let old = [upload(&bench, 21).await, upload(&bench, 5000).await];
    let (young, needed) = (upload(&bench, 19).await, upload(&bench, 21).await);
    let mut nap = Nap::of(60_000);
    nap.exclusive.push(kind::UPLOAD.prn(needed.0));
    let nap = bench.dispatch(&nap).await;
    expect(&bench, &[("Delete abandoned uploads", 5), ("Delete old tasks", 1440)]).await;
    run(&bench, "Delete abandoned uploads").await;
    for ((id, paths), stays) in old.iter().map(|old| (old, false)).chain([(&young, true), (&needed, true)]) {
        let found = entities::upload::Entity::find_by_id(*id).one(&bench.pulp.db).await.unwrap();
        assert_eq!(found.is_some(), stays);
        for path in paths {
            assert_eq!(bench.pulp.storage.size(path).await.unwrap().is_some(), stays);
        }
    }
    bench.dispatcher.cancel(nap).await.unwrap();
    bench.stop().await;
}
