//! A log that nobody reads holds no process up.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use integration_tests::{Client, Pulp, executable, free_address, until};

#[tokio::test]
async fn a_server_whose_log_is_not_read_goes_on_serving_and_stops_when_asked() {
    let pulp = Pulp::builder().workers(0).managers(0).start().await;
    let address = free_address();
    let mut command = executable::command(&pulp.environment);
    command.args(["api", "--bind", &address]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let client = Client::new(&format!("http://{address}"));
    until("it serves", || async { client.try_get("/pulp/api/v3/livez/").await }).await;
    // A pipe takes 64 KiB: some hundred lines.
    for _ in 0..1500 {
        let asked = tokio::time::timeout(Duration::from_secs(10), client.get("/pulp/api/v3/livez/")).await;
        asked.expect("it answers").expect(200);
    }
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let ended = until("it ends", || std::future::ready(server.try_wait().unwrap())).await;
    assert!(ended.success());
    let mut log = Vec::new();
    server.stderr.take().unwrap().read_to_end(&mut log).unwrap();
    assert!(log.len() > 60_000, "{}", log.len());
}
