//! An installation whose worker knows the shelf's types, and an upstream of books.

use std::ffi::OsString;
use std::sync::Arc;

use entities::{db, domain};
use integration_tests::{Pulp, Upstream, sha256, until};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tasking::worker::{self, WorkerOptions};
use tasking::{Dispatcher, Origin, Shutdown, Task};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::shelf::{self, Line, Synchronize};

pub(crate) struct Library {
    pub(crate) pulp: Pulp,
    pub(crate) upstream: Upstream,
    pub(crate) entities: entities::Pulp,
    pub(crate) repository: Uuid,
    pub(crate) remote: Uuid,
    dispatcher: Dispatcher,
    shutdown: Shutdown,
    worker: JoinHandle<anyhow::Result<()>>,
}

impl Library {
    pub(crate) async fn open(policy: &str) -> Library {
        let pulp = Pulp::builder().without_redis().workers(0).start().await;
        let environment: Vec<(OsString, OsString)> =
            pulp.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let settings = entities::settings::load_from(&environment, pulp.directory()).unwrap().settings;
        let entities = entities::Pulp::open(Arc::new(settings), integration_tests::tasks::kinds(), "library")
            .await
            .unwrap();
        entities.db.execute_unprepared(shelf::SCHEMA).await.unwrap();
        let (shutdown, options) = (Shutdown::new(), WorkerOptions { name: None, burst: false });
        let worker = tokio::spawn(worker::run(entities.clone(), shelf::tasks(), options, shutdown.clone()));
        let upstream = Upstream::start().await;
        let (repository, remote) = (Uuid::now_v7(), Uuid::now_v7());
        let library = Library {
            dispatcher: Dispatcher::new(entities.clone()),
            pulp,
            upstream,
            entities,
            repository,
            remote,
            shutdown,
            worker,
        };
        let row = json!({"pulp_id": repository, "name": "r", "pulp_type": "shelf.shelf"});
        library.insert("repository", row).await;
        let row = json!({"pulp_id": remote, "name": "r", "pulp_type": "shelf.shelf", "policy": policy,
                         "url": library.upstream.url, "max_retries": 0});
        library.insert("remote", row).await;
        library
    }

    pub(crate) async fn insert(&self, table: &str, mut row: Value) {
        row["pulp_domain_id"] = domain::DEFAULT.to_string().into();
        let columns: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        let columns = columns.join(", ");
        let sql = format!(
            "INSERT INTO {table} ({columns}) SELECT {columns} FROM jsonb_populate_record(NULL::{table}, $1)"
        );
        self.entities.db.execute_raw(db::sql(&sql, [row.into()])).await.unwrap();
    }

    /// Puts a book upstream; returns its line.
    pub(crate) fn book(&self, title: &str, edition: i32, series: Option<&str>) -> Line {
        let text = format!("{title} {edition}");
        self.upstream.put(&format!("{title}-{edition}.txt"), text.clone());
        self.upstream.put(&format!("{title}-{edition}.sig"), format!("signature of {text}"));
        let (title, sha256) = (title.to_owned(), sha256(text.as_bytes()));
        Line { title, edition, sha256, series: series.map(str::to_owned) }
    }

    pub(crate) fn list(&self, lines: &[Line]) {
        self.upstream.put("LIST", serde_json::to_vec(lines).unwrap());
    }

    pub(crate) fn synchronize(&self) -> Synchronize {
        Synchronize { repository: self.repository, remote: self.remote, ..Synchronize::default() }
    }

    /// Dispatches a task; returns what monitors it.
    pub(crate) async fn dispatch<T: Task>(&self, task: &T) -> Value {
        let origin = Origin {
            domain: domain::DEFAULT,
            user: None,
            logging_cid: String::new(),
            parent: None,
            group: None,
        };
        let id = self.dispatcher.dispatch(task, origin).await.unwrap();
        json!({"task": format!("/pulp/api/v3/tasks/{id}/")})
    }

    pub(crate) async fn completed<T: Task>(&self, task: &T) -> Value {
        self.pulp.completed(self.dispatch(task).await).await
    }

    pub(crate) async fn failed<T: Task>(&self, task: &T) -> String {
        self.pulp.failed(self.dispatch(task).await).await
    }

    /// One value of the database.
    pub(crate) async fn value(&self, sql: &str) -> Value {
        let statement = db::sql(&format!("SELECT to_jsonb(({sql})) AS value"), []);
        let row = self.entities.db.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get::<Option<Value>>("", "value").unwrap().unwrap_or_default()
    }

    /// How many units of each type the newest version has.
    pub(crate) async fn present(&self) -> Value {
        self.value(
            "SELECT content_counts -> 'present' FROM repository_version WHERE complete
             ORDER BY number DESC LIMIT 1",
        )
        .await
    }

    pub(crate) async fn versions(&self) -> Value {
        self.value("SELECT count(*) FROM repository_version").await
    }

    pub(crate) async fn newest(&self) -> Uuid {
        let id = self.value("SELECT pulp_id FROM repository_version ORDER BY number DESC LIMIT 1").await;
        id.as_str().unwrap().parse().unwrap()
    }

    /// Waits until a query of the database is true.
    pub(crate) async fn becomes(&self, sql: &str) {
        until(sql, || async { (self.value(sql).await == true).then_some(()) }).await;
    }

    pub(crate) async fn close(self) {
        self.shutdown.graceful();
        self.worker.await.unwrap().unwrap();
    }
}
