//! Signals to real processes: how workers and resource managers stop, and what becomes of those that were
//! stopped for too long.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use integration_tests::{Fault, Pulp, Upstream, until, until_within};
use rustix::process::Signal;
use serde_json::{Value, json};

/// How long a process may take to end that has nothing to wait for.
const SOON: Duration = Duration::from_secs(5);

/// An installation with one worker, an upstream, and what is needed to sync it.
struct Sync {
    pulp: Pulp,
    upstream: Upstream,
    repository: String,
    remote: String,
}

impl Sync {
    async fn new(pulp: Pulp) -> Sync {
        let upstream = Upstream::with_files(1).await;
        let remote = pulp.remote("r", &upstream, "immediate").await;
        let repository = pulp.repository("r").await;
        Sync { pulp, upstream, repository, remote }
    }

    /// Begins a sync whose upstream answers after a while; answers the task's href once it runs.
    async fn begin(&self, pause: Duration) -> String {
        self.upstream.misbehave("PULP_MANIFEST", Fault::Late(pause));
        let asked = self.upstream.requests("PULP_MANIFEST");
        let answer = self.pulp.sync(&self.repository, &self.remote, false).await;
        until("the sync runs", || async { (self.upstream.requests("PULP_MANIFEST") > asked).then_some(()) })
            .await;
        answer["task"].as_str().unwrap().to_owned()
    }

    async fn task(&self, href: &str) -> Value {
        self.pulp.client.get(href).await.expect(200)
    }
}

#[tokio::test]
async fn a_worker_that_is_terminated_finishes_its_task_and_takes_no_more() {
    for signal in [Signal::TERM, Signal::HUP] {
        let mut sync = Sync::new(Pulp::builder().workers(1).start().await).await;
        let running = sync.begin(Duration::from_secs(2)).await;
        sync.pulp.process("worker-1").signal(signal);
        let answer = sync.pulp.client.post("/pulp/api/v3/orphans/cleanup/", &json!({})).await.expect(202);
        let status = sync.pulp.process("worker-1").ended(Duration::from_secs(20)).await;
        assert!(status.success(), "{status}");
        assert_eq!(sync.task(&running).await["state"], "completed");
        let waiting = answer["task"].as_str().unwrap();
        assert_eq!(sync.task(waiting).await["state"], "waiting");

        // And a worker in burst mode does what is left, and ends.
        sync.pulp.spawn("burst", &["worker", "--burst"]);
        let status = sync.pulp.process("burst").ended(Duration::from_secs(20)).await;
        assert!(status.success(), "{status}");
        assert_eq!(sync.task(waiting).await["state"], "completed");
    }
}

#[tokio::test]
async fn an_interrupt_gives_a_task_the_grace_interval_and_a_second_one_nothing() {
    let aborted = json!({"reason": "Aborted during worker shutdown."});
    let builder = || Pulp::builder().workers(1);
    let mut sync = Sync::new(builder().set("PULP_TASK_GRACE_INTERVAL", 1).start().await).await;
    let running = sync.begin(Duration::from_secs(600)).await;
    let interrupted = Instant::now();
    sync.pulp.process("worker-1").signal(Signal::INT);
    let status = sync.pulp.process("worker-1").ended(SOON).await;
    assert!(status.success() && interrupted.elapsed() >= Duration::from_secs(1), "{status}");
    let task = sync.task(&running).await;
    assert_eq!((&task["state"], &task["error"]), (&json!("failed"), &aborted));

    let mut sync = Sync::new(builder().set("PULP_TASK_GRACE_INTERVAL", 600).start().await).await;
    let running = sync.begin(Duration::from_secs(600)).await;
    sync.pulp.process("worker-1").signal(Signal::INT);
    until("it is interrupted", || {
        let log = sync.pulp.process("worker-1").log();
        async move { log.contains("interrupted").then_some(()) }
    })
    .await;
    assert_eq!(sync.task(&running).await["state"], "running");
    sync.pulp.process("worker-1").signal(Signal::INT);
    let status = sync.pulp.process("worker-1").ended(SOON).await;
    assert!(status.success(), "{status}");
    let task = sync.task(&running).await;
    assert_eq!((&task["state"], &task["error"]), (&json!("failed"), &aborted));
}

#[tokio::test]
async fn a_leader_that_was_stopped_beyond_its_lease_ends_and_has_no_effect() {
    let builder = Pulp::builder().workers(1).set("PULP_RESOURCE_MANAGER_LEASE", 1);
    let mut pulp = builder.start().await;
    let epoch = "SELECT epoch FROM leader";
    pulp.spawn("second", &["worker", "--resource-manager"]);
    let status = pulp.process("second").ended(SOON).await;
    assert_eq!(status.code(), Some(75));
    let log = pulp.process("second").log();
    assert_eq!(log.lines().count(), 1, "{log}");
    let leader = format!("{}@", pulp.process("manager-1").pid());
    assert!(log.contains(&leader) && log.contains("its lease runs for another"), "{log}");

    pulp.spawn("third", &["worker", "--resource-manager", "--standby", "wait"]);
    let before = number(&pulp, epoch).await;
    pulp.process("manager-1").signal(Signal::STOP);
    until_within(SOON, "another leads", || async { (number(&pulp, epoch).await > before).then_some(()) })
        .await;
    let answer = pulp.client.post("/pulp/api/v3/orphans/cleanup/", &json!({})).await.expect(202);
    pulp.completed(answer).await;
    pulp.process("manager-1").signal(Signal::CONT);
    let status = pulp.process("manager-1").ended(SOON).await;
    assert_eq!(status.code(), Some(75), "{}", pulp.process("manager-1").log());
    let answer = pulp.client.post("/pulp/api/v3/orphans/cleanup/", &json!({})).await.expect(202);
    pulp.completed(answer).await;
    assert_eq!(number(&pulp, epoch).await, before + 1);
}

#[tokio::test]
async fn a_worker_that_was_stopped_for_too_long_loses_its_task_and_begins_anew() {
    let builder = Pulp::builder().workers(2).set("PULP_WORKER_TTL", 2);
    let mut sync = Sync::new(builder.start().await).await;
    let running = sync.begin(Duration::from_secs(600)).await;
    let worker = sync.task(&running).await["worker"].as_str().unwrap().to_owned();
    let name = sync.pulp.client.get(&worker).await.expect(200)["name"].as_str().unwrap().to_owned();
    sync.pulp.process(&name).signal(Signal::STOP);
    let lost = sync.pulp.monitor_task(&running).await;
    assert_eq!(
        (&lost["state"], &lost["error"]),
        (&json!("failed"), &json!({"reason": "Worker has gone missing."}))
    );
    sync.upstream.misbehave("PULP_MANIFEST", None);
    let again = sync.pulp.sync(&sync.repository, &sync.remote, false).await;
    sync.pulp.completed(again).await;
    sync.pulp.process(&name).signal(Signal::CONT);
    let identities = format!("SELECT count(*) FROM process WHERE kind = 'worker' AND name = '{name}'");
    until("it begins anew", || async { (number(&sync.pulp, &identities).await == 2).then_some(()) }).await;
    assert_eq!(sync.task(&running).await, lost, "final once");
    assert_eq!(sync.pulp.latest(&sync.repository).await["number"], 1);
    // Only the reborn one is left, and works.
    let other = if name == "worker-1" { "worker-2" } else { "worker-1" };
    sync.pulp.process(other).signal(Signal::TERM);
    sync.pulp.process(other).ended(SOON).await;
    let answer = sync.pulp.client.post("/pulp/api/v3/orphans/cleanup/", &json!({})).await.expect(202);
    sync.pulp.completed(answer).await;
}

/// The one number that a statement answers.
async fn number(pulp: &Pulp, sql: &str) -> i64 {
    let mut database = pulp.database().await;
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&mut database).await.unwrap()
}
