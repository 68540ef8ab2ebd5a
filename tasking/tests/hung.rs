//! A worker that hangs does not beat, and ends itself.

mod support;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use entities::settings::WorkerStyle;
use entities::task::TaskState;
use entities::{Kinds, Pulp};
use support::tasks::Freeze;
use support::{Bench, servers, tasks};
use tasking::Shutdown;
use tasking::worker::{self, WorkerOptions};

/// Names the directory of the servers to the process that is to hang.
const SERVERS: &str = "HUNG_WORKER_SERVERS";

/// A worker that runs until it is killed.
#[test]
#[ignore = "the other test runs it in a process of its own"]
fn worker_of_its_own() {
    let mut settings = servers::settings_at(Path::new(&std::env::var(SERVERS).unwrap()));
    settings.worker_style = WorkerStyle::Postgres;
    settings.worker_ttl = Duration::from_secs(3);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let pulp = Pulp::open(Arc::new(settings), Arc::new(Kinds::new([])), "hung").await.unwrap();
        let options = WorkerOptions { name: Some("hung".to_owned()), burst: false };
        worker::run(pulp, tasks::all(), options, Shutdown::new()).await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_runtime_stands_still_ends_itself_and_its_task_fails() {
    let bench = Bench::of(WorkerStyle::Postgres).await;
    let task = bench.dispatch(&Freeze {}).await;
    let mut hung = Command::new(std::env::current_exe().unwrap());
    hung.args(["worker_of_its_own", "--exact", "--ignored"]).env(SERVERS, bench.servers.path());
    let mut hung = hung.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    bench.reaches(task, TaskState::Running).await;
    let other = bench.worker("other");
    let since = Instant::now();
    let ended = loop {
        if let Some(ended) = hung.try_wait().unwrap() {
            break ended;
        }
        assert!(since.elapsed() < Duration::from_secs(30), "it still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(ended.signal(), Some(9), "after {:?}", since.elapsed());
    assert!(since.elapsed() > Duration::from_secs(8), "a busy moment is no reason: {:?}", since.elapsed());
    let failed = bench.all_final(&[task]).await.remove(0);
    assert_eq!(failed.state, TaskState::Failed);
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
    bench.shutdown.graceful();
    other.await.unwrap().unwrap();
    bench.stop().await;
}
