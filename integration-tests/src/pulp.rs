//! One installation of Pulp for one test.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sqlx::Connection;
use tempfile::TempDir;

use crate::{Client, Process, Services, Supervisord, executable, logs, template, until};

/// The password of `admin`.
pub const PASSWORD: &str = "password";

/// How long tasks may go on after the end of a test, before they count as left over.
const SETTLE: Duration = Duration::from_secs(5);

/// What an installation is made of.
#[derive(Clone, Debug)]
pub struct Builder {
    workers: usize,
    managers: usize,
    durable: bool,
    sessions: Option<u32>,
    under_test: bool,
    supervised: bool,
    without_redis: bool,
    executable: PathBuf,
    environment: Vec<(String, String)>,
}

impl Default for Builder {
    fn default() -> Self {
        Builder {
            workers: 2,
            managers: 1,
            durable: false,
            sessions: None,
            under_test: false,
            supervised: false,
            without_redis: false,
            executable: executable::path(),
            environment: Vec::new(),
        }
    }
}

impl Builder {
    /// The number of workers.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Builder { workers, ..self }
    }

    /// The number of resource managers.
    #[must_use]
    pub fn managers(self, managers: usize) -> Self {
        Builder { managers, ..self }
    }

    /// Makes Postgres wait for the disk at every commit, as in production: for measurements.
    #[must_use]
    pub fn durable(self) -> Self {
        Builder { durable: true, ..self }
    }

    /// All of its processes know the test plugin ([`crate::tasks`]).
    #[must_use]
    pub fn under_test(self) -> Self {
        Builder { under_test: true, ..self }
    }

    /// Has all processes started by supervisord, as `deploy/supervisord.conf` says, however many it says.
    #[must_use]
    pub fn supervised(self) -> Self {
        Builder { supervised: true, ..self }
    }

    /// How many sessions Postgres takes: for very many processes.
    #[must_use]
    pub fn sessions(self, sessions: u32) -> Self {
        Builder { sessions: Some(sessions), ..self }
    }

    /// Tasking without Redis: no process knows of one, and no resource manager is started.
    #[must_use]
    pub fn without_redis(self) -> Self {
        Builder { managers: 0, without_redis: true, ..self }.set("PULP_USE_NEW_WORKER_STYLE", true)
    }

    /// Another executable than the one under test, for comparisons.
    #[must_use]
    pub fn executable(self, executable: PathBuf) -> Self {
        Builder { executable, ..self }
    }

    /// A setting, by the name of its environment variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Starts everything and waits until it can be used.
    ///
    /// # Panics
    /// If something does not start.
    pub async fn start(self) -> Pulp {
        let directory = tempfile::Builder::new().prefix("pulp-").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        template::copy_to(&directory.path().join("services"), &self.executable);
        let services = Services::start(&directory.path().join("services"), self.durable, self.sessions);
        let (api, content) = (free_address(), free_address());
        let content_origin = format!("http://{content}");
        let mut environment = environment(directory.path(), &services.environment, &content_origin);
        if self.without_redis {
            environment.retain(|(name, _)| name != "PULP_REDIS_URL");
        }
        environment.extend(self.environment.clone());
        let mut pulp = Pulp {
            client: Client::new(&format!("http://{api}")),
            content: Client::new(&content_origin),
            environment,
            services: Some(services),
            processes: Vec::new(),
            under_test: self.under_test,
            executable: self.executable,
            supervisord: None,
            directory,
        };
        if self.supervised {
            let bind = |name: &str, address: &str| (format!("PULPCORE_{name}_BIND"), address.to_owned());
            pulp.environment.extend([bind("API", &api), bind("CONTENT", &content)]);
            pulp.supervisord = Some(Supervisord::start(&pulp.environment, pulp.directory.path()));
            pulp.ready(self.workers).await;
            return pulp;
        }
        pulp.spawn("api", &["api", "--bind", &api]);
        pulp.spawn("content", &["content", "--bind", &content]);
        for number in 1..=self.managers {
            pulp.spawn(&format!("manager-{number}"), &["worker", "--resource-manager"]);
        }
        for number in 1..=self.workers {
            let name = format!("worker-{number}");
            pulp.spawn(&name, &["worker", "--name", &name]);
        }
        pulp.ready(self.workers + self.managers.min(1)).await;
        pulp
    }
}

/// A running installation. Everything of it goes with the value.
#[derive(Debug)]
pub struct Pulp {
    /// Talks to the REST API as `admin`.
    pub client: Client,
    /// Talks to the content app.
    pub content: Client,
    /// The settings of all processes.
    pub environment: Vec<(String, String)>,
    /// Its processes, by start.
    pub processes: Vec<Process>,
    under_test: bool,
    executable: PathBuf,
    supervisord: Option<Supervisord>,
    services: Option<Services>,
    directory: TempDir,
}

impl Pulp {
    /// An installation with one resource manager and two workers.
    ///
    /// # Panics
    /// If something does not start.
    pub async fn start() -> Pulp {
        Builder::default().start().await
    }

    /// An installation to one's wishes.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts another process of it.
    pub fn spawn(&mut self, name: &str, arguments: &[&str]) {
        let mut command =
            match self.under_test && matches!(arguments.first(), Some(&("api" | "worker" | "content"))) {
                true => executable::command_under_test(&self.environment),
                false => executable::call(self.executable.clone(), &self.environment),
            };
        command.args(arguments);
        self.processes.push(Process::start(name, command, self.directory.path()));
    }

    /// The process with this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn process(&mut self, name: &str) -> &mut Process {
        self.processes.iter_mut().find(|process| process.name == name).unwrap()
    }

    /// What keeps the processes running.
    ///
    /// # Panics
    /// If the installation is not supervised.
    pub fn supervisord(&self) -> &Supervisord {
        self.supervisord.as_ref().unwrap()
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The artifact store.
    pub fn media(&self) -> PathBuf {
        let set = self.environment.iter().rev().find(|(name, _)| name == "PULP_MEDIA_ROOT");
        set.map(|(_, path)| path.into()).unwrap()
    }

    /// The files of the artifact store below `folder`, sorted: `artifact` for those with a final name,
    /// `staging` for unfinished ones.
    pub fn stored(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.media().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
            }
        }
        found.sort();
        found
    }

    /// The two servers.
    ///
    /// # Panics
    /// Never: they are there until the value is dropped.
    pub fn services(&self) -> &Services {
        self.services.as_ref().unwrap()
    }

    /// A connection to the database.
    pub async fn database(&self) -> sqlx::PgConnection {
        sqlx::PgConnection::connect(&self.services().database_url).await.unwrap()
    }

    /// Waits until a task is final, and answers it.
    pub async fn monitor_task(&self, href: &str) -> Value {
        until(&format!("the task {href} ends"), || async {
            let task = self.client.get(href).await.expect(200);
            let state = task["state"].as_str().unwrap().to_owned();
            ["completed", "failed", "canceled", "skipped"].contains(&state.as_str()).then_some(task)
        })
        .await
    }

    /// The finished task of a 202; `answer` is the body.
    ///
    /// # Panics
    /// If it does not complete.
    pub async fn completed(&self, answer: Value) -> Value {
        let task = self.monitor_task(answer["task"].as_str().unwrap()).await;
        assert_eq!(task["state"], "completed", "{task:#}");
        task
    }

    /// Why the task of a 202 failed; `answer` is the body.
    ///
    /// # Panics
    /// If it does not fail.
    pub async fn failed(&self, answer: Value) -> String {
        let task = self.monitor_task(answer["task"].as_str().unwrap()).await;
        assert_eq!(task["state"], "failed", "{task:#}");
        task["error"]["description"].as_str().unwrap_or_else(|| panic!("{task:#}")).to_owned()
    }

    async fn ready(&mut self, workers: usize) {
        let (client, content) = (self.client.clone(), self.content.clone());
        until("the whole of Pulp is there", || {
            for process in &mut self.processes {
                assert!(process.status().is_none(), "{} ended:\n{}", process.name, process.log());
            }
            let (client, content) = (client.clone(), content.clone());
            async move {
                let status = client.try_get("/pulp/api/v3/status/").await?;
                let online = status.body["online_workers"].as_array()?.len();
                let served = content.try_head("/pulp/content/").await?;
                (status.status == 200 && served.status == 200 && online >= workers).then_some(())
            }
        })
        .await;
    }

    /// Tasks that are not final, after a moment of grace.
    async fn unfinished(url: &str) -> Vec<String> {
        let Ok(mut connection) = sqlx::PgConnection::connect(url).await else { return Vec::new() };
        let sql = "SELECT name || ' is ' || state FROM task
                   WHERE state IN ('waiting', 'running', 'canceling') ORDER BY seq LIMIT 20";
        let began = std::time::Instant::now();
        loop {
            let left: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
            if left.is_empty() || began.elapsed() > SETTLE {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Pulp {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        let left = if failed {
            Vec::new()
        } else {
            // The test's runtime cannot wait here; this one can.
            let url = self.services().database_url.clone();
            std::thread::spawn(move || {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap()
                    .block_on(Pulp::unfinished(&url))
            })
            .join()
            .unwrap_or_default()
        };
        self.processes.clear();
        drop(self.supervisord.take());
        drop(self.services.take());
        if failed || !left.is_empty() {
            logs::show(self.directory.path());
        }
        assert!(left.is_empty(), "the test left tasks behind: {left:?}");
    }
}

/// The settings of an installation that keeps its files in `directory` and uses these `servers`.
pub(crate) fn environment(
    directory: &Path,
    servers: &[(String, String)],
    content_origin: &str,
) -> Vec<(String, String)> {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        // A key that others may read is warned of.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    let place = |name: &str| directory.join(name).display().to_string();
    let own = [
        ("PULP_SETTINGS", write("settings.toml", "")),
        ("PULP_DB_ENCRYPTION_KEY", write("keys", &entities::secret::Keyring::generate())),
        ("PULP_SECRET_KEY", "a secret for tests, long enough to be one".to_owned()),
        ("PULP_MEDIA_ROOT", place("media")),
        ("PULP_WORKING_DIRECTORY", place("tmp")),
        ("PULP_CONTENT_ORIGIN", content_origin.to_owned()),
        ("PULP_LOG_LEVEL", "info".to_owned()),
    ];
    own.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(servers.iter().cloned()).collect()
}

/// An address nobody listens on.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
