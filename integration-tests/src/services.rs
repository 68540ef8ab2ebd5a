//! A private Postgres and a private Redis on unix sockets: `pulpcore services`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::executable;

/// The two servers. They stop when the value is dropped or the test dies.
#[derive(Debug)]
pub struct Services {
    /// How to reach Postgres.
    pub database_url: String,
    /// How to reach Redis.
    pub redis_url: String,
    /// Postgres's process id.
    pub postgres_pid: i32,
    /// Redis's process id.
    pub redis_pid: i32,
    /// Settings that make Pulp use them.
    pub environment: Vec<(String, String)>,
    child: Child,
}

impl Services {
    /// Starts both on the data in `directory`, which is made if it is not there. Unless they have to be
    /// `durable`, Postgres does not wait for the disk. It takes so many `sessions`, if a number is given.
    ///
    /// # Panics
    /// If they do not start.
    pub fn start(directory: &Path, durable: bool, sessions: Option<u32>) -> Services {
        let mut command: Command = executable::command(&[]);
        let mut child = command
            .args(["services", "--data"])
            .arg(directory)
            .args((!durable).then_some("--no-fsync"))
            .args(sessions.map(|sessions| format!("--sessions={sessions}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("pulpcore services did not start: see its messages above ({line:?})"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let number = |value: &Value| value.as_i64().unwrap().try_into().unwrap();
        let environment = told["environment"].as_object().unwrap();
        Services {
            database_url: text(&told["database_url"]),
            redis_url: text(&told["redis_url"]),
            postgres_pid: number(&told["postgres_pid"]),
            redis_pid: number(&told["redis_pid"]),
            environment: environment.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            child,
        }
    }

    /// Stops both in order.
    pub fn stop(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().unwrap();
        assert!(status.success(), "pulpcore services: {status}");
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
