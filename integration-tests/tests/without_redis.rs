//! The whole of Pulp with `USE_NEW_WORKER_STYLE=true` and no Redis in its settings.
#![expect(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use integration_tests::{Process, Pulp, Upstream, executable, free_address, until};
use serde_json::{Value, json};

async fn told(pulp: &Pulp, arguments: &[&str]) -> (i32, Value) {
    let mut command = executable::command(&pulp.environment);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (output.status.code().unwrap(), said)
}

#[tokio::test]
async fn everything_works_and_nobody_asks_for_redis() {
    let mut pulp = Pulp::builder().without_redis().workers(2).start().await;
    // As the unit files of the other style start it.
    pulp.spawn("manager", &["worker", "--resource-manager"]);
    let status = pulp.client.get("/pulp/api/v3/status/").await.expect(200);
    assert_eq!(status["redis_connection"], Value::Null, "{status:#}");
    assert_eq!(status["online_workers"].as_array().unwrap().len(), 2, "{status:#}");

    let upstream = Upstream::with_files(20).await;
    let remote = pulp.remote("r", &upstream, "immediate").await;
    let repository = pulp.repository("r").await;
    pulp.completed(pulp.sync(&repository, &remote, false).await).await;
    assert_eq!(pulp.paths(&pulp.latest(&repository).await).await, upstream.paths());

    let (_, info) = told(&pulp, &["queue", "info", "--json"]).await;
    assert_eq!(
        (&info["style"], &info["redis"], &info["leader"]),
        (&json!("postgres"), &Value::Null, &Value::Null)
    );
    let states: Vec<&str> =
        info["workers"].as_array().unwrap().iter().map(|worker| worker["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["idle", "idle"], "{info:#}");
    let (status, said) = told(&pulp, &["tasks", "doctor", "--json"]).await;
    assert_eq!(status, 0, "{said:#}");

    assert!(pulp.process("manager").status().is_none(), "it idles until it is stopped");
    pulp.process("manager").signal(rustix::process::Signal::TERM);
    let manager = pulp.process("manager");
    let mut ended = None;
    until("the manager ends", || {
        ended = manager.status();
        let ended = ended.is_some();
        async move { ended.then_some(()) }
    })
    .await;
    assert!(ended.unwrap().success());
}

/// A pooler in front of Postgres, each client with a session of its own, and its address.
fn pooler(pulp: &Pulp) -> (Process, String) {
    let setting = |name: &str| {
        let found =
            pulp.environment.iter().find(|(setting, _)| setting.ends_with(&format!("default__{name}")));
        found.unwrap_or_else(|| panic!("{name} in {:?}", pulp.environment)).1.clone()
    };
    let address = free_address();
    let (host, port) = address.split_once(':').unwrap();
    let (server, name, user) = (setting("HOST"), setting("NAME"), setting("USER"));
    let text = format!(
        "[databases]\n{name} = host={server} dbname={name} user={user}\n\
         [pgbouncer]\nlisten_addr = {host}\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
         pool_mode = session\ndefault_pool_size = 100\nignore_startup_parameters = extra_float_digits\n"
    );
    let file = pulp.directory().join("pooler.ini");
    std::fs::write(&file, text).unwrap();
    let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("pgbouncer");
    command.arg(&file).env("PATH", path);
    // It refuses to run as root, and has to reach the socket: it runs as Postgres does.
    let owner = std::fs::metadata(&server).unwrap();
    command.uid(owner.uid()).gid(owner.gid());
    (Process::start("pooler", command, pulp.directory()), address)
}

#[tokio::test]
async fn workers_work_behind_a_connection_pooler() {
    let mut pulp = Pulp::builder().without_redis().workers(0).start().await;
    let (process, address) = pooler(&pulp);
    pulp.processes.push(process);
    let (host, port) = address.split_once(':').unwrap();
    until("the pooler answers", || async { std::net::TcpStream::connect(&address).ok() }).await;
    let direct = pulp.environment.clone();
    for (name, value) in [("HOST", host), ("PORT", port), ("PASSWORD", "any")] {
        pulp.environment.push((format!("PULP_DATABASES__default__{name}"), value.to_owned()));
    }
    for name in ["first", "second"] {
        pulp.spawn(name, &["worker", "--name", name]);
    }
    pulp.environment = direct;
    let mut waits = Vec::new();
    for _ in 0..5 {
        until("both workers sleep", || async {
            let count = "SELECT count(*) FROM idle_worker";
            let count: i64 = sqlx::query_scalar(count).fetch_one(&mut pulp.database().await).await.unwrap();
            (count == 2).then_some(())
        })
        .await;
        let answer = pulp.client.post("/pulp/api/v3/orphans/cleanup/", &json!({})).await.expect(202);
        let task = pulp.completed(answer).await;
        let time = |name: &str| chrono::DateTime::parse_from_rfc3339(task[name].as_str().unwrap()).unwrap();
        waits.push((time("started_at") - time("pulp_created")).num_milliseconds());
    }
    println!("from the 202 to the start: {waits:?} ms");
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^LISTEN'";
    let listening: i64 = sqlx::query_scalar(listening).fetch_one(&mut pulp.database().await).await.unwrap();
    assert_eq!(listening, 1, "one session hears for both");
}
