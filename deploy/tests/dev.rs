//! `pulpcore dev`: everything starts, and everything goes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test's helper ends the test")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Running, data_directory, processes_of, pulpcore, signal, wait_for};

const LIMIT: Duration = Duration::from_secs(90);

/// A running `pulpcore dev` and what it has printed.
struct Dev {
    running: Running,
    port: u16,
    printed: Arc<Mutex<String>>,
}

impl Dev {
    /// Starts it and waits for the box.
    fn start(data: &Path) -> Dev {
        let [port, content] = free_ports();
        let mut command = pulpcore();
        command.arg("dev").arg("--data").arg(data).env("PULP_REDIS_KEY_PREFIX", "test:");
        command.arg("--api").arg(format!("127.0.0.1:{port}"));
        command.arg("--content").arg(format!("127.0.0.1:{content}")).stderr(Stdio::piped());
        let (mut running, _) = Running::start(&mut command);
        let printed = Arc::new(Mutex::new(String::new()));
        let (stderr, sink) = (running.stderr().unwrap(), printed.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                sink.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let mut dev = Dev { running, port, printed };
        wait_for("the box", LIMIT, || {
            assert!(dev.running.is_running(), "it has ended:\n{}", dev.printed());
            dev.printed().contains("pulp status")
        });
        dev
    }

    fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// The line of the box that says how to log in.
    fn login(&self) -> String {
        let printed = self.printed();
        let line = printed.lines().find(|line| line.contains("Login")).unwrap();
        line.split_whitespace().take(6).collect::<Vec<_>>().join(" ")
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn status_line(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

/// Gives the lease of the resource manager to somebody else, for three seconds.
fn take_lease(data: &Path) {
    let mut stream = UnixStream::connect(data.join("run/redis.sock")).unwrap();
    stream.write_all(b"SET test:resource-manager:lease token:somebody@else PX 3000\r\n").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[test]
fn it_starts_stops_and_leaves_nobody_behind() {
    let (_parent, data) = data_directory();
    let mut first = Dev::start(&data);
    let login = first.login();
    assert_eq!(status_line(first.port, "/pulp/api/v3/status/"), "HTTP/1.1 200 OK");
    assert!(!first.printed().contains('\u{1b}'), "colours without a terminal");
    let names: Vec<String> = processes_of(&data).into_iter().map(|(_, line)| line).collect();
    for part in [" api", " content", " worker", " --resource-manager", "postgres", "redis"] {
        assert!(names.iter().any(|name| name.contains(part)), "{part} is missing in {names:#?}");
    }

    // A manager whose lease belongs to another one ends, is started again, and leads when it can.
    take_lease(&data);
    wait_for("the next term", LIMIT, || first.printed().matches("manager is now the leader").count() == 2);
    assert!(first.printed().contains("somebody@else"), "{}", first.printed());
    assert!(first.running.is_running(), "{}", first.printed());

    first.running.signal("KILL");
    first.running.wait();
    wait_for("no orphan", LIMIT, || processes_of(&data).is_empty());

    // The same data again, with the same password; then a part dies.
    let mut second = Dev::start(&data);
    assert_eq!(second.login(), login);
    let worker = processes_of(&data).into_iter().find(|(_, line)| line.trim_end().ends_with(" worker"));
    signal(worker.unwrap().0, "KILL");
    assert!(!second.running.wait().success());
    wait_for("the reason", LIMIT, || second.printed().contains("has ended (signal: 9"));
    assert!(second.printed().contains("worker-"), "{}", second.printed());
    assert_eq!(processes_of(&data), []);

    // Ctrl-C is no failure.
    let mut third = Dev::start(&data);
    third.running.signal("INT");
    assert!(third.running.wait().success(), "{}", third.printed());
    assert_eq!(processes_of(&data), []);
}

#[test]
fn a_port_in_use_is_told_before_anything_is_made() {
    let (_parent, data) = data_directory();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = pulpcore().args(["dev", "--api", &address, "--data"]).arg(&data).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&address) && said.contains("--api"), "{said}");
    assert!(!data.exists());
}
