//! `pulpcore services`: real servers that go when whoever started them goes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use support::{Running, data_directory, processes_of, pulpcore, signal, wait_for};

const LIMIT: Duration = Duration::from_secs(60);

fn start(data: &Path) -> (Running, serde_json::Value) {
    let (running, stdout) = Running::start(
        pulpcore().env("PULP_SECRET_KEY", "secret").arg("services").arg("--data").arg(data).arg("--no-fsync"),
    );
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    (running, serde_json::from_str(&line).expect("one line of JSON"))
}

fn ping(url: &str) -> String {
    let mut stream = UnixStream::connect(url.strip_prefix("redis+unix://").unwrap()).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn answer_of(url: &str, query: &'static str) -> i64 {
    use sqlx::{Connection, Row};
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let row = sqlx::query(query).fetch_one(&mut connection).await.unwrap();
    row.get::<i64, _>(0)
}

#[tokio::test]
async fn they_answer_keep_data_and_leave_nobody_behind() {
    let (_parent, data) = data_directory();
    let (mut first, addresses) = start(&data);
    let database = addresses["database_url"].as_str().unwrap();
    assert_eq!(addresses["environment"]["PULP_DATABASES__default__HOST"], addresses["database_host"]);
    assert_eq!(ping(addresses["redis_url"].as_str().unwrap()), "+PONG\r\n");
    assert_eq!(
        answer_of(database, "WITH made AS (SELECT lo_create(4711) AS o) SELECT o::int8 FROM made").await,
        4711
    );

    let environment = std::fs::read(format!("/proc/{}/environ", addresses["redis_pid"])).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("PULP_"), "Redis knows settings");

    first.close_stdin();
    assert!(first.wait().success());
    assert_eq!(processes_of(&data), []);

    // Killed, not stopped: the kernel tells the servers, and the next start finds nothing in its way.
    let (mut second, addresses) = start(&data);
    let database = addresses["database_url"].as_str().unwrap();
    assert_eq!(answer_of(database, "SELECT count(*) FROM pg_largeobject_metadata WHERE oid = 4711").await, 1);
    second.signal("KILL");
    second.wait();
    wait_for("no orphan", LIMIT, || processes_of(&data).is_empty());

    // A signal is as good as the end of the input.
    let (mut third, _) = start(&data);
    third.signal("TERM");
    assert!(third.wait().success());
    assert_eq!(processes_of(&data), []);
}

#[tokio::test]
async fn a_server_that_dies_ends_the_run() {
    let (_parent, data) = data_directory();
    let (mut running, addresses) = start(&data);
    signal(addresses["redis_pid"].as_u64().unwrap().try_into().unwrap(), "KILL");
    assert!(!running.wait().success());
    assert_eq!(processes_of(&data), []);
}
