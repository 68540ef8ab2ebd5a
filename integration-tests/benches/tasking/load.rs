//! Many tasks at once.

use std::time::{Duration, Instant};

use rand::Rng;

use integration_tests::tasks::Noop;

use crate::installation::{Installation, origin};
use crate::roles::prn;

/// Tasks of one measurement.
pub(crate) const TASKS: usize = 10_000;

/// Who dispatches at the same time.
const CLIENTS: usize = 4;

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
    let last = installation.count("SELECT coalesce(max(seq), 0) FROM task").await?;
    let unfinished = format!(
        "SELECT count(*) FROM (SELECT FROM task WHERE state IN ('waiting', 'running', 'canceling') AND seq > {last}
                               ORDER BY seq DESC LIMIT 1) AS one"
    );
    let began = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let dispatcher = installation.dispatcher.clone();
        clients.spawn(async move {
            for _ in 0..tasks / CLIENTS {
                dispatcher.dispatch(&task(), origin()).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let dispatched = began.elapsed();
    while installation.count(&unfinished).await? > 0 {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(300), "tasks are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if std::env::var_os("DETAILS").is_some() {
        println!("dispatched in {dispatched:?}, done in {:?}", began.elapsed());
    }
    Ok(tasks as f64 / began.elapsed().as_secs_f64())
}
