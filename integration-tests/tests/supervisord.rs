//! Pulp under the real supervisord: what becomes of its processes, and how soon another resource manager
//! leads.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use integration_tests::host::stolen;
use integration_tests::{Pulp, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// Not the default, to be quicker.
const LEASE: Duration = Duration::from_secs(2);

async fn start(standby: &str) -> Pulp {
    let pulp = Pulp::builder().supervised().set("PULPCORE_STANDBY", standby);
    pulp.set("PULP_RESOURCE_MANAGER_LEASE", LEASE.as_secs()).start().await
}

#[tokio::test]
async fn another_manager_leads_soon_when_standbys_end_and_are_started_again() {
    let pulp = start("exit").await;
    takeover(&pulp, Signal::TERM, Duration::from_secs(2)).await;
    takeover(&pulp, Signal::KILL, LEASE + Duration::from_secs(2)).await;
    let log = std::fs::read_to_string(pulp.directory().join("supervisord.log")).unwrap();
    assert!(log.contains("exit status 75; not expected"), "{log}");
    assert!(!log.contains("FATAL"), "{log}");
}

#[tokio::test]
async fn a_manager_that_waits_leads_at_once() {
    let pulp = start("wait").await;
    takeover(&pulp, Signal::TERM, Duration::from_secs(1)).await;
    takeover(&pulp, Signal::KILL, LEASE + Duration::from_secs(1)).await;
    let log = std::fs::read_to_string(pulp.directory().join("supervisord.log")).unwrap();
    assert!(!log.contains("exit status 75"), "{log}");
}

#[tokio::test]
async fn whatever_is_killed_is_started_again_and_a_stop_is_orderly() {
    let pulp = start("wait").await;
    let before = pulp.supervisord().programs();
    assert_eq!(before.len(), 6, "API, content, two workers, two managers");
    for program in &before {
        kill_process(*program, Signal::KILL).unwrap();
    }
    until("all of it is there again", || async {
        let now = pulp.supervisord().programs();
        let status = pulp.client.try_get("/pulp/api/v3/status/").await?;
        (status.status == 200 && now.len() == 6 && now.iter().all(|pid| !before.contains(pid))).then_some(())
    })
    .await;
    pulp.completed(cleanup(&pulp).await).await;
    let told = pulp.supervisord().control(pulp.directory(), &["stop", "all"]);
    assert_eq!(told.matches(": stopped").count(), 6, "{told}");
    let log = std::fs::read_to_string(pulp.directory().join("supervisord.log")).unwrap();
    assert!(!log.contains("killing"), "{log}");
    assert_eq!(log.matches("stopped: ").count(), log.matches("(exit status 0)").count(), "{log}");
}

/// Ends the leader with a signal; answers how long it took until another one has led a task to its end.
async fn takeover(pulp: &Pulp, signal: Signal, limit: Duration) {
    let mut database = pulp.database().await;
    let mut epoch = async || -> i64 {
        sqlx::query_scalar("SELECT epoch FROM leader").fetch_one(&mut database).await.unwrap()
    };
    // Whatever the first request costs is not the takeover's.
    pulp.completed(cleanup(pulp).await).await;
    let before = epoch().await;
    let leader = leader(&pulp.services().redis_url);
    let (killed, stolen_before) = (Instant::now(), stolen());
    kill_process(leader, signal).unwrap();
    while epoch().await == before {
        assert!(killed.elapsed() < limit * 5, "nobody leads after {:?}", killed.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let led = killed.elapsed();
    pulp.completed(cleanup(pulp).await).await;
    let done = killed.elapsed();
    let stolen = stolen() - stolen_before;
    println!(
        "{signal:?}: another leads after {led:?}, a task is done after {done:?}; {stolen:?} were stolen"
    );
    assert!(done <= limit + stolen, "{signal:?}: {done:?}, allowed {limit:?}");
    assert_ne!(self::leader(&pulp.services().redis_url), leader);
}

/// Asks for a short task.
async fn cleanup(pulp: &Pulp) -> Value {
    pulp.client.post("/pulp/api/v3/orphans/cleanup/", &json!({})).await.expect(202)
}

/// The process that holds the lease.
fn leader(redis: &str) -> Pid {
    let mut redis = UnixStream::connect(redis.strip_prefix("redis+unix://").unwrap()).unwrap();
    redis.write_all(b"GET pulp:resource-manager:lease\r\n").unwrap();
    let mut lines = BufReader::new(redis).lines();
    let lease = lines.nth(1).unwrap().unwrap();
    let (_, label) = lease.split_once(':').unwrap();
    Pid::from_raw(label.split('@').next().unwrap().parse().unwrap()).unwrap()
}
