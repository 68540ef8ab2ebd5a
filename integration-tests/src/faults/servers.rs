//! A Postgres and a Redis that can be stopped and started again while everything else goes on.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::{Process, executable, template, until};

/// What makes times of commits known, and commits survive a crash of the server if not of the machine. A
/// client that connects and then says nothing, because it is stopped or stalled, keeps Postgres from stopping
/// until its time is over.
const POSTGRES: [&str; 10] = [
    "authentication_timeout=3s",
    "listen_addresses=",
    "track_commit_timestamp=on",
    "max_connections=200",
    "shared_buffers=64MB",
    "jit=off",
    "fsync=off",
    "full_page_writes=off",
    "log_checkpoints=off",
    "client_min_messages=warning",
];

/// How long Postgres may take to stop.
const STOPPING: Duration = Duration::from_secs(20);

/// The two servers of one installation, on unix sockets in `<directory>/run`.
#[derive(Debug)]
pub struct Servers {
    directory: PathBuf,
    postgres: Option<Process>,
    redis: Option<Process>,
}

impl Servers {
    /// Starts both on a copy of the migrated template.
    pub async fn start(directory: &Path) -> Servers {
        template::copy_to(&directory.join("services"), &executable::path());
        let run = directory.join("run");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut servers = Servers { directory: directory.to_owned(), postgres: None, redis: None };
        servers.start_redis().await;
        servers.start_postgres().await;
        servers
    }

    /// Where both listen.
    pub fn sockets(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Postgres's socket.
    pub fn postgres_socket(&self) -> PathBuf {
        self.sockets().join(".s.PGSQL.5432")
    }

    /// Redis's socket.
    pub fn redis_socket(&self) -> PathBuf {
        self.sockets().join("redis.sock")
    }

    /// The database, without anything in between.
    pub async fn database(&self) -> PgConnection {
        until("the database can be reached", || async { self.try_database().await.ok() }).await
    }

    async fn try_database(&self) -> sqlx::Result<PgConnection> {
        PgConnection::connect(&url(&self.sockets())).await
    }

    /// Starts Postgres and waits until it answers.
    pub async fn start_postgres(&mut self) {
        let data = self.directory.join("services/postgres");
        let _ = std::fs::remove_file(data.join("postmaster.pid"));
        let mut command = Command::new(postgres_program(&data));
        command
            .arg("-D")
            .arg(&data)
            .args(["-p", "5432", "-k"])
            .arg(self.sockets())
            .current_dir(&self.directory);
        for setting in POSTGRES {
            command.args(["-c", setting]);
        }
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        let owner = data.metadata().unwrap();
        if owner.uid() != rustix::process::geteuid().as_raw() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        self.postgres = Some(Process::start("postgres", command, &self.directory));
        drop(self.database().await);
    }

    /// Stops Postgres: at once with its sessions cut and everything written (`fast`), or as if it had
    /// crashed; the latter also if the former takes too long.
    pub async fn stop_postgres(&mut self, fast: bool) {
        let Some(mut postgres) = self.postgres.take() else { return };
        if fast {
            postgres.signal(Signal::INT);
            if tokio::time::timeout(STOPPING, postgres.ended(STOPPING * 2)).await.is_ok() {
                return;
            }
        }
        postgres.signal(Signal::QUIT);
        postgres.ended(STOPPING).await;
    }

    /// Starts a Redis that is empty and waits until it answers.
    pub async fn start_redis(&mut self) {
        let program = ["redis-server", "valkey-server"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_ok())
            .expect("neither redis-server nor valkey-server is installed");
        let mut command = Command::new(program);
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--loglevel", "warning"]);
        command.arg("--unixsocket").arg(self.redis_socket()).current_dir(&self.directory);
        self.redis = Some(Process::start("redis", command, &self.directory));
        until("Redis answers", || async {
            super::redis::command(&self.redis_socket(), &["PING"]).await.ok()
        })
        .await;
    }

    /// Kills Redis; what it held is lost.
    pub fn kill_redis(&mut self) {
        self.redis = None;
    }
}

/// The URL of the database behind the sockets in a directory.
pub(crate) fn url(sockets: &Path) -> String {
    format!("postgres://pulp@localhost:5432/pulp?host={}", sockets.display())
}

/// The server of the version that made the data.
fn postgres_program(data: &Path) -> PathBuf {
    let version = std::fs::read_to_string(data.join("PG_VERSION")).unwrap();
    let version = version.trim();
    let fits = |program: &PathBuf| {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!(" {version}.")))
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([
            format!("/usr/lib/postgresql/{version}/bin").into(),
            format!("/usr/pgsql-{version}/bin").into(),
        ])
        .map(|folder| folder.join("postgres"))
        .find(fits)
        .unwrap_or_else(|| panic!("Postgres {version} is neither on PATH nor in /usr/lib/postgresql"))
}
