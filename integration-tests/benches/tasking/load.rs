//! Many tasks at once.

use std::time::{Duration, Instant};

use entities::db;
use integration_tests::tasks::Noop;
use rand::Rng;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use crate::installation::{Installation, origin};
use crate::roles::prn;

/// Tasks of one measurement.
pub(crate) const TASKS: usize = 10_000;

/// How long a measurement may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Who dispatches at the same time.
const CLIENTS: usize = 4;

/// The same if each waits for its task: no more than the fewest workers can serve, so that all measure the
/// same.
const PATIENT: usize = 2;

/// Tasks whose rows are looked at in one go.
const LOOK: usize = 100;

/// A task that needs one of 1,000 resources for itself and shares one of 10.
pub(crate) fn task() -> Noop {
    let mut random = rand::rng();
    Noop {
        milliseconds: 0,
        exclusive: vec![prn("exclusive", random.random_range(0..1000))],
        shared: vec![prn("shared", random.random_range(0..10))],
    }
}

/// Tasks per second, from the first dispatch to the last final row.
pub(crate) async fn drain(installation: &Installation, tasks: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let dispatcher = installation.dispatcher.clone();
        clients.spawn(async move {
            let mut sent = Vec::new();
            for _ in 0..tasks / CLIENTS {
                sent.push(dispatcher.dispatch(&task(), origin()).await?);
            }
            anyhow::Ok(sent)
        });
    }
    let mut left = Vec::new();
    while let Some(client) = clients.join_next().await {
        left.extend(client??);
    }
    let dispatched = began.elapsed();
    while !left.is_empty() {
        // Never looks at many, or it would be the look that is measured.
        let some = left.split_off(left.len().saturating_sub(LOOK));
        let some = unfinished(installation, some).await?;
        if !some.is_empty() {
            anyhow::ensure!(began.elapsed() < LIMIT, "{} tasks are left", left.len() + some.len());
            left.extend(some);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    if std::env::var_os("DETAILS").is_some() {
        println!("dispatched in {dispatched:?}, done in {:?}", began.elapsed());
    }
    Ok(tasks as f64 / began.elapsed().as_secs_f64())
}

/// Tasks per second if every client waits for the end of its task before it dispatches the next one: so only
/// few workers have something to do, however many there are.
pub(crate) async fn one_by_one(installation: &Installation, tasks: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let clients = (0..PATIENT).map(|_| async {
        for _ in 0..tasks / PATIENT {
            let mut left = vec![installation.dispatcher.dispatch(&task(), origin()).await?];
            while !left.is_empty() {
                anyhow::ensure!(began.elapsed() < LIMIT, "a task does not end");
                tokio::time::sleep(Duration::from_millis(1)).await;
                left = unfinished(installation, left).await?;
            }
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(clients).await?;
    Ok(tasks as f64 / began.elapsed().as_secs_f64())
}

/// Which of these tasks are not final. Looks at their rows one by one, whatever the planner thinks: in an
/// index of all unfinished tasks those that have ended may still be in the way.
async fn unfinished(installation: &Installation, tasks: Vec<Uuid>) -> anyhow::Result<Vec<Uuid>> {
    let sql = "SELECT pulp_id FROM unnest($1) AS asked (pulp_id)
               WHERE (SELECT state FROM task WHERE task.pulp_id = asked.pulp_id) IN ('waiting', 'running', 'canceling')";
    let rows = installation.pulp.db.query_all_raw(db::sql(sql, [tasks.into()])).await?;
    Ok(rows.iter().map(|row| row.try_get("", "pulp_id")).collect::<Result<_, _>>()?)
}
