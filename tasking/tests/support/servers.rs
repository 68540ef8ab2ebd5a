//! A private Postgres and Redis on unix sockets, killed when the test ends, however it ends.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use entities::{Settings, settings};
use migration::Migrator;

pub struct Servers {
    directory: tempfile::TempDir,
    postgres: Child,
    redis: Option<Child>,
}

impl Servers {
    pub async fn start() -> Servers {
        let template = tokio::task::spawn_blocking(template).await.unwrap();
        let directory = tempfile::Builder::new().prefix("pt").tempdir_in("/tmp").unwrap();
        open_to_all(directory.path());
        let data = directory.path().join("data");
        run(Command::new("cp").arg("-a").arg(template).arg(&data));
        let postgres = start_postgres(&data, directory.path());
        let redis = Some(start_redis(directory.path()));
        await_postgres(directory.path()).await;
        let servers = Servers { directory, postgres, redis };
        servers.await_redis().await;
        servers
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn settings(&self) -> Settings {
        settings_at(self.path())
    }

    /// Stops Postgres in order: every session is ended.
    pub async fn stop_postgres(&mut self) {
        run(Command::new("kill").arg("-INT").arg(self.postgres.id().to_string()));
        while self.postgres.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts it again on what it has kept.
    pub async fn start_postgres(&mut self) {
        self.postgres = start_postgres(&self.path().join("data"), self.path());
        await_postgres(self.path()).await;
    }

    /// Kills Redis; all it holds is lost.
    pub fn stop_redis(&mut self) {
        if let Some(mut redis) = self.redis.take() {
            redis.kill().unwrap();
            redis.wait().unwrap();
        }
    }

    pub async fn start_redis(&mut self) {
        self.redis = Some(start_redis(self.path()));
        self.await_redis().await;
    }

    async fn await_redis(&self) {
        let socket = self.path().join("redis.sock");
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < deadline, "Redis does not start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        let _ = self.postgres.kill();
        let _ = self.postgres.wait();
        if let Some(redis) = &mut self.redis {
            let _ = redis.kill();
            let _ = redis.wait();
        }
    }
}

pub fn settings_at(directory: &Path) -> Settings {
    let key = directory.join("key");
    if !key.exists() {
        std::fs::write(&key, entities::secret::Keyring::generate()).unwrap();
    }
    let at = |name: &str| directory.join(name).display().to_string();
    let environment: Vec<(OsString, OsString)> = [
        ("PULP_DATABASES__default__HOST", directory.display().to_string()),
        ("PULP_DATABASES__default__NAME", "pulp".to_owned()),
        ("PULP_DATABASES__default__USER", "pulp".to_owned()),
        ("PULP_REDIS_URL", format!("redis+unix://{}", at("redis.sock"))),
        ("PULP_SECRET_KEY", "secret".to_owned()),
        ("PULP_DB_ENCRYPTION_KEY", at("key")),
        ("PULP_MEDIA_ROOT", at("media")),
        ("PULP_WORKING_DIRECTORY", at("work")),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into();
    settings::load_from(&environment, directory).unwrap().settings
}

/// A migrated data directory to copy, made once per schema and machine.
fn template() -> PathBuf {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migration/src");
    let files = |folder: &str| schema.join(folder).read_dir().unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> =
        ["", "sql", "functions"].into_iter().flat_map(files).filter(|path| path.is_file()).collect();
    files.sort_unstable();
    for file in files {
        std::fs::read(file).unwrap().hash(&mut hasher);
    }
    let root = PathBuf::from(format!("/tmp/pulp-tasking-template-{:016x}", hasher.finish()));
    std::fs::create_dir_all(&root).unwrap();
    open_to_all(&root);
    let lock = std::fs::File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    let (data, done) = (root.join("data"), root.join("done"));
    if !done.exists() {
        let _ = std::fs::remove_dir_all(&data);
        run(as_postgres(&binary("initdb"))
            .args(["--auth=trust", "--locale=C", "--encoding=UTF8", "--no-sync", "-U", "pulp", "-D"])
            .arg(&data));
        let mut postgres = start_postgres(&data, &root);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            await_postgres(&root).await;
            let settings = settings_at(&root);
            let db = entities::db::connect(&settings, "migrate").await.unwrap();
            Migrator::new(Vec::new).apply(&db).await.unwrap();
            db.close().await.unwrap();
        });
        run(Command::new("kill").arg("-INT").arg(postgres.id().to_string()));
        postgres.wait().unwrap();
        std::fs::write(done, "").unwrap();
    }
    data
}

async fn await_postgres(directory: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut settings = settings_at(directory);
    settings.database_url.0 = settings.database_url.0.replacen("/pulp?", "/postgres?", 1);
    loop {
        if let Ok(db) = entities::db::connect(&settings, "test").await {
            let create =
                sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, "CREATE DATABASE pulp");
            let _ = sea_orm::ConnectionTrait::execute_raw(&db, create).await;
            db.close().await.unwrap();
            return;
        }
        assert!(Instant::now() < deadline, "Postgres does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn start_postgres(data: &Path, socket: &Path) -> Child {
    let mut command = as_postgres(&binary("postgres"));
    command.arg("-D").arg(data).arg("-k").arg(socket);
    for setting in ["listen_addresses=", "fsync=off", "max_connections=200", "shared_buffers=32MB"] {
        command.arg("-c").arg(setting);
    }
    spawn_bound(command)
}

fn start_redis(directory: &Path) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "redis-server", "--port", "0", "--save", "", "--appendonly", "no"]);
    command.arg("--unixsocket").arg(directory.join("redis.sock")).arg("--dir").arg(directory);
    spawn_bound(command)
}

/// Spawns a child that dies with this process. The signal follows the thread that spawned it, so that thread
/// stays.
fn spawn_bound(mut command: Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        tell.send(command.spawn().unwrap()).unwrap();
        loop {
            std::thread::park();
        }
    });
    told.recv().unwrap()
}

/// Postgres refuses to run as root.
fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command.arg(program).current_dir("/tmp");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn open_to_all(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o777)).unwrap();
}

fn binary(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name))).collect())
        .unwrap_or_default();
    versions.retain(|path| path.exists());
    versions.sort();
    versions.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
