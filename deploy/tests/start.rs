//! How the roles start against real servers, and what keeps them from it.
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use support::{Running, data_directory, pulpcore, wait_for};

/// Servers with a migrated database, and a place for the processes' files.
struct Bench {
    directory: PathBuf,
    environment: Vec<(String, String)>,
    _servers: Running,
    _parent: tempfile::TempDir,
}

impl Bench {
    fn start() -> Bench {
        let (parent, data) = data_directory();
        let mut services = pulpcore();
        services.args(["services", "--no-fsync", "--data"]).arg(&data).stderr(Stdio::null());
        let (servers, stdout) = Running::start(&mut services);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap();
        let directory = parent.path().join("files");
        std::fs::create_dir(&directory).unwrap();
        let key = directory.join("key");
        std::fs::write(&key, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n").unwrap();
        let mut environment: Vec<(String, String)> = told["environment"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect();
        environment.push(("PULP_DEPLOY_ROOT".to_owned(), directory.display().to_string()));
        environment.push(("PULP_DB_ENCRYPTION_KEY".to_owned(), key.display().to_string()));
        Bench { directory, environment, _servers: servers, _parent: parent }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = pulpcore();
        command.args(arguments).envs(self.environment.iter().cloned());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs SQL in the installation's database.
    fn sql(&self, text: &str) {
        let of = |name: &str| {
            let name = format!("PULP_DATABASES__default__{name}");
            self.environment.iter().find(|(found, _)| *found == name).unwrap().1.clone()
        };
        let url = format!("postgres://{}@localhost/{}?host={}", of("USER"), of("NAME"), of("HOST"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql};
            let mut connection = PgConnection::connect(&url).await.unwrap();
            raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
        });
    }
}

/// The lines of a command that failed with this status.
fn complaint(output: &Output, status: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Starts a server on a free port and answers its address.
fn serve(command: &mut Command, log: &Path) -> (Running, String) {
    command.stderr(std::fs::File::create(log).unwrap());
    let (running, stdout) = Running::start(command);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| {
        panic!("{line:?}, {}", std::fs::read_to_string(log).unwrap_or_default());
    });
    (running, address.to_owned())
}

#[test]
fn roles_start_or_say_why_not() {
    let bench = Bench::start();
    let text = complaint(&bench.run(&["api", "-b", "127.0.0.1:0"]), 1);
    assert!(text.contains("schema is behind") && text.contains("run: pulpcore migrate"), "{text}");

    let migrated = String::from_utf8(bench.run(&["migrate"]).stdout).unwrap();
    let [steps, functions] = migrated.lines().collect::<Vec<_>>()[..] else { panic!("{migrated}") };
    assert!(steps.starts_with("applied m0001_core, ") && steps.ends_with(", file_m0001"), "{migrated}");
    assert!(functions.starts_with("applied ") && functions.ends_with(" functions"), "{migrated}");
    assert_eq!(bench.run(&["migrate"]).stdout, b"the schema is up to date\n");

    bench.sql("INSERT INTO seaql_migrations VALUES ('m9999_later', 0)");
    for arguments in [&["content"][..], &["worker"], &["migrate"]] {
        let text = complaint(&bench.run(arguments), 1);
        assert!(text.contains("newer than this program, it has m9999_later"), "{text}");
    }
    bench.sql("DELETE FROM seaql_migrations WHERE version = 'm9999_later'");

    bench.sql("UPDATE schema_function SET digest = 'other' WHERE name = 'finish_task'");
    let text = complaint(&bench.run(&["worker"]), 1);
    assert!(text.contains("functions are those of another version of this program: finish_task"), "{text}");
    assert_eq!(bench.run(&["migrate"]).stdout, b"applied the functions finish_task\n");
    assert_eq!(bench.run(&["migrate"]).stdout, b"the schema is up to date\n");

    let wrong_name =
        bench.command(&["worker"]).env("PULP_DATABASES__default__NAME", "none").output().unwrap();
    let text = complaint(&wrong_name, 1);
    assert!(text.starts_with("error: the database refuses postgres://"), "{text}");
    assert!(text.ends_with("because: database \"none\" does not exist\n"), "{text}");

    let redis = bench.environment.iter().find(|(name, _)| name == "PULP_REDIS_URL").unwrap().1.clone();
    let wrong_password = format!("{redis}?pass=hush");
    for arguments in [&["worker"][..], &["worker", "--resource-manager"]] {
        let output = bench.command(arguments).env("PULP_REDIS_URL", &wrong_password).output().unwrap();
        let text = complaint(&output, 1);
        assert!(text.contains("error: Redis cannot be used") && !text.contains("hush"), "{text}");
    }

    let log = bench.directory.join("api");
    let mut api = bench.command(&["api", "-b", "127.0.0.1:0"]);
    let (mut api, _) = serve(api.env("PULP_REDIS_URL", &wrong_password), &log);
    api.signal("TERM");
    assert!(api.wait().success());
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("until Redis is mended") && !log.contains("hush"), "{log}");

    passwords_are_set_from_a_pipe_or_drawn(&bench);
    servers_name_a_port_in_use_and_stop_when_asked(&bench);
    one_manager_leads_and_workers_keep_a_pid_file(&bench);
}

fn passwords_are_set_from_a_pipe_or_drawn(bench: &Bench) {
    let mut command = bench.command(&["reset-admin-password"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from a pipe\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"the password of admin is set\n");
    let drawn = String::from_utf8(bench.run(&["reset-admin-password", "--random"]).stdout).unwrap();
    assert_eq!(drawn.trim().len(), 32);
    assert!(
        complaint(&bench.run(&["reset-admin-password", "--password", ""]), 1).contains("must not be empty")
    );
}

fn servers_name_a_port_in_use_and_stop_when_asked(bench: &Bench) {
    for role in ["api", "content"] {
        let log = bench.directory.join(role);
        let (mut server, address) = serve(&mut bench.command(&[role, "-b", "127.0.0.1:0"]), &log);
        let text = complaint(&bench.run(&["content", "--bind", &address]), 1);
        assert!(text.contains(&format!("error: cannot listen on {address}")), "{text}");
        server.signal("TERM");
        assert!(server.wait().success());
    }
}

fn one_manager_leads_and_workers_keep_a_pid_file(bench: &Bench) {
    let pid = bench.directory.join("worker.pid");
    let start = |arguments: &[&str], name: &str| {
        let log = bench.directory.join(name);
        let mut command = bench.command(arguments);
        Running::start(command.stderr(std::fs::File::create(&log).unwrap())).0
    };
    let logged = |name: &str, text: &str| {
        std::fs::read_to_string(bench.directory.join(name)).is_ok_and(|log| log.contains(text))
    };
    let mut leader = start(&["worker", "--resource-manager"], "leader");
    wait_for("a leader", Duration::from_secs(30), || logged("leader", "is now the leader"));
    assert!(complaint(&bench.run(&["worker", "--resource-manager"]), 75).contains("leads; its lease runs"));
    let mut worker = start(&["worker", "--name", "one@%h", "--pid", &pid.display().to_string()], "worker");
    wait_for("a worker", Duration::from_secs(30), || logged("worker", "the worker is ready name=one@"));
    assert!(std::fs::read_to_string(&pid).unwrap().trim().parse::<u32>().is_ok());
    for process in [&mut worker, &mut leader] {
        process.signal("TERM");
        assert!(process.wait().success());
    }
    assert!(!pid.exists());
}
