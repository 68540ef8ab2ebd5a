//! Directed faults: an installation on which a test does one thing after another, through the same recorder
//! and checker as the random ones; and ways to break the product before it starts.

use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::checker::{self, Violation};
use super::history::{Event, Micros};
use super::system::{Setup, System};
use super::workload::{Workload, resource};
use super::{Style, recorder, redis, settings};
use crate::tasks::{Noop, Probe, Step, now};

/// How long everything may take to be there, and to become final at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a final state may lie after the moment in which all was well again, unless a test says otherwise.
const BOUND: Duration = Duration::from_secs(25);

/// How the product is broken.
#[derive(Clone, Copy, Debug)]
pub enum Broken {
    /// Not at all.
    Not,
    /// By its own switch, which is there in builds for tests.
    Switch(&'static str),
    /// By another database function: in this one, the first text is replaced by the second.
    Function(&'static str, &'static str, &'static str),
}

/// An installation with two managers, of which one leads and the other waits.
#[derive(Debug)]
pub struct Stage {
    /// Its processes and servers.
    pub system: System,
    /// The way to ask for tasks.
    pub workload: Workload,
    /// The database, past all proxies.
    pub database: PgConnection,
    /// What counts as the last fault.
    pub settled: Option<Micros>,
    /// How long after that everything has to be final.
    pub bound: Duration,
    /// How long the end waits for that.
    pub patience: Duration,
}

/// An order as the leader would send it.
#[derive(Serialize)]
struct Order {
    task: Uuid,
    worker: Uuid,
    epoch: i64,
    unblocked_at: &'static str,
}

impl Stage {
    /// Starts everything, and waits until a leader and the workers are there. The time to live of workers is
    /// `ttl`.
    pub async fn start(workers: usize, ttl: Duration, broken: Broken) -> Stage {
        let mut environment = settings();
        environment.insert("PULP_WORKER_TTL".to_owned(), ttl.as_secs_f64().to_string());
        environment.insert("PULP_RESOURCE_MANAGER_LEASE".to_owned(), "1".to_owned());
        let mut schema = Vec::new();
        match broken {
            Broken::Not => {}
            Broken::Switch(name) => {
                environment.insert("PULPCORE_FAULT".to_owned(), name.to_owned());
            }
            Broken::Function(name, old, new) => schema.push(format!(
                "DO $do$ DECLARE body text := pg_get_functiondef('{name}'::regproc); BEGIN
                     ASSERT position($old${old}$old$ IN body) > 0, 'nothing to break';
                     EXECUTE replace(body, $old${old}$old$, $new${new}$new$);
                 END $do$"
            )),
        }
        let style = Style::Redis;
        let setup = Setup { style, workers, managers: vec!["wait", "wait"], api: false, environment, schema };
        let mut system = System::start(setup).await;
        let workload = Workload::open(&mut system).await;
        let database = system.servers.database().await;
        let mut stage = Stage { system, workload, database, settled: None, bound: BOUND, patience: PATIENCE };
        let expected = i64::try_from(workers).unwrap() + 1;
        stage
            .until(
                "everybody is there",
                PATIENCE,
                &format!("SELECT count(*) >= {expected} FROM process WHERE gone_at IS NULL"),
            )
            .await;
        stage
    }

    /// Waits until a question to the database is answered with true; false after `limit`.
    pub async fn asked(&mut self, limit: Duration, question: &str) -> bool {
        let began = Instant::now();
        while began.elapsed() < limit {
            let sql = sqlx::AssertSqlSafe(question.to_owned());
            if sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut self.database).await.unwrap() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// As [`Stage::asked`].
    ///
    /// # Panics
    /// If it does not come true in time.
    pub async fn until(&mut self, what: &str, limit: Duration, question: &str) {
        let came = self.asked(limit, question).await;
        self.system.show_logs |= !came;
        assert!(came, "{what}: not within {limit:?}");
    }

    /// Dispatches a task that takes so long, exclusive on these resources.
    pub async fn nap(&self, exclusive: &[u32], milliseconds: u64) -> Uuid {
        let exclusive = exclusive.iter().map(|number| resource(*number)).collect();
        self.workload.dispatch(&Noop { exclusive, shared: Vec::new(), milliseconds }).await.unwrap()
    }

    /// Dispatches a task that blocks a thread for so long, or until it is canceled.
    pub async fn block(&self, milliseconds: u64) -> Uuid {
        let steps = vec![Step::Block(milliseconds)];
        self.workload.dispatch(&Probe { steps, ..Probe::default() }).await.unwrap()
    }

    /// Waits until a task is in a state; false after `limit`.
    pub async fn is(&mut self, task: Uuid, state: &str, limit: Duration) -> bool {
        let question = format!("SELECT state = '{state}' FROM task WHERE pulp_id = '{task}'");
        self.asked(limit, &question).await
    }

    /// Waits until the leader has sent an order for a task; answers the name of the worker.
    pub async fn ordered(&self, task: Uuid) -> String {
        crate::until("an order is sent", || async {
            self.system.monitor.seen().into_iter().find_map(|seen| match seen.what {
                Event::Order { queue, task: ordered, .. } if ordered == task => {
                    Some(queue.trim_start_matches("pulp:").to_owned())
                }
                _ => None,
            })
        })
        .await
    }

    /// Sends an order to a worker as if the present leader had done so.
    pub async fn order(&mut self, task: Uuid, worker: &str) {
        let sql = "SELECT pulp_id, epoch FROM process, leader WHERE name = $1 AND gone_at IS NULL";
        let row = sqlx::query(sql).bind(worker).fetch_one(&mut self.database).await.unwrap();
        let (worker_id, epoch) = (row.get("pulp_id"), row.get("epoch"));
        let order = Order { task, worker: worker_id, epoch, unblocked_at: "2026-01-01T00:00:00Z" };
        let bytes = tasking::codec::encode(&order).unwrap();
        let queue = format!("pulp:{worker}").into_bytes();
        redis::command(&self.system.servers.redis_socket(), &[b"RPUSH".to_vec(), queue, bytes])
            .await
            .unwrap();
    }

    /// Waits until all is final, and checks. Answers which promises were broken.
    pub async fn end(mut self) -> Vec<Violation> {
        let settled = self.settled.unwrap_or_else(now);
        let question = "SELECT count(*) = 0 FROM task WHERE state IN ('waiting', 'running', 'canceling')";
        self.asked(self.patience, question).await;
        let mut history = recorder::read(&mut self.database).await;
        history.redis = self.system.monitor.seen();
        history.settled = settled;
        history.bound = i64::try_from(self.bound.as_micros()).unwrap();
        self.workload.accepted.complete(&mut history);
        let violations = checker::check(&history);
        for violation in &violations {
            let stories: String =
                violation.tasks.iter().map(|task| checker::story(&history, *task)).collect();
            eprintln!("{violation}\n{stories}");
        }
        violations
    }
}
