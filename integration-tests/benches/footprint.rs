//! How much memory an idle process of each role needs, and how fast it is ready.
//!
//! `cargo build --release && PULPCORE=target/release/pulpcore cargo bench -p integration-tests --bench
//! footprint`. The servers are running already. Ready means: the API and the content app answer, a worker or
//! resource manager is in the list of workers.

use std::time::{Duration, Instant};

use integration_tests::{Client, Pulp, until};

#[tokio::main]
async fn main() {
    let mut pulp = Pulp::builder().workers(1).durable().start().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!("| process | idle, MiB |\n| --- | --- |");
    for process in &pulp.processes {
        println!("| {} | {:.1} |", process.name, process.memory("VmRSS"));
    }
    println!("\n| process | ready after, s |\n| --- | --- |");
    for (role, path) in [("api", "/pulp/api/v3/status/"), ("content", "/pulp/content/")] {
        let address = free_address();
        let client = Client::new(&format!("http://{address}"));
        let began = Instant::now();
        pulp.spawn(&format!("another-{role}"), &[role, "--bind", &address]);
        until("it answers", || async { client.try_head(path).await.filter(|answer| answer.status < 500) })
            .await;
        println!("| {role} | {:.2} |", began.elapsed().as_secs_f64());
    }
    let began = Instant::now();
    pulp.spawn("another-worker", &["worker", "--name", "another"]);
    online(&pulp, "another").await;
    println!("| worker | {:.2} |", began.elapsed().as_secs_f64());
    pulp.process("manager-1").signal(rustix::process::Signal::TERM);
    pulp.process("manager-1").ended(Duration::from_secs(10)).await;
    let began = Instant::now();
    pulp.spawn("another-manager", &["worker", "--resource-manager"]);
    online(&pulp, "resource-manager").await;
    println!("| resource manager | {:.2} |", began.elapsed().as_secs_f64());
}

async fn online(pulp: &Pulp, name: &str) {
    until("it is in the list of workers", || async {
        let url = format!("/pulp/api/v3/workers/?online=true&name={name}");
        let list = pulp.client.get(&url).await.expect(200);
        (list["count"] == 1).then_some(())
    })
    .await;
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
