//! The processes of one installation, each behind proxies of its own, started again by a supervisor when they
//! end.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use super::Style;
use super::monitor::Monitor;
use super::postgres_proxy::{self, Traps};
use super::proxy::{self, Gate, Listener};
use super::recorder;
use super::redis;
use super::servers::Servers;
use super::store::Store;
use crate::{Process, executable, logs, pulp};

/// Pause of the supervisor before it starts a process again.
const PAUSE: Duration = Duration::from_millis(250);

/// What an installation is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The style of tasking; without Redis no process is told where one is.
    pub style: Style,
    /// How many workers.
    pub workers: usize,
    /// How each manager stands by: the value of `--standby`.
    pub managers: Vec<&'static str>,
    /// Whether there is an API.
    pub api: bool,
    /// Settings and other variables of every process.
    pub environment: BTreeMap<String, String>,
    /// What is done to the database before anything starts.
    pub schema: Vec<String>,
}

/// A process and what it is connected by.
#[derive(Debug)]
pub struct Slot {
    /// Its name: `api`, `manager-1`, `worker-1` and so on; `client` has no process.
    pub name: String,
    /// Its way to Redis.
    pub redis: Gate,
    /// Its way to Postgres.
    pub postgres: Gate,
    /// What happens to its statements.
    pub traps: Traps,
    /// Its settings.
    pub environment: Vec<(String, String)>,
    /// The process, while there is one.
    pub process: Option<Process>,
    /// Whether the supervisor starts it again.
    pub kept: bool,
    arguments: Vec<String>,
    again: Instant,
    _listeners: [Listener; 2],
}

impl Slot {
    /// The process id, while there is a process.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Sends a signal to the process, if there is one.
    pub fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    fn start(&mut self, directory: &Path) {
        let mut command = match self.arguments.first().is_some_and(|first| first == "worker") {
            true => executable::command_under_test(&self.environment),
            false => executable::command(&self.environment),
        };
        command.args(&self.arguments);
        self.process = Some(Process::start(&self.name, command, directory));
    }
}

/// A running installation.
#[derive(Debug)]
pub struct System {
    /// The servers.
    pub servers: Servers,
    /// The processes.
    pub slots: Vec<Slot>,
    /// What Redis does.
    pub monitor: Monitor,
    /// Where the API is.
    pub api: String,
    /// How often a process was started again.
    pub restarts: u64,
    /// Whether the logs are shown at the end.
    pub show_logs: bool,
    /// The style of tasking.
    pub style: Style,
    /// The artifact store.
    pub store: Store,
    directory: TempDir,
}

impl System {
    /// Starts the servers, the recorder and all processes.
    pub async fn start(setup: Setup) -> System {
        let directory = tempfile::Builder::new().prefix("pulp-").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let servers = Servers::start(directory.path()).await;
        let mut database = servers.database().await;
        recorder::install(&mut database).await;
        for statement in &setup.schema {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone())).execute(&mut database).await.unwrap();
        }
        let monitor = Monitor::start(&servers.redis_socket()).await;
        let api = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut environment = pulp::environment(directory.path(), &[], "http://localhost");
        let store = Store::new(directory.path());
        environment.extend(setup.environment.clone());
        environment.push(store.environment());
        let mut system = System {
            servers,
            slots: Vec::new(),
            monitor,
            api: format!("http://{api}"),
            restarts: 0,
            show_logs: false,
            style: setup.style,
            store,
            directory,
        };
        system.add("client", &[], &environment);
        if setup.api {
            system.add("api", &["api", "--bind", &api], &environment);
        }
        for (number, standby) in (1..).zip(&setup.managers) {
            let arguments = ["worker", "--resource-manager", "--standby", standby];
            system.add(&format!("manager-{number}"), &arguments, &environment);
        }
        for number in 1..=setup.workers {
            let name = format!("worker-{number}");
            system.add(&name, &["worker", "--name", &name], &environment);
        }
        system.supervise();
        system
    }

    fn add(&mut self, name: &str, arguments: &[&str], environment: &[(String, String)]) {
        let place = self.directory.path().join(name);
        std::fs::create_dir(&place).unwrap();
        let (redis, redis_listener) = proxy::plain(&place.join("redis.sock"), self.servers.redis_socket());
        let socket = place.join(".s.PGSQL.5432");
        let (postgres, traps, listener) = postgres_proxy::start(&socket, self.servers.postgres_socket());
        let tasking = match self.style {
            Style::Redis => {
                ("PULP_REDIS_URL", format!("redis+unix://{}", place.join("redis.sock").display()))
            }
            Style::Postgres => ("PULP_USE_NEW_WORKER_STYLE", "true".to_owned()),
        };
        let own = [
            ("PULP_DATABASES__default__HOST", place.display().to_string()),
            ("PULP_DATABASES__default__PORT", "5432".to_owned()),
            ("PULP_DATABASES__default__NAME", "pulp".to_owned()),
            ("PULP_DATABASES__default__USER", "pulp".to_owned()),
            tasking,
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        self.slots.push(Slot {
            name: name.to_owned(),
            redis,
            postgres,
            traps,
            environment: environment.iter().cloned().chain(own).collect(),
            process: None,
            kept: !arguments.is_empty(),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            again: Instant::now(),
            _listeners: [redis_listener, listener],
        });
    }

    /// Starts again what has ended; to be called again and again.
    pub fn supervise(&mut self) {
        for slot in &mut self.slots {
            if slot.process.as_mut().is_some_and(|process| process.status().is_some()) {
                slot.process = None;
                slot.again = Instant::now() + PAUSE;
                self.restarts += 1;
            }
            if slot.kept && slot.process.is_none() && slot.again <= Instant::now() {
                slot.start(self.directory.path());
            }
        }
    }

    /// The slot of that name.
    ///
    /// # Panics
    /// If there is none.
    pub fn slot(&mut self, name: &str) -> &mut Slot {
        self.slots.iter_mut().find(|slot| slot.name == name).unwrap()
    }

    /// The manager that holds the lease, if one does.
    pub async fn leader(&self) -> Option<String> {
        let answer = redis::command(&self.servers.redis_socket(), &["GET", LEASE]).await.ok()?;
        let held = answer.texts().pop()?;
        let pid: u32 = held.split_once(':')?.1.split_once('@')?.0.parse().ok()?;
        self.slots.iter().find(|slot| slot.pid() == Some(pid)).map(|slot| slot.name.clone())
    }

    /// The artifact store.
    pub fn media(&self) -> PathBuf {
        self.directory.path().join("media")
    }

    /// Copies logs and all other files to a folder.
    pub fn keep(&self, folder: &Path) {
        let status =
            std::process::Command::new("cp").arg("-a").arg(self.directory.path()).arg(folder).status();
        assert!(status.unwrap().success());
    }

    /// Stops all processes in order: the workers finish what they run, then the managers, once they have read
    /// what the workers said at last, then the API. Answers the names of those that did not end in time.
    pub async fn stop(&mut self, patience: Duration) -> Vec<String> {
        let mut late = Vec::new();
        for slot in &mut self.slots {
            slot.kept = false;
        }
        for role in ["worker", "manager", "api"] {
            if role == "manager" {
                self.notices_are_read(patience).await;
            }
            for slot in self.slots.iter().filter(|slot| slot.name.starts_with(role)) {
                slot.signal(Signal::TERM);
            }
            let deadline = Instant::now() + patience;
            for slot in self.slots.iter_mut().filter(|slot| slot.name.starts_with(role)) {
                let Some(process) = &mut slot.process else { continue };
                while process.status().is_none() && Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                if process.status().is_none() {
                    late.push(slot.name.clone());
                }
                slot.process = None;
            }
        }
        late
    }
}

impl System {
    async fn notices_are_read(&self, patience: Duration) {
        let (socket, began) = (self.servers.redis_socket(), Instant::now());
        while began.elapsed() < patience {
            let keys = redis::command(&socket, &["EXISTS", NOTICES, TAKEN_NOTICES]).await;
            if matches!(keys, Ok(redis::Answer::Number(0))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for System {
    fn drop(&mut self) {
        self.slots.clear();
        if std::thread::panicking() || self.show_logs {
            logs::show(self.directory.path());
        }
    }
}

/// The key of the lease.
pub const LEASE: &str = "pulp:resource-manager:lease";

/// The notices to the manager, and those that it has taken.
const NOTICES: &str = "pulp:resource-manager";
const TAKEN_NOTICES: &str = "pulp:resource-manager:processing";
